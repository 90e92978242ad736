"""When a clock starts a rule for a customer: the next of its days, where the customer is.

A day is that of the customer's time zone, and the time what their clocks show then. A time that the clocks
leap over comes as much later as they leap (02:30 is 03:30 that day); of one that they pass twice the first
counts; a day that a zone leaps over (Samoa had no 30 December 2011) is the next one. So says RFC 5545. What
falls on a day that a month or a year does not have falls on its month's last: 31 is 30 April, 29 February is
28 February.

    each year    of a date the day and month as they are written: `1990-05-01T00:00:00Z` is 1 May wherever
                 the customer lives; so are `--05-01` and `05-01`. First in the year after the date's own
    once         of a time the day on which it is for the customer; a time without a zone is the customer's

Pure functions of time and zone. Tested by tests/decisions/test_occasions.py.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

from stream.decisions.calendar import END, local_time, ms_of
from stream.moments import DAY, MOST, Moment, from_number, from_text
from stream.rules.model import FieldPath, Occasion

_YEARS = range(1900, 9_000)  # of dates: what says less was never set
_OF_A_YEAR = re.compile(r"(?:--)?([0-9]{2})-([0-9]{2})")
_LEAP_YEAR = 2000
_DAY = timedelta(days=1)
_SLACK = 2 * _DAY  # no clocks are put forward or back by more than a day


class Occurrence(NamedTuple):
    """`day`: the ISO date by which it is called, or of a time that is no day's, that time; `at`: in ms."""

    day: str
    at: int


class NoDateError(ValueError):
    """The attribute says something, and no date."""


def next_after(
    occasion: Occasion, attributes: Mapping[str, Any], where: tzinfo, after: int, fired: str = ""
) -> Occurrence | None:
    """The first time that is later than `after` (ms), called by a later day than `fired`; None without one.

    NoDateError where the attribute that it goes by cannot be read.
    """
    if after > END:
        return None
    if occasion.of is None:
        return _regularly(occasion, where, after, fired)
    said = _attribute(attributes, occasion.of)
    if said is None or said == "":
        return None
    if occasion.every == "year":
        days = _anniversaries(occasion, _day_of_year(said), _begin(where, after, fired))
        return _first(days, occasion, where, after, fired)
    return _once(occasion, _read(said), where, after, fired)


def time_on(day: date, minute: int, where: tzinfo) -> int:
    """When the clocks show a minute of a day, in ms."""
    return ms_of(datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=where))


@lru_cache(maxsize=1024)  # a million customers who are due at once have the same next time
def _regularly(occasion: Occasion, where: tzinfo, after: int, fired: str) -> Occurrence | None:
    days = (_in_months if occasion.every == "month" else _in_weeks)(occasion, _begin(where, after, fired))
    return _first(days, occasion, where, after, fired)


def _begin(where: tzinfo, after: int, fired: str) -> date:
    """No day before it can be the next one."""
    begin = local_time(after, where).date() - _SLACK
    return max(begin, date.fromisoformat(fired)) if fired else begin


def _first(
    days: Iterable[date], occasion: Occasion, where: tzinfo, after: int, fired: str
) -> Occurrence | None:
    for day in days:
        at, called = time_on(day, occasion.minute or 0, where), day.isoformat()
        if at > after and called > fired:
            return Occurrence(called, at)
    return None


def _in_weeks(occasion: Occasion, begin: date) -> Iterator[date]:
    while True:
        if not occasion.days or begin.weekday() in occasion.days:
            yield begin
        begin += _DAY


def _in_months(occasion: Occasion, begin: date) -> Iterator[date]:
    year, month = begin.year, begin.month
    while True:
        last = monthrange(year, month)[1]
        for day in sorted({min(each, last) for each in occasion.days}):
            if date(year, month, day) >= begin:
                yield date(year, month, day)
        year, month = year + month // 12, month % 12 + 1


def _anniversaries(occasion: Occasion, born: tuple[int, int, int], begin: date) -> Iterator[date]:
    since, month, day = born
    for year in range(max(begin.year, since + 1), _YEARS.stop):
        on = date(year, month, min(day, monthrange(year, month)[1])) - timedelta(days=occasion.before)
        if on >= begin:
            yield on


def _once(
    occasion: Occasion, said: date | datetime, where: tzinfo, after: int, fired: str
) -> Occurrence | None:
    """`said`: a day, or a time, which without a zone is the customer's."""
    if said.year not in _YEARS:
        return None
    if isinstance(said, datetime):
        said = said if said.tzinfo is not None else said.replace(tzinfo=where)
        if occasion.minute is None:
            at = ms_of(said) - occasion.before
            moment = local_time(at, UTC).isoformat(timespec="milliseconds")
            return Occurrence(moment, at) if at > after and moment > fired else None
        said = said.astimezone(where).date()
    elif occasion.minute is None:
        raise NoDateError("a day is no time of day")
    return _first((said - timedelta(days=occasion.before),), occasion, where, after, fired)


def _attribute(attributes: Mapping[str, Any], path: FieldPath) -> Any:
    """What is there; None if nothing is."""
    value: Any = attributes
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _day_of_year(said: Any) -> tuple[int, int, int]:
    """Year, month and day; the year is 0 where none is said."""
    if isinstance(said, str) and (found := _OF_A_YEAR.fullmatch(said)):
        month, day = int(found[1]), int(found[2])
        if 1 <= month <= 12 and 1 <= day <= monthrange(_LEAP_YEAR, month)[1]:
            return 0, month, day
        raise NoDateError("no day of a year")
    read = _read(said)
    return read.year, read.month, read.day


def _read(said: Any) -> date | datetime:
    """The day or time that a value says. NoDateError if it says none."""
    moment: Moment | None = None
    if isinstance(said, str):
        text = said.strip()
        try:
            if len(text) <= len("2026-03-09"):
                return date.fromisoformat(text)
            if len(text) <= MOST and ("T" in text or "t" in text or " " in text):
                return datetime.fromisoformat(text)
        except ValueError:
            pass  # it may be written in another way
        moment = from_text(text)
    elif isinstance(said, int | float) and not isinstance(said, bool):
        moment = from_number(said)
    if moment is None:
        raise NoDateError("no date")
    read = local_time(moment.at, UTC)
    return read.date() if moment.lasts == DAY else read
