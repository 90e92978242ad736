"""Field paths: what they lead to, and what to write in place of what is none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.clock import Clock
from stream.content.template import Template
from stream.engine import PartitionState, process
from stream.errors import ContentError
from stream.expression import parse
from stream.rules import field_paths, forms
from stream.rules.compiler.rule_set import check_rules, load_rules
from stream.rules.compiler.uses import paths_of
from stream.structs import Batch
from tests.engine.enginekit import Rec

EXAMPLE = "write e.g. properties.order.id, or properties.'coupon code'"
ITEM = "a path leads to no item of a list: have it sent as a field of its own, or ask in a condition"


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("amount", ("amount",)),
        ("properties.order.id", ("properties", "order", "id")),
        ("properties.'coupon code'", ("properties", "coupon code")),
        ('properties."coupon code"', ("properties", "coupon code")),
        ("'a.b'.c", ("a.b", "c")),
        ('"it\'s".x', ("it's", "x")),
        ("'items[0]'", ("items[0]",)),
        ("$value", ("$value",)),
        ("'$'.x", ("$", "x")),
        ("utm-source.@type", ("utm-source", "@type")),
        ("größe.0", ("größe", "0")),
        ("'plain'.'ones'", ("plain", "ones")),
        ("in.true.null", ("in", "true", "null")),
    ],
)
def test_a_path_is_read_as_its_names(written: str, names: tuple[str, ...]) -> None:
    assert field_paths.read(written) == names
    assert field_paths.read(field_paths.write(names)) == names
    assert [path for path, _ in paths_of(parse(field_paths.in_condition(names)))] == [("event", *names)]


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("properties.coupon code", "write properties.'coupon code'"),
        ("coupon code", "write \"'coupon code'\""),
        ("properties['coupon code'].x", "write properties.'coupon code'.x"),
        ('properties["sku"]', "write properties.sku"),
        ("properties.`coupon code`", "write properties.'coupon code'"),
        ("$.properties.sku", "write properties.sku"),
        ("$['coupon code']", "write \"'coupon code'\""),
        ("a'b.c", "write '\"a''b\".c'"),
        (".a", "write a"),
        ("items[0].sku", ITEM),
        ("items[*].sku", ITEM),
        ("items[]", ITEM),
        ("[0]", ITEM),
        ("a..b", EXAMPLE),
        ("a.", EXAMPLE),
        ("$", EXAMPLE),
        ("a, b", EXAMPLE),
        ("{{ event.sku }}", EXAMPLE),
        ('it\'s "x"', EXAMPLE),
        ("a.''.b", "write a.\"''\".b"),
        ("", EXAMPLE),
    ],
)
def test_what_is_no_path_comes_with_what_to_write(written: str, hint: str) -> None:
    with pytest.raises(ValueError, match="none"):
        field_paths.read(written)
    assert field_paths.hint(written) == hint


@given(st.lists(st.text(min_size=1).filter(lambda name: not {"'", '"'} <= set(name)), min_size=1))
def test_any_names_can_be_written(names: list[str]) -> None:
    assert field_paths.read(field_paths.write(names)) == tuple(names)


@given(st.text(alphabet="ab.$[]0*'\"` {}\\,-\n"))
def test_a_hint_says_what_can_be_read(written: str) -> None:
    hint = field_paths.hint(written)
    if hint.startswith("write ") and hint != EXAMPLE:
        yaml = hint.removeprefix("write ")
        if yaml[0] == "'":
            yaml = yaml[1:-1].replace("''", "'")
        elif yaml[0] == '"':
            yaml = yaml[1:-1]
        assert field_paths.read(yaml)


RULES = """
sources:
  shop:
    event: "'event name'"
    customer: user."customer.id"
    id: $id
    time: meta.'sent at'
channels:
  web: {topic: web, consent: none, address: event.'web push'.endpoint}
traits:
  spent: {function: sum, of: order, field: props.'total price', per: props.'coupon code'}
