"""What traits take of an event: a field or what is worked out; and what they cannot take is counted."""

from __future__ import annotations

import math
from typing import Any

import pytest

from stream.events._value import ABSENT
from tests.engine.enginekit import T0, Rules, World, rec


def played(function: str, *events: dict[str, Any], **trait: Any) -> World:
    world = World(Rules().trait("t", function, "view", **trait).build())
    world.clicks(*(rec(at, at, **event) for at, event in enumerate(events)))
    return world


def failures(world: World) -> dict[tuple[str, str, str], int]:
    failed = world.result.condition_errors
    assert world.result.errors.get(("clicks", "condition"), 0) == sum(failed.values())
    return {each[:3]: count for each, count in failed.items()}


def read(world: World, key: Any = None) -> Any:
    return world.state.trait("c1", "t", T0 + 1000, key)


NO_NUMBERS: list[Any] = ["96.00", "", True, False, [96], {"amount": 96}]


@pytest.mark.parametrize("function", ["sum", "mean", "min", "max"])
def test_a_sum_of_amounts_that_are_texts_was_nothing_without_a_word(function: str) -> None:
    """A shop that sends `"total_price": "96.00"` had spent 0.0, whatever it bought."""
    world = played(function, *({"total_price": each} for each in NO_NUMBERS), field="total_price")
    assert failures(world) == {("traits.t", "field", "value"): len(NO_NUMBERS)}
    assert {paths for *_, paths in world.result.condition_errors} == {"event.total_price"}
    assert read(world) == (0.0 if function == "sum" else ABSENT)


@pytest.mark.parametrize("function", ["sum", "mean", "min", "max", "first", "last", "distinct", "top"])
def test_a_field_that_is_not_there_or_null_is_no_error(function: str) -> None:
    world = played(function, {}, {"x": None}, {"y": 5}, field="x")
    assert failures(world) == {}


@pytest.mark.parametrize(
    ("function", "value"),
    [("last", ["a"]), ("first", {"a": 1}), ("distinct", 9.99), ("distinct", ["a"]), ("top", "x" * 2000)],
)
def test_other_functions_too_say_what_they_cannot_take(function: str, value: Any) -> None:
    assert failures(played(function, {"x": value}, field="x")) == {("traits.t", "field", "value"): 1}


def test_an_event_without_the_key_of_per_is_not_the_traits() -> None:
    world = played("sum", {"x": "5"}, {"x": "5", "sku": ["a"]}, {"x": "5", "sku": "a"}, field="x", per="sku")
    assert failures(world) == {("traits.t", "field", "value"): 1, ("traits.t", "per", "value"): 1}


def test_a_key_that_cannot_be_one_counted_nothing_without_a_word() -> None:
    """A shop that sent `"category": ["shoes"]` had no views of any category, and no alert said so."""
    unusable: list[Any] = [["shoes"], {"id": 5}, 1.5]
    world = played(
        "count", *({"category": each} for each in [*unusable, None, "shoes", True, 5]), per="category"
    )
    assert failures(world) == {("traits.t", "per", "value"): len(unusable)}
    assert {paths for *_, paths in world.result.condition_errors} == {"event.category"}
    assert [read(world, key) for key in ("shoes", True, 5)] == [1, 1, 1]


def test_a_rule_whose_key_cannot_be_one_never_waited_without_a_word() -> None:
    rules = Rules().rule("r", "view", key=("sku",), wait=3_600_000)
    world = World(rules.build())
    world.clicks(
        *(rec(at, at, **each) for at, each in enumerate([{"sku": ["a"]}, {"sku": None}, {}, {"sku": "a"}]))
    )
    assert failures(world) == {("r", "key", "value"): 1}
    assert {paths for *_, paths in world.result.condition_errors} == {"event.sku"}


def test_amounts_that_are_texts_add_up_where_the_trait_makes_numbers_of_them() -> None:
    world = played(
        "sum", {"total_price": "96.00"}, {"total_price": 4}, {"total_price": 0.5},
        value="double(event.total_price)",
    )  # fmt: skip
    assert (read(world), failures(world)) == (100.5, {})


def test_price_times_quantity_adds_up_for_each_key() -> None:
    events = [
        {"price": 9.5, "n": 2, "sku": "a"},
        {"price": 1, "n": 3, "sku": "b"},
        {"price": 2, "n": 2, "sku": "a"},
    ]
    world = played("sum", *events, value="event.price * event.n", per="sku", where="event.n > 0")
    assert [read(world, key) for key in ("a", "b", "c")] == [23.0, 3.0, 0.0]
    assert failures(world) == {}


@pytest.mark.parametrize(
    ("value", "event", "reason"),
    [
        ("event.price * event.n", {"price": 5}, "missing"),
        ("event.price * event.n", {"price": 5, "n": None}, "missing"),
        ("event.price * event.n", {"price": 5, "n": "2"}, "value"),
        ("double(event.price)", {"price": "9,99"}, "value"),
        ("double(event.price)", {"price": "nan"}, "value"),
        ("double(event.price)", {"price": "inf"}, "value"),
        ("double(event.price) * 1e308", {"price": 1e10}, "value"),
        ("event.price / event.n", {"price": 5, "n": 0}, "value"),
        ("event.price", {"price": None}, "missing"),
        ("event.price", {"price": "5"}, "value"),
        ("event.price", {"price": True}, "value"),
        ("event.price", {"price": [5]}, "value"),
        ("event", {}, "value"),
        ("event.price.filter(p, p > 5)", {"price": [5]}, "value"),
        ("event.price.filter(p, p > 5)", {}, "missing"),
        (
            "event.l.exists(x, event.l.exists(y, event.l.exists(z, z > x + y))) ? 1 : 0",
            {"l": [0] * 100},
            "cost",
        ),
    ],
)  # fmt: skip
def test_what_ends_in_an_error_or_is_no_number_adds_nothing_and_is_counted(
    value: str, event: dict[str, Any], reason: str
) -> None:
    world = played("sum", event, value=value)
    assert failures(world) == {("traits.t", "value", reason): 1}
    assert read(world) == 0.0


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        ("sum", "1", 2.0),
        ("sum", "uint(event.n)", 5.0),
        ("max", "event.n * 2", 6.0),
        ("mean", "size(event.name)", 3.0),
        ("min", "-event.n", -3.0),
        ("last", "event.name.upperAscii()", "BAGS"),
        ("last", "event.name", "bags"),
        ("last", "event_name", "view"),
        ("first", "event.n > 2", False),
        ("last", "uint(event.n)", 3),
        ("last", "event.none", None),
        ("distinct", "event_name + event.name", 2),
        ("distinct", "uint(event.n)", 2),
        ("distinct", "event.n > 0 ? 1 : 0", 1),
        ("top", "event.name.substring(0, 1)", ["b", "o"]),
    ],
)
def test_every_function_takes_what_is_worked_out(function: str, value: str, expected: Any) -> None:
    events = [{"n": 2, "name": "ox", "none": None}, {"n": 3, "name": "bags", "none": None}]
    world = played(function, *events, value=value)
    assert (read(world), failures(world)) == (expected, {})
    assert type(read(world)) is type(expected)


def test_what_is_worked_out_may_be_as_large_as_numbers_go() -> None:
    world = played("max", {"n": "9007199254740993"}, {"n": 1.7e308}, value="double(event.n)")
    assert read(world) == 1.7e308
    assert math.isfinite(read(world))
