"""How soon Kafka is asked for more once records have come.

A fetch costs a worker about the same whatever it brings. Asked again at once, Kafka answers with the next
record or two, so at some hundred records a second and more fetches follow each other without a break and take
most of the worker's time. So above `BUSY` records a second the next fetch is put off until `linger` seconds
after the last records came; below it, and after any pause, it is sent at once. `fetch_loop` asks.
Tested by tests/kafka/test_pace.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BUSY = 1000.0  # records a second
WINDOW_S = 0.1  # in which they are counted


class Pace:
    """Of one consumer. `linger` in seconds; 0: never."""

    def __init__(self, linger: float, now: Callable[[], float] = time.monotonic) -> None:
        self._linger = linger
        self._now = now
        self._came_at = self._since = now()
        self._count = 0
        self._rate = 0.0

    def came(self, records: int) -> None:
        """So many records were taken."""
        self._came_at = now = self._now()
        if now >= self._since + WINDOW_S:
            self._rate = self._count / (now - self._since)
            self._since, self._count = now, 0
        self._count += records

    def wait(self) -> float:
        """Seconds until the next fetch is to be sent; 0 or less: now."""
        return self._came_at + self._linger - self._now() if self._rate >= BUSY else 0.0
