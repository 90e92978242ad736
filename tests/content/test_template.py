"""Templates: what they render, what they may not do, and what is said when they fail."""

from __future__ import annotations

import pickle
import re
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stream.content import template
from stream.content.template import MAX_TEMPLATE_BYTES, Reference, Template, findings
from stream.errors import ContentError

BINDINGS: dict[str, Any] = {
    "event": {
        "name": "Ada",
        "price": 80,
        "zero": 0,
        "items": ["a", "b"],
        "category": "shoes",
        "secret": "4711",
        "no": None,
        "nones": ["a", None],
        "nought": 0,
    },
    "event_name": "purchase",
    "traits": {"orders": 3, "spend": 12.5, "views": defaultdict(int, shoes=2)},
    "rule": "thanks",
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain { text } % }}", "plain { text } % }}"),
        ("Hello {{ event.name }}!", "Hello Ada!"),
        ("{{ event_name }}/{{ rule }}/{{ event.price }}", "purchase/thanks/80"),
        ("{{ traits.orders }} {{ traits.spend | round: 1 }}", "3 12.5"),
        ("{{ traits.views[event.category] }} {{ traits.views['bags'] }}", "2 0"),
        ("{{ event.nick | default: 'you' }}", "you"),
        (
            "{% for item in event.items %}{{ item }}{% unless forloop.last %}, {% endunless %}{% endfor %}",
            "a, b",
        ),
        ("{% if traits.orders > 2 %}many{% else %}few{% endif %}", "many"),
        ("<b>{{ '<' }}</b>", "<b><</b>"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ],
)
def test_rendering(source: str, text: str) -> None:
    assert Template(source).render(BINDINGS) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ event.nothing }}",
        "{{ nothing }}",
        "{% if event.price %}{{ event.nothing }}{% endif %}",
        "{{ event[event.secret] }}",
        "{{ event.items[5] }}",
        "{{ event.secret | divided_by: event.nought }}",
        "{{ event.name | times: event.items }}{{ event.name | truncate: event.secret, event.x }}",
        "{% for a in (1..2000) %}x{% endfor %}",
        "{% for a in (1..900) %}{% for b in (1..900) %}{% endfor %}{% endfor %}",
        "{% assign s = 'xxxx' %}{% for a in (1..60) %}{% assign s = s | append: s %}{% endfor %}",
    ],
)
def test_what_fails_when_rendered_fails_without_the_customer_s_data(source: str) -> None:
    with pytest.raises(ContentError) as caught:
        Template(source).render(BINDINGS)
    assert "the template failed" in str(caught.value)
    assert "4711" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("source", "message", "offset"),
    [
        ("Hi {{ event.name", "not a Liquid template: `{{` without `}}`", 3),
        ("{% if event.name %}Hi", "not a Liquid template: expected tag endif, found end of expression", 0),
        ("{% iff x %}", "not a Liquid template: unexpected tag 'iff'", 3),
        ("Hi {% include 'footer' %}", "the tag `include` is not supported yet", 6),
        ("{% render 'footer' %}", "the tag `render` is not supported yet", 3),
        ("{{ event.name | upcas }}", "unknown filter `upcas`", 16),
        ("{{ event.name | title }}", "unknown filter `title`", 16),
        ("{{ 'now' | date: '%Y' }}", "'now' is not supported", 3),
        ("{{ today }}", "`today` is not supported", 3),
        ("x" * (MAX_TEMPLATE_BYTES + 1), "more than 16,384 bytes in one field", 0),
        ("{{" + " " * 300 + "}}", "200 spaces in a row", 2),
        (
            "{% case a %}x{% when 1 %}y{% endcase %}",
            "what stands between `case` and its first `when` is never sent",
            12,
        ),
    ],
)
def test_what_is_no_template(source: str, message: str, offset: int) -> None:
    (found,) = findings(source)
    assert (found.message, found.offset) == (message, offset)
    with pytest.raises(ContentError) as caught:
        Template(source)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{{ event.nothing }}", "event.nothing"),
        ("{% if true %}{{ event.nothing.at | upcase }}{% endif %}", "event.nothing.at"),
        ("{{ 'a' | append: event[event.name] }}", "event[…]"),
    ],
)
def test_what_is_missing_is_named_without_the_customer_s_data(source: str, name: str) -> None:
    with pytest.raises(ContentError, match=re.escape(f"a variable is undefined: `{name}`")) as caught:
        Template(source).render(BINDINGS)
    assert caught.value.variable == name
    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("Hello {{ event.no }}!", "event.no"),
        ("{% if true %}Hello {{ event.no | upcase }}!{% endif %}", "event.no"),
        ("{{ event.nones | join: ', ' }}", "event.nones"),
    ],
)
def test_what_is_null_is_named(source: str, name: str) -> None:
    """An event that says null greeted as "Hello !"."""
    with pytest.raises(ContentError, match=re.escape(f"a value is null: `{name}`")) as caught:
        Template(source).render(BINDINGS)
    assert caught.value.variable == name


