"""When a clock starts a rule: the next of its days in every zone, against an oracle of single days."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.clock import iana_zone
from stream.decisions.occasions import NoDateError, Occurrence, next_after
from stream.rules.model import LAST_DAY, Every, Occasion

DAY_MS = 86_400_000
NINE = 9 * 60
# Clocks forward and back, by an hour, half an hour and two hours; on the date line; at midnight.
PLACES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Apia"),
    *("America/Havana", "Africa/Cairo", "America/St_Johns", "Asia/Kathmandu", "Pacific/Kwajalein"),
    *("Africa/Casablanca", "America/Sao_Paulo", "Asia/Tehran", "Pacific/Kiritimati"),
)


def zone(name: str) -> tzinfo:
    found = iana_zone(name)
    assert found is not None
    return found


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def shown(occurrence: Occurrence | None, place: str) -> str | None:
    """What the clocks show."""
    if occurrence is None:
        return None
    at = datetime.fromtimestamp(occurrence.at / 1000, UTC).astimezone(zone(place))
    return f"{at:%Y-%m-%d %H:%M}"


def after(occasion: Occasion, place: str, at: str, born: Any = None, fired: str = "") -> str | None:
    return shown(next_after(occasion, {"on": born}, zone(place), ms(at), fired), place)


WEEKLY = Occasion("week", NINE, (0,))
DAILY = Occasion("day", NINE)
AT_HALF_PAST_TWO = Occasion("day", 150)
PAYDAY = Occasion("month", NINE, (LAST_DAY,))
BIRTHDAY = Occasion("year", NINE, of=("on",))
WEEK_BEFORE = Occasion("year", NINE, of=("on",), before=7)
ONCE = Occasion(None, NINE, of=("on",))
TWO_DAYS_BEFORE = Occasion(None, NINE, of=("on",), before=2)
TWO_HOURS_BEFORE = Occasion(None, None, of=("on",), before=2 * 3_600_000)


@pytest.mark.parametrize(
    ("occasion", "place", "at", "born", "expected"),
    [
        (DAILY, "Europe/Berlin", "2026-03-02T07:59:59.999Z", None, "2026-03-02 09:00"),
        (DAILY, "Europe/Berlin", "2026-03-02T08:00:00Z", None, "2026-03-03 09:00"),  # strictly later
        (WEEKLY, "Europe/Berlin", "2026-03-02T08:00:00Z", None, "2026-03-09 09:00"),
        (Occasion("week", NINE, (0, 3)), "UTC", "2026-03-02T09:00:00Z", None, "2026-03-05 09:00"),
        # 29 March 2026: the clocks go from 02:00 to 03:00; 25 October: from 03:00 to 02:00
        (AT_HALF_PAST_TWO, "Europe/Berlin", "2026-03-28T12:00:00Z", None, "2026-03-29 03:30"),
        (AT_HALF_PAST_TWO, "Europe/Berlin", "2026-03-29T01:30:00Z", None, "2026-03-30 02:30"),
        (AT_HALF_PAST_TWO, "Europe/Berlin", "2026-10-24T12:00:00Z", None, "2026-10-25 02:30"),
        (AT_HALF_PAST_TWO, "Europe/Berlin", "2026-10-25T00:30:00Z", None, "2026-10-26 02:30"),  # once
        # Lord Howe goes forward by half an hour
        (AT_HALF_PAST_TWO, "Australia/Lord_Howe", "2026-10-03T12:00:00+11:00", None, "2026-10-04 02:30"),
        (
            Occasion("day", 135),
            "Australia/Lord_Howe",
            "2026-10-03T12:00:00+11:00",
            None,
            "2026-10-04 02:45",
        ),
        # Troll goes forward by two hours
        (Occasion("day", 90), "Antarctica/Troll", "2026-03-28T12:00:00Z", None, "2026-03-29 03:30"),
        # Samoa had no 30 December 2011, a Friday: what falls on it is a day later
        (Occasion("week", NINE, (4,)), "Pacific/Apia", "2011-12-29T12:00:00-10:00", None, "2011-12-31 09:00"),
        (DAILY, "Pacific/Apia", "2011-12-29T12:00:00-10:00", None, "2011-12-31 09:00"),
        (DAILY, "Pacific/Apia", "2011-12-31T09:00:00+14:00", None, "2012-01-01 09:00"),
        (PAYDAY, "UTC", "2026-02-01T00:00:00Z", None, "2026-02-28 09:00"),
        (PAYDAY, "UTC", "2028-02-28T09:00:00Z", None, "2028-02-29 09:00"),
        (PAYDAY, "UTC", "2026-12-31T09:00:00Z", None, "2027-01-31 09:00"),
        (Occasion("month", NINE, (30, LAST_DAY)), "UTC", "2026-02-28T09:00:00Z", None, "2026-03-30 09:00"),
        (Occasion("month", NINE, (1, 15)), "UTC", "2026-03-01T09:00:00Z", None, "2026-03-15 09:00"),
        (BIRTHDAY, "UTC", "2026-03-02T00:00:00Z", "1990-05-01", "2026-05-01 09:00"),
        (WEEK_BEFORE, "UTC", "2026-12-28T00:00:00Z", "1990-01-03", "2027-12-27 09:00"),
        (WEEK_BEFORE, "UTC", "2026-12-20T00:00:00Z", "1990-01-03", "2026-12-27 09:00"),
        (BIRTHDAY, "UTC", "2026-03-02T00:00:00Z", "2000-02-29", "2027-02-28 09:00"),
        (BIRTHDAY, "UTC", "2027-03-02T00:00:00Z", "2000-02-29", "2028-02-29 09:00"),
        (BIRTHDAY, "UTC", "2026-03-02T00:00:00Z", "--05-01", "2026-05-01 09:00"),
        (BIRTHDAY, "UTC", "2026-03-02T00:00:00Z", "02-29", "2027-02-28 09:00"),
        # it is no anniversary on the day itself
        (BIRTHDAY, "UTC", "2026-03-02T00:00:00Z", "2026-03-02", "2027-03-02 09:00"),
        (BIRTHDAY, "UTC", "2026-03-02T00:00:00Z", "2031-03-02", "2032-03-02 09:00"),
        # the day as it is written, wherever the customer lives
        (BIRTHDAY, "America/New_York", "2026-03-02T00:00:00Z", "1990-05-01T00:00:00Z", "2026-05-01 09:00"),
        (BIRTHDAY, "America/New_York", "2026-03-02T00:00:00Z", 641520000, "2026-05-01 09:00"),
        (ONCE, "UTC", "2026-03-02T00:00:00Z", "2026-03-09", "2026-03-09 09:00"),
        (ONCE, "UTC", "2026-03-02T00:00:00Z", 20260309, "2026-03-09 09:00"),
        (ONCE, "UTC", "2026-03-09T09:00:00Z", "2026-03-09", None),  # over
        (ONCE, "UTC", "2026-03-02T00:00:00Z", "0001-01-01", None),
        (ONCE, "UTC", "2026-03-02T00:00:00Z", "9999-12-31T23:59:59Z", None),
        (ONCE, "UTC", "2026-03-02T00:00:00Z", None, None),
        (ONCE, "UTC", "2026-03-02T00:00:00Z", "", None),
        # of a time the day where the customer is
        (
            TWO_DAYS_BEFORE,
            "Europe/Berlin",
            "2026-03-02T00:00:00Z",
            "2026-03-10T23:30:00Z",
            "2026-03-09 09:00",
        ),
        (TWO_DAYS_BEFORE, "Europe/Berlin", "2026-03-02T00:00:00Z", "2026-03-10T23:30:00", "2026-03-08 09:00"),
        (TWO_HOURS_BEFORE, "Europe/Berlin", "2026-03-02T00:00:00Z", "2026-03-10T15:30", "2026-03-10 13:30"),
        (TWO_HOURS_BEFORE, "Europe/Berlin", "2026-03-02T00:00:00Z", 1773153000, "2026-03-10 13:30"),
        (TWO_HOURS_BEFORE, "Europe/Berlin", "2026-03-10T12:30:00Z", "2026-03-10T15:30", None),
    ],
)
def test_the_next_one(occasion: Occasion, place: str, at: str, born: Any, expected: str | None) -> None:
    assert after(occasion, place, at, born) == expected


def test_a_day_comes_once_for_who_travels_west() -> None:
    monday = ms("2026-03-09T00:00:00Z")  # 9:00 in Tokyo
    assert next_after(WEEKLY, {}, zone("Asia/Tokyo"), monday - 1) == ("2026-03-09", monday)
    assert shown(next_after(WEEKLY, {}, zone("Pacific/Honolulu"), monday), "Pacific/Honolulu") == (
        "2026-03-09 09:00"
    )
    assert after(WEEKLY, "Pacific/Honolulu", "2026-03-09T00:00:00Z", fired="2026-03-09") == "2026-03-16 09:00"


@pytest.mark.parametrize("said", ["tomorrow", "09.03.2026", "2026-13-01", True, {}, [], 1e300, "31-12-1990x"])
@pytest.mark.parametrize("occasion", [BIRTHDAY, ONCE, TWO_HOURS_BEFORE])
def test_what_cannot_be_read_is_said(occasion: Occasion, said: Any) -> None:
    with pytest.raises(NoDateError):
        next_after(occasion, {"on": said}, UTC, 0)


def test_a_day_is_no_time() -> None:
    with pytest.raises(NoDateError):
        next_after(TWO_HOURS_BEFORE, {"on": "2026-03-09"}, UTC, 0)


def test_the_attribute_may_lie_deeper() -> None:
    occasion = Occasion(None, NINE, of=("trial", "ends"))
    assert next_after(occasion, {"trial": {"ends": "2026-03-09"}}, UTC, 0) is not None
    assert next_after(occasion, {"trial": "2026-03-09"}, UTC, 0) is None


# - against an oracle that knows no calendar but looks at each day, and no fold but at each minute


def is_one(occasion: Occasion, day: date, born: date | None) -> bool:
    """Whether a day is one of the occasion's."""
    on = day + timedelta(days=occasion.before)
    last = on.day == monthrange(on.year, on.month)[1]
    if occasion.every == "week":
        return day.weekday() in occasion.days
    if occasion.every == "month":
        return day.day in occasion.days or (last and any(each > day.day for each in occasion.days))
    if occasion.every == "year":
        assert born is not None
        same = (on.month, on.day) == (born.month, born.day)
        return on.year > born.year and (same or (on.month == born.month and last and on.day < born.day))
    return occasion.every == "day" or on == born


