"""Compiled conditions: each kind of node gives what the plain evaluator gives, whatever values it meets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.errors import ExpressionError
from stream.events._value import ABSENT
from stream.expression import Call, Ident, Literal, Node, Select, Timestamp, UInt, evaluate, parse
from stream.matcher._condition import Names, compile_condition
from stream.matcher._frame import Frame
from stream.rules.model import RuleSet
from stream.state._customer import Customer
from stream.state._layout import Layout

T0 = 1_772_445_600_000
NOW = T0 + 3_600_000
NAMES = Names(customer=True, steps={"viewed": 0, "gone": 1})


def customer() -> Customer:
    return Customer("c1", Layout(RuleSet("r", (), (), (), (), ())))


def both(
    tree: Node,
    event: dict[str, Any],
    attributes: dict[str, Any] | None = None,
    viewed: dict[str, Any] | None = None,
) -> tuple[str, str]:
    """What the compiled condition and what the plain evaluator say: type and value, written down."""
    bindings = {
        "event": event, "event_name": "view", "customer": attributes or {},
        "event_time": Timestamp(T0 * 1_000_000), "now": Timestamp(NOW * 1_000_000),
    }  # fmt: skip
    if viewed is not None:
        bindings["viewed"] = viewed
    try:
        plain: Any = evaluate(tree, bindings)
    except ExpressionError:
        plain = ABSENT
    node = compile_condition(tree, Names(customer=True, steps={"viewed": 0, "gone": 1}))
    compiled = node.evaluate(
        event, "view", customer(), NOW, time=T0, attributes=attributes or {}, captured=[viewed, None]
    )
    return f"{type(compiled).__name__} {compiled!r}", f"{type(plain).__name__} {plain!r}"


# ---- generated ----

NUMBERS = st.one_of(
    st.integers(-4, 4),
    st.sampled_from([2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**53 + 1, 3_000_000_000, -3_000_000_000]),
    st.sampled_from([0.0, -0.0, 1.0, 1.5, -2.0, 2.0**63, -(2.0**63), 2.0**53, 9.3e18, 1e300, 0.1]),
)
TEXTS = st.sampled_from(["", "a", "b", "ab", "1", "-7", "1.5", "é", "😀", "x" * 1000, "(", "^a+$"])
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abx"), inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)
LEAVES: st.SearchStrategy[Node] = st.one_of(
    SCALARS.map(Literal),
    st.builds(
        lambda root, name: Select(Ident(root), name),
        st.sampled_from(["event", "event", "customer", "viewed", "gone"]),
        st.sampled_from("abcd"),
    ),
    st.sampled_from(["event", "event_name", "customer", "viewed", "now", "event_time", "int", "string"]).map(
        Ident
    ),
    st.sampled_from(["1h", "-90m", "0s", "90d"]).map(lambda text: Call("duration", (Literal(text),))),
    st.sampled_from([UInt(0), UInt(1), UInt(2**64 - 1), b"", b"a"]).map(Literal),
)
LOGIC = ["_&&_", "_||_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_[_]"]
ARITHMETIC = ["_+_", "_-_", "_*_", "_/_", "_%_"]
TEXT_TESTS = ["contains", "startsWith", "endsWith", "matches"]
UNARY = ["!_", "-_", "size", "int", "double", "string", "uint", "bytes", "bool", "dyn", "type", "timestamp"]
UNARY += ["sum", "min", "max", "avg"]


def _grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    binary = st.sampled_from([*LOGIC, *ARITHMETIC, *ARITHMETIC, *TEXT_TESTS])
    return st.one_of(
        st.builds(lambda function, *args: Call(function, args), binary, inner, inner),
        st.builds(lambda function, arg: Call(function, (arg,)), st.sampled_from(UNARY), inner),
        st.builds(lambda *args: Call("_?_:_", args), inner, inner, inner),
        st.builds(lambda items: Call("[]", tuple(items)), st.lists(inner, max_size=3)),
        st.builds(lambda key, value: Call("{}", (key, value)), inner, inner),
        st.builds(
            lambda item, items: Call("@in", (item, Call("[]", tuple(map(Literal, items))))),
            inner,
            st.lists(SCALARS, max_size=6),
        ),
        st.builds(lambda arg, name: Call("has", (Select(arg, name),)), inner, st.sampled_from("ab")),
        st.builds(Select, inner, st.sampled_from("ab")),
        st.builds(
            lambda macro, items, step: Call(macro, (items, Ident("event"), step), member=True),
            st.sampled_from(["all", "exists", "exists_one", "filter", "map"]),
            inner,
            inner,
        ),
    )


TREES = st.recursive(LEAVES, _grown, max_leaves=8)


@settings(max_examples=1000, deadline=None)
@given(TREES, OBJECTS, OBJECTS, st.none() | OBJECTS)
def test_a_compiled_tree_gives_what_the_plain_one_gives(
    tree: Node, event: dict[str, Any], attributes: dict[str, Any], viewed: dict[str, Any] | None
) -> None:
    compiled, plain = both(tree, event, attributes, viewed)
    assert compiled == plain


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([*LOGIC, *ARITHMETIC, *TEXT_TESTS]), JSON, JSON)
@example("_%_", -(2**63), -1)
@example("_/_", -(2**63), -1)
@example("_/_", 2**64 - 1, 2)
@example("_-_", 2**64 - 1, 2**63)
@example("_+_", "x" * 50_001, "x" * 50_000)
@example("_+_", "x" * 50_000, "x" * 50_000)
@example("_+_", [1], ["a"])
@example("matches", "a", "x" * 1001)
@example("matches", "aaa", "(")
def test_a_function_of_two_values_of_an_event(function: str, left: Any, right: Any) -> None:
    tree = Call(function, (Select(Ident("event"), "l"), Select(Ident("event"), "r")))
    compiled, plain = both(tree, {"l": left, "r": right})
    assert compiled == plain
    constant = Call(function, (Select(Ident("event"), "l"), Literal(right)))
    compiled, plain = both(constant, {"l": left})
    assert compiled == plain


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(UNARY), JSON)
@example("-_", 2**63)
@example("-_", -(2**63))
@example("int", 2.0**63)
@example("int", -(2.0**63))
@example("int", 2**64 - 1)
@example("double", 2**64 - 1)
def test_a_function_of_one_value_of_an_event(function: str, value: Any) -> None:
    compiled, plain = both(Call(function, (Select(Ident("event"), "v"),)), {"v": value})
    assert compiled == plain


@settings(max_examples=400, deadline=None)
@given(SCALARS | JSON, st.lists(SCALARS, max_size=12))
@example(True, [1, 0, None])
@example(1, [True, False])
@example(1.0, [1])
@example(None, [False, 0, ""])
def test_a_value_of_an_event_in_a_list_of_literals(value: Any, items: list[Any]) -> None:
    tree = Call("@in", (Select(Ident("event"), "v"), Call("[]", tuple(map(Literal, items)))))
    compiled, plain = both(tree, {"v": value})
    assert compiled == plain


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("source", ["event.a == event.b", "event.a in [event.b]", "event.b in event"])
def test_values_of_too_many_levels_are_an_error_and_no_crash(source: str) -> None:
    compiled, plain = both(parse(source), {"a": deep(1000), "b": deep(1000)})
    assert compiled == plain


# ---- by example ----


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("customer.address.city == 'Wien'", True),
        ("customer['address'].city", "Wien"),
        ("has(customer.address.city)", True),
        ("has(customer.address.street)", False),
        ("has(customer.email.x)", ABSENT),
        ("has(customer.gone.x)", ABSENT),
        ("size(customer)", 2),
        ("viewed.sku == event.sku", True),
        ("viewed", {"sku": "s1", "price": 10}),
        ("has(viewed.sku) && !has(viewed.x)", True),
        ("gone.sku == event.sku", ABSENT),
        ("has(gone.sku)", ABSENT),
        ("gone == null", ABSENT),
        ("event.new in [1, 'x']", False),
        ("event.new in [false, 1, true]", True),
        ("!(event.new in [false, null])", True),
        ("event.price - viewed.price", 2),
        ("event.price / 5", 2),
        ("-event.price % 5", -2),
        ("event.price * 1.5", 18.0),
        ("2.5 - event.price", -9.5),
        ("1 + 1.5", ABSENT),
        ("double(event.price) * 1.5", 18.0),
        ("event.price > 10 ? 'high' : 'low'", "high"),
        ("event.sku.matches('^s[0-9]$')", True),
        ("event.sku in ['s0', 's1']", True),
        ("event.price in [12.0, 'x']", True),
        ("'a' in event.tags && !('c' in event.tags)", True),
        ("'sku' in event", True),
        ("now - event_time == duration('1h')", True),
        ("event_time > now - duration('59m')", False),
        ("duration('1h') + event_time == now", True),
        ("now - duration('1h') == event_time && now + duration('-1h') == event_time", True),
        ("now + event_time", ABSENT),
        ("now - 1", ABSENT),
        ("timestamp('9999-12-31T23:59:59Z') + duration('1h')", ABSENT),
        ("timestamp('0001-01-01T00:00:00Z') - now", ABSENT),
        ("now - timestamp(event.seen) >= duration('60m')", True),
        ("event_time.getHours() == 10 && now.getHours() == 11", True),
        ("event.tags.exists(viewed, viewed == 'b')", True),
        ("[event.tags.exists(x, x == viewed.sku), now > event_time]", [False, True]),
        ("event.tags.all(x, x in customer)", False),
    ],
)
def test_conditions_by_example(source: str, expected: Any) -> None:
    event = {"new": True, "sku": "s1", "price": 12, "tags": ["a", "b"], "seen": "2026-03-02T10:00:00Z"}
    attributes = {"email": "a@b.example", "address": {"city": "Wien"}}
    compiled, plain = both(parse(source), event, attributes, {"sku": "s1", "price": 10})
    assert compiled == plain == f"{type(expected).__name__} {expected!r}"


def test_a_customer_without_a_profile_has_no_attributes() -> None:
    for who in (None, customer()):
        assert compile_condition(parse("customer"), NAMES).evaluate({}, "view", who) == {}
        assert compile_condition(parse("has(customer.x)"), NAMES).evaluate({}, "view", who) is False
        assert compile_condition(parse("customer.x == 1"), NAMES).evaluate({}, "view", who) is ABSENT


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("customer.x == 1", "unknown variable `customer`"),
        ("[1].map(x, customer.x)", "unknown variable `customer`"),
        ("viewed.x == 1", "unknown variable `viewed`"),
        ("segments.x", "unknown segment `x`"),
        ("has(segments.x)", "unknown segment `x`"),
        ("[1].all(y, segments.x)", "unknown segment `x`"),
        ("traits.x > 1", "unknown trait `x`"),
        ("has(traits.x)", "unknown trait `x`"),
    ],
)
def test_what_is_not_known_where_a_condition_stands_is_refused(source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(parse(source), Names())
    assert caught.value.message == message


# ---- segments ----


def test_segments_are_judged_lazily_and_once() -> None:
    names = Names(segments={"rich": 0, "odd": 1, "both": 2}, customer=True)
    sources = ["customer.spent > 5", "customer.none == 1", "segments.rich && !segments.odd"]
    segments = [compile_condition(parse(source), names) for source in sources]

    def holds(source: str, spent: int) -> Any:
        node = compile_condition(parse(source), names)
        return node.evaluate({}, "", customer(), 0, attributes={"spent": spent}, segments=segments)

    assert holds("segments.rich", 6) is True
    assert holds("segments.rich", 5) is False
    assert holds("segments.both && segments.rich", 6) is True
    assert holds("!segments.odd", 6) is True  # it ended in an error: it does not hold
    assert holds("[segments.both].all(x, x) && segments['both']", 6) is True
    assert holds("has(segments.odd)", 6) is True


def test_a_segment_is_judged_once_between_two_beginnings_and_its_error_counted_once() -> None:
    names = Names(segments={"odd": 0, "outer": 1}, customer=True)
    segments = [compile_condition(parse(each), names) for each in ("customer.n > 'a'", "!segments.odd")]
    node = compile_condition(parse("segments.odd || segments.odd || !segments.outer"), names)
    frame = Frame(segments)
    assert node.evaluate({}, frame=frame) is False
    assert frame.failed_segments == [0]
    assert node.evaluate({}, frame=frame) is False  # begins anew
    assert frame.failed_segments == [0, 0]


def test_what_a_segment_came_to_for_one_customer_is_not_taken_for_the_next() -> None:
    names = Names(segments={"rich": 0}, customer=True)
    frame = Frame([compile_condition(parse("customer.n > 5"), names)])
    node = compile_condition(parse("segments.rich"), names)
    seen = [node.evaluate({}, "", customer(), frame=frame, attributes={"n": n}) for n in (6, 5, 7)]
    assert seen == [True, False, True]


# ---- traits ----

COUNT, SUM, LAST = 1, 2, 3
TRAITS = {
    "count": (0, COUNT, False),
    "sum": (1, SUM, False),
    "last": (2, LAST, False),
    "per": (3, LAST, True),
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("has(traits.count) && has(traits.sum)", True),
        ("has(traits.last)", False),
        ("has(traits.per)", True),
        ("traits.last", ABSENT),
        ("traits.last.mean", ABSENT),
        ("has(traits.last.mean)", ABSENT),
        ("traits.per['x']", ABSENT),
        ("traits.count + 1", 1),
        ("traits.sum + 1.0", 1.0),
        ("traits.count == 0 ? 'none' : 'some'", "none"),
        ("traits['count'] + 1", 1),
        ("[traits.count].exists(n, n == 0)", True),
    ],
)
def test_traits_over_nothing(source: str, expected: Any) -> None:
    assert compile_condition(parse(source), Names(traits=TRAITS)).evaluate({}) == expected


def test_a_trait_with_per_is_read_with_a_key() -> None:
    with pytest.raises(ExpressionError, match="wrong use of the trait `per`"):
        compile_condition(parse("traits.per == 1"), Names(traits=TRAITS))


def test_equal_trees_under_the_same_names_are_one_node() -> None:
    names = Names()
    first = compile_condition(parse("event.a + 1 > 2"), names)
    assert compile_condition(parse("event.a + 1   > 2"), names) is first
    assert compile_condition(parse("event.a + 1.0 > 2"), names) is not first
    assert compile_condition(parse("event.a + 1 > 2"), Names()) is not first
