"""Time as a parameter: everything below the runtime is told what time it is.

Times are integers: milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


def wall_ms() -> int:
    """The machine's clock in milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """What "now" means.

    `wall()` is the machine's time. With `by_event_time` (STREAM_CLOCK=event, tests, backtests) the
    engine's now is the largest event time seen; `wall()` still stamps when something was sent.
    """

    wall: Callable[[], int] = wall_ms
    by_event_time: bool = False