def shows(where: tzinfo, day: date, minute: int) -> int:
    """When the clocks first show it; if they never do, as many ms after the leap as it is within what they
    leap over.
    """
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() * 1000)
    wanted = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)
    before: datetime | None = None
    for at in range(noon - 39 * 3_600_000, noon + 63 * 3_600_000, 300_000):
        local = datetime.fromtimestamp(at / 1000, UTC).astimezone(where).replace(tzinfo=None)
        if local == wanted:
            return at
        if before is not None and before < wanted < local and local - before > timedelta(minutes=5):
            return at - 300_000 + (wanted - before) // timedelta(milliseconds=1)
        before = local
    raise AssertionError


@st.composite
def cases(draw: st.DrawFn) -> tuple[Occasion, str, int, date]:
    every: Every | None = draw(st.sampled_from(["day", "week", "month", "year", None]))
    most = {"week": (0, 6), "month": (1, 31)}
    numbers = st.lists(st.integers(*most.get(every or "", (0, 0))), min_size=1, max_size=3, unique=True)
    dated = every in ("year", None)
    occasion = Occasion(
        every,
        draw(st.integers(0, 287)) * 5,  # clocks show full five minutes whatever the zone, of late
        tuple(sorted(draw(numbers))) if every in most else (),
        ("on",) if dated else None,
        draw(st.sampled_from([0, 1, 7, 365])) if dated else 0,
    )
    at = draw(st.integers(ms("1994-01-01T00:00:00Z"), ms("2030-01-01T00:00:00Z")))
    changes = ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2011-12-30T10:00:00Z", "2024-02-29T12:00:00Z"]
    changes += ["2026-10-03T15:30:00Z", "2026-12-31T23:59:00Z", "2026-11-01T06:00:00Z"]
    near = draw(st.sampled_from(changes))
    at = draw(st.sampled_from([at, ms(near) + draw(st.integers(-2 * DAY_MS, 2 * DAY_MS))]))
    born = draw(st.dates(date(1950, 1, 1), date(2030, 12, 31)) | st.just(date(2000, 2, 29)))
    return occasion, draw(st.sampled_from(PLACES)), at, born