@pytest.mark.parametrize(
    ("source", "applied"),
    [
        ("It is {{ event.name | times: 2 }}", "event.name | times"),
        ("{{ event.price | times: event.name }}", "event.price | times"),
        (
            "{% if true %}{{ event.price | plus: 1 | divided_by: event.zero }}{% endif %}",
            "event.price | … | divided_by",
        ),
        ("{{ event.name | money: 'EUR' }}", "event.name | money"),
        ("{{ 'soon' | date: 'long' }}", "… | date"),
        ("{% assign x = event.name | plus: 1 %}{{ x }}", "event.name | plus"),
    ],
)
def test_a_text_whose_filter_got_no_number_did_not_say_which_filter(source: str, applied: str) -> None:
    with pytest.raises(ContentError, match=re.escape(f"cannot take: `{applied}`")) as caught:
        Template(source).render(BINDINGS)
    assert (caught.value.variable, caught.value.filter) == (None, applied)
    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize("value", ["", "  ", "\u200b", "\xa0\n", "\u3164", "\x00", []], ids=repr)
@pytest.mark.parametrize(
    "source",
    [
        "{{ event.x }}",
        " {{ event.x }}\n",
        "{% if true %}{{ event.x }}{% endif %}",
        "{% if true %}{% echo event.x %}{% endif %}",
        "{% capture c %}{{ event.x }}{% endcapture %}{{ c }}",
        "{{ event.x | join }}{{ event.x }}",
    ],
)
def test_a_message_of_nothing_but_blanks_was_sent(source: str, value: object) -> None:
    for form in ("text", "line", "html"):
        with pytest.raises(ContentError, match="a text of blanks only") as caught:
            Template(source).render({"event": {"x": value}}, form)
    assert caught.value.variable in ("event.x", None)


@pytest.mark.parametrize(
    "source",
    [
        "",
        " ",
        "{{ '' }}",
        "{{ event.x | default: '' }}",
        "{{ event.nothing | default }}",
        "{% if event.vip %}{{ event.x }}{% endif %}",
        "{% capture c %}{{ event.x }}{% endcapture %}{% if c != '' %}{{ c }}{% endif %}",
        "{% for each in event.none %}{{ each }}{% endfor %}",
    ],
)
def test_what_its_author_left_empty_is_sent_empty(source: str) -> None:
    assert not Template(source).render({"event": {"x": ""}}).strip()


