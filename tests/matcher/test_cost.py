"""A compiled condition takes the steps that the plain evaluator takes, also of a record's bytes."""

from __future__ import annotations

import gc
from functools import reduce
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.cel.cost import MAX_STEPS, BudgetError
from stream.cel.evaluation import _Evaluation
from stream.errors import ExpressionError
from stream.events._value import ABSENT
from stream.expression import Call, Ident, Literal, Node, Select, Timestamp, parse, simplify
from stream.matcher._condition import Names, compile_condition

T0 = 1_772_445_600_000
BINDINGS = {"event_name": "view", "event_time": Timestamp(T0 * 1_000_000), "now": Timestamp(T0 * 1_000_000)}


def plain(tree: Node, event: dict[str, Any]) -> tuple[str, int | None]:
    """Value and steps; None: they were not enough."""
    evaluation = _Evaluation({"event": event, **BINDINGS}, MAX_STEPS)
    try:
        value = evaluation.value(tree)
    except BudgetError:
        return repr(ABSENT), None
    except ExpressionError:
        value = ABSENT
    return repr(value), MAX_STEPS - evaluation.left


def compiled(tree: Node, event: dict[str, Any] | bytes) -> tuple[str, int | None]:
    node = compile_condition(tree, Names())
    return repr(node.evaluate(event, "view", None, T0)), node.cost(event, "view", None, T0)


# ---- generated ----

TEXTS = st.sampled_from(["", "a", "b", "é", "a" * 99, "é" * 60, "a" * 100, "a" * 250, "é" * 120, "a" * 3000])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.0, 1.0, 1.5, 2**63, -(2**63), 2**53 + 1]),
    TEXTS,
)
FIELDS = st.sampled_from(["a", "b", "c", "é"])
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=12)
        | st.dictionaries(FIELDS, inner, max_size=4)
        | st.lists(inner, min_size=1, max_size=4).map(
            lambda items: {**{f"w{n}": n for n in range(20)}, "a": items}
        )
    ),
    max_leaves=12,
)
EVENTS = st.dictionaries(FIELDS, JSON, max_size=4)
PATHS: st.SearchStrategy[Node] = st.builds(
    lambda root, names: reduce(Select, names, Ident(root)),
    st.sampled_from(["event", "event", "x", "y"]),
    st.lists(FIELDS, max_size=2),
)
LEAVES: st.SearchStrategy[Node] = st.one_of(
    PATHS, PATHS, st.sampled_from([None, True, 0, 1, 1.5, "a", "é", "(a|b)+"]).map(Literal)
)
MACROS = st.sampled_from(["all", "exists", "exists_one", "filter", "map"])
BINARY = st.sampled_from(
    [
        "_&&_",
        "_||_",
        "_==_",
        "_!=_",
        "_<_",
        "_>=_",
        "@in",
        "_[_]",
        "_+_",
        "contains",
        "startsWith",
        "matches",
        "split",
    ]
)
UNARY = st.sampled_from(["!_", "-_", "size", "string", "lowerAscii", "reverse", "join", "int", "double"])


def _grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(lambda function, *args: Call(function, args), BINARY, inner, inner),
        st.builds(lambda function, arg: Call(function, (arg,)), UNARY, inner),
        st.builds(lambda *args: Call("_?_:_", args), inner, inner, inner),
        st.builds(lambda items: Call("[]", tuple(items)), st.lists(inner, max_size=3)),
        st.builds(lambda key, value: Call("{}", (key, value)), inner, inner),
        st.builds(lambda arg, name: Call("has", (Select(arg, name),)), inner, FIELDS),
        st.builds(Select, inner, FIELDS),
        st.builds(
            lambda macro, items, name, step: Call(macro, (items, Ident(name), step), member=True),
            MACROS,
            inner,
            st.sampled_from("xy"),
            inner,
        ),
        st.builds(
            lambda items, chosen, step: Call("map", (items, Ident("x"), chosen, step), member=True),
            inner, inner, inner,
        ),
    )  # fmt: skip


def bound(tree: Node) -> Node:
    """Each of `x` and `y` that no macro gives is a variable of the event."""
    around = Call("exists", (Select(Ident("event"), "a"), Ident("x"), tree), member=True)
    return Call("exists", (Call("[]", (Select(Ident("event"), "b"),)), Ident("y"), around), member=True)


TREES = st.recursive(LEAVES, _grown, max_leaves=10)


@settings(max_examples=800, deadline=None)
@example(
    parse("event && event.contains(x)"), {"b": None, "a": ["a" * 100]}
)  # charged by one of the two alone
@example(parse("event.a == ['(a|b)+'].join().join()"), {"a": 1})  # an error of constants is made once
@given(TREES, EVENTS)
def test_value_and_steps_are_those_of_the_plain_evaluator(tree: Node, event: dict[str, Any]) -> None:
    simple = simplify(bound(tree))
    expected = plain(simple, event)
    assert compiled(simple, event) == expected
    assert compiled(simple, orjson.dumps(event)) == expected


# ---- by example ----