@given(cases())
@example((Occasion("week", NINE, (4,)), "Pacific/Apia", ms("2011-12-29T12:00:00Z"), date(2000, 2, 29)))
def test_it_is_the_first_that_an_oracle_finds(case: tuple[Occasion, str, int, date]) -> None:
    occasion, place, at, born = case
    where = zone(place)
    found = next_after(occasion, {"on": born.isoformat()}, where, at)
    day = datetime.fromtimestamp(at / 1000, UTC).date() - timedelta(days=3)
    for _ in range(3 * 366):
        minute = occasion.minute or 0
        if is_one(occasion, day, born) and (first := shows(where, day, minute)) > at:
            assert found == (day.isoformat(), first)
            return
        day += timedelta(days=1)
    beyond = ms(f"{day}T00:00:00Z") - 3 * DAY_MS
    assert found is None or found.at > beyond


@given(cases())
def test_one_follows_the_other(case: tuple[Occasion, str, int, date]) -> None:
    """What a timer asks for: the one after the last, by its time and day."""
    occasion, place, at, born = case
    attributes = {"on": born.isoformat()}
    first = next_after(occasion, attributes, zone(place), at)
    if first is None:
        return
    # The state asks again whether it still is the next one.
    assert next_after(occasion, attributes, zone(place), first.at - 1) == first
    second = next_after(occasion, attributes, zone(place), first.at, first.day)
    assert second is None or (second.at > first.at and second.day > first.day)
