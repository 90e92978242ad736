"""Lists of what is there, in the engine: what hostile events make of them, and what a restart keeps."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from stream.errors import StateError
from stream.rules.model import RuleSet, Trait
from stream.state._codec import decode
from stream.state._layout import Layout
from tests.engine.enginekit import DAY, T0, Rec, Rules, World, rec

FIELDS = (("sku",), ("product", "name"), ("price",))


def rules(**more: Any) -> RuleSet:
    made = Rules()
    said = {"fields": FIELDS, "key": ("sku",), "remove": ("drop",), "clear": ("purchase",), **more}
    made.traits.append(Trait("cart", "trait-cart", "list", ("add",), **said))
    return made.build()


def add(at: int, sku: Any, **more: Any) -> Rec:
    return rec(at, at, "add", sku=sku, **more)


def cart(world: World, at: int = 100_000) -> Any:
    return world.state.trait("c1", "cart", T0 + at)


def failures(world: World) -> dict[tuple[str, str, str, str], int]:
    return dict(world.result.condition_errors)


def test_a_cart_is_the_same_in_memory_and_read_back() -> None:
    world = World(rules())
    world.clicks(
        add(0, "a", product={"name": "Schöner Schuh"}, price=9.5),
        add(1, 2**63 + 1, price=-3),
        add(2, True, product={"name": None}),
        rec(3, 3, "drop", sku="b"),
    )
    there = [
        {"sku": "a", "name": "Schöner Schuh", "price": 9.5},
        {"sku": 2**63 + 1, "price": -3},
        {"sku": True, "name": None},
    ]
    assert cart(world) == there
    after = world.restored()
    assert cart(after) == there
    after.clicks(rec(4, 4, "drop", sku="a"), add(5, True))
    assert cart(after) == [there[1], {"sku": True}]


def test_nobody_has_an_empty_cart_and_gets_one_of_their_own() -> None:
    world = World(rules())
    cart(world).append("spoilt")
    world.clicks(rec(0, 0, "drop", sku="a"))
    cart(world).append("spoilt")
    assert cart(world) == []


@pytest.mark.parametrize(
    ("product", "price"),
    [
        ({"name": "x" * 5000}, [1]),
        ({"name": {"deep": [[[[[[]]]]]]}}, {"amount": 5}),
        ({"name": ["a"] * 100_000}, ["9.99"]),
    ],
)
def test_what_no_element_can_hold_is_left_out_and_counted(product: Any, price: Any) -> None:
    world = World(rules())
    world.clicks(add(0, "a", product=product, price=price))
    assert cart(world) == [{"sku": "a"}]
    assert failures(world) == {
        ("traits.cart", "fields", "value", "event.product.name"): 1,
        ("traits.cart", "fields", "value", "event.price"): 1,
    }


@pytest.mark.parametrize("sku", [["a"], {"a": 1}, 1.5, "x" * 2000])
def test_what_is_no_key_is_no_element_and_is_counted(sku: Any) -> None:
    world = World(rules())
    world.clicks(add(0, sku, price=1), rec(1, 1, "drop", sku=sku))
    assert cart(world) == []
    assert failures(world) == {("traits.cart", "key", "value", "event.sku"): 2}


@pytest.mark.parametrize("raw", [b"NaN", b"Infinity", b"1e999", b'"\\ud800"'])
def test_what_is_no_number_and_no_text_of_json_is_no_event(raw: bytes) -> None:
    world = World(rules())
    body = orjson.dumps({"event": "add", "customer": "c1", "ts": T0, "sku": "a", "price": 0})
    world.clicks(Rec(0, T0, body.replace(b'"price":0', b'"price":' + raw)))
    assert [each.reason for each in world.result.dead_letters] == ["json"]
    assert cart(world) == []


def test_a_hundred_thousand_things_in_a_cart_are_as_many_as_it_may_have() -> None:
    world = World(rules(most=100, key=None, remove=()))
    for at in range(0, 100_000, 5_000):
        world.clicks(*(add(n, f"p{n}", product={"name": "ü" * 400}) for n in range(at, at + 5_000)))
    assert [each["sku"] for each in cart(world)] == [f"p{n}" for n in range(99_900, 100_000)]
    [(_, value)] = [each for each in world.state.take_changed() if each[0]]
    assert len(value) < 100 * 1_100
    assert world.result.errors == {}  # that the oldest goes is as it should be


def test_the_same_thing_again_and_again_takes_no_room() -> None:
    world = World(rules())
    world.clicks(*(add(n, "a", price=n) for n in range(5_000)))
    assert cart(world) == [{"sku": "a", "price": 4_999}]
    [(_, value)] = [each for each in world.state.take_changed() if each[0]]
    assert len(value) < 100


def test_with_over_what_is_too_old_is_not_there_and_goes() -> None:
    world = World(rules(over=DAY))
    world.clicks(add(0, "a"), rec(1, 3 * DAY, "add", sku="b"))
    assert cart(world, 3 * DAY) == [{"sku": "b"}]
    [(_, value)] = [each for each in world.state.take_changed() if each[0]]
    assert b"a" not in value[-20:]


def test_another_definition_starts_the_list_anew() -> None:
    world = World(rules())
    world.clicks(add(0, "a"))
    assert cart(world) == [{"sku": "a"}]
    made = Rules()
    made.traits.append(Trait("cart", "trait-cart-2", "list", ("add",), fields=(("price",),)))
    world.rules = made.build("2")
    world.state.adopt(world.rules)
    assert cart(world) == []


def test_a_state_with_a_broken_list_is_refused_and_never_read_beyond_its_end() -> None:
    world = World(rules())
    world.clicks(add(0, "a", product={"name": "é"}, price=1.5), add(1, "b", price=2))
    [(_, value)] = [each for each in world.state.take_changed() if each[0]]
    layout = Layout(rules())
    assert decode(layout, "c1", value) is not None
    refused = 0
    for at in range(len(value)):
        for byte in (0, 1, 0x7F, 0x80, 0xFF, value[at] ^ 1):
            broken = value[:at] + bytes([byte]) + value[at + 1 :]
            try:
                decode(layout, "c1", broken)
            except StateError:
                refused += 1
        with pytest.raises(StateError):
            decode(layout, "c1", value[:at])
    assert refused > len(value)


LINES = ("order", "lines")


def by_line(function: str, **more: Any) -> World:
    made = Rules()
    made.traits.append(Trait("t", "trait-t", function, ("buy",), items=LINES, **more))  # type: ignore[arg-type]
    return World(made.build())


def buy(at: int, lines: Any) -> Rec:
    return rec(at, at, "buy", order={"lines": lines}, sku="event's", price=1_000)


def value(world: World, key: Any = None) -> Any:
    return world.state.trait("c1", "t", T0 + 100_000, key)


def test_of_tens_of_thousands_of_lines_the_first_hundred_count_and_the_rest_is_said() -> None:
    world = by_line("sum", field=("price",), per=("sku",))
    world.clicks(buy(0, [{"sku": f"p{n}", "price": 1} for n in range(30_000)]))
    assert value(world) == {f"p{n}": 1.0 for n in range(100)}
    assert failures(world) == {("traits.t", "items", "cost", ""): 1}


@pytest.mark.parametrize("lines", ["a", 5, True, {"sku": "a", "price": 1}])
def test_items_that_are_no_list_count_nothing_and_are_said(lines: Any) -> None:
    world = by_line("count")
    world.clicks(buy(0, lines), buy(1, None), rec(2, 2, "buy"))
    assert value(world) == 0
    assert failures(world) == {("traits.t", "items", "value", "event.order.lines"): 1}


def test_what_a_line_has_of_its_own_is_not_filled_up_from_another_or_the_event() -> None:
    world = by_line("sum", field=("price",), per=("sku",))
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    world.clicks(buy(0, [{"sku": "a", "price": 2}, {"sku": "b"}, {"price": 5}, [], deep, "x", None]))
    assert value(world) == {"a": 2.0}
    assert failures(world) == {}


def test_of_a_field_that_stands_twice_in_a_line_the_last_one_counts() -> None:
    world = by_line("list", fields=(("name",), ("price",)))
    line = buy(0, [{"name": "a", "price": 1, "last": "b"}])
    world.clicks(Rec(0, T0, (line.value or b"").replace(b'"last"', b'"name"')))
    assert value(world) == [{"name": "b", "price": 1}]


def test_lines_with_tens_of_thousands_of_fields_are_worked_off_and_paid_for() -> None:
    world = by_line("list", fields=(("name",), ("price",)))
    wide = {f"f{n}": 1 for n in range(30_000)}
    world.clicks(buy(0, [{**wide, "name": "a"}, {**wide, "price": 5}]))
    assert value(world) == [{"name": "a"}, {"price": 5}]
    assert world.result.work > 1_000


def test_a_line_that_is_wrong_is_counted_for_each() -> None:
    world = by_line("sum", field=("price",), per=("sku",))
    world.clicks(buy(0, [{"sku": ["a"], "price": 1}, {"sku": "a", "price": "5"}, {"sku": "a", "price": "6"}]))
    assert failures(world) == {
        ("traits.t", "per", "value", "event.order.lines.sku"): 1,
        ("traits.t", "field", "value", "event.order.lines.price"): 2,
    }
