"""The index of conditions: what it leaves out cannot hold, for all events of a small world."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import pytest

from stream._condition import Names, compile_condition
from stream._index import Index, choose
from stream.expression import parse
from tests.unit.enginekit import Rules, World, rec

MISSING = object()
VALUES = (
    MISSING,
    None,
    True,
    False,
    0,
    1,
    1.0,
    1.5,
    2**53,
    2**63,
    float(2**63),
    "1",
    "",
    "true",
    [1],
    {"b": 1},
)
CONDITIONS = (
    *(
        "event.a == 1",
        "event.a == 1.0",
        "1u == event.a",
        "event.a == '1'",
        "event.a == true",
        "event.a == null",
    ),
    *("event.a in [1, '1', true]", "event.a in []", "event.a", "!event.a", "event.a == 9223372036854775807"),
    *("event.a != 1", "event.a > 0", "event.a == 1 && event.c == 'x'", "event.a == 1 || event.c == 'x'"),
    *(
        "event.a.b == 1",
        "event.c == 'x' && event.a > 0",
        "event.a == event.c",
        "1 in [event.a]",
        "event.a == b'1'",
    ),
)


def _events() -> list[dict[str, Any]]:
    return [
        {name: value for name, value in (("a", a), ("c", c)) if value is not MISSING}
        for a, c in product(VALUES, (MISSING, "x", 1))
    ]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_what_the_index_leaves_out_does_not_hold(size: int) -> None:
    trees = [parse(each) for each in CONDITIONS]
    nodes = [compile_condition(each, Names()) for each in trees]
    events = _events()
    held = [[node.evaluate(event) is True for node in nodes] for event in events]
    assert all(any(each[at] for each in held) for at in range(len(nodes)) if CONDITIONS[at] not in NEVER)
    for chosen in combinations(range(len(trees)), size):
        index = Index([trees[at] for at in chosen])
        for event, holds in zip(events, held, strict=True):
            found = index.candidates(event)
            assert found == sorted(set(found))
            assert {at for at, which in enumerate(chosen) if holds[which]} <= set(found), (chosen, event)


NEVER = ("event.a in []", "event.a == b'1'", "event.a == 9223372036854775807")


@pytest.mark.parametrize(
    ("condition", "found", "not_found"),
    [
        ("event.a == 1", (1, 1.0), (True, "1", 2, None, MISSING)),
        ("event.a == true", (True,), (1, 1.0, False, "true", MISSING)),
        ("event.a == '1'", ("1",), (1, True, MISSING)),
        ("event.a == null", (None,), (False, 0, "", MISSING)),
        ("event.a in [1u, 'x']", (1, 1.0, "x"), (True, "1", 2)),
        ("!event.a && event.c == 1", (False,), (0, True, MISSING)),
    ],
)
def test_the_index_tells_values_apart(
    condition: str, found: tuple[Any, ...], not_found: tuple[Any, ...]
) -> None:
    index = Index([parse(condition)])
    for value in found:
        assert index.candidates({"a": value, "c": 1}) == [0]
    for value in not_found:
        event = {"c": "y"} if value is MISSING else {"a": value, "c": "y"}
        assert index.candidates(event) == []


def test_a_condition_stands_under_the_path_with_most_values() -> None:
    conditions = [parse(f"event.channel == 'web' && event.sku == 's{at}'") for at in range(3)]
    assert choose([*conditions, None]) == [*((("sku",), (f"s{at}",)) for at in range(3)), None]


def test_hits_of_several_paths_and_the_rest_are_judged_by_priority_and_name() -> None:
    rules = Rules().rule("d", "view", where="event.sku == 'a'").rule("c", "view")
    rules.rule("b", "view", where="event.sku == 'b'").rule("a", "view", where="event.price == 1")
    rules.rule("z", "view", where="event.sku == 'a'", priority=5)
    world = World(rules.build())
    world.clicks(rec(0, 0, sku="a", price=1.0))
    assert [each.rule for each in world.decisions] == ["z", "a", "c", "d"]
