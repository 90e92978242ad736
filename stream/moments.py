"""Times as people and systems write them, where ISO 8601 does not say it: read where there is no doubt.

    2026-03-02 10:00:00.5 UTC        BigQuery; also GMT, a lower-case z, and an offset after a blank
    Mon, 02 Mar 2026 10:00:00 +0000  RFC 2822, with a zone that has one meaning
    1772445600.5, 1772445600500000   epoch seconds or milliseconds; 16 digits: microseconds, 19: nanoseconds;
                                     as text, too
    20260302, 202603021000, …        digits of a calendar: as seconds 20260302 would be August 1970

`02.03.2026` and `03/02/2026` are in doubt, and not read.
Tested by tests/engine/test_fastmatch.py, and against the reference model in tests/reference.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from stream.clock import LATEST

SECOND, MINUTE, DAY = 1000, 60_000, 86_400_000  # ms
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 64  # characters
SECONDS_BELOW = 100_000_000_000  # the year 5138

_ISO_AND_ZONE = re.compile(
    r"(?P<moment>\S{8,10}[Tt ][0-9:.,]{2,18}) ?(?P<zone>UTC|GMT|Z|[+-][0-9]{2}:?[0-9]{2})", re.IGNORECASE
)
_RFC_2822 = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun), ?)?(?P<day>[0-9]{1,2}) (?P<month>[a-z]{3}) (?P<year>[0-9]{4}) "
    r"(?P<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?) (?P<zone>utc|gmt|ut|z|[+-][0-9]{4})",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMBER = re.compile(r"[0-9]{8,19}(?:\.[0-9]{1,9})?", re.ASCII)
_LEAST_SECONDS = 100_000_000  # as text: the year 1973; less are other numbers
_CALENDARS = {8: ("%Y%m%d", DAY), 12: ("%Y%m%d%H%M", MINUTE), 14: ("%Y%m%d%H%M%S", SECOND)}
_CALENDAR_YEARS = range(1970, 2100)


class Moment(NamedTuple):
    """A time in ms since 1970, and how long it is, in ms: all of a day, a minute, a second."""

    at: int
    lasts: int


def from_number(value: float) -> Moment | None:
    """The time that a number says; None if it is none."""
    if not 0 <= value < 1 << 63:
        return None
    whole = int(value)
    if value == whole and (calendar := _of_calendar(str(whole))) is not None:
        return calendar
    if value < SECONDS_BELOW:
        return Moment(int(value * 1000 + 0.5), SECOND if value == whole else 1)
    if value <= LATEST:
        return Moment(int(value + 0.5), 1)
    finer = {16: 1_000, 19: 1_000_000}.get(len(str(whole)))
    return Moment(whole // finer, 1) if finer is not None else None


def from_text(text: str) -> Moment | None:
    """The time that a text says which is not ISO 8601; None if it is none."""
    if len(text) > MOST:
        return None
    if _NUMBER.fullmatch(text):
        value = float(text) if "." in text else int(text)
        return from_number(value) if value >= _LEAST_SECONDS else _of_calendar(text)
    try:
        if found := _ISO_AND_ZONE.fullmatch(text):
            moment, zone = found["moment"], found["zone"]
            lasts = length_of_clock(moment)
        elif (found := _RFC_2822.fullmatch(text)) and (month := found["month"].lower()) in _MONTHS:
            day = f"{found['year']}-{_MONTHS.index(month) + 1:02}-{int(found['day']):02}"
            moment, zone = f"{day}T{found['clock']}", found["zone"]
            lasts = length_of_clock(moment)
        else:
            return None
        read = datetime.fromisoformat(moment + (zone if zone[0] in "+-" else "+00:00"))
    except ValueError:
        return None
    at = (read - EPOCH) // timedelta(milliseconds=1)
    return Moment(at, lasts) if 0 <= at <= LATEST else None


def length_of_clock(text: str) -> int:
    """How long the time is that ends a text in ISO 8601 without its zone, in ms."""
    whole, _, fraction = re.split("[Tt ]", text)[-1].replace(",", ".").partition(".")
    length: int = {2: 60 * MINUTE, 4: MINUTE}.get(len(whole.replace(":", "")), SECOND)
    return max(length // int("1" + "0" * len(fraction)), 1)


def _of_calendar(digits: str) -> Moment | None:
    form, lasts = _CALENDARS.get(len(digits), ("", 0))
    if not form or int(digits[:4]) not in _CALENDAR_YEARS:
        return None
    try:
        read = datetime.strptime(digits, form).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Moment((read - EPOCH) // timedelta(milliseconds=1), lasts)
