"""Rules that a clock starts, in the engine: set, fired, set again; once each, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from stream.clock import Clock
from stream.rules.model import Occasion, Policy, Quiet, RuleSet, Step

from .enginekit import BARE, CLICKS, DAY, HOUR, MINUTE, PROFILES, T0, Rec, Rules, World, rec

NINE = 9 * 60
WEEKLY = Occasion("week", NINE, (0,))  # T0 is a Monday, 10:00 in UTC
DAILY = Occasion("day", NINE)
BIRTHDAY = Occasion("year", NINE, of=("born",), before=7)
TRIAL = Occasion(None, NINE, of=("ends",), before=2)
MONDAY = 7 * DAY - HOUR  # the next one at 9:00


def rules(zone: str | None = "UTC", **occasions: Occasion) -> Rules:
    kit = Rules(CLICKS, PROFILES)
    kit.policy = Policy(timezone=zone)
    kit.rule("any", "view")
    for name, occasion in occasions.items():
        kit.rule(name, "", occasion=occasion)
    kit.rules = [each for each in kit.rules if each.name != "any"]
    kit.trait("views", "count", "view")
    return kit


def profile(offset: int, at: int, customer: str = "c1", **attributes: Any) -> Rec:
    said = {"customer": customer, "ts": T0 + at, "attributes": attributes}
    return Rec(offset, T0 + at + 5, orjson.dumps(said))


def go(world: World, to: int) -> None:
    """Time goes on to T0 + `to`."""
    clock = world.clock
    world.clock = Clock(wall=clock.wall, by_event_time=True, reached=T0 + to)
    world.play()


def test_a_customer_hears_each_monday_from_when_they_are_known() -> None:
    world = World(rules(picks=WEEKLY).build())
    world.clicks(rec(1, 0))
    go(world, MONDAY)
    assert world.fired() == []  # never early: not at the very time either
    go(world, MONDAY + 1)
    assert world.fired() == [("picks", "sent", MONDAY)]
    go(world, 22 * DAY)
    assert [at for _, _, at in world.fired()] == [MONDAY, MONDAY + 7 * DAY, MONDAY + 14 * DAY]
    assert len({each.trigger_id for each in world.decisions}) == 3


def test_what_the_decision_says() -> None:
    world = World(rules(picks=WEEKLY).build())
    world.clicks(rec(1, 0))
    go(world, MONDAY + 1)
    [decision] = world.decisions
    assert (decision.event.name, decision.event.id, decision.event.time) == ("", "2026-03-09", T0 + MONDAY)
    assert (decision.at, decision.timed, decision.source, decision.offset) == (T0 + MONDAY, True, "", -1)


def test_a_condition_is_judged_as_of_the_time_without_an_event() -> None:
    kit = rules()
    kit.rule("picks", "", occasion=WEEKLY, condition="traits.views > 1")
    world = World(kit.build())
    world.play(
        {"clicks": [rec(1, 0, customer="a"), rec(2, 0, customer="b"), rec(3, MONDAY - 1, customer="b")]}
    )
    world.clicks(rec(4, MONDAY + 1, customer="a"))  # a minute too late
    go(world, MONDAY + DAY)
    assert [(each.customer_id, each.at - T0) for each in world.decisions] == [("b", MONDAY)]


def test_where_the_customer_is() -> None:
    world = World(rules(picks=WEEKLY).build())
    world.play({"profiles": [profile(1, 0, "tokyo", timezone="Asia/Tokyo"), profile(2, 0, "nowhere", a=1)]})
    go(world, 8 * DAY)
    assert [(each.customer_id, each.at - T0) for each in world.decisions] == [
        ("tokyo", MONDAY - 9 * HOUR),
        ("nowhere", MONDAY),
    ]


def test_nobody_knows_when_it_is_nine() -> None:
    world = World(rules(None, picks=WEEKLY).build())
    world.play({"profiles": [profile(1, 0, "a", b=1), profile(2, 0, "b", timezone="Mars")]})
    assert world.result.errors == {("profiles", "timezone"): 1}
    go(world, 8 * DAY)
    assert world.decisions == []
    world.play({"profiles": [profile(3, 8 * DAY, "a", timezone="UTC")]})  # now it is known
    go(world, 15 * DAY)
    assert world.fired() == [("picks", "sent", MONDAY + 7 * DAY)]


def test_another_zone_moves_the_time_and_no_day_comes_twice() -> None:
    world = World(rules(picks=WEEKLY).build())
    world.play({"profiles": [profile(1, 0, timezone="Asia/Tokyo")]})
    go(world, MONDAY - 8 * HOUR)  # it was 9:00 in Tokyo
    assert len(world.decisions) == 1
    world.play({"profiles": [profile(2, MONDAY - 8 * HOUR, timezone="America/New_York")]})
    go(world, MONDAY + 3 * DAY)  # it was 9:00 in New York, too
    assert len(world.decisions) == 1
    go(world, MONDAY + 8 * DAY)
    assert [each.event.id for each in world.decisions] == ["2026-03-09", "2026-03-16"]


def test_a_birthday_that_is_corrected_moves_the_greeting() -> None:
    world = World(rules(greeting=BIRTHDAY).build())
    world.play({"profiles": [profile(1, 0, born="1990-04-01")]})
    world.play({"profiles": [profile(2, DAY, born="1990-03-20")]})
    go(world, 60 * DAY)
    assert [each.event.id for each in world.decisions] == ["2026-03-13"]
    world.play({"profiles": [profile(3, 60 * DAY, born=None)]})
    assert world.result.next_deadline is None  # nothing is known any more


def test_a_date_that_nobody_can_read_is_counted() -> None:
    world = World(rules(trial=TRIAL).build())
    world.play({"profiles": [profile(1, 0, ends="soon")]})
    assert world.result.errors == {("profiles", "date"): 1}
    world.play({"profiles": [profile(2, HOUR, other=1)]})
    assert world.result.errors == {}  # it was counted
    world.play({"profiles": [profile(3, 2 * HOUR, ends="2026-03-12")]})
    go(world, 20 * DAY)
    assert [each.event.id for each in world.decisions] == ["2026-03-10"]


def test_the_same_date_said_again_is_the_same_date() -> None:
    world = World(rules(trial=TRIAL).build())
    for day in range(15):
        world.play({"profiles": [profile(day, day * DAY, ends="2026-03-12T12:00:00Z", timezone="UTC")]})
        world = restored(world)
    assert [each.event.id for each in world.decisions] == ["2026-03-10"]


def test_a_date_that_moves_on_comes_again() -> None:
    world = World(rules(trial=TRIAL).build())
    world.play({"profiles": [profile(1, 0, ends="2026-03-12")]})
    go(world, 9 * DAY)
    world.play({"profiles": [profile(2, 9 * DAY, ends="2026-04-12")]})
    go(world, 60 * DAY)
    assert [each.event.id for each in world.decisions] == ["2026-03-10", "2026-04-10"]


def restored(world: World) -> World:
    other = world.restored()
    other.decisions = world.decisions
    return other


def test_a_new_rule_reaches_all_who_are_known() -> None:
    world = World(rules().build())
    world.clicks(*[rec(number, 0, customer=f"c{number}") for number in range(50)])
    world.rules = rules(picks=WEEKLY).build("2")
    world.clicks(rec(100, HOUR, customer="c7"))
    go(world, 8 * DAY)
    assert sorted(each.customer_id for each in world.decisions) == sorted(f"c{each}" for each in range(50))
    world.rules = rules(picks=WEEKLY, more=DAILY).build("3")
    world.play()
    go(world, 9 * DAY)
    assert world.fired()[50:] == [("more", "sent", 9 * DAY - HOUR)] * 50
    world.rules = rules(more=DAILY).build("4")  # the other one ends
    go(world, 15 * DAY)
    assert {each.rule for each in world.decisions[100:]} == {"more"}


def live(rule_set: RuleSet, now: Callable[[], int]) -> World:
    return World(rule_set, Clock(wall=now))


class Now:
    def __init__(self) -> None:
        self.at = 0

    def __call__(self) -> int:
        return T0 + self.at


def test_a_new_rule_holds_no_event_up() -> None:
    now = Now()
    world = live(rules().build(), now)
    world.clicks(*[rec(number, 0, customer=f"c{number}") for number in range(2000)])
    world.rules = rules(trial=TRIAL, picks=WEEKLY).build("2")
    calls = 0
    world.play({"clicks": [rec(5000, 0, customer="c1999")]}, work=2000)
    assert world.result.events == {"clicks": 1}  # in the first call
    while world.result.more:
        world.play(work=2000)
        calls += 1
    assert calls > 10
    now.at = 8 * DAY
    while world.play().more:
        pass
    assert len({each.customer_id for each in world.decisions}) == len(world.decisions) == 2000


def test_the_rule_came_before_its_day_and_the_customers_turn_after_it() -> None:
    """Whoever is looked at late is told late, not never."""
    now = Now()
    world = live(rules().build(), now)
    now.at = MONDAY - MINUTE
    world.clicks(*[rec(number, 0, customer=f"c{number}") for number in range(500)])
    world.rules = rules(picks=WEEKLY).build("2")
    world.play(work=400)
    now.at = MONDAY + MINUTE
    world.play({"profiles": [profile(1, MONDAY + MINUTE, "c400", timezone="Asia/Tokyo")]}, work=400)
    while world.play(work=400).more:
        pass
    assert len({each.customer_id for each in world.decisions}) == len(world.decisions) == 500


def test_after_a_crash_all_are_gone_through_again_and_nobody_is_told_twice() -> None:
    now = Now()
    world = live(rules().build(), now)
    world.clicks(*[rec(number, 0, customer=f"c{number}") for number in range(300)])
    world.rules = rules(picks=WEEKLY).build("2")
    world.play(work=2000)
    assert world.result.more
    half = restored(world)
    assert 0 < half.state.customers.timers < 300
    now.at = 8 * DAY
    while half.play(work=2000).more:
        pass
    assert len({each.customer_id for each in half.decisions}) == len(half.decisions)
    now.at = 15 * DAY
    while half.play().more:
        pass
    assert sum(each.event.id == "2026-03-16" for each in half.decisions) == 300


def test_it_is_known_after_a_restart_that_all_are_set() -> None:
    world = World(rules(picks=WEEKLY).build())
    world.clicks(rec(1, 0))
    other = world.restored()
    other.play()
    assert other.state.take_changed() == []


def test_a_million_at_one_moment_hold_no_event_up() -> None:
    now = Now()
    world = live(rules(picks=WEEKLY).build(), now)
    world.clicks(*[rec(number, 0, customer=f"c{number}") for number in range(3000)])
    now.at = MONDAY + 1
    world.play({"clicks": [rec(5000, MONDAY + 1, customer="c2999")]}, work=20_000)
    assert world.result.events == {"clicks": 1}
    assert "c2999" in [each.customer_id for each in world.decisions]  # who does something is told before
    assert len(world.decisions) < 500
    while world.play(work=20_000).more:
        pass
    assert len({each.customer_id for each in world.decisions}) == len(world.decisions) == 3000


def test_a_greeting_that_is_a_day_late_is_not_sent_and_a_year_of_them_is_told_once() -> None:
    now = Now()
    world = live(rules(tip=DAILY).build(), now)
    world.clicks(rec(1, 0))
    now.at = DAY  # one hour late
    world.play()
    assert world.fired() == [("tip", "sent", DAY - HOUR)]
    now.at = 300 * DAY
    world.play()
    assert world.fired()[1:] == [
        ("tip", "stale", 2 * DAY - HOUR),
        ("tip", "sent", 300 * DAY - HOUR),
    ]


def test_quiet_hours_put_it_off_and_the_next_one_comes_all_the_same() -> None:
    kit = rules()
    channel = BARE.__class__("web", "triggers.web", quiet=Quiet(8 * 60, 12 * 60))
    kit.channels = (channel,)
    kit.rule("tip", "", occasion=DAILY, channels=(channel,))
    world = World(kit.build())
    world.clicks(rec(1, 0))
    go(world, DAY)
    world = restored(world)
    go(world, DAY + 12 * HOUR)
    go(world, 2 * DAY)
    assert world.fired() == [
        ("tip", "quiet", DAY - HOUR),
        ("tip", "sent", DAY + 2 * HOUR),
        ("tip", "quiet", 2 * DAY - HOUR),
    ]
    assert world.decisions[0].trigger_id == world.decisions[1].trigger_id
    assert world.decisions[1].event.time == T0 + DAY - HOUR


def test_a_release_that_does_not_know_clocks_keeps_them() -> None:
    """A rolling update: what the rules at hand do not know is written back, and is due when they do."""
    world = World(rules(picks=WEEKLY).build())
    world.clicks(rec(1, 0))
    other = World(rules().build())
    for key, value in world.state.take_changed():
        other.state.load(key, value)
    other.clicks(rec(2, HOUR), rec(3, HOUR, customer="new"))
    third = World(world.rules)
    for key, value in other.state.take_changed():
        third.state.load(key, value)
    third.play()
    go(third, 8 * DAY)
    assert sorted((each.customer_id, each.at - T0) for each in third.decisions) == [
        ("c1", MONDAY),
        ("new", MONDAY),
    ]


class OnDisk:
    """A store that is a dict."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.held.get(key)

    def each_key(self) -> Iterator[bytes]:
        return iter(sorted(self.held))

    def distrust(self) -> None:
        raise AssertionError