EVENT = {
    "a": [1, 2, 3],
    "items": [{"sku": "s1", "price": 5, "tags": ["x"]}, {"sku": "s2", "price": 50.0}],
    "t": "a" * 1000,
    "e": "é" * 500,
    "wide": [{**{f"k{n}": n for n in range(40)}, "last": {"deep": "x" * 1200}}],
    "p": "a+",
}


@pytest.mark.parametrize(
    ("source", "value", "steps"),
    [
        ("event.a.size() == 3 && has(event.t)", True, 0),
        ("event.a.exists(x, x > 2)", True, 3 * 4),
        ("event.a.all(x, x > 0 && x < 4)", True, 3 * 8),
        ("event.a.exists_one(x, x == 2)", True, 3 * 4),
        ("event.a.map(x, x * 2)", [2, 4, 6], 3 * 4),
        ("event.a.map(x, x > 1, x * 2)", [4, 6], 3 * 7),
        ("event.a.filter(x, x in [1, 3])", [1, 3], 3 * 4),
        ("event.items.exists(i, i.price > 10 && i.sku == 's2')", True, 2 * 10),
        ("event.items.all(i, has(i.sku) && !has(i.none))", True, 2 * 9),
        ("event.items.filter(i, has(i.tags))[0].tags.exists(t, t == 'x')", True, 2 * 4 + 4),
        ("event.items.map(i, i.price)", [5, 50.0], 2 * 3),
        ("event.items.exists(i, i == {'sku': 's2', 'price': 50.0})", True, 2 * 8 + 11),
        ("event.wide.all(w, w.last.deep.size() == 1200 && w.k39 == 39)", True, 12),
        ("event.wide.exists(w, has(w.last.deep) && !has(w.last.none))", True, 11),
        ("event.t.contains('b')", False, 10),
        ("event.t == event.e", False, 5),
        ("event.t < event.e", True, 5),
        ("(event.t + event.t).size()", 2000, 40),
        ("event.t.matches('a+b')", False, 10 + 1000 * 7 // 50),
        ("event.t.matches(event.p)", True, 5_000 + 10 + 1000 * 6 // 50),
        ("event.a == [1, 2, 3]", True, 5 + 9),
        ("4 in event.a", False, 3),
        ("4 in [1, 2, 3] || event.a == []", False, 0),
        ("event.t.lastIndexOf('b' + 'b')", -1, 12),
        ("event.a.exists(x, traits.n > 1)", ABSENT, None),
    ],
)
def test_what_a_condition_takes(source: str, value: Any, steps: int | None) -> None:
    if "traits" in source:
        tree = parse(source)
        node = compile_condition(tree, Names(traits={"n": (0, 1, False)}))
        assert node.cost({"a": [1, 2]}) == 2 * (1 + 1 + 51 + 1)
        return
    tree = simplify(parse(source))
    assert plain(tree, EVENT) == (repr(value), steps)
    assert compiled(tree, EVENT) == (repr(value), steps)
    assert compiled(tree, orjson.dumps(EVENT)) == (repr(value), steps)


def test_of_a_field_that_stands_twice_in_an_item_the_last_one_counts() -> None:
    tree = parse("event.a.exists(x, x.b == 2) && !event.a.exists(x, x.b == 1) && event.a.exists(x, has(x.b))")
    assert compiled(tree, b'{"a": [{"b": 1, "b": 2}]}')[0] == "True"


@pytest.mark.parametrize("key", [[1], {"a": 1}, None, 1.5, "none"])
def test_a_name_of_a_trait_or_segment_that_is_none_is_an_error_and_no_crash(key: Any) -> None:
    names = Names(traits={"n": (0, 1, False)}, segments={"s": 0})
    for source in ("traits[event.k] == 0", "segments[event.k]"):
        assert compile_condition(parse(source), names).evaluate({"k": key}) is ABSENT


def test_a_segment_with_a_macro_leaves_the_items_of_the_macro_that_asked_alone() -> None:
    names = Names(segments={"s": 0})
    segment = compile_condition(parse("[7, 8].exists(y, [9].exists(z, z > y))"), names)
    node = compile_condition(
        parse("event.a.exists(x, event.a.exists(y, segments.s && x == 1 && y == 3))"), names
    )
    for event in ({"a": [1, 2, 3]}, b'{"a": [1, 2, 3]}'):
        assert node.evaluate(event, segments=[segment]) is True


@pytest.mark.parametrize(
    "source",
    [
        "event.lines.exists(line, line.sku.startsWith('gift'))",
        "event.lines.all(line, line.sku != 'gift' && line.price > 0)",
        "event.lines.exists(line, line.sku == 'gift' || !has(line.price))",
        "event.lines.exists_one(line, event.skus.exists(sku, sku == line.sku))",
    ],
)
def test_a_macro_over_a_large_event_made_an_object_of_each_item(source: str) -> None:
    """Such an event of 100 kB took 115 ms. Python's collector comes by once for some hundred objects."""
    record = orjson.dumps({"skus": ["s1"], "lines": [{"sku": "s2", "price": 1, "about": "x" * 90}] * 900})
    node = compile_condition(simplify(parse(source)), Names())
    node.evaluate(b'{"lines": [{}]}')
    gc.collect()
    before = gc.get_stats()[0]["collections"]
    assert node.evaluate(record) in (False, True)
    assert gc.get_stats()[0]["collections"] == before
