"""Templates that mean harm: each fails, or is done within its steps. None is timed: steps are counted."""

from __future__ import annotations

from typing import Any

import pytest

from stream.content import renderer as rendering
from stream.content.locales import Region
from stream.content.renderer import BUDGET, Rendering
from stream.content.template import Template
from stream.errors import ContentError

BIG = list(range(50_000))
GIVEN: dict[str, Any] = {
    "event": {
        "big": BIG,
        "same": list(BIG),
        "text": "<" * 500_000,
        "short": "<" * 20_000,
        "nested": [[[1] * 100] * 100] * 100,
        "list": list(range(900)),
        "number": 2**60,
        "name": "Ada",
        "first": "1",
    },
    "customer": {"locale": "de"},
    "rule": "r",
}
TWICE = "{% case 1 %}{% when 1, 1, 1, 1 %}"

HARM = {
    "a range of a hundred million": "{% for a in (1..100000000) %}{% endfor %}",
    "its end": "{% for a in (1..100000000) offset: 99999990 %}x{% endfor %}",
    "backwards": "{% for a in (1..100000000) reversed limit: 1 %}x{% endfor %}",
    "a range as a list": "{{ (1..100000000) | reverse | first }}",
    "a range in an assignment": "{% assign r = (1..100000000) %}{{ r | join }}",
    "a range that is searched": "{% if (1..100000000) contains 1.5 %}x{% endif %}",
    "a range of the event's": "{% for a in (1..event.number) %}x{% endfor %}",
    "a range in rows": "{% tablerow a in (1..100000000) cols: 2 %}x{% endtablerow %}",
    "a range that is a case": "{% case (1..100000000) %}{% when 1 %}{% endcase %}",
    "a range in a list of arguments": "{{ event.list | concat: (1..100000000) | size }}",
    "loops in loops": "{% for a in (1..40) %}{% for b in (1..40) %}x{% endfor %}{% endfor %}",
    "loops after loops": "{% for a in (1..1000) %}{{ a }}{% endfor %}" * 300,
    "rows after rows": "{% tablerow a in (1..1000) %}{{ a }}{% endtablerow %}" * 300,
    "loops that write nothing": (
        "{% for a in (1..1000) %}" + "{% if 1 == 2 %}{% endif %}" * 30 + "{% endfor %}"
    )
    * 3,
    "a loop over what it is": "{% for a in (1..900) %}{% for b in forloop %}{{ b }}{% endfor %}{% endfor %}",
    "a text that doubles": "{% assign s = 'xxxx' %}" + "{% assign s = s | append: s %}" * 60,
    "a capture that doubles": "{% assign s = 'xxxx' %}"
    + "{% capture s %}{{ s }}{{ s }}{% endcapture %}" * 60,
    "a list that doubles": "{% assign s = event.list %}" + "{% assign s = s | concat: s %}" * 60,
    "a number that squares": "{% assign n = 9 %}" + "{% assign n = n | times: n %}" * 60,
    "a number in full": "{{ " + "9" * 4000 + " | times: 1 }}",
    "a number in a text": "{% assign n = '" + "9" * 4000 + "' %}{{ n | times: 1 }}",
    "replacing everything": "{{ event.short | replace: '<', event.short }}",
    "replacing nothing": "{{ event.short | replace: '', event.short }}",
    "a long separator": "{{ event.list | join: event.short }}",
    "tags without an end": "{{ event.text | strip_html }}",
    "a long text through filters": "{{ event.short | escape | escape | escape | escape | escape | escape }}",
    "a sort of what is huge": "{{ event.big | sort | first }}",
    "a comparison of every pair": "{{ event.list | uniq | size }}",
    "a comparison of what is huge": "{% if event.big == event.same %}x{% endif %}",
    "a search in what is huge": "{% if event.big contains 'x' %}x{% endif %}",
    "a search in a long text": "{% if event.text contains '<x' %}x{% endif %}" * 100,
    "a list that is deep": "{{ event.nested | join }}",
    "a text in pieces": "{{ event.short | split: '' | reverse | join: '' }}",
    "a format that is long": "{{ '2026-03-02' | date: event.short }}",
    "output": "{% for a in (1..1000) %}" + "x" * 100 + "{% endfor %}",
    "assignments": "{% for a in (1..1000) %}{% assign b = event.list %}{% endfor %}",
    "a whole event": "{{ event }}",
}


