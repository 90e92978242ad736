"""Time as a parameter: everything below the runtime is told what time it is.

Times are integers: milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

LATEST = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z: no time is later

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")
_OFFSET = re.compile(r"(?:UTC|GMT)? ?([+\-\u2212])([0-9]{1,2})(?::?([0-5][0-9]))?", re.IGNORECASE)
_NOWHERE = frozenset({"localtime", "Factory"})  # where the machine stands; a clock that nobody has set
_WIDEST = timedelta(hours=14)  # no clocks are further from UTC


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
    if not _ZONE.fullmatch(name) or name in _NOWHERE:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def time_zone(written: object) -> tzinfo | None:
    """The time zone that a customer's attribute says, None where that cannot be read.

    IANA names, whatever the case of their letters, and offsets from UTC: `+02:00`, `-0500`, `UTC+2`, `Z`.
    """
    return _time_zone(written) if isinstance(written, str) else None


@lru_cache(maxsize=1024)
def _time_zone(written: str) -> tzinfo | None:
    name = written.strip()
    if name in ("Z", "z"):
        return UTC
    if offset := _OFFSET.fullmatch(name):
        sign, hours, minutes = offset.groups()
        ahead = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return None if ahead > _WIDEST else timezone(ahead if sign == "+" else -ahead)
    return iana_zone(name) or iana_zone(_zone_names().get(name.casefold().replace(" ", "_"), ""))


@lru_cache(maxsize=1)
def _zone_names() -> dict[str, str]:
    return {name.casefold(): name for name in available_timezones()}
