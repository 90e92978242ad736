"""Simple templates written without python-liquid: the same text as with it, or no text and no error."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.content import fastpath
from stream.content.formats import Format
from stream.content.locales import Region
from stream.content.template import Template
from stream.errors import ContentError

NAMES = ["event", "customer", "traits", "a", "b", "size", "first", "rule", "nothing"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", " ", "\u200b"])
    | st.sampled_from(
        ["<a href='x'>", "2026-03-02T10:00:00Z", "2026-03-02", "12.50", "a", "b", "ß", "x" * 3000]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
EVENTS = st.fixed_dictionaries(
    {"a": SCALARS, "b": SCALARS, "kind": st.sampled_from(["a", "b", "size"])},
    optional={"first": VALUES, "size": VALUES, "event": VALUES},
)
BINDINGS = st.fixed_dictionaries(
    {
        "event": EVENTS,
        "customer": st.fixed_dictionaries(
            {"a": SCALARS},
            optional={"timezone": st.sampled_from(["UTC", "Asia/Tokyo", "x"]), "locale": st.just("de")},
        ),
        "traits": st.just({"views": defaultdict(int, a=2)}),
        "rule": SCALARS,
    }
)
ODD_PATHS = st.recursive(
    st.sampled_from(NAMES),
    lambda inner: (
        st.tuples(inner, st.sampled_from(NAMES)).map(".".join)
        | st.tuples(st.sampled_from(["event", "traits.views"]), inner).map(lambda two: f"{two[0]}[{two[1]}]")
        | inner.map(lambda path: f"{path}['a']")
        | inner.map(lambda path: f"{path}[0]")
    ),
    max_leaves=4,
)
USUAL = [
    "event.a",
    "event.b",
    "customer.a",
    "rule",
    "traits.views[event.kind]",
    "event[event.kind]",
    "event['a']",
]
PATHS = st.one_of(*[st.sampled_from(USUAL)] * 6, ODD_PATHS)
FILTERS = st.sampled_from(
    [
        *("upcase", "downcase", "capitalize", "strip", "round", "round: 2", "round: 9", "size", "escape"),
        *("money: 'EUR'", "date", "date: 'time'", "date: '%d.%m.'", "append: 'x'"),
        *("default: 'you'", "default: 5", "default: ''", "default", "default: 1.5", "default: event.a"),
        "default: '<b>', allow_false: true",
    ]
)
VALUE = st.tuples(PATHS, st.lists(FILTERS, max_size=2)).map(
    lambda two: "{{ " + " | ".join([two[0], *two[1]]) + " }}"
)
TEMPLATES = st.lists(VALUE | st.sampled_from(["Hello ", "<b>", "\n", "x" * 200]), min_size=1, max_size=3).map(
    "".join
)


def both(
    source: str, bindings: dict[str, Any], form: Format, region: Region
) -> tuple[str | None, str | None]:
    """The text without python-liquid, and with it; None: no text."""
    template = Template(source)
    simple, liquid = template._read.simple, template._read.liquid
    if simple is None or liquid is None:
        return None, None
    quick = fastpath.render(simple, bindings, form, region)
    object.__setattr__(template, "_read", template._read._replace(simple=None))
    try:
        return quick, template.render(bindings, form, region)
    except ContentError:
        return quick, None


@given(
    TEMPLATES,
    BINDINGS,
    st.sampled_from(["text", "html"]),
    st.sampled_from([Region(), Region("Europe/Rome", "fr")]),
)
@settings(max_examples=600, deadline=None)
def test_it_is_what_python_liquid_writes(
    source: str, bindings: dict[str, Any], form: Format, region: Region
) -> None:
    quick, full = both(source, bindings, form, region)
    assert quick is None or quick == full


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hello {{ event.name }}!", "Hello Ada!"),
        ("{{ event.price }}{{ event.yes }}{{ event.share }}", "80true0.5"),
        ("{{ event.no | default: 'you' }}", "you"),
        ("{{ event.none | default: 'you' | upcase }}", "YOU"),
        ("{{ traits.views[event.kind] }} {{ traits.views['x'] }} {{ event['name'] }}", "2 0 Ada"),
        ("{{ event.price | money: 'EUR' }} {{ now | date: '%d.%m.' }}", "€80.00 02.03."),
        ("{{ event.share | round }}", "0"),
    ],
)
def test_what_is_usual_is_written_by_it(source: str, text: str) -> None:
    event = {"name": "Ada", "price": 80, "yes": True, "no": None, "share": 0.5, "kind": "shoes"}
    views = {"views": defaultdict(int, shoes=2)}
    bindings = {"event": event, "traits": views, "now": "2026-03-02T10:00:00Z", "customer": {}}
    assert both(source, bindings, "text", Region("UTC")) == (text, text)


@pytest.mark.parametrize(
    "source",
    [
        "{% if event.name %}{{ event.name }}{% endif %}",
        "{{ event.list[0] }}",
        "{{ event.list.size }}",
        "{{ event.list | join }}",
        "{{ event.name | default: event.nick }}",
        "{{ 'x' }}",
        "{{ event.a }}" * 401,
        "{{ event.name | upcase | upcase | upcase | upcase }}",
        "{{ event.a | money: 'EUR' }}" * 17,  # dear, and not counted here
    ],
)
def test_what_is_not_simple_is_left_to_python_liquid(source: str) -> None:
    assert Template(source)._read.simple is None


@pytest.mark.parametrize(
    "value",
    [[1], {"a": 1}, "x" * 5000, 1 << 300, None, "", " \u200b"],
    ids=["list", "object", "long", "large", "null", "empty", "blank"],
)
def test_what_is_odd_is_left_to_python_liquid(value: object) -> None:
    assert both("{{ event.x }}", {"event": {"x": value}}, "text", Region())[0] is None


def test_a_key_that_is_missing_is_left_to_python_liquid() -> None:
    """A trait has a value for every key, and none for what is no key."""
    views: defaultdict[str, int] = defaultdict(int)
    given = {"traits": {"views": views}, "event": {}}
    assert both("{{ traits.views[event.kind] | default: 'none' }}", given, "text", Region()) == (None, "none")
    assert both("{{ traits.views[event.kind] }}", given, "text", Region()) == (None, None)
    assert not views


def test_a_key_that_means_more_than_a_name_is_left_to_python_liquid() -> None:
    """`size` of an object that has no such key is how many it has."""
    source = "{{ event[event.kind] | default: 'x' }}"
    assert both(source, {"event": {"kind": "size"}}, "text", Region()) == (None, "1")