@pytest.mark.parametrize("source", HARM.values(), ids=HARM)
def test_harm_ends_with_the_budget(source: str) -> None:
    template = Template(source)
    for form in ("text", "html"):
        with pytest.raises(ContentError, match=r"too many loops or too much text|a value that a tag|Error"):
            template.render(GIVEN, form)


HARMLESS = {
    # In python-liquid its block is written four times, and within another sixteen.
    "a when that fits often": (TWICE * 25 + "x" + "{% endcase %}" * 25, "x"),
    "a cycle": ("{% for a in (1..4) %}{% cycle 'a', 'b' %}{% endfor %}", "abab"),
    "counters": ("{% for a in (1..4) %}{% increment n %}{% decrement m %}{% endfor %}", "0-11-22-33-4"),
    "a loop of a thousand": ("{% for a in (1..1000) %}{{ a | modulo: 2 }}{% endfor %}", "10" * 500),
    "a part of a list": ("{% for a in event.list limit: 3 offset: 5 %}{{ a }}{% endfor %}", "567"),
    "the size of a list": ("{{ event.big.size }}", "50000"),
    "a loop that is left": (
        "{% for a in event.list %}{% if a == 3 %}{% break %}{% endif %}{{ a }}{% endfor %}",
        "012",
    ),
}


@pytest.mark.parametrize(("source", "text"), HARMLESS.values(), ids=HARMLESS)
def test_what_is_done_within_the_budget(source: str, text: str) -> None:
    assert Template(source).render(GIVEN) == text


@pytest.mark.parametrize(
    "path",
    [
        "event.__class__",
        "event['__class__']",
        "event.name.__class__.__mro__",
        "event.name.upper",
        "event.keys",
        "event.items",
        "event.big.append",
        "rule.format",
        "event.name[0]",
        "self",
        "context",
        "environment",
        "globals",
        "true.__class__",
        "settings",
        "__builtins__",
        "event.number.real",
        "today",
    ],
)
def test_a_path_leads_to_data_only(path: str) -> None:
    """Whatever is no key of the data is not there."""
    for source in (
        f"{{{{ {path} }}}}",
        f"{{% if true %}}{{{{ {path} }}}}{{% endif %}}",
        f"{{{{ event[{path}] }}}}",
    ):
        with pytest.raises(ContentError):
            Template(source).render(GIVEN)


@pytest.mark.parametrize("name", ["__class__", "__init__", "parentloop.__class__", "it", "step", "item"])
def test_a_loop_shows_what_liquid_says_it_shows(name: str) -> None:
    with pytest.raises(ContentError):
        Template(f"{{% for a in (1..2) %}}{{{{ forloop.{name} }}}}{{% endfor %}}").render(GIVEN)


def test_now_is_the_matchs_and_never_the_machines() -> None:
    source = "{% if true %}{{ now }}{% endif %}"
    assert Template(source).render({"now": "then"}) == "then"
    with pytest.raises(ContentError, match="undefined"):
        Template(source).render({})


def test_what_a_rendering_costs_does_not_hang_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same template takes the same steps each time."""
    left: list[int] = []

    class Watched(Rendering):
        def charge(self, steps: int) -> None:
            super().charge(steps)
            left.append(self.steps)

    monkeypatch.setattr(rendering, "Rendering", Watched)
    template = Template("{% for a in event.list limit: 50 %}{{ a | plus: 1 }}{% endfor %}")
    template.render(GIVEN)
    first = tuple(left)
    left.clear()
    template.render(GIVEN)
    assert tuple(left) == first
    assert BUDGET / 2 < left[-1] < BUDGET - 50


def test_an_undefined_value_has_no_size() -> None:
    assert Template("{% assign x = event.nothing | default: 'y' %}{{ x }}").render(GIVEN) == "y"


def test_the_region_is_asked_only_for_dates_and_money() -> None:
    assert Template("{{ rule }}").render({"rule": "r"}, "text", Region("Nowhere", "xx")) == "r"


@pytest.mark.parametrize(
    "source",
    [
        "{{ event.a }}",
        "{% if true %}{{ event.a }}{% endif %}",
        "{% capture c %}{{ event.a }}{% endcapture %}{{ c }}",
    ],
)
def test_line_ends_of_values_stay_as_they_are(source: str) -> None:
    """A text with Windows' or old Macs' line ends came out with other ones, where a template had a tag."""
    event = {"event": {"a": "one\r\ntwo\rthree\n"}}
    assert Template(source).render(event) == "one\r\ntwo\rthree\n"
