"""Repeats of the source: with `dedupe` the same id does nothing twice. Times are milliseconds after T0."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stream.rules.model import Rule, RuleSet, Source, Step
from tests.engine.enginekit import CLICKS, DAY, HOUR, ORDERS, Rec, Rules, World, rec

ONCE = replace(CLICKS, dedupe=DAY)
MOST = 128


def rules(*sources: Source) -> RuleSet:
    world = Rules(*(sources or (ONCE, ORDERS))).trait("views", "count", "view")
    return world.rule("seen", "view").rule("left", "cart", unless=("view", HOUR)).build()


def view(offset: int, at: int, name: Any, **fields: Any) -> Rec:
    return rec(offset, at, "view", **{"id": name, **fields})


def counted(world: World, customer: str = "c1") -> Any:
    return world.state.trait(customer, "views", 1 << 50)


def test_an_event_that_is_sent_three_times_is_one_event() -> None:
    world = World(rules())
    world.clicks(view(0, 0, "a"), view(1, 0, "a", text="other"), view(2, 5, "a"))
    assert world.fired() == [("seen", "sent", 0)]
    assert counted(world) == 1
    assert (world.result.events, world.result.left_out) == ({"clicks": 1}, {"clicks": 2})
    assert world.result.positions == {"clicks": 3}


def test_without_dedupe_the_same_id_twice_is_two_events() -> None:
    world = World(rules(CLICKS, ORDERS))
    world.clicks(view(0, 0, "a"), view(1, 0, "a"))
    assert counted(world) == 2
    assert world.result.left_out == {}


@pytest.mark.parametrize(
    ("second", "count"),
    [
        (view(1, DAY, "a"), 1),  # at the limit it still counts
        (view(1, DAY + 1, "a"), 2),
        (view(1, -3 * DAY, "a"), 1),  # out of order
        (view(1, 0, "b"), 2),
        (view(1, 0, None), 2),  # no id of its own
        (view(1, 0, 1.5), 2),
        (view(1, 0, "a", customer="c2"), 1),  # another customer's
    ],
)
def test_what_is_a_repeat(second: Rec, count: int) -> None:
    world = World(rules())
    world.clicks(view(0, 0, "a"), second)
    assert counted(world) == count


def test_a_number_is_the_same_id_as_its_text() -> None:
    world = World(rules())
    world.clicks(view(0, 0, 17), view(1, 0, "17"))
    assert counted(world) == 1


def test_events_without_an_id_are_never_repeats() -> None:
    world = World(rules())
    world.clicks(rec(0, 0), rec(1, 0))
    assert counted(world) == 2


def test_ids_are_a_sources_own() -> None:
    orders = replace(ORDERS, id=("id",), dedupe=DAY)
    bought = Rule("bought", "rule-bought", (Step(("purchase",)),), rules().channels)
    both = rules(ONCE, orders)
    world = World(replace(both, rules=(*both.rules, bought)))
    world.clicks(view(0, 0, "a"))
    world.play({"orders": [rec(0, 1, id="a"), rec(1, 2, id="a")]})
    assert world.fired() == [("seen", "sent", 0), ("bought", "sent", 1)]


def test_after_a_day_the_id_counts_anew() -> None:
    world = World(rules())
    world.clicks(view(0, 0, "a"), view(1, DAY + 1, "a"), view(2, 2 * DAY, "a"))
    assert counted(world) == 2, "from the second one on, which was one"


def test_a_repeat_after_a_restart_is_one() -> None:
    world = World(rules())
    world.clicks(view(0, 0, "a"))
    other = world.restored()
    other.clicks(view(1, 0, "a"))
    assert other.decisions == []
    assert counted(other) == 1


def test_a_repeat_that_is_read_again_stays_left_out_however_many_came_since() -> None:
    """It would count when its id is forgotten, though it did not when it came."""
    world = World(rules())
    world.clicks(view(0, 0, "a"), view(1, 0, "a"), *(view(n, 0, f"x{n}") for n in range(2, MOST + 2)))
    other = world.restored()
    other.clicks(view(1, 0, "a"))
    assert (other.result.repeats, other.result.left_out) == (1, {})


def test_the_newest_128_are_kept_and_what_makes_room_is_counted() -> None:
    world = World(rules())
    world.clicks(*(view(n, n, f"x{n}") for n in range(MOST + 1)))
    assert world.result.errors == {("clicks", "ids"): 1}
    world.clicks(view(200, 200, "x1"), view(201, 200, "x0"))
    assert world.result.left_out == {"clicks": 1}, "the oldest was forgotten"
    assert world.result.errors == {("clicks", "ids"): 1}
    world.clicks(view(300, 3 * DAY, "late"))
    assert world.result.errors == {}, "none of them counted any more"


def test_a_repeat_closes_and_opens_nothing() -> None:
    world = World(rules())
    world.clicks(view(0, 0, "a"), rec(1, 1, "cart", id="b"), view(2, 2, "a"), rec(3, 3, "cart", id="b"))
    world.clicks(rec(4, DAY, "other"))
    assert world.fired() == [("seen", "sent", 0), ("left", "sent", HOUR + 1)]


def test_ids_of_what_nobody_waits_for_take_no_room() -> None:
    world = World(rules())
    world.clicks(*(rec(n, n, "scroll", id=f"x{n}") for n in range(10)))
    assert world.state.customers.get("c1") is None


def test_a_source_that_is_no_longer_deduped_forgets() -> None:
    world = World(rules())
    world.clicks(view(0, 0, "a"))
    customer = world.state.customers.get("c1")
    assert customer is not None
    assert set(customer.seen or ()) == {"clicks"}
    world.state.adopt(rules(CLICKS, ORDERS))
    world.rules = world.state.rules
    world.clicks(view(1, 0, "a"))
    world.state.adopt(rules())
    world.rules = world.state.rules
    world.clicks(view(2, 0, "a"))
    assert counted(world) == 3
