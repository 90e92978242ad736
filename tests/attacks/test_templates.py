"""What is written into messages: whatever customers hold, no message says or does what it must not.

Each row is played through the engine: what a customer's profile and an event say, and what came of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream.rules.compiler.rule_set import load_rules
from stream.structs import Trigger
from tests.engine.enginekit import SECOND, World, rec

RULES = """
sources:
  clicks: {event: event, customer: customer, time: ts, id: id}
  profiles: {kind: profile, customer: customer, time: ts}
channels:
  mail: {topic: triggers.mail, consent: none, address: customer.address, format: {body: html, data: json}}
  post: {topic: triggers.post, consent: none, address: {of: customer.address, kind: object}}
  page: {topic: triggers.page, consent: none, format: html}
policy: {timezone: UTC}
rules:
  r: {on: view, send: {channel: CHANNEL, content: {FIELD: 'TEXT'}}}
"""
BCC = "a@b.example\r\nBcc: everybody@b.example"


def played(
    folder: Path,
    text: str = "Hello",
    *,
    channel: str = "mail",
    field: str = "text",
    address: Any = "a@b.example",
    **event: Any,
) -> Trigger | tuple[str, str | None]:
    """The message that a view leads to, or the decision's outcome and reason."""
    rules = RULES.replace("CHANNEL", channel).replace("FIELD", field).replace("TEXT", text.replace("'", "''"))
    (folder / "rules.yaml").write_text(rules)
    world = World(load_rules(folder))
    profile = rec(0, 0, attributes={"address": address})
    world.play({"profiles": [profile], "clicks": [rec(0, SECOND, id="e1", **event)]})
    (decision,) = world.decisions
    sent = world.result.triggers
    return sent[0] if sent else (decision.outcome, decision.reason)


def written(folder: Path, text: str, **more: Any) -> str | None:
    """What the message says; None where none was sent for its content."""
    message = played(folder, text, **more)
    if isinstance(message, Trigger):
        return str(message.content[more.get("field", "text")])
    assert message == ("suppressed", "content")
    return None


NO_ADDRESSES: dict[str, Any] = {
    "a list": ["a@b.example"],
    "an empty list": [],
    "an empty object": {},
    "an object where a text should be": {"street": "Example Street 1"},
    "true": True,
    "false": False,
    "nought": 0,
    "a number": 491_701_234_567,
    "an empty text": "",
    "spaces": "   ",
    "another header": BCC,
    "a line feed at its end": "a@b.example\n",
    "a NUL": "a@b.example\0",
    "an escape for terminals": "\x1b[2Ja@b.example",
    "a C1 control": "a@b.example\x9b2J",
    "a line separator": "a@b.example\u2028Bcc: x@b.example",
    "a reversed text": "a@b.example\u202emoc.live@",
    "an invisible space": "a@b\u200b.example",
    "a text without end": "a" * 321,
}


@pytest.mark.parametrize("address", NO_ADDRESSES.values(), ids=NO_ADDRESSES)
def test_what_is_no_address_was_handed_to_the_mail_program(tmp_path: Path, address: Any) -> None:
    assert played(tmp_path, address=address) == ("suppressed", "address")


NO_POSTAL_ADDRESSES: dict[str, Any] = {
    "a text": "Example Street 1",
    "a list": [{"street": "Example Street 1"}],
    "an empty object": {},
    "an object that says nothing": {"street": "", "city": None, "zip": "  "},
    "a control character": {"street": "Example Street 1", "city": "\x1b[2J"},
    "a control character in a key": {"street\r\n": "Example Street 1"},
    "a text without end": {"street": "x" * 5000},
    "many parts": {f"line{number}": "x" for number in range(100)},
    "too deep": {"a": {"b": {"c": {"d": {"e": "x"}}}}},
    "lists in lists": {"lines": [[[[["x"]]]]]},
}


@pytest.mark.parametrize("address", NO_POSTAL_ADDRESSES.values(), ids=NO_POSTAL_ADDRESSES)
def test_what_is_no_postal_address_was_handed_to_the_printer(tmp_path: Path, address: Any) -> None:
    assert played(tmp_path, channel="post", address=address) == ("suppressed", "address")


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("mail", "zoë.müller+news@bücher.example"),
        ("mail", "+49 170 1234567"),
        ("mail", "Hauptstraße 1, 50667 Köln"),
        ("mail", "a" * 320),
        ("post", {"name": "Zoë", "street": "c/o Müller\nHauptstraße 1", "zip": 50667, "country": None}),
        ("post", {"lines": ["Zoë Müller", "Hauptstraße 1"], "to": {"city": "Köln"}, "express": True}),
    ],
)
def test_addresses_that_people_have_are_sent_to(tmp_path: Path, channel: str, address: Any) -> None:
    message = played(tmp_path, channel=channel, address=address)
    assert isinstance(message, Trigger)
    assert message.address == address


