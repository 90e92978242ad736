"""The filters: what they say of a customer's money and time, what they refuse, and that all are there."""

from __future__ import annotations

from typing import Any

import pytest
from liquid import Environment

from stream.content import filters
from stream.content.locales import Region
from stream.content.template import Template, findings
from stream.errors import ContentError

BERLIN = Region("Europe/Berlin", "de")
GIVEN: dict[str, Any] = {
    "event": {"amount": 1234.5, "text": "a<b>c</b>", "day": "2026-03-05", "list": [3, 1, 2, 1]},
    "event_time": "2026-03-02T23:30:00.000Z",
    "now": "2026-03-02T23:30:00.000Z",
    "customer": {},
}


NOWHERE = Region()


def render(source: str, region: Region = NOWHERE, **customer: Any) -> str:
    text = Template(source).render({**GIVEN, "customer": customer}, "text", region)
    return text.replace("\xa0", " ").replace("\u202f", " ")


def test_money_and_dates_are_the_customers() -> None:
    source = '{{ event.amount | money: "EUR" }}, {{ event_time | date: "long" }}, {{ now | date: "time" }}'
    assert render(source, BERLIN) == "1.234,50 €, 3. März 2026, 00:30"
    assert (
        render(source, BERLIN, locale="en-US", timezone="America/New_York")
        == "€1,234.50, March 2, 2026, 6:30 PM"
    )
    assert render(source, BERLIN, locale="nonsense", timezone="Nowhere") == "1.234,50 €, 3. März 2026, 00:30"
    assert render(source, Region("UTC")) == "€1,234.50, March 2, 2026, 11:30 PM"


def test_the_same_in_a_template_that_is_not_simple() -> None:
    source = '{% if true %}{{ event.amount | money: "EUR" }} {{ event_time | date }}{% endif %}'
    assert render(source, BERLIN) == "1.234,50 € 03.03.2026"


def test_a_template_cannot_pass_itself_off_as_another_customer() -> None:
    source = '{% assign customer = event %}{{ event_time | date: "time" }}'
    assert render(source, Region("UTC", "de"), timezone="Europe/Berlin") == "00:30"


def test_a_date_fails_where_nobody_knows_the_time_zone() -> None:
    """Not the machine's, and not UTC: what would be said might be the wrong day."""
    with pytest.raises(ContentError):
        render("{{ event_time | date }}", timezone="Nowhere")
    assert render('{{ event.day | date: "long" }}') == "March 5, 2026"


@pytest.mark.parametrize(
    "source",
    [
        '{{ event.missing | money: "EUR" }}',
        '{{ event.text | money: "EUR" }}',
        "{{ event.amount | money: event.text }}",
        "{{ event.text | date }}",
        "{{ event_time | date: event.text }}",
        "{% assign then = 'now' %}{{ then | date }}",
    ],
)
def test_what_is_no_amount_or_time_fails(source: str) -> None:
    with pytest.raises(ContentError) as caught:
        render(source, BERLIN)
    assert "a<b>" not in str(caught.value)


def test_the_standard_filters_are_all_there() -> None:
    assert set(filters.BY_NAME) == (set(Environment().filters) | {"money"}) - {"safe"}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ event.list | sort | uniq | join: '-' }}", "1-2-3"),
        ("{{ event.list | sum }} {{ event.list | size }} {{ event.list | first }}", "7 4 3"),
        ("{{ event.text | strip_html }}", "ac"),
        ("{{ '<script>x</SCRIPT>a<!-- > -->b<style>c' | strip_html }}", "ab"),
        ("{{ 'a < b' | strip_html }}|", "a |"),
        ("{{ 'aXbX' | replace: 'X', 'yy' }} {{ 'ab' | replace: '', '-' }}", "ayybyy -a-b-"),
        ("{{ 'a1b1' | replace: 1 }}", "ab"),
        ("{{ 'a' | append: 'b' | prepend: 'c' | upcase | truncate: 2, '' }}", "CA"),
        ("{{ 7 | divided_by: 2 | plus: 1.5 | times: 2 | minus: 1 | modulo: 5 }}", "3.0"),
        ("{{ '<a>' | escape }}{{ '&lt;' | escape_once }}", "&lt;a&gt;&lt;"),
        ("{{ 'a b' | url_encode }}{{ 'a+b' | url_decode }}{{ 'a' | base64_encode }}", "a+ba bYQ=="),
        ("{{ event.none | default: 'x' }}{{ false | default: true, allow_false: true }}", "xfalse"),
    ],
)
def test_standard_filters(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("{{ x | money }}", "`money` needs a currency", 'write e.g. money: "EUR"'),
        ('{{ x | money: "EURO" }}', "there is no currency `EURO`", "did you mean `EUR`?"),
        ('{{ x | money: "euros" }}', "there is no currency `euros`", "did you mean `EUR`?"),
        ("{{ x | money: 5 }}", "there is no currency `5`", "a code of ISO 4217 such as EUR"),
        ('{{ x | date: "%Q" }}', "no format of a date: a pattern with `%Q`, which means nothing", None),
        ("{{ x | date: 5 }}", "no format of a date: no text", None),
        ("{{ x | upcase: 1 }}", "the filter `upcase` cannot take that: too many positional arguments", None),
        (
            "{{ x | append }}",
            "the filter `append` cannot take that: missing a required argument: 'arg'",
            None,
        ),
        ("{{ x | join: ', ', last: 1 }}", None, None),
        ("{{ x | safe }}", "the filter `safe` is not supported", "what an event says never becomes markup"),
        ("{{ x | context }}", "unknown filter `context`", None),
        ("{{ x | money: context: 1 }}", "`money` needs a currency", None),
        ('{{ x | money: "EUR", context: 1 }}', None, None),
        ("{% assign y = x | money %}", "`money` needs a currency", None),
        ("{% if x %}{% echo x | money %}{% endif %}", "`money` needs a currency", None),
        (
            "{{ x | times: '1,19' }}",
            "`times` takes numbers only",
            "with a point, and nothing else: 49.90",
        ),
        ("{{ '49,90' | times: 2 }}", "`times` takes numbers only", None),
        ("{{ x | divided_by: 0 }}", "`divided_by` nought has no answer", None),
        ("{{ x | modulo: '0.0' }}", "`modulo` nought has no answer", None),
        (
            "{{ now | plus: 259200 | date: 'long' }}",
            "`plus` takes numbers, and this is a time",
            "to add to a time write e.g. date: 'long', plus: '3d'",
        ),
        ("{% assign d = event_time | minus: 60 %}", "`minus` takes numbers, and this is a time", None),
        ("{{ now | date: 'long', plus: 3 }}", "`plus` of a date must be a duration", "write e.g. plus: '3d'"),
        ("{{ now | date: 'long', minus: '3 days' }}", "`minus` of a date must be a duration", None),
        ("{{ x | divided: 2 }}", "unknown filter `divided`", "did you mean `divided_by`?"),
    ],
)
def test_what_can_be_seen_to_be_wrong_is_found_at_check_time(
    source: str, message: str | None, hint: str | None
) -> None:
    (found,) = findings(source)
    assert message is None or found.message == message
    assert hint is None or found.hint == hint