@pytest.mark.parametrize(
    ("source", "at", "hint"),
    [
        ("{% if a %}x{% else if a == 2 %}y{% endif %}", "if a == 2", "write {% elsif … %}"),
        ("{% unless a %}x{% else if b %}y{% endunless %}", "if b", "write {% elsif … %}"),
        ("{% if a %}x{% elseif b %}y{% endif %}", "elseif", "write `elsif`"),
        ("{% if a %}x{% else %}y{% else %}z{% endif %}", "else %}z", "`else` is the last branch; those"),
        ("{% if a %}x{% else %}y{% elsif b %}z{% endif %}", "elsif", "`else` is the last branch; those"),
        ("{% case a %}{% when 'x' 'y' %}z{% endcase %}", "'y'", "put `or` or a comma between the values"),
        ("{% if a %}x{% end %}", "end %}", "write `endif`, `endfor` and so on"),
        ("{% endif %}", "endif", "nothing is open that it belongs to"),
        ("{% iff a %}x{% endif %}", "iff", "did you mean `if`?"),
        ("Hi {{first_name} and {{ event.x }}", "} and", "write two braces at both ends: {{ … }}"),
        ("Hi {{first_name}", "{{first", "write {{ … }}"),
        ("Hi {{{ event.x }}}", "{ event", "write two braces, not three"),
        ("{% if a = 1 %}x{% endif %}", "= 1", "to compare write `==`"),
        ("{% if a && b %}x{% endif %}", "&& b", "write `and`"),
        ("{{ a | plus 3 }}", "3", "a colon comes first: | plus: 3"),
    ],
)
def test_what_is_nearly_a_template_is_told_how_to_become_one(source: str, at: str, hint: str) -> None:
    (found,) = findings(source)
    assert found.hint is not None
    assert found.hint.startswith(hint)
    assert source[found.offset :].startswith(at.strip("'")) or source[found.offset :].startswith(at)


def test_references_are_known_without_rendering() -> None:
    template = Template("{% assign x = event.a.b %}{{ x }} {{ traits.views[event.category] }}{{ rule }}")
    assert set(template.references) == {
        Reference(("event", "a", "b"), 14),
        Reference(("traits", "views", None), 37),
        Reference(("event", "category"), 50),
        Reference(("rule",), 71),
    }


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("{% for i in event.items %}{{ i.sku }}{% endfor %}", ("event", "items", None, "sku")),
        ("{% for i in event.l limit: 2 %}{% if i.id %}x{% endif %}{% endfor %}", ("event", "l", None, "id")),
        (
            "{% for i in event.items %}{% for t in i.tags %}{{ t.name | upcase }}{% endfor %}{% endfor %}",
            ("event", "items", None, "tags", None, "name"),
        ),
        ("{% tablerow i in event.items %}{{ i.sku }}{% endtablerow %}", ("event", "items", None, "sku")),
        ("{% assign i = event.items | first %}{{ i.sku }}", ("event", "items", None, "sku")),
        (
            "{% assign all = event.items | sort: 'sku' %}{% for i in all %}{{ i.sku }}{% endfor %}",
            ("event", "items", None, "sku"),
        ),
        ("{% assign home = customer.home %}{{ home.city }}", ("customer", "home", "city")),
    ],
)  # fmt: skip
def test_what_is_read_by_a_name_that_the_template_gives_is_followed(
    source: str, path: tuple[str | None, ...]
) -> None:
    assert path in {each.path for each in Template(source).references if each.given}


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in event.items %}{{ i }}{{ forloop.index }}{% endfor %}",
        "{% for i in (1..3) %}{{ i.sku }}{% endfor %}",
        "{% assign i = event.items | map: event.field %}{{ i.sku }}",
        "{% assign i = 'a' %}{% assign i = event.items | join %}{{ i.sku }}",
        "{% for event in event.items %}{% capture x %}{% endcapture %}{{ x.sku }}{% endfor %}",
    ],
)
def test_of_other_names_that_a_template_gives_nobody_knows_what_they_are(source: str) -> None:
    assert not [each for each in Template(source).references if each.given]


def test_equal_sources_are_equal_templates_and_survive_pickling() -> None:
    template = Template("Hello {{ event.name }}")
    copy = pickle.loads(pickle.dumps(template))
    assert copy == template == Template("Hello {{ event.name }}") != Template("Hello")
    assert hash(copy) == hash(template)
    assert copy.render(BINDINGS) == "Hello Ada"


