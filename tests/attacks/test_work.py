"""Records of ordinary size that cost much: what a call of the engine does counts as work, so that it ends.

Counted, in `Result.work` and calls, and not timed. What conditions and texts cost is in `test_conditions`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from stream.clock import Clock
from stream.content.template import Template
from stream.engine import MAX_WORK
from stream.errors import ExpressionError
from stream.expression import parse
from stream.matcher._condition import Names, compile_condition
from stream.matcher._operators import operation
from stream.rules.model import RuleSet, Source, Step
from tests.engine.enginekit import (
    CLICKS,
    DAY,
    HOUR,
    MINUTE,
    PROFILES,
    SECOND,
    T0,
    WEATHER,
    Rec,
    Rules,
    World,
    rec,
)

MAX_INSTANCES = 16
LISTS = b"[" + b"[]," * 340_000 + b"1]"


def play(world: World, source: str, records: list[Rec]) -> list[int]:
    """What each call has cost, until all is done."""
    result = world.play({source: records}, work=MAX_WORK)
    works = [result.work]
    while result.more:
        result = world.play(work=MAX_WORK)
        works.append(result.work)
    assert world.state.pending == 0
    return works


# ---- reading ----


@pytest.mark.parametrize("source", [PROFILES, WEATHER], ids=["profile", "context"])
def test_records_of_hundreds_of_thousands_of_lists_were_made_objects_of_in_one_go(source: Source) -> None:
    """A megabyte of them takes 70 ms, and was charged for 1."""
    rules = Rules(CLICKS, source).rule("hello", "view").build()
    raw = b'{"customer":"c1","ts":%d,"z":%b}' % (T0, LISTS)
    works = play(World(rules), source.name, [Rec(n, T0, raw) for n in range(4)])
    assert len(works) >= 4


def test_an_event_of_hundreds_of_thousands_of_lists_cost_what_a_text_does() -> None:
    world = World(Rules().rule("hello", "view", where="event.never == 1").build())
    raw = b'{"event":"view","customer":"c1","ts":%d,"z":%b}' % (T0, LISTS)
    works = play(world, "clicks", [Rec(n, T0, raw) for n in range(4)])
    assert 2 * 4 * len(raw) // 1_000 < sum(works) < 4 * MAX_WORK  # no objects are made to learn its depth


@pytest.mark.parametrize("value", [b"1", b"", None, b'{"customer":""}', b'{"customer":"c1"}'])
def test_tens_of_thousands_of_dead_letters_came_of_one_call(value: bytes | None) -> None:
    world = World(Rules().rule("hello", "view").build())
    records = [Rec(n, T0, value) for n in range(10_000)]
    letters, calls = 0, 0
    result = world.play({"clicks": [*records, rec(10_000, 1)]}, work=MAX_WORK)
    while True:
        letters, calls = letters + len(result.dead_letters), calls + 1
        if not result.more:
            break
        assert not world.fired()
        result = world.play(work=MAX_WORK)
    assert calls >= 5
    assert letters == 10_000
    assert (world.fired(), result.positions) == ([("hello", "sent", 1)], {"clicks": 10_001})


def test_a_source_with_dead_letters_left_was_no_longer_waited_for() -> None:
    """An event of another source, and a timer, would have come before the events behind them."""
    rules = Rules().rule("hello", "view").rule("paid", "purchase")
    world = World(rules.build())
    order = {"customer": "c1", "ts": T0 + 9}
    world.play(
        {
            "clicks": [*(Rec(n, T0, b"1") for n in range(5_000)), rec(5_000, 1)],
            "orders": [Rec(0, T0, orjson.dumps(order))],
        },
        work=MAX_WORK,
    )
    assert not world.fired()
    while world.result.more:
        world.play(work=MAX_WORK)
    assert world.fired() == [("hello", "sent", 1), ("paid", "sent", 9)]


# ---- the compiler of conditions ----


WRONG = [
    *[("contains", 1), ("matches", 1), ("@in", 1), ("_+_", 1), ("_==_", 3), ("!_", 2), ("_?_:_", 2)],
    *[("_[_]", 1), ("{}", 1), ("size", 0), ("size", 2), ("startsWith", 3), ("int", 0), ("split", 1)],
]


@pytest.mark.parametrize(("function", "count"), WRONG)
def test_a_call_with_a_wrong_number_of_arguments_read_memory_that_was_not_its_own(
    function: str, count: int
) -> None:
    field = compile_condition(parse("event.t"), Names())
    with pytest.raises(ExpressionError, match="wrong number"):
        operation(function, [field] * count)


# ---- instances ----

WITHIN = 30 * MINUTE


def waiting(count: int, **more: Any) -> RuleSet:
    """Rules that wait for a `buy` that does not come, for each product anew."""
    rules = Rules()
    for number in range(count):
        rules.rule(f"r{number:03}", "view", key=("sku",), **(more or {"unless": ("buy", WITHIN)}))
    return rules.build()


def views(count: int, first: int = 0) -> list[Rec]:
    return [rec(first + n, n, sku=first + n) for n in range(count)]


def test_views_of_many_products_held_the_partition_for_a_minute() -> None:
    """2,000 of them, with 300 rules: each rule looked through what all the others waited for, moved it."""
    world = World(waiting(300))
    works = play(world, "clicks", views(300))
    assert max(works) <= MAX_WORK + 2_000
    assert len(works) >= 2
    assert world.state.customers.timers == 300 * MAX_INSTANCES


def test_what_waits_was_looked_through_for_each_rule() -> None:
    work = []
    for count in (50, 200):
        world = World(waiting(count))
        play(world, "clicks", views(20))
        work.append(sum(play(world, "clicks", views(100, 20))))
    assert 100 * 50 // 2 <= work[0] <= work[1] // 3
    assert work[1] <= 6 * work[0]  # quadratic: 16 times


def test_an_event_that_closes_thousands_of_instances_moved_the_others_for_each() -> None:
    world = World(waiting(300))
    play(world, "clicks", views(MAX_INSTANCES))
    works = play(world, "clicks", [rec(100, 100, "buy")])
    assert 2_000 <= sum(works) <= 10_000
    assert world.state.customers.timers == 0


def test_steps_that_thousands_of_instances_wait_for_were_looked_for_without_end() -> None:
    steps = (Step(("view",), name="a"), Step(("buy",), compares=parse("event.x == a.x"), within=WITHIN))
    world = World(waiting(300, steps=steps))
    play(world, "clicks", [rec(n, n, sku=n, x=1) for n in range(MAX_INSTANCES)])
    works = play(world, "clicks", [rec(100 + n, 100 + n, "buy", x=2) for n in range(30)])
    assert len(works) >= 4
    assert max(works) <= MAX_WORK + 10_000


def test_an_event_ahead_of_the_clock_fired_thousands_of_timers_in_one_call() -> None:
    clock = Clock(wall=lambda: T0 + SECOND, by_event_time=False)
    world = World(waiting(100, wait=MINUTE), clock)
    play(world, "clicks", views(MAX_INSTANCES))
    assert not world.fired()
    works = play(world, "clicks", [rec(100, 2 * MINUTE, "view", sku=-1), rec(101, 2 * MINUTE, "buy")])
    assert max(works) <= MAX_WORK + 1_000
    assert len(world.fired()) == 100 * MAX_INSTANCES
    assert world.result.positions == {"clicks": 102}
    assert world.state.customers.timers == 100  # of the event itself, which came after them


@pytest.mark.parametrize("size", [60_000, 900_000])
def test_a_large_event_was_written_for_each_rule_that_keeps_it(size: int) -> None:
    rules = waiting(300, unless=("buy", WITHIN), content={"text": Template("{{ event.pad }}")})
    works = play(World(rules), "clicks", [rec(n, n, sku=n, pad="x" * size) for n in range(9)])
    assert len(works) >= 3
    assert max(works) <= MAX_WORK + 50_000  # of 900 kB it is found out once that they are too many


# ---- traits ----

TRAITS = {
    "gap": (500, "gap", {}),
    "count_per": (100, "count", {"per": "sku", "over": 30 * DAY}),
    "distinct": (100, "distinct", {"field": "sku", "over": 30 * DAY}),
    "top": (100, ("top", 5), {"field": "sku", "over": 30 * DAY}),
    "last_of_long_texts": (500, "last", {"field": "sku"}),
}


@pytest.mark.parametrize("name", TRAITS)
def test_events_that_hundreds_of_traits_count_held_the_partition(name: str) -> None:
    count, function, more = TRAITS[name]
    k = {"k": function[1]} if isinstance(function, tuple) else {}
    rules = Rules().rule("hello", "other")
    for number in range(count):
        rules.trait(f"t{number:03}", function[0] if k else function, "view", **more)
    rules.traits = [replace(trait, **k) for trait in rules.traits]
    works = play(World(rules.build()), "clicks", [rec(n, n, sku=f"{n}" + "k" * 900) for n in range(400)])
    assert len(works) >= 4
    assert max(works) <= MAX_WORK + 10_000


@pytest.mark.parametrize(
    "condition", ["size(traits.top) > 1{}", "'x{}' in traits.top", "traits['top'][0] == 'x{}'"]
)
def test_a_trait_of_a_thousand_values_was_made_for_each_rule_that_reads_it(condition: str) -> None:
    """500 rules made it 500 times an event, of which 300 took 16 s."""
    rules = Rules().trait("top", "top", "view", field="sku", over=30 * DAY)
    rules.traits = [replace(trait, k=5) for trait in rules.traits]
    for number in range(300):
        rules.rule(f"r{number:03}", "buy", condition=condition.format(number))
    world = World(rules.build())
    play(world, "clicks", [rec(n, n, sku=f"s{n}") for n in range(1_000)])
    works = play(world, "clicks", [rec(1_000 + n, 1_000 + n, "buy") for n in range(20)])
    assert 20 * 100 <= sum(works) <= 20 * 500


def test_a_trait_that_was_made_for_one_event_was_there_for_the_next() -> None:
    rules = Rules().trait("top", "top", "view", field="sku").trait("all", "distinct", "view", field="sku")
    rules.traits = [replace(trait, k=1) for trait in rules.traits]
    rules.rule("a", "view", condition="traits.top == ['a'] && traits.all == 1")
    rules.rule("b", "view", condition="traits.top == ['b'] && traits.all == 2")
    rules.rule("late", "view", condition="traits.top == ['b'] && traits.all == 2", wait=MINUTE)
    world = World(rules.build())
    skus = ["a", "a", "b", "b", "b"]
    world.clicks(*(rec(n, n, sku=sku) for n, sku in enumerate(skus)), rec(9, HOUR, "other"))
    assert world.fired() == [
        *[("a", "sent", 0), ("a", "sent", 1), ("b", "sent", 4)],
        *[("late", "sent", MINUTE + 4)],
    ]