def test_what_is_only_known_later_is_not_complained_of() -> None:
    assert not findings("{{ x | money: event.currency }}{{ x | date: event.form }}{{ x | round: y }}")
    assert not findings(
        "{{ x | times: y }}{{ now | date: 'long', plus: event.days }}{{ '49.90' | times: 2 }}"
    )
    assert not findings("{% assign now = event.count %}{{ now | plus: 1 }}")


WORDS = {"n": None, "o": {"a": "b"}, "l": ["a", None], "ll": [["a", "b"], [1, True]], "t": True, "s": "x"}


@pytest.mark.parametrize(
    "source",
    [
        "Hello {{ event.n }}!",
        "{{ 'Hi ' | append: event.n }}",
        "{{ event.n | append: '!' }}",
        "{{ event.s | replace: 'x', event.n }}",
        "{{ event.s | replace_first: 'x', event.n }}",
        "{{ event.l | join: ', ' }}",
        "{{ event.l }}",
        "{{ event.l | upcase }}",
        "{{ event.l | last }}!",
        "{% for x in event.l %}{{ x }},{% endfor %}",
        "{% for x in event.o %}{{ x }}{% endfor %}",
        "{% tablerow x in event.o %}{{ x }}{% endtablerow %}",
        "{{ event.o | first }}",
        "{{ event.o.first }}",
        "{{ event.o | slice: 0, 5 }}",
        "{{ event.n | slice: 0, 3 }}",
        "{{ event.s | split: '' | append: 'x' }}",
        "{{ event.ll | append: '!' }}",
        "{{ event.t | append: 'x' }}",
        "{{ event.t | upcase }}",
        "{{ event.n | append: event.n }}",
        "{{ (1..3) }}",
        "{% cycle event.n, 'a' %}!",
        "{{ event.n | default: event.n }}!",
        "{% capture x %}{{ event.n }}{% endcapture %}Hi {{ x }}",
    ],
)
def test_python_s_words_were_in_messages(source: str) -> None:
    """`Hi None`, `['A', NONE]`, `('a', 'b')`, `Truex` went out."""
    for form in ("text", "html"):
        with pytest.raises(ContentError):
            Template(source).render({"event": WORDS}, form)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ event.ll }} {{ event.ll | join: '-' }}", "ab1true a-b-1-true"),
        ("{{ event.t }} {{ event.l | compact | join: ', ' }} {{ event.l | first }}", "true a a"),
        ("{% for x in event.o %}{{ x[0] }}={{ x[1] }} {{ x | join: '=' }}{% endfor %}", "a=b a=b"),
        ("{{ event.n | upcase | append: 'x' | default: 'you' }}", "you"),
        ("{{ (1..3) | join: ',' }} {{ 5 | append: 1.5 | slice: 0, 2 }} {{ event.n | size }}", "1,2,3 51 0"),
        ("{% if event.n == nil %}none{% endif %}", "none"),
    ],
)
def test_what_has_a_text_is_still_written(source: str, text: str) -> None:
    assert Template(source).render({"event": WORDS}) == text
