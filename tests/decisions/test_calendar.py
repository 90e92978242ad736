"""The calendar where the customer is: when days, weeks and months begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stream.cel.times import zone
from stream.decisions.calendar import began_at, local_time, zone_of
from stream.rules.durations import CALENDARS, Calendar
from stream.rules.model import Policy

HOUR = 3_600_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("calendar", "place", "at", "began"),
    [
        ("day", "UTC", "2026-03-02T00:00:00", "2026-03-02T00:00:00"),  # exactly midnight: the new day
        ("day", "UTC", "2026-03-01T23:59:59.999", "2026-03-01T00:00:00"),
        ("day", "Europe/Berlin", "2026-03-01T22:59:59.999", "2026-02-28T23:00:00"),
        ("day", "Europe/Berlin", "2026-03-01T23:00:00", "2026-03-01T23:00:00"),
        ("day", "Asia/Kathmandu", "2026-03-02T18:14:59", "2026-03-01T18:15:00"),
        ("day", "America/New_York", "2026-03-02T04:59:59", "2026-03-01T05:00:00"),
        ("week", "UTC", "2026-03-01T12:00:00", "2026-02-23T00:00:00"),  # a Sunday
        ("week", "UTC", "2026-03-02T00:00:00", "2026-03-02T00:00:00"),  # a Monday
        ("week", "UTC", "2027-01-01T12:00:00", "2026-12-28T00:00:00"),  # the 53rd week of 2026
        ("month", "UTC", "2028-02-29T23:59:59", "2028-02-01T00:00:00"),
        ("month", "Pacific/Auckland", "2026-02-28T11:00:00", "2026-02-28T11:00:00"),
        # Berlin, clocks forward on 29 March 2026: a day of 23 hours; back on 25 October: one of 25
        ("day", "Europe/Berlin", "2026-03-29T21:59:59", "2026-03-28T23:00:00"),
        ("day", "Europe/Berlin", "2026-03-29T22:00:00", "2026-03-29T22:00:00"),
        ("day", "Europe/Berlin", "2026-10-25T22:59:59", "2026-10-24T22:00:00"),
        ("day", "Europe/Berlin", "2026-10-25T23:00:00", "2026-10-25T23:00:00"),
        ("month", "Europe/Berlin", "2026-03-31T21:59:59", "2026-02-28T23:00:00"),
        ("week", "Europe/Berlin", "2026-10-25T22:59:59", "2026-10-18T22:00:00"),
        # Cairo leaps over midnight on 24 April 2026: the day begins at 01:00, with the leap
        ("day", "Africa/Cairo", "2026-04-23T21:59:59", "2026-04-22T22:00:00"),
        ("day", "Africa/Cairo", "2026-04-23T22:00:00", "2026-04-23T22:00:00"),
        ("day", "Africa/Cairo", "2026-04-24T10:00:00", "2026-04-23T22:00:00"),
        # Havana passes midnight twice on 1 November 2026: the day begins with the first
        ("day", "America/Havana", "2026-11-01T04:00:00", "2026-11-01T04:00:00"),
        ("day", "America/Havana", "2026-11-01T05:30:00", "2026-11-01T04:00:00"),
        # Samoa had no 30 December 2011
        ("day", "Pacific/Apia", "2011-12-30T10:00:00", "2011-12-30T10:00:00"),
        ("week", "Pacific/Apia", "2011-12-31T10:00:00", "2011-12-26T10:00:00"),
    ],
)
def test_when_it_began(calendar: Calendar, place: str, at: str, began: str) -> None:
    assert began_at(calendar, zone(place), ms(at)) == ms(began)


PLACES = (
    *("Europe/Berlin", "Africa/Cairo", "America/Havana", "America/Santiago", "Asia/Beirut"),
    *("Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Asia/Gaza"),
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("calendar", CALENDARS)
def test_the_beginning_is_the_first_moment_of_its_period(calendar: Calendar, place: str) -> None:
    """Whatever the clocks do there: it is the same seen from its period, and another one just before."""
    where = ZoneInfo(place)
    at, end = ms("2009-12-31T00:00:00"), ms("2013-01-02T00:00:00")
    while at < end:
        began = began_at(calendar, where, at)
        assert began <= at
        assert began_at(calendar, where, began) == began
        assert began_at(calendar, where, began - 1) < began
        day = local_time(began, where).date()
        assert local_time(began - 1, where).date() < day
        assert (local_time(at, where).date() - day) < timedelta(
            days={"day": 1, "week": 7, "month": 31}[calendar]
        )
        at += 7 * HOUR


@pytest.mark.parametrize(
    ("attributes", "policy", "expected"),
    [
        ({"timezone": "Europe/Rome"}, "Europe/Berlin", "Europe/Rome"),
        ({}, "Europe/Berlin", "Europe/Berlin"),
        ({"timezone": None}, "Europe/Berlin", "Europe/Berlin"),
        ({"timezone": "europe/ROME"}, "Europe/Berlin", "Europe/Rome"),
        ({"timezone": "+05:30"}, "Europe/Berlin", "UTC+05:30"),
        ({"timezone": "Europe/Atlantis"}, "Europe/Berlin", None),
        ({"timezone": "../../etc/passwd"}, None, None),
        ({"timezone": "Europe"}, None, None),
        ({"timezone": 1}, None, None),
        ({"timezone": "\ud800"}, None, None),
        ({"timezone": "x" * 1000}, None, None),
        ({}, None, None),
    ],
)
def test_the_zone_is_the_customers_else_the_policys(
    attributes: dict[str, Any], policy: str | None, expected: str | None
) -> None:
    found = zone_of(attributes, Policy(timezone=policy))
    assert (None if found is None else str(found)) == expected
