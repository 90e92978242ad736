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