@pytest.mark.parametrize(
    "source",
    [
        "{{" * 8000,  # the library's pattern takes 18 s
        "}}" * 4000 + "{{" * 4000,
        "{{" + " " * 16_000,
        "{% raw" + " " * 16_000 + "%}",
        "{{" + " " * 16_000 + "}}",
    ],
    ids=range(5),
)
def test_what_the_library_is_slow_at_never_reaches_it(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "ENVIRONMENT", None)
    assert findings(source)


@pytest.mark.parametrize("source", ["{% if a %}" * 1600, "{{ " + "a[" * 8000 + "}}"], ids=range(2))
def test_deep_templates_are_refused(source: str) -> None:
    assert findings(source)


TAGS = [
    "{% for x in event.a %}{{ x }}{{ forloop.index }}",
    "{% endfor %}",
    "{% assign y = x | default: event.b %}",
    "{% capture z %}{{ y }}",
    "{% endcapture %}",
    "{{ x }}{{ y }}{{ z[event.c].d }}",
    "{% if x == event.e %}",
    "{% else %}{{ y | append: z }}",
    "{% endif %}",
    "{% case z %}{% when event.g, y %}",
    "{% endcase %}",
    "{% tablerow t in event.rows cols: event.n %}{{ t }}{{ tablerowloop.col }}{% endtablerow %}",
    "{% increment n %}{{ n }}",
    "{% cycle event.h, x %}",
    "{% unless x %}{{ event.k }}{% endunless %}{% echo event.l %}{% liquid assign m = event.o %}{{ m }}",
]
pieces = st.sampled_from(
    [
        "{{ ",
        " }}",
        "{% ",
        " %}",
        "if ",
        "endif",
        "for x in ",
        "endfor",
        "event",
        ".a",
        "[",
        "]",
        "'",
        '"',
        "|",
        ": ",
    ]
)


@given(st.text(max_size=60) | st.lists(pieces, max_size=25).map("".join))
@settings(max_examples=300, deadline=None)
def test_no_text_does_anything_but_render_or_be_refused(source: str) -> None:
    try:
        text = Template(source).render(BINDINGS)
    except ContentError as error:
        text = error.message
    assert isinstance(text, str)


@given(st.lists(pieces | st.sampled_from(TAGS), max_size=25).map("".join))
@settings(max_examples=500, deadline=None)
def test_what_a_template_reads_is_what_the_library_says(source: str) -> None:
    try:
        template = Template(source)
    except ContentError:
        assume(False)
    if template._read.liquid is None:
        assert not template.references
        return
    said = template._read.liquid.analyze(include_partials=False)
    expected = {
        (
            tuple(each if isinstance(each, str | int) else None for each in variable.segments),
            variable.span.index,
        )
        for same in said.globals.values()
        for variable in same
    }
    assert {(each.path, each.offset) for each in template.references if not each.given} == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ a | nofilter }}",
        "{{ a | upcase | nofilter: b }}",
        "{% assign x = a | nofilter %}",
        "{% for x in a %}{% if x %}{{ x | nofilter }}{% endif %}{% endfor %}",
    ],
)
def test_an_unknown_filter_is_found_wherever_it_stands(source: str) -> None:
    (found,) = findings(source)
    assert (found.message, found.offset) == ("unknown filter `nofilter`", source.index("nofilter"))


def test_a_filter_that_goes_by_a_field_of_items_reads_it() -> None:
    found = Template("{{ traits.cart | sort: 'price' | map: 'name' | join: ', ' }}{{ event.a | join: 'b' }}")
    assert [each.path for each in found.references if each.given] == [
        ("traits", "cart", None, "price"),
        ("traits", "cart", None, "name"),
    ]
    assert [[each.path for each in output.references] for output in found.outputs] == [
        [("traits", "cart")],
        [("event", "a")],
    ]
