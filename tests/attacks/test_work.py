"""Records of ordinary size that cost much: what a call of the engine does counts as work, so that it ends.

Counted, in `Result.work` and calls, and not timed. What conditions and texts cost is in `test_conditions`.
"""

from __future__ import annotations

import orjson
import pytest

from stream.engine import MAX_WORK
from stream.errors import ExpressionError
from stream.expression import parse
from stream.matcher._condition import Names, compile_condition
from stream.matcher._operators import operation
from stream.rules.model import Source
from tests.engine.enginekit import CLICKS, PROFILES, T0, WEATHER, Rec, Rules, World, rec

EVENTS = 200
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
