"""Conditions as they are checked: names, types, what always or never holds; and the compiled ones agree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.cel.values import Timestamp
from stream.diagnostics import Code
from stream.errors import ExpressionError
from stream.events._value import ABSENT
from stream.expression import Call, Ident, Literal, Node, Select, evaluate, parse
from stream.matcher._condition import Names, compile_condition
from stream.rules.scope import TraitShape, check, customer_scope, event_scope, rule_scope
from stream.rules.settled import constants, pairs, settled

TRAITS = {
    "views": TraitShape("count", per=True),
    "spent": TraitShape("sum", per=False),
    "kinds": TraitShape("distinct", per=False),
    "mean": TraitShape("mean", per=False),
    "newest": TraitShape("last", per=False),
    "best": TraitShape("top", per=False),
    "best_of": TraitShape("top", per=True),
    "pace": TraitShape("gap", per=False),
    "pace_of": TraitShape("gap", per=True),
}
WHERE = event_scope()
SECOND = event_scope(["viewed"])
SEGMENT = customer_scope(TRAITS, ("loyal",), ("weather",))
IF = rule_scope(TRAITS, ("loyal",), ["viewed"], ("weather",))


@pytest.mark.parametrize(
    "source",
    [
        "event.price * 2 >= 50",
        "event.sku + '-x' == event.key && 'x' + event.sku in ['xa'] && event.a + event.b > 5",
        "event.sku in ['a', 'b']",
        "event.items.exists(item, item.price > 10.5 && item.name.startsWith('x'))",
        "has(event.coupon) ? event.coupon == 'X' : false",
        "size(event.items) > 3 && event.name.lowerAscii().matches('^a')",
        "now - timestamp(event.seen) > duration('24h')",
        "now.getHours('Europe/Vienna') < 8",
        "traits.spent + 1 > 5 && traits.views[event.sku] + 1 > 3",
        "has(traits.spent)",
        "type(event.price) == int",
        "event.traits.all(traits, traits.x == 1)",
        "event_time < now",
        "customer.email.endsWith('@a.example') && has(customer.city)",
        "segments.loyal || !segments.loyal",
        "viewed.sku == event.sku",
        "traits.kinds + 1 > 2 && traits.mean + 1.0 > 2.0 && traits.newest == 'x'",
        "'x' in traits.best && traits.best[0] == 'x' && size(traits.best) == 3",
        "'x' in traits.best_of[event.category] && traits.best_of['a'][0] == 'x'",
        "traits.pace.since > traits.pace.mean + 2.0 * traits.pace.deviation",
        "traits.pace_of[event.sku].since > 3.0 && has(traits.pace.mean)",
        "has(context.weather) && context.weather.temperature < 3.0 && context.weather['rain'] in [true]",
        "now - timestamp(context.weather.ts) < duration('6h')",
        "event.context.all(context, context.x == 1)",
    ],
)
def test_what_fits(source: str) -> None:
    assert check(parse(source), IF) == []


@pytest.mark.parametrize(
    ("source", "offset", "message"),
    [
        ("traits.views[event.sku] > '3'", 24, "`>` compares a number with a text"),
        ("size(event.items) == 'a'", 18, "`==` compares a number with a text"),
        ("event_name + 1 == 'a'", 11, "`+` does not fit a text and a number"),
        ("1 + 1.5 > event.a", 2, "`+` does not fit a number"),
        ("event.sku + '-x' > 5", 17, "`>` compares a text with a number"),
        ("event_name in [1, 2]", 11, "`in` looks for a text in a list that has none"),
        ("event_name in 'abc'", 11, "`in` needs a list, this is a text"),
        ("event.price + 1", 12, None),
        ("size(event.items)", 0, "a condition must be true or false, this is a number"),
        ("event.items.map(x, x)", 12, "a condition must be true or false, this is a list"),
        ("event_name.all(x, true)", 11, "`all` needs a list, this is a text"),
        ("event.items.all(x, 1)", 19, "what `all` asks must be true or false, this is a number"),
        ("event.items.all(x, y == 1)", 19, "unknown variable `y`"),
        ("lowerAscii(event.x) == 'a'", 0, "`lowerAscii` in the wrong place"),
        ("event.x.startWith('a')", 8, "unknown function `startWith`"),
        ("event.x.replace('a') == 'b'", 8, "`replace` has too few arguments"),
        ("now > 5", 4, "`>` compares a time with a number"),
        ("event_time > 5", 11, "`>` compares a time with a number"),
        ("customer == 'c1'", 9, "`==` compares an object with a text"),
        ("viewed > 5", 7, "`>` compares an object with a number"),
        ("segments.loyal > 1", 15, "`>` compares true or false with a number"),
        ("segments.royal", 9, "unknown segment `royal`"),
        ("context.weather == 'rain'", 16, "`==` compares an object with a text"),
        ("context.wether.rain", 8, "unknown source of context `wether`"),
        ("context == 1", 0, "`context` alone is no value"),
        ("has(context.wether)", 12, "unknown source of context `wether`"),
        ("traits.kinds > 1.5 + 'a'", 19, "`+` does not fit a number and a text"),
        ("traits.kinds == 'a'", 13, "`==` compares a number with a text"),
        ("traits.mean == 'a'", 12, "`==` compares a number with a text"),
        ("traits.best > 1", 12, "`>` compares a list with a number"),
        ("traits.pace > 1.0", 12, "`>` compares an object with a number"),
        ("traits.pace.since == 'a'", 18, "`==` compares a number with a text"),
        ("[1] < [2]", 4, "`<` cannot compare a list"),
        ("event_name ? true : false", 0, "what stands before `?` must be true or false, this is a text"),
        ("traits.view['a'] > 1", 7, "unknown trait `view`"),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(source: str, offset: int, message: str | None) -> None:
    found = check(parse(source), IF)
    wanted = [] if message is None else [(offset, message)]
    assert [(each.offset, each.message) for each in found] == wanted


def test_a_gap_has_three_fields_and_no_other() -> None:
    for source in ("traits.pace.men > 1.0", "traits.pace_of['a'].men > 1.0"):
        (error,) = check(parse(source), IF)
        assert "men" in error.message
        assert error.hint == "did you mean `mean`?"


def test_now_is_no_variable_of_where() -> None:
    assert check(parse("event_time.getHours() < 8"), WHERE) == []
    assert [each.hint for each in check(parse("now.getHours() < 8"), WHERE)] == ["use `event_time`"]


@pytest.mark.parametrize(
    "name",
    ["traits.spent > 1.0", "segments.loyal", "customer.vip", "now > event_time", "context.weather.rain"],
)
def test_where_sees_the_event_only(name: str) -> None:
    (error,) = check(parse(name), WHERE)
    assert "`where` sees the event only" in error.message
    assert error.hint in ("move this to the rule's `if`", "use `event_time`")


def test_a_later_step_sees_the_earlier_ones_by_name() -> None:
    assert check(parse("event.sku == viewed.sku"), SECOND) == []
    (error,) = check(parse("event.sku == viewed.sku"), WHERE)
    assert error.code is Code.UNKNOWN_VARIABLE


@pytest.mark.parametrize("name", ["event.x == 1", "event_name == 'a'", "event_time > now"])
def test_segments_see_the_customer_and_no_event(name: str) -> None:
    assert check(parse("traits.spent > 1.0 && segments.loyal && customer.vip && now < now"), SEGMENT) == []
    assert check(parse("context.weather.temperature < 3"), SEGMENT) == []
    (error,) = check(parse(name), SEGMENT)
    assert "sees the customer, not an event" in error.message


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("nothing == 1", Code.UNKNOWN_VARIABLE),
        ("traits.nothing == 1", Code.UNKNOWN_TRAIT),
        ("segments.nothing", Code.UNKNOWN_SEGMENT),
        ("context.x == 1", Code.UNKNOWN_CONTEXT),
        ("event_name == 1", None),
    ],
)
def test_the_kind_of_an_error_is_said_with_it_not_told_by_its_words(source: str, code: Code | None) -> None:
    assert [each.code for each in check(parse(source), IF)] == [code]


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("1 < 2", True),
        ("1 > 2", False),
        ("event.x == 1", None),
        ("event.x == 1 || true", True),
        ("event.x == 1 && 1 == 2", False),
        ("event.x > 5 && event.x < 3", False),
        ("event.x > 5 && event.x < 5", False),
        ("event.x >= 5 && event.x <= 5", None),
        ("event.x >= 5 && 5 > event.x", False),
        ("event.x == 'a' && event.x == 'b'", False),
        ("event.x == 1 && event.x == 1.0", None),
        ("event.x == 'a' && event.y == 'b'", None),
        ("event.x == 'a' && event.x > 3", False),
        ("!(event.x > 5 && event.x < 3)", None),
        ("!(1 == 1)", False),
        ("1 / 0 == 1", False),
        ("!(1 / 0 == 1)", False),
    ],
)
def test_conditions_that_always_or_never_hold(source: str, verdict: bool | None) -> None:
    assert settled(parse(source)) is verdict


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("now.getHours() >= 22 && now.getHours() < 6", [False]),  # the night, as people first write it
        ("event.x != 'a' || event.x != 'b'", [True]),
        ("event.x != null || event.x != ''", [True]),
        ("event.x > 10 || event.x < 50", [True]),
        ("event.x >= 50 || 50 > event.x", [True]),
        ("event.x == 'a' || event.x != 'a'", [True]),
        ("event.x == 'a' && event.x != 'a'", [False]),
        ("event.y || (event.x == 'a' && event.x == 'b')", [False]),
        ("event.l.exists(i, i.x == 'a' && i.x == 'b')", [False]),
        ("event.x == 'a' && event.x == 'b' && event.x == 'c'", [False]),  # said once
        ("!(event.x > 50) && event.x > 60", [False]),
        ("!(event.x == 'a') || !(event.x == 'b')", [True]),
        ("now >= timestamp('2026-12-01') && now < timestamp('2026-01-06')", [False]),  # over the new year
        ("now - event_time > duration('1d') && now - event_time < duration('1h')", [False]),
        ("event.x in ['a', 'b'] && event.x == 'c'", [False]),
        ("event.x in ['a', 'b'] && event.x in ['c']", [False]),
        ("event.x in ['a', 'b'] && !(event.x in ['b', 'a'])", [False]),
        ("event.x == 'a' && (event.x == 'b' || event.x == 'c')", [False]),
        ("event.x == 'a' && event.x.startsWith('b')", [False]),
        ("size(event.x) > 3 && event.x == 'abc'", [False]),
        ("!has(event.x) && event.x == ''", [False]),
        ("event.x > 5 && event.y == 'a' && !has(event.x)", [False]),
        ("has(event.x) && event.x == 'a'", []),
        ("!has(event.x) && has(event.y) && event.y > 5", []),
        ("!has(event.x) && (event.x == '' || event.y > 5)", []),
        ("event.x == 5 && event.x / 2 > 2.2", []),  # of 5.0 it holds
        ("event.x in ['a', 'b'] && event.x != 'a'", []),
        ("event.x in ['a', 'b'] && event.x.startsWith('b')", []),
        ("event.x == 'a' && event.l.exists(x, x == 'b')", []),
        ("now >= timestamp('2026-12-01') && now < timestamp('2027-01-06')", []),
        ("event.x > 50 || event.x < 10", []),
        ("event.x > 50 || event.x > 10", []),
        ("event.x == 'a' || event.x == 'b'", []),
        ("event.x != 'a' && event.x != 'b'", []),
        ("event.x == 'a' && event.x != 'b'", []),
        ("event.x != 'a' || event.y != 'b'", []),
        ("event.x != 'a' || event.x != event.y", []),
    ],
)
def test_two_terms_that_settle_it_between_them(source: str, found: list[bool]) -> None:
    assert [each.holds for each in pairs(parse(source))] == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("event.price > 50 || 1 == 2", [False]),
        ("'a' == 'a' && event.price > 50", [True]),
        ("!(event.price > 50 || false) && event.x", [False]),
        ("event.price > 50 || event.x", []),
        ("event.price > duration('1h')", []),
    ],
)
def test_a_part_that_decides_nothing_was_left_standing(source: str, found: list[bool]) -> None:
    """Somebody had meant to compare a field there, and `ok: 9 rules` was all that was said."""
    assert [holds for _, holds in constants(parse(source))] == found


# ---- compiled and plain ----

EVENT = {"n": 5, "f": 5.5, "s": "abc", "t": True, "z": None, "l": [1, "a", 2.5], "m": {"n": 1, "s": "b"}}
fields = st.sampled_from([*EVENT, "gone"]).map(lambda name: Select(Ident("event"), name))
literals = st.sampled_from([None, True, False, 0, 1, 5, 2.5, "abc", "a", "n", b"a", 2**63 - 1, 2.0**63]).map(
    Literal
)
leaves: st.SearchStrategy[Node] = st.one_of(
    fields, literals, st.sampled_from([Ident("event"), Ident("event_name"), Ident("now"), Ident("int")])
)
BINARY = [
    "_&&_",
    "_||_",
    "_==_",
    "_!=_",
    "_<_",
    "_<=_",
    "_>_",
    "_>=_",
    "_[_]",
    "@in",
    "_+_",
    "_-_",
    "_*_",
    "_/_",
]
UNARY = ["!_", "-_", "size", "string", "int", "timestamp", "type"]


def _grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(lambda function, a, b: Call(function, (a, b)), st.sampled_from(BINARY), inner, inner),
        st.builds(lambda function, a: Call(function, (a,)), st.sampled_from(UNARY), inner),
        st.builds(lambda a, b, c: Call("_?_:_", (a, b, c)), inner, inner, inner),
        st.builds(lambda items: Call("[]", tuple(items)), st.lists(inner, max_size=3)),
        st.builds(
            lambda a, items: Call("@in", (a, Call("[]", tuple(items)))), inner, st.lists(literals, max_size=4)
        ),
        st.builds(lambda a, name: Select(a, name), inner, st.sampled_from(["n", "s", "gone"])),
        st.builds(
            lambda macro, items, step: Call(macro, (items, Ident("event"), step), member=True),
            st.sampled_from(["all", "exists", "filter", "map"]),
            inner,
            inner,
        ),
    )


@given(st.recursive(leaves, _grow, max_leaves=10))
@settings(max_examples=600, deadline=None)
def test_the_compiled_condition_gives_what_the_plain_one_gives(tree: Node) -> None:
    plain: Any
    at = Timestamp(7_000_000)
    try:
        plain = evaluate(tree, {"event": EVENT, "event_name": "view", "event_time": at, "now": at})
    except ExpressionError:
        plain = ABSENT
    compiled = compile_condition(tree, Names()).evaluate(EVENT, "view", None, 7)
    assert (type(compiled), repr(compiled)) == (type(plain), repr(plain))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("traits.count + 1 == 1", True),
        ("traits.last == 'a' || true", True),
        ("has(traits.last)", False),
        ("event.l.exists(x, traits.keyed[x] == 0)", True),
        ("traits.keyed[1u] + 1", 1),
        ("[traits.sum]", [0.0]),
    ],
)
def test_traits_are_seen_by_what_has_no_node_of_its_own(source: str, value: object) -> None:
    traits = {"count": (0, 1, False), "sum": (1, 2, False), "last": (2, 3, False), "keyed": (3, 1, True)}
    assert compile_condition(parse(source), Names(traits=traits)).evaluate(EVENT) == value