LINES = {
    "another header": ("Hat\r\nBcc: everybody@b.example", "Hat Bcc: everybody@b.example"),
    "a NUL": ("a\0b", "a b"),
    "an escape for terminals": ("\x1b[31mred", "[31mred"),
    "a C1 control": ("a\x85b\x9bc", "a b c"),
    "line separators": ("a\u2028b\u2029c", "a b c"),
    "a reversed text": ("invoice\u202efdp.exe", "invoicefdp.exe"),
    "an isolate without end": ("\u2067abc", "abc"),
    "a tab": ("a\tb", "a b"),
    "nothing but breaks around": ("\n\n a \r\n", "a"),
    "words that need joiners": ("می\u200cخواهم 👩\u200d🚀", "می\u200cخواهم 👩\u200d🚀"),
    "a price with its own spaces": ("12,50\u00a0€", "12,50\u00a0€"),
}


@pytest.mark.parametrize(("name", "line"), LINES.values(), ids=LINES)
@pytest.mark.parametrize("source", ["{{ event.name }}", "{% if true %}{{ event.name }}{% endif %}"])
@pytest.mark.parametrize(("channel", "field"), [("mail", "subject"), ("page", "title"), ("page", "Headline")])
def test_a_name_put_another_header_into_a_subject(
    tmp_path: Path, source: str, channel: str, field: str, name: str, line: str
) -> None:
    assert written(tmp_path, source, channel=channel, field=field, name=name) == line


def test_a_body_keeps_its_lines(tmp_path: Path) -> None:
    assert written(tmp_path, "{{ event.name }}", name="a\nb") == "a\nb"
    assert written(tmp_path, "{{ event.name }}", field="body", name="a\nb<") == "a\nb&lt;"
    assert written(tmp_path, '"{{ event.name }}"', field="data", name="a\nb") == '"a\\nb"'


NO_NUMBERS: dict[str, Any] = {
    "a comma": "49,90",
    "thousands": "1.234,50",
    "a currency": "49.90 EUR",
    "words": "free",
    "an empty text": "",
    "a space": " 5",
    "an exponent": "1e3",
    "a word that floats know": "nan",
    "another": "Infinity",
    "digits of another script": "٤٩",
    "null": None,
    "an object": {"amount": 1},
    "a list": [49.9],
    "an empty list": [],
    "true": True,
    "false": False,
}
OF_NUMBERS = (
    *("times: 2", "plus: 1", "minus: 5", "divided_by: 2", "modulo: 2", "round", "round: 2", "ceil"),
    *("floor", "abs", "at_least: 0", "at_most: 9"),
)


@pytest.mark.parametrize("price", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_a_price_that_is_no_number_became_nothing(tmp_path: Path, price: Any) -> None:
    """€0.00, or -€5.00."""
    given: dict[str, Any] = {"price": price, "prices": [{"p": 1}, {"p": price}], "one": 1, "all": [1, price]}
    for applied in OF_NUMBERS:
        name = applied.partition(":")[0]
        source = f"{{{{ event.price | {applied} }}}}|{{{{ event.price | {applied} | money: 'EUR' }}}}"
        assert written(tmp_path, source, **given) is None, applied
        if ":" in applied:
            assert written(tmp_path, f"{{{{ event.one | {name}: event.price }}}}", **given) is None, applied
    assert written(tmp_path, "{{ event.price | money: 'EUR' }}", **given) is None
    if price != []:
        assert written(tmp_path, "{{ event.all | sum }}", **given) is None
        assert written(tmp_path, "{{ event.prices | sum: 'p' }}", **given) is None


NO_SUMS = {
    "nothing to divide by": "{{ 5 | divided_by: event.zero }}",
    "nothing with a point": "{{ 5 | divided_by: event.zero_point }}",
    "the rest of nothing": "{{ 5 | modulo: event.zero }}",
    "the rest with a point": "{{ 5.5 | modulo: event.zero_point }}",
    "a number beyond all": "{{ event.huge | times: event.huge }}",
    "rounded to less than whole": "{{ 1234 | round: event.negative }}",
    "rounded by a word": "{{ 1.5 | round: event.word }}",
    "rounded by half": "{{ 1.5 | round: event.half }}",
    "a sum of what has no price": "{{ event.goods | sum: 'price' }}",
    "seconds added to a time": "{% assign t = event.when | plus: 259200 %}{{ t | date: 'long' }}",
    "seconds for a date": "{{ event.seconds | date: 'long' }}",
    "a date without dashes": "{{ event.day | date: 'long' }}",
    "a day and some hours": "{{ event.dashes | date: 'long', plus: '3h' }}",
    "an addition that is none": "{{ now | date: 'long', plus: event.word }}",
    "an addition beyond the calendar": "{{ now | date: 'long', plus: event.beyond }}",
}


@pytest.mark.parametrize("source", NO_SUMS.values(), ids=NO_SUMS)
def test_arithmetic_that_has_no_answer_gave_one(tmp_path: Path, source: str) -> None:
    """January 4, 1970."""
    event: dict[str, Any] = {
        "zero": 0,
        "zero_point": 0.0,
        "huge": 1e300,
        "negative": -2,
        "word": "two",
        "half": 0.5,
        "goods": [{"price": 1}, {"name": "hat"}],
        "when": "2026-03-02T10:00:00Z",
        "seconds": 259200,
        "day": 20260302,
        "dashes": "2026-03-02",
        "beyond": "99999w",
    }
    assert written(tmp_path, source, **event) is None


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ event.paid | times: 2 | money: 'EUR' }}", "€99.80"),
        ("{{ event.whole | minus: 5 }} {{ event.paid | plus: '0.10' }}", "7 50.0"),
        ("{{ event.whole | divided_by: 5 }} {{ event.whole | divided_by: 5.0 }}", "2 2.4"),
        ("{{ event.goods | sum: 'price' }}", "3"),
        ("{{ now | date: 'long', plus: '3d' }}", "March 5, 2026"),
        ("{{ now | date: 'long', minus: '1w1d' }}", "February 22, 2026"),
        ("{{ now | date: '%d.%m. %H:%M', plus: '3d2h30m' }}", "05.03. 12:30"),
        ("{{ event.day | date: 'long', plus: '4w' }}", "March 30, 2026"),
        ("{{ event.ms | date: 'long' }}", "March 2, 2026"),
    ],
)
def test_what_is_a_number_is_counted_with(tmp_path: Path, source: str, text: str) -> None:
    event: dict[str, Any] = {"paid": "49.90", "whole": 12, "day": "2026-03-02", "ms": 1_772_445_600_000}
    event["goods"] = [{"price": 1}, {"price": "2"}]
    assert written(tmp_path, source, **event) == text


