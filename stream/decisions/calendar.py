"""The calendar where the customer is: when a day, a week or a month began. Pure functions of time and zone.

Tested by tests/decisions/test_calendar.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from stream.clock import LATEST, time_zone
from stream.rules.durations import Calendar
from stream.rules.model import Policy

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
END = LATEST + 1 - 3 * 86_400_000  # of a later day the end may lie in a year that `datetime` does not know


def zone_of(attributes: Mapping[str, Any], policy: Policy) -> tzinfo | None:
    """The customer's own time zone (attribute `timezone`), else the policy's; None if neither is known, or if
    the customer's own cannot be read.
    """
    own = attributes.get("timezone")
    return policy.region.zone_of(attributes) if own is None else time_zone(own)


def local_time(at: int, where: tzinfo) -> datetime:
    """What the clocks show at a time in ms."""
    return (_EPOCH + at * _MILLISECOND).astimezone(where)


def ms_of(local: datetime) -> int:
    """The time in ms at which the clocks show it; `fold` says which, of two."""
    return (local.astimezone(UTC) - _EPOCH) // _MILLISECOND


def began_at(calendar: Calendar, where: tzinfo, at: int) -> int:
    """When the day, the week (from Monday, ISO 8601) or the month that `at` (ms) lies in began, in ms.

    That is midnight, the first one where the clocks pass it twice; where they leap over it, the leap.
    """
    first = _first_day(calendar, local_time(at, where).date())
    return ms_of(datetime(first.year, first.month, first.day, tzinfo=where))


def _first_day(calendar: Calendar, day: date) -> date:
    if calendar == "month":
        return day.replace(day=1)
    if calendar == "week":
        return day - timedelta(days=day.weekday())
    return day
