"""The index of conditions: what it leaves out is false, and no error, for all events of a small world."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import orjson
import pytest

from stream.expression import parse
from stream.matcher._condition import Names, compile_condition
from stream.matcher._index import candidates
from stream.matcher.atoms import OneOf, choose
from tests.engine.enginekit import Rules, World, rec

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
    *("event.a >= 1 && event.a < 1.5", "1 <= event.a", "event.a <= 0 && has(event.a)", "event.a < 'x'"),
    *("has(event.a) && event.a == 'none'", "has(event.a.b) && event.a.b == 1", "has(event.a) && !event.a"),
    *(
        "event.a == 1 && event.c == 1 || event.a == '1'",
        "event.a || event.a == '1'",
        "event.a || event.c == 1",
    ),
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
def test_what_the_index_leaves_out_is_false(size: int) -> None:
    """Neither true nor an error, so errors are counted as if there were no index."""
    trees = [parse(each) for each in CONDITIONS]
    nodes = [compile_condition(each, Names()) for each in trees]
    events = _events()
    came_to = [[node.evaluate(event) for node in nodes] for event in events]
    assert came_to == [[node.evaluate(orjson.dumps(event)) for node in nodes] for event in events]
    for at, condition in enumerate(CONDITIONS):
        assert any(each[at] is True for each in came_to) or condition in NEVER
    for chosen in list(combinations(range(len(trees)), size))[:: 1 if size < 3 else 7]:
        for event, values in zip(events, came_to, strict=True):
            found = candidates([trees[at] for at in chosen], event)
            assert found == sorted(set(found))
            left_out = [values[which] for at, which in enumerate(chosen) if at not in found]
            assert all(each is False for each in left_out), (chosen, event)


NEVER = (
    *("event.a in []", "event.a == b'1'", "event.a == 9223372036854775807", "event.a < 'x'"),
    "has(event.a) && event.a == 'none'",
)


@pytest.mark.parametrize(
    ("condition", "found", "not_found"),
    [
        ("event.a == 1", (1, 1.0, MISSING), (True, "1", 2, None)),
        ("event.a == true", (True, MISSING), (1, 1.0, False, "true")),
        ("event.a == '1'", ("1", MISSING), (1, True)),
        ("event.a == null", (None, MISSING), (False, 0, "")),
        ("event.a in [1u, 'x']", (1, 1.0, "x", MISSING), (True, "1", 2)),
        ("!event.a && event.c == 1", (False, 0, "x", MISSING), (True,)),
        ("has(event.a) && event.a == 1", (1, 1.0), (True, "1", 2, None, MISSING)),
        ("event.a > 1", (1, 1.5, 2, "x", None, True, MISSING), (0, 0.9, -5)),
        ("event.a <= 1 && event.c == event.c", (1, 0.5, -7, "x", None, MISSING), (1.1, 2)),
        ("has(event.a) && event.a < 1", (1, 0, "x", None), (2, MISSING)),
        ("event.a == 1 || event.a in ['x', 2]", (1, 2.0, "x", MISSING), (3, "y", True)),
        ("event.a || event.a == 'x'", (True, "x", "y", 1, MISSING), (False,)),
    ],
)
def test_the_index_tells_values_apart(
    condition: str, found: tuple[Any, ...], not_found: tuple[Any, ...]
) -> None:
    for value in (*found, *not_found):
        event = {"c": "y"} if value is MISSING else {"a": value, "c": "y"}
        expected = [0] if any(value is each for each in found) else []
        assert candidates([parse(condition)], event) == expected, value


def test_a_condition_stands_under_the_path_with_most_values() -> None:
    conditions = [parse(f"event.channel == 'web' && event.sku == 's{at}'") for at in range(3)]
    assert choose([*conditions, None]) == [*(OneOf(("sku",), (f"s{at}",)) for at in range(3)), None]


def test_many_hits_of_bounds_and_equalities_come_in_order() -> None:
    conditions = [
        parse(f"event.price > {at % 7}" if at % 2 else f"event.sku == 's{at % 3}'") for at in range(90)
    ]
    found = candidates(conditions, {"price": 3.5, "sku": "s1"})
    assert found == [at for at in range(90) if (at % 7 <= 3 if at % 2 else at % 3 == 1)]


def test_hits_of_several_paths_and_the_rest_are_judged_by_priority_and_name() -> None:
    rules = Rules().rule("d", "view", where="event.sku == 'a'").rule("c", "view")
    rules.rule("b", "view", where="event.sku == 'b'").rule("a", "view", where="event.price == 1")
    rules.rule("z", "view", where="event.sku == 'a'", priority=5)
    world = World(rules.build())
    world.clicks(rec(0, 0, sku="a", price=1.0))
    assert [each.rule for each in world.decisions] == ["z", "a", "c", "d"]