NOT_WRITTEN = {
    "an object": "{{ event.object }}",
    "an object in a list": "{{ event.objects }}",
    "an object in capitals": "{{ event.object | upcase }}",
    "an object after a text": "{{ 'a' | append: event.object }}",
    "objects in a row": "{{ event.objects | join: ', ' }}",
    "what is missing": "{{ event.missing }}",
    "a part of what is missing": "{{ event.missing.name }}",
    "what is missing in capitals": "{{ event.missing | upcase }}",
    "a name for what is missing": "{% assign name = event.missing %}{{ name }}",
    "what is missing, collected": "{% capture name %}{{ event.missing }}{% endcapture %}x",
    "what is missing, after a text": "{{ 'a' | append: event.missing }}",
    "a default that is missing": "{{ event.missing | default: event.missing }}",
    "a key that is missing": "{{ event.object[event.missing] }}",
    "what is missing, in turns": "{% cycle event.missing, 'b' %}",
    "a count that is missing": "{% for x in (1..event.missing) %}x{% endfor %}y",
}


@pytest.mark.parametrize("source", NOT_WRITTEN.values(), ids=NOT_WRITTEN)
def test_what_is_no_text_was_written(tmp_path: Path, source: str) -> None:
    """{'first': 'Ada'}, or "Hello ,"."""
    event: dict[str, Any] = {"object": {"first": "Ada"}, "objects": [{"first": "Ada"}]}
    assert written(tmp_path, source, **event) is None


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if event.nick %}{{ event.nick }}{% else %}you{% endif %}", "you"),
        ("{% unless event.nick %}you{% endunless %}", "you"),
        ("{% if event.nick == nil %}you{% endif %}", "you"),
        ("{% if event.nick != 'Ada' and event.nick.size != 3 %}you{% endif %}", "you"),
        ("{% if event.age > 18 or event.age < 3 %}a{% else %}you{% endif %}", "you"),
        ("{% if event.tags contains 'vip' %}a{% else %}you{% endif %}", "you"),
        ("{% case event.nick %}{% when 'Ada' %}a{% else %}you{% endcase %}", "you"),
        ("{% for x in event.tags %}{{ x }}{% else %}none{% endfor %}", "none"),
        ("{{ event.tags | size }}", "0"),
        ("{{ event.nick | upcase | default: 'you' }}", "you"),
        ("{{ event.tags | first | default: 'none' }}", "none"),
        ("{{ event.price | times: 2 | money: 'EUR' | default: 'free' }}", "free"),
        ("{{ event.nought | times: 2 | default: 'free' }}", "free"),
        ("{% assign name = event.nick | default: 'you' %}{{ name }}", "you"),
        ("{% assign name = event.nick %}{% if name %}a{% else %}you{% endif %}", "you"),
        ("{% if event.a.b.c %}a{% else %}you{% endif %}", "you"),
    ],
)
def test_whoever_asks_whether_something_is_there_got_no_message(
    tmp_path: Path, source: str, text: str
) -> None:
    assert written(tmp_path, source, nought=None) == text
