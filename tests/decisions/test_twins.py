"""What guards and decisions work out in C, or remember, against the functions that say what it means.

Limits that roll look into a customer's bytes; the end of quiet hours and the beginning of a calendar's period
are remembered by the minute, for all matches of a rule; control groups and variants are drawn without Python.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC as UTC_ZONE
from datetime import datetime, timedelta, tzinfo
from importlib.resources import files
from itertools import product
from struct import iter_unpack, unpack_from
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.clock import LATEST, time_zone
from stream.decisions import _guards, experiments
from stream.decisions.calendar import began_at
from stream.decisions.experiments import POLICY, is_held_out, number, variant_of
from stream.decisions.limits import is_used_up, is_used_up_before
from stream.decisions.quiet import ends_at
from stream.rules.durations import CALENDARS
from stream.rules.model import WHOLE, Limit, Policy, Quiet, Variant
from tests.decisions.guardkit import KEEP, WEB, Stage, rule
from tests.engine.enginekit import DAY, HOUR, MINUTE, SECOND, T0

CENTURY = 946_684_800_000  # 2000-01-01T00:00:00Z: what is earlier is not remembered

# -- limits that roll

NEAR = st.integers(-3, 3).map(lambda each: T0 + each) | st.integers(-90, 90).map(lambda n: T0 + n * HOUR)
TIMES = NEAR | st.integers(CENTURY, LATEST)
SENDS = st.lists(TIMES, max_size=8)
LIMITS = st.builds(Limit, st.integers(1, 5), st.integers(1, 5) | st.integers(1, 90).map(lambda n: n * HOUR))


@settings(deadline=None)
@given(st.lists(st.tuples(LIMITS, SENDS, st.booleans()), min_size=1, max_size=4), NEAR, st.randoms())
def test_a_limit_that_rolls_is_used_up_as_its_list_of_sends_says(
    limited: Sequence[tuple[Limit, Sequence[int], bool]], at: int, chance: random.Random
) -> None:
    stage = Stage(*(rule(WEB, name=f"r{n}", limit=limit) for n, (limit, _, _) in enumerate(limited)))
    turns = list(enumerate(limited))
    chance.shuffle(turns)  # whose time is entered first is what the others are counted from
    for n, (limit, sends, more) in turns:
        keep = KEEP if more else limit.count
        stage.state.customers.enter_sends("c1", f"rule:r{n}", list(sends), keep)
    found = [each.reason == "limit" for each in stage.verdicts(("view", at, "c1"))]
    assert found == [is_used_up(limit, sorted(sends), at, None) for limit, sends, _ in limited]


@settings(deadline=None)
@given(LIMITS | st.builds(Limit, st.integers(1, 3), st.sampled_from(CALENDARS)), SENDS, SENDS, NEAR)
def test_after_a_crash_a_limit_is_used_up_as_what_was_sent_before_it_says(
    limit: Limit, sends: Sequence[int], prior: Sequence[int], at: int
) -> None:
    stage = Stage(rule(WEB, limit=limit))
    stage.state.customers.enter_sends("c1", "rule:r", list(sends), limit.count)
    known = stage.state.customers.sends("c1", "rule:r")
    stage.state.prior_sends = {("c1", "rule:r"): sorted(prior), ("c2", "rule:r"): [at] * 9}
    expected = is_used_up_before(limit, known, sorted(prior), at, UTC_ZONE)
    assert (stage.verdict("view", at).reason == "limit") is expected


# -- what is remembered by the minute

ZONES = (
    *("America/St_Johns", "Australia/Lord_Howe", "Europe/Berlin", "Africa/Cairo", "America/Havana"),
    *("Pacific/Apia", "Asia/Gaza", "Asia/Kathmandu", "Africa/Casablanca", "Antarctica/Troll"),
    *("America/Caracas", "Asia/Pyongyang", "America/Santiago", "Pacific/Chatham", "+05:45", "-03:30"),
)
LIBERIA = "Africa/Monrovia"  # 44 minutes and 30 seconds behind until 1972
HOURS = (Quiet(60, 150), Quiet(1260, 480), Quiet(0, 1), Quiet(1, 2), Quiet(1439, 1), Quiet(1, 1440))
AROUND = (0, 1, SECOND, 29_999, 30_000, MINUTE - 1, MINUTE, 2 * MINUTE, HOUR - 1, HOUR, 5 * HOUR, DAY)


def ms(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC_ZONE).timestamp()) * 1000  # type: ignore[misc,arg-type]


def zone_of(name: str) -> tzinfo:
    where = time_zone(name)
    assert where is not None
    return where


def changes(where: tzinfo, since: int, until: int) -> Iterator[int]:
    """When its clocks are put forward or back, between two times."""

    def ahead(at: int) -> timedelta | None:
        return datetime.fromtimestamp(at // 1000, UTC_ZONE).astimezone(where).utcoffset()

    for at in range(since, until, 6 * HOUR):
        low, high = at, at + 6 * HOUR
        if ahead(low) != ahead(high):
            while high - low > SECOND:
                middle = (low + high) // (2 * SECOND) * SECOND
                low, high = (middle, high) if ahead(middle) == ahead(low) else (low, middle)
            yield high


def moments(chance: random.Random) -> list[tuple[str, int]]:
    """Zones and times in disorder: those around changes of clocks, around midnights, and before 2000."""
    found = [(LIBERIA, ms(1971, 5, day) + 44 * MINUTE + each) for day in (1, 3) for each in AROUND]
    for name in ZONES:
        where = zone_of(name)
        turns = [
            *changes(where, ms(2006, 12, 1), ms(2012, 2, 1)),
            *changes(where, ms(2026, 1, 1), ms(2027, 1, 1)),
        ]
        turns += [began_at("day", where, ms(2026, 7, day)) for day in (1, 6)]
        turns += [began_at("day", where, ms(1999, 12, 31)), CENTURY]
        found += [(name, turn + way * each) for turn in turns for way in (1, -1) for each in AROUND]
        found += [(name, turn + chance.randrange(-DAY, DAY)) for turn in turns for _ in range(20)]
    minutes = {(name, at // MINUTE) for name, at in found if at >= CENTURY}
    assert len(minutes) > 4096, "more than are remembered"
    found += found  # each comes again, when it may have been forgotten
    chance.shuffle(found)
    return found


def test_the_clocks_are_found() -> None:
    assert list(changes(zone_of("America/St_Johns"), ms(2010, 1, 1), ms(2011, 1, 1))) == [
        ms(2010, 3, 14, 3, 31),
        ms(2010, 11, 7, 2, 31),
    ]


WHERE = {name: zone_of(name) for name in (*ZONES, LIBERIA)}


def test_quiet_hours_end_when_the_clocks_say_so_whatever_was_asked_before() -> None:
    asked = moments(random.Random(1))
    rules = [
        rule(replace(WEB, name=f"web{n}", quiet=hours), name=f"r{n}", quiet=90 * DAY)
        for n, hours in enumerate(HOURS)
    ]
    stage = Stage(*rules)
    for name in WHERE:
        stage.profile({"timezone": name}, at=ms(1971, 1, 1), customer=name)
    found = stage.verdicts(*(("view", at, name) for name, at in asked))
    expected = [ends_at(hours, WHERE[name], at) for (name, at), hours in product(asked, HOURS)]
    assert [None if each.outcome == "sent" else each.until for each in found] == expected


def test_a_calendars_period_begins_when_the_clocks_say_so_whatever_was_asked_before() -> None:
    """What was sent in its first millisecond is in it, what was sent just before is not."""
    asked = moments(random.Random(2))
    sends = list(product(CALENDARS, (0, 1)))  # so long before the period began
    stage = Stage(*(rule(WEB, name=f"r{n}", limit=Limit(1, period)) for n, (period, _) in enumerate(sends)))
    for zone, at in set(asked):
        stage.profile({"timezone": zone}, at=ms(1971, 1, 1), customer=f"{zone} {at}")
        for n, (period, before) in enumerate(sends):
            began = began_at(period, WHERE[zone], at)
            stage.state.customers.enter_sends(f"{zone} {at}", f"rule:r{n}", [began - before], 1)
    found = stage.verdicts(*(("view", at, f"{zone} {at}") for zone, at in asked))
    assert [each.reason == "limit" for each in found] == [
        before == 0 for _, (_, before) in product(asked, sends)
    ]


def test_a_thousand_rules_with_the_same_hours_do_not_each_remember_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A megabyte for each rule, after three days, had been a gigabyte of a worker's memory."""
    asked: list[str] = []

    def note(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: asked.append(function.__name__) or function(*given)

    monkeypatch.setattr(_guards, "ends_at", note(ends_at))
    monkeypatch.setattr(_guards, "began_at", note(began_at))
    quiet = replace(WEB, quiet=Quiet(1260, 481))  # which no other test has
    rules = [rule(quiet, name=f"r{n}", limit=Limit(1, "month")) for n in range(1000)]
    assert len(Stage(*rules).verdicts(("view", ms(2031, 5, 1), "c1"))) == 1000
    assert sorted(asked) == ["began_at", "ends_at"]


def changes_of_all_zones() -> Iterator[tuple[str, int, int]]:
    """(zone, when, seconds ahead from then on), from the database itself: a zone is a file of RFC 8536."""
    for name in files("tzdata").joinpath("zones").read_text().split():
        data = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
        # The second header lies behind the data of version 1, which has 32 bits for a time.
        of_utc, of_standard, leaps, times, types, letters = unpack_from(">6l", data, 20)
        data = data[44 + 5 * times + 6 * types + letters + 8 * leaps + of_standard + of_utc :]
        assert data.startswith(b"TZif")
        times, types = unpack_from(">2l", data, 32)
        kinds = data[44 + 8 * times : 44 + 9 * times]
        ahead = [
            each for each, _, _ in iter_unpack(">l?B", data[44 + 9 * times : 44 + 9 * times + 6 * types])
        ]
        for at, kind in zip(unpack_from(f">{times}q", data, 44), kinds, strict=True):
            yield name, at, ahead[kind]


def test_clocks_go_by_full_minutes_since_2000() -> None:
    """So what is remembered of one moment of a minute holds at all of them."""
    latest = {name: ahead for name, at, ahead in changes_of_all_zones() if at * 1000 < CENTURY}
    assert [name for name, ahead in latest.items() if ahead % 60] == []
    since = [(name, at, ahead) for name, at, ahead in changes_of_all_zones() if at * 1000 >= CENTURY]
    assert [each for each in since if each[1] % 60 or each[2] % 60] == []
    assert ("America/St_Johns", ms(2007, 3, 11, 3, 31) // 1000, -9000) in since


# -- arms

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)
SHARES = st.sampled_from([0, 1, 5_000, WHOLE - 1, WHOLE]) | st.integers(0, WHOLE)
CUSTOMERS = st.lists(NAMES, min_size=1, max_size=20)


@settings(deadline=None)
@given(NAMES, CUSTOMERS, SHARES | st.none(), SHARES, st.integers(0, 1))
def test_who_is_held_out_is_who_the_described_draw_holds_out(
    name: str, customers: Sequence[str], share: int | None, policy: int, more: int
) -> None:
    """`share` None: the one up to which the first customer is not held out, or one more."""
    if share is None:
        share = number(customers[0], f"rule:{name}") % WHOLE + more
    held_out = rule(WEB, name=name, holdout=share)
    for arms in (None, experiments):
        stage = Stage(held_out, policy=Policy(holdout=policy), arms=arms)
        found = stage.verdicts(*(("view", T0, customer) for customer in customers))
        assert [each.held_out_by for each in found] == [
            ("policy",) * is_held_out(each, POLICY, policy)
            + ("rule",) * is_held_out(each, f"rule:{name}", share)
            for each in customers
        ]


@settings(deadline=None)
@given(NAMES, CUSTOMERS, st.dictionaries(NAMES, st.integers(1, WHOLE), min_size=1, max_size=5))
def test_who_gets_which_variant_is_as_described(
    name: str, customers: Sequence[str], table: dict[str, int]
) -> None:
    variants = tuple(Variant(each, share) for each, share in table.items())
    for arms in (None, experiments):
        stage = Stage(rule(WEB, name=name, variants=variants), arms=arms)
        decided = [stage.decide("view", T0 + at, who).decisions for at, who in enumerate(customers)]
        found = [decision.variant for decisions in decided for decision in decisions]
        assert found == [variant_of(each, name, variants).name for each in customers]