rules:
  ordered:
    on: order
    key: event.'cart.id'
    where: event['cart.id'] == 'k1'
    if: traits.spent[event.props['coupon code']] > 5.0
    wait: 1h
    goal: {on: order, within: 1d, value: props.'total price'}
    send:
      channel: web
      content: {text: "{{ event.props['coupon code'] }} {{ event['cart.id'] }}"}
"""


def test_an_event_of_a_shop_with_spaces_in_its_keys_could_not_be_said(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    rules = load_rules(tmp_path)
    event = {
        "event name": "order",
        "user": {"customer.id": "c1"},
        "$id": "e1",
        "meta": {"sent at": "2026-03-02T10:00:00Z"},
        "cart.id": "k1",
        "web push": {"endpoint": "https://push.example/1"},
        "props": {"coupon code": "SPRING 5", "total price": 9.5},
    }
    records = [Rec(0, 1_772_000_000_000, json.dumps(event).encode())]
    state = PartitionState(rules)
    clock = Clock(by_event_time=True, reached=1_772_500_000_000)
    result = process(Batch(0, {"shop": records}, frozenset({"shop"})), rules, state, clock)
    assert not result.dead_letters
    (trigger,) = result.triggers
    assert trigger.content == {"text": "SPRING 5 k1"}
    assert trigger.address == "https://push.example/1"
    assert trigger.decision.customer_id == "c1"
    assert trigger.decision.event.id == "e1"
    assert trigger.decision.event.time == 1_772_445_600_000
    assert state.trait("c1", "spent", 1_772_445_600_000, "SPRING 5") == 9.5


def checked(folder: Path, path: str) -> list[str]:
    rule = {"sources": {"shop": {"event": "event", "customer": path}}}
    (folder / "rules.yaml").write_text(json.dumps(rule))
    return [each.hint or "" for each in check_rules(folder).diagnostics if each.severity == "error"]


def test_check_says_how_to_write_what_is_no_path(tmp_path: Path) -> None:
    assert checked(tmp_path, "user.customer id") == ["write user.'customer id'"]
    assert checked(tmp_path, "users[0].id") == [ITEM]
    assert checked(tmp_path, "user.'customer id'") == []


def test_the_schema_takes_the_same_paths() -> None:
    for path in ("a.b", "properties.'coupon code'", "$value", "größe"):
        assert re.search(f"^{forms.PATH}$", path)
        assert re.search(f"^{forms.ADDRESS}$", f"event.{path}")
    for path in ("a b", "$.a", "$", "items[0]", "a..b", "'", "a.'"):
        assert not re.search(f"^{forms.PATH}$", path)


@pytest.mark.parametrize(
    ("condition", "hint"),
    [
        ("event.coupon code == 'a'", "write event['coupon code']"),
        ("event.props.coupon code here == 'a'", "write event.props['coupon code here']"),
        ("event.'coupon code' == 'a'", "write event['coupon code']"),
        ('event.props."x" == 1', "write event.props['x']"),
        ("event.$value > 5", "write event['$value']"),
        ("customer.@type == 'a'", "write customer['@type']"),
        ("event.coupon-code == 'a'", "write event['coupon-code']"),
        ("event.a.utm-source-name == 'a'", "write event.a['utm-source-name']"),
    ],
)
def test_a_condition_on_a_field_with_an_odd_name_says_how_to_reach_it(
    tmp_path: Path, condition: str, hint: str
) -> None:
    rules: dict[str, Any] = {
        "sources": {"shop": {"event": "event", "customer": "c"}},
        "channels": {"web": {"topic": "web", "consent": "none"}},
        "rules": {"r": {"on": "x", "if": condition, "send": {"channel": "web", "content": {"text": "x"}}}},
    }
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    found, *_ = [each for each in check_rules(tmp_path).diagnostics if each.severity == "error"]
    assert hint in (found.hint or ""), found


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{{ event.coupon code }}", "event['two words']"),
        ("{{ event.'coupon code' }}", "write event['two words']"),
        ("{{ event.$value }}", "event['$name']"),
    ],
)
def test_a_text_with_a_field_of_an_odd_name_says_how_to_reach_it(text: str, hint: str) -> None:
    with pytest.raises(ContentError) as caught:
        Template(text)
    assert hint in (caught.value.hint or "")