def test_a_new_rule_reaches_those_on_disk() -> None:
    now = Now()
    world = live(rules(trial=TRIAL).build(), now)
    store = OnDisk()
    world.state.customers.read_from(store)

    def commit() -> None:
        store.held.update(world.state.take_changed())
        world.state.customers.take_notes()
        world.state.customers.evict(5, 1000)

    for number in range(100):
        world.play({"profiles": [profile(number, number, f"c{number}", ends="2026-03-12")]})
        if number % 10 == 9:
            commit()
    assert world.state.customers.live < 20
    world.rules = rules(trial=TRIAL, picks=WEEKLY).build("2")
    world.play(work=400)
    commit()
    while world.result.more:
        world.play(work=400)
        commit()
    now.at = 9 * DAY
    while world.play(work=4000).more:
        commit()
    assert len(world.decisions) == 200
    assert len({each.trigger_id for each in world.decisions}) == 200


def test_the_state_of_a_customer_who_is_full_keeps_the_clocks() -> None:
    kit = rules(picks=WEEKLY)
    kit.rule("waits", "", steps=(Step(("view",), name="seen"), Step(("order",), within=30 * DAY)),
             content={}, key=("sku",), condition="seen.text != ''")  # fmt: skip
    world = World(kit.build())
    world.state.customers.most_bytes = 70_000
    for number in range(40):
        world.clicks(rec(number, number, sku=f"s{number}", text="x" * 4000))
    assert any(each.rule == "picks" for each in world.state.instances("c1"))
    go(world, 8 * DAY)
    assert ("picks", "sent", MONDAY) in world.fired()


def test_a_condition_that_ends_in_an_error_is_told_of_the_rule() -> None:
    kit = rules()
    kit.rule("picks", "", occasion=WEEKLY, condition="customer.age > 3")
    world = World(kit.build())
    world.clicks(rec(1, 0))
    go(world, 8 * DAY)
    assert world.decisions == []
    assert world.result.condition_errors == {("picks", "if", "missing", "customer.age"): 1}


def test_a_rule_that_is_taken_back_at_once_tells_everybody_all_the_same() -> None:
    world = World(rules(picks=WEEKLY).build())
    world.clicks(rec(1, 0))
    before = world.rules
    world.state.adopt(rules(other=DAILY).build("2"))
    world.state.adopt(before)
    go(world, HOUR)
    go(world, 8 * DAY)
    assert world.fired() == [("picks", "sent", MONDAY)]
