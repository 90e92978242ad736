"""Durations and rates as rule files write them: `90s`, `1h30m`, `7d`, `4w`; `1 per 7d`. In milliseconds.

A rate may also count by the calendar: `3 per calendar day`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal, cast, get_args

from stream import moments
from stream.clock import LATEST

_UNITS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
_DURATION = re.compile(r"(?=[0-9])" + "".join(f"(?:([0-9]{{1,12}}){unit})?" for unit in _UNITS))
Calendar = Literal["day", "week", "month"]
CALENDARS: tuple[Calendar, ...] = get_args(Calendar)
Period = int | Calendar  # of a rate: so many milliseconds, or a period of the calendar

_RATE = re.compile(r"([0-9]{1,9}) +per +(?:calendar +)?(\S+)")

MAX_MS = 36_500 * _UNITS["d"]  # a hundred years: sums of times stay far inside 64 bits


def parse_duration(text: str) -> int:
    """Milliseconds of e.g. `1h30m`: units w, d, h, m, s, the larger first, each at most once.

    Raises ValueError, with a text for users.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("not a duration")
    total = sum(int(count or 0) * unit for count, unit in zip(match.groups(), _UNITS.values(), strict=True))
    if total > MAX_MS:
        raise ValueError("longer than a hundred years")
    return total


def parse_time(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time, UTC if it does not say. Raises ValueError, for users."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise ValueError("not a time") from None
    if not 0 <= ms <= LATEST:
        raise ValueError("not within 1970 to 9999")
    return ms


def event_time(value: object) -> int | None:
    """Milliseconds since 1970 of a time as events write it, which may be a number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if not isinstance(value, str):
        found = moments.from_number(value)
        return found and found.at
    try:
        return parse_time(value)
    except ValueError:
        found = moments.from_text(value)
        return found and found.at


def parse_rate(text: str) -> tuple[int, Period]:
    """`3 per 7d` as (count, milliseconds), `3 per calendar day` as (count, `day`).

    Raises ValueError, with a text for users.
    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError("not a rate")
    count, period = int(match[1]), match[2]
    if "calendar" not in text and period[0].isdigit():
        return count, parse_duration(period)
    if "calendar" not in text or period not in CALENDARS:
        raise ValueError("not a rate")
    return count, cast(Calendar, period)


def format_rate(count: int, period: Period) -> str:
    """A text that parses to the rate."""
    return f"{count} per " + (f"calendar {period}" if isinstance(period, str) else format_duration(period))


def format_duration(ms: int) -> str:
    """A text that parses to `ms`, e.g. `1h30m` or `90d`; without weeks, as days are easier to compare."""
    parts, rest = [], ms
    for unit in "dhms":
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) + (f"{rest}ms" if rest else "") or "0s"
