"""The content of messages: what is written in C is what python-liquid writes, in what the engine gives out.

The same events are played to the same rules twice: as they are, and with templates of which nobody knows
that they are plain, so that python-liquid writes them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.content.formats import Format
from stream.content.template import Template
from stream.errors import ContentError
from stream.expression import parse
from stream.rules.model import Channel, Policy, Rule, RuleSet, Segment, Step, Trait
from stream.structs import Result
from tests.engine.enginekit import CLICKS, HOUR, PROFILES, SECOND, T0, WEATHER, Rec, World

TRAITS = (
    Trait("views", "t1", "count", ("view",), per=("kind",)),
    Trait("total", "t2", "sum", ("view",), ("price",)),
    Trait("least", "t3", "min", ("view",), ("price",)),
    Trait("last", "t4", "last", ("view",), ("a",)),
    Trait("kinds", "t5", "distinct", ("view",), ("kind",)),
    Trait("pauses", "t6", "gap", ("view",)),
    Trait("favourites", "t7", "top", ("view",), ("kind",)),
)
SEGMENTS = (Segment("rich", parse("traits.total > 100.0")), Segment("odd", parse("customer.missing == 1")))
# How a rule comes to fire: by the event itself, later, or by its second step.
WAYS: dict[str, dict[str, Any]] = {
    "at once": {"steps": (Step(("view",)),)},
    "by a timer": {"steps": (Step(("view",)),), "wait": SECOND},
    "in two steps": {"steps": (Step(("look",), name="seen"), Step(("view",)))},
}


def hidden(source: str) -> Template:
    """A template of which nobody knows that it is plain."""
    template = Template(source)
    object.__setattr__(template, "_read", template._read._replace(plain=None))
    return template


def rules_of(
    content: dict[str, Template], way: str, form: Format = "text", policy: Policy | None = None
) -> RuleSet:
    channel = Channel("web", "triggers.web", format=form)
    rule = Rule("r", "r-id", channels=(channel,), content=content, **WAYS[way])
    return RuleSet(
        "1", (CLICKS, PROFILES, WEATHER), TRAITS, (channel,), (), (rule,), SEGMENTS, policy or Policy()
    )


def raw(number: int, at: int, **fields: Any) -> Rec:
    given = {"id": f"e{number}", "ts": T0 + at, "customer": "c1", **fields}
    return Rec(number, T0 + at, orjson.dumps(given, option=orjson.OPT_NON_STR_KEYS))


def played(rules: RuleSet, event: bytes, customer: dict[str, Any], weather: dict[str, Any]) -> Result:
    """What comes of a view."""
    world = World(rules)
    known = {
        "profiles": [raw(0, 0, attributes=customer)],
        "weather": [raw(0, 0, **weather)],
        "clicks": [raw(0, 1, event="look", price=50, kind="a", a="<seen>")],
    }
    world.play(known)
    first = world.play({"clicks": [Rec(1, T0 + 2, event)]})
    last = world.play({"clicks": [raw(2, HOUR, event="other", customer="c2")]})
    first.decisions += last.decisions
    first.triggers += last.triggers
    for place, count in last.content_errors.items():
        first.content_errors[place] = first.content_errors.get(place, 0) + count
    return first


def told(result: Result) -> list[Any]:
    said = [(each.outcome, each.reason, each.unwritten) for each in result.decisions]
    return [said, [each.content for each in result.triggers], result.content_errors]


def view(**fields: Any) -> bytes:
    return orjson.dumps({"event": "view", "id": "e1", "ts": T0 + 2, "customer": "c1", **fields})


# -- generated

NAMES = ["event", "customer", "traits", "a", "b", "size", "first", "rule", "nothing"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(["", " ", "\u200b", " a\n b ", "\u2066a", "a\x85", "it’s", "\xa0b\xa0", "\u2028"])
    | st.sampled_from(
        ["<a href='x'>", "2026-03-02T10:00:00Z", "2026-03-02", "12.50", "a", "b", "ß", "日本", "x" * 3000]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
EVENTS = st.fixed_dictionaries(
    {"a": SCALARS, "b": SCALARS, "kind": st.sampled_from(["a", "b", "size", 5, None])},
    optional={"first": VALUES, "size": VALUES, "event_": VALUES, "price": SCALARS},
)
CUSTOMERS = st.fixed_dictionaries(
    {"a": VALUES},
    optional={"timezone": st.sampled_from(["UTC", "Asia/Tokyo", "x"]), "locale": st.just("de")},
)
ODD_PATHS = st.recursive(
    st.sampled_from(NAMES),
    lambda inner: (
        st.tuples(inner, st.sampled_from(NAMES)).map(".".join)
        | st.tuples(st.sampled_from(["event", "traits.views", "traits"]), inner).map(
            lambda two: f"{two[0]}[{two[1]}]"
        )
        | inner.map(lambda path: f"{path}['a']")
    ),
    max_leaves=4,
)
USUAL = [
    *("event.a", "event.b", "customer.a", "customer.a.b", "context.weather.a", "rule", "now", "event_time"),
    *("event_name", "traits.views[event.kind]", "traits.views.a", "traits.total", "traits.least"),
    *("traits.last", "traits.kinds", "traits.pauses.mean", "traits.pauses", "traits.favourites", "traits"),
    *("segments.rich", "segments.odd", "segments.nobody", "seen.a", "seen.price", "seen.x", "event['a']"),
    *("event[event.kind]", "event.event_.a", "event", "event.a.b", "int", "traits.least.a", "rule.a"),
    *("now.a", "event[event_name]", "customer[event.kind]", "traits.views[seen.kind]"),
]
PATHS = st.one_of(*[st.sampled_from(USUAL)] * 6, ODD_PATHS)
FILTERS = st.sampled_from(
    [
        *("upcase", "downcase", "capitalize", "strip", "round", "round: 2", "round: 9"),
        *("money: 'EUR'", "date", "date: 'time'", "date: '%d.%m.'"),
        *("default: 'you'", "default: 5", "default: ''", "default", "default: 1.5", "default: '<b>'"),
    ]
)
VALUE = st.tuples(PATHS, st.lists(FILTERS, max_size=2)).map(
    lambda two: "{{ " + " | ".join([two[0], *two[1]]) + " }}"
)
TEXTS = st.sampled_from(["Hello ", "<b>", "\n", "x" * 200, " ", '"quoted" \\ \t', "\u200b", "ü"])
TEMPLATES = st.lists(VALUE | TEXTS, min_size=1, max_size=3).map("".join)


@settings(max_examples=400, deadline=None)
@given(
    TEMPLATES,
    TEMPLATES,
    EVENTS,
    CUSTOMERS,
    EVENTS,
    st.sampled_from(["text", "html", "line"]),
    st.sampled_from([Policy(), Policy("Europe/Rome", "fr")]),
    st.sampled_from(list(WAYS)),
)
def test_it_is_what_python_liquid_writes(
    text: str,
    subject: str,
    event: dict[str, Any],
    customer: dict[str, Any],
    weather: dict[str, Any],
    form: Format,
    policy: Policy,
    way: str,
) -> None:
    try:
        content = {"text": Template(text), "subject": Template(subject)}
    except ContentError:  # `event.size` and so on can be asked for, but not of everything
        return
    given = view(**event), customer, weather
    full = {name: hidden(each.source) for name, each in content.items()}
    expected = told(played(rules_of(full, way, form, policy), *given))
    assert told(played(rules_of(content, way, form, policy), *given)) == expected
    assert len(expected[0]) == 1


# -- by hand

READ = {"name": "Ada", "price": 80, "yes": True, "no": None, "share": 0.5, "kind": "shoes", "off": False}


def written(
    source: str, event: bytes | None = None, form: Format = "text", way: str = "at once"
) -> str | None:
    """What is sent; None: nothing is."""
    rules = rules_of({"text": Template(source)}, way, form, Policy("UTC"))
    result = played(rules, view(**READ) if event is None else event, {"name": "Zoë"}, {"sky": "blue"})
    assert len(result.decisions) == 1
    return result.triggers[0].content["text"] if result.triggers else None


@pytest.fixture
def without_liquid(monkeypatch: pytest.MonkeyPatch) -> None:
    """python-liquid must not be asked."""

    def render(*given: object) -> str:
        raise AssertionError("python-liquid was asked")

    monkeypatch.setattr(Template, "render", render)


@pytest.mark.usefixtures("without_liquid")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hello {{ event.name }}!", "Hello Ada!"),
        ("{{ event.price }}{{ event.yes }}{{ event.share }}", "80true0.5"),
        ("{{ event.no | default: 'you' }}{{ event.x | default: 7 }}{{ event.off | default: '-' }}", "you7-"),
        ("{{ event.none | default: 'you' | upcase }}", "YOU"),
        ("{{ traits.views[event.kind] }} {{ traits.views['x'] }} {{ event['name'] }}", "1 0 Ada"),
        ("{{ event.price | money: 'EUR' }} {{ now | date: '%d.%m.' }}", "€80.00 02.03."),
        ("{{ event.share | round }}", "0"),
        ("{{ customer.name }} {{ context.weather.sky }} {{ segments.rich }}", "Zoë blue false"),
        ("{{ event_name }}, {{ event_time }}", "view, 2026-03-02T10:00:00.002Z"),
        ("{{ traits.total }} {{ traits.least }} {{ traits.kinds }}", "80.0 80.0 1"),
        ("{{ event[event.kind] | default: 'none' }}", "none"),
    ],
)
def test_what_is_usual_is_written_without_python_liquid(source: str, text: str, way: str) -> None:
    assert written(source, way=way) == text


NUMBERS = [
    *("0", "-0", "-0.0", "1e22", "1e16", "123456789012345678", "0.1", "1e-7", "-1", "5e-324"),
    *("9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615"),
    *("18446744073709551616", "1.7976931348623157e308", "100", "1000000", "1.0", "3.0e5", "-12.50"),
]


@pytest.mark.usefixtures("without_liquid")
@pytest.mark.parametrize(("number", "way"), list(product(NUMBERS, ["at once", "by a timer"])))
def test_a_number_is_written_as_python_writes_it(number: str, way: str) -> None:
    event = view(x="number").replace(b'"number"', number.encode())
    assert written("{{ event.x }}", event, way=way) == str(orjson.loads(number))


@pytest.mark.usefixtures("without_liquid")
def test_of_a_field_that_stands_twice_the_last_one_is_written() -> None:
    event = view(x="one").replace(b'"x":"one"', b'"x":"one","x":"two"')
    assert written("{{ event.x }}", event) == "two"


@pytest.mark.parametrize(
    "value",
    [[1], {"a": 1}, "x" * 7000, None, "", " \u200b"],
    ids=["list", "object", "long", "null", "empty", "blank"],
)
@pytest.mark.usefixtures("without_liquid")
def test_what_is_odd_is_left_to_python_liquid(value: object) -> None:
    with pytest.raises(AssertionError, match="python-liquid was asked"):
        written("{{ event.x }}", view(x=value))


@pytest.mark.parametrize(
    ("source", "event", "text"),
    [
        # A trait has a value for every key, and none for what is no key.
        ("{{ traits.views[event.lost] | default: 'none' }}", {}, "none"),
        ("{{ traits.views[event.lost] }}", {}, None),
        # `size` of an object that has no such key is how many it has.
        ("{{ event[event.kind] | default: 'x' }}", {"kind": "size"}, "5"),
    ],
)
def test_a_key_that_is_missing_or_means_more_is_left_to_python_liquid(
    source: str, event: dict[str, Any], text: str | None
) -> None:
    assert written(source, view(**event)) == text


ESCAPED = ["<", ">", "&", '"', "'", "\\", "\n", "\t", "\x01", "\x7f", "ü", "😀", "\u2028", "abcdefgh"]


@pytest.mark.usefixtures("without_liquid")
@pytest.mark.parametrize("form", ["text", "html", "line", "html_line"])
@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(ESCAPED), min_size=1, max_size=9).map("".join))
@example("1234567\x1f")
@example("12345678\x1f")
def test_a_value_is_escaped_as_its_format_wants_it(form: Format, value: str) -> None:
    field = "subject" if form.endswith("line") else "text"
    of_channel: Format = "html" if form.startswith("html") else "text"
    rules = rules_of({field: Template("[{{ event.x }}]")}, "at once", of_channel)
    (trigger,) = played(rules, view(x=value), {}, {}).triggers
    expected = hidden("[{{ event.x }}]")
    assert trigger.content[field] == _by_liquid(expected, value, form)


def _by_liquid(template: Template, value: str, form: Format) -> str:
    return ORIGINAL(template, {"event": {"x": value}}, form)


ORIGINAL = Template.render


@pytest.mark.usefixtures("without_liquid")
@pytest.mark.parametrize("source", ["  {{ event.x }}  ", "{{ event.x }}\n{{ event.x }}", "{{ event.x }}"])
def test_a_line_is_one_line(source: str) -> None:
    for value in ("a", " ä ", "a\r\nb", "\u202ea", "it’s"):
        rules = rules_of({"subject": Template(source)}, "at once")
        (trigger,) = played(rules, view(x=value), {}, {}).triggers
        assert trigger.content["subject"] == _by_liquid(hidden(source), value, "line")


def test_of_several_texts_those_that_are_not_plain_do_not_keep_the_others_from_being_so() -> None:
    content = {"a": "{{ event.name }}", "b": "{% if event.yes %}yes{% endif %}", "c": "{{ event.price }}"}
    rules = rules_of({name: Template(source) for name, source in content.items()}, "at once")
    (trigger,) = played(rules, view(**READ), {}, {}).triggers
    assert trigger.content == {"a": "Ada", "b": "yes", "c": "80"}
    assert list(trigger.content) == list(content)


def test_a_text_reads_the_event_of_its_own_match() -> None:
    """Slots belong to the record at hand: two events in one call must not lend each other their fields."""
    rules = rules_of({"text": Template("{{ event.x | default: 'none' }}")}, "at once")
    world = World(rules)
    records: Sequence[Rec] = [
        raw(n, n, event="view", **more) for n, more in enumerate([{"x": 1}, {}, {"x": 2}])
    ]
    result = world.clicks(*records)
    assert [each.content["text"] for each in result.triggers] == ["1", "none", "2"]


def test_a_rule_set_that_is_replaced_takes_its_texts_with_it() -> None:
    one = rules_of({"text": Template("{{ event.x }}")}, "at once")
    other = replace(
        one, revision="2", rules=(replace(one.rules[0], content={"text": Template("{{ event.y }}")}),)
    )
    world = World(one)
    world.clicks(raw(0, 0, event="view", x=1, y=2))
    world.rules = other
    assert world.clicks(raw(1, 1, event="view", x=1, y=2)).triggers[0].content == {"text": "2"}
