"""Time as a parameter: everything below the runtime is told what time it is.

Times are integers: milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

LATEST = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z: no time is later

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")


def wall_ms() -> int:
    """The machine's clock in milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """What "now" means.

    `wall()` is the machine's time. With `by_event_time` (STREAM_CLOCK=event, tests, backtests) the
    engine's now is the largest event time seen; `wall()` still stamps when something was sent. `reached`: a
    time that has come by then though no event says so.
    """

    wall: Callable[[], int] = wall_ms
    by_event_time: bool = False
    reached: int = -1


@lru_cache(maxsize=1024)
def iana_zone(name: str) -> ZoneInfo | None:
    """The time zone of an IANA name, None if there is none of the name."""
    if not _ZONE.fullmatch(name) or name == "localtime":  # which is where the machine stands
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
