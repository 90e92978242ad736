"""Why a condition ended in an error: what is only missing is told from a mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stream.clock import Clock
from stream.engine import PartitionState, process
from stream.rules.compiler.rule_set import load_rules
from stream.structs import Batch, Result
from tests.engine.enginekit import Rec

EVENT = {
    "sku": "a1",
    "price": 9,
    "note": None,
    "address": "Berlin",
    "items": [{"price": 3}, {"name": "x"}],
    "odd": [{"price": 3}, {"price": "3"}],
    "tags": ["a"],
    "map": {"a": 1},
    "i": 7,
    "category": "shoes",
    "vip": "yes",
}


def played(folder: Path, rules: str, *events: dict[str, Any]) -> Result:
    head = (
        "sources: {clicks: {event: event, customer: customer_id}}\n"
        "channels: {web: {topic: web, consent: none}}\n"
    )
    (folder / "rules.yaml").write_text(head + rules)
    loaded = load_rules(folder)
    records = [
        Rec(at, 1000 + at, json.dumps({"event": "view", "customer_id": "c", **event}).encode())
        for at, event in enumerate(events)
    ]
    batch = Batch(0, {"clicks": records}, frozenset({"clicks"}))
    return process(batch, loaded, PartitionState(loaded), Clock(by_event_time=True))


def why(folder: Path, condition: str, event: dict[str, Any] = EVENT) -> tuple[str, str] | None:
    """The reason that is told of an `if`, and the paths; None: it ended in no error."""
    rules = f"""
traits:
  views: {{function: count, of: other, per: sku}}
  last_store: {{function: last, of: other, field: store}}
  last_of: {{function: last, of: other, field: store, per: sku}}
rules:
  r: {{on: view, if: {json.dumps(condition)}, send: {{channel: web, content: {{text: hi}}}}}}
"""
    errors = played(folder, rules, event).condition_errors
    assert len(errors) <= 1
    for (definition, part, reason, paths), count in errors.items():
        assert (definition, part, count) == ("r", "if", 1)
        return reason, paths
    return None


@pytest.mark.parametrize(
    "condition",
    [
        "event.nothing > 5",
        "event.nothing",
        "event.address.city == 'Berlin'",
        "customer.age > 30",
        "customer.address.city == 'Berlin'",
        "event.note > 5",
        "event.note.startsWith('x')",
        "event.note",
        "event.price > 5 && customer.age > 30",
        "event.price > 10 || customer.age > 30 || event.nothing",
        "!event.nothing",
        "-event.nothing < 5",
        "event.items.all(i, i.price > 1)",
        "event.items.exists(i, i.price > 10)",
        "event.items.filter(i, i.price > 1).size() > 0",
        "event.items.map(i, i.price).size() > 0",
        "event.nothing.exists(i, i > 1)",
        "event.items.exists(i, event.nothing > 1)",
        "event.items.exists(i, event.tags.all(t, i.price > 5))",
        "event.tags[event.i] == 'a'",
        "event.tags[event.nothing] == 'a'",
        "event.items[1].price > 5",
        "event.map[event.category] == 1",
        "event.map[event.note] == 1",
        "event[event.sku] == 1",
        "has(event.nothing.price)",
        "has(customer.nothing.price)",
        "has(event.address.city)",
        "traits.last_store == 'x'",
        "traits.last_of[event.sku] == 'x'",
        "traits.views[event.nothing] > 1",
        "traits.views[event.note] > 1",
        "event.price > 5 ? customer.vip : event.address > 5",
        "event.nothing ? true : false",
        "event.note ? true : false",
        "event.sku in event.nothing",
        "event.sku in event.note",
        "customer.size.startsWith('x')",
        "timestamp(event.nothing) < now",
        "[event.nothing, 1].size() == 2",
        "{'a': event.nothing}.size() == 1",
    ],
)
def test_a_rule_that_asks_for_what_is_not_there_is_no_mistake(tmp_path: Path, condition: str) -> None:
    found = why(tmp_path, condition)
    assert found is not None
    assert found[0] == "missing"


@pytest.mark.parametrize(
    "condition",
    [
        "event.sku > 5",
        "event.vip",
        "event.vip && event.price > 5",
        "!event.sku",
        "event.price.startsWith('x')",
        "event.price / 0 > 1",
        "customer.age > 30 && event.sku > 5",
        "event.sku > 5 && customer.age > 30",
        "customer.age > 30 || event.sku > 5",
        "event.odd.all(i, i.price > 1)",
        "event.odd.map(i, i.price + 1).size() > 0",
        "event.items.exists_one(i, i)",
        "event.items.exists(i, event.sku > 1 || i.price > 10)",
        "event.sku.exists(i, i > 1)",
        "event.sku[0] == 'a'",
        "event.tags[event.sku] == 'a'",
        "event.sku in event.sku",
        "traits.views[event.items] > 1",
        "event.price > 5 ? event.address > 5 : customer.vip",
        "event.price ? true : false",
        "timestamp(event.sku) < now",
        "duration(event.sku) < duration('1h')",
        "int(event.sku) > 5",
    ],
)
def test_a_mistake_is_not_taken_for_what_is_missing(tmp_path: Path, condition: str) -> None:
    found = why(tmp_path, condition)
    assert found is not None
    assert found[0] == "value"


@pytest.mark.parametrize(
    ("condition", "paths"),
    [
        ("event.nothing > 5", "event.nothing"),
        ("event.price > 5 && customer.age > 30", "customer.age"),
        ("event.price > 10 || customer.age > 30 || event.nothing", "customer.age"),
        ("event.address.city == 'Berlin'", "event.address.city"),
        ("event['coupon code'] == 'x'", 'event["coupon code"]'),
        ("event.note.startsWith('x')", "event.note"),
        ("event.sku in event.note", "event.note"),
        ("traits.last_store == 'x'", "traits.last_store"),
        ("traits.last_of[event.sku] == 'x'", "traits.last_of[event.sku]"),
        ("traits.views[event.nothing] > 1", "event.nothing"),
        ("event.map[event.category] == 1", "event.map[event.category]"),
        ("event.items.all(i, i.price > 1)", "i.price"),
        ("event.nothing.exists(i, i > 1)", "event.nothing"),
        ("event.price > 5 ? customer.vip : event.address > 5", "customer.vip"),
        ("timestamp(event.nothing) < now", "event.nothing"),
        ("has(customer.nothing.price)", "customer.nothing"),
        (f"event.{'n' * 200} > 5", "event." + "n" * 113 + "…"),
    ],
)
def test_a_rule_that_asked_for_what_is_not_there_did_not_say_for_what(
    tmp_path: Path, condition: str, paths: str
) -> None:
    """Of a condition with five fields somebody had to guess which of them a shop does not send."""
    assert why(tmp_path, condition) == ("missing", paths)


@pytest.mark.parametrize(
    ("condition", "paths"),
    [
        ("event.price > 5 && event.sku > 5", "event.sku"),
        ("event.vip && event.price > 5", "event.vip"),
        ("customer.age > 30 || event.sku > 5", "event.sku"),
        ("event.price / 0 > 1", "event.price"),
        ("event.odd.all(i, i.price > 1)", "i.price"),
        ("event.price + event.sku > event.nothing", "event.price, event.sku"),
        ("duration(event.sku) < duration('1h')", "event.sku"),
    ],
)
def test_of_a_mistake_it_is_told_what_was_read(tmp_path: Path, condition: str, paths: str) -> None:
    assert why(tmp_path, condition) == ("value", paths)


def test_a_condition_that_takes_too_long_is_neither(tmp_path: Path) -> None:
    condition = "event.l.exists(x, event.l.exists(y, event.l.exists(z, z > x + y)))"
    assert why(tmp_path, condition, {"l": [0] * 100}) == ("cost", "")


def test_what_holds_or_does_not_is_no_error(tmp_path: Path) -> None:
    assert why(tmp_path, "event.price > 5 || customer.age > 30") is None
    assert why(tmp_path, "event.price > 50 && event.sku > 5") is None


def test_telling_why_takes_nothing_from_the_conditions_that_come_after(tmp_path: Path) -> None:
    """Each of three takes an eighth of the steps, and the first two are gone through again to tell why."""
    dear = "event.l.all(x, event.l.all(y, x + y >= 0))"
    rules = "rules:\n" + "".join(
        f"  r{at}:\n    on: view\n    if: {json.dumps(f'{dear} && event.n{at} > 5')}\n"
        "    send: {channel: web, content: {text: hi}}\n"
        for at in range(3)
    )
    found = played(tmp_path, rules, {"l": [0] * 44, "n0": "x", "n2": 6})
    assert [each.rule for each in found.decisions] == ["r2"]
    assert found.condition_errors == {
        ("r0", "if", "value", "event.n0"): 1,
        ("r1", "if", "missing", "event.n1"): 1,
    }


def test_a_rule_that_shares_its_condition_with_another_was_silent_without_a_count(tmp_path: Path) -> None:
    """The error was told of the first rule that has the condition, and the second had none."""
    rules = """
traits: {dear: {function: count, of: [view, other], where: event.price > 5}}
rules:
  first: {on: view, where: event.price > 5, send: {channel: web, content: {text: hi}}}
  second: {on: view, where: event.price > 5, send: {channel: web, content: {text: hi}}}
  third: {on: other, where: event.price > 5, send: {channel: web, content: {text: hi}}}
"""
    found = played(tmp_path, rules, {"price": "9"})
    assert found.condition_errors == {
        ("traits.dear", "where", "value", "event.price"): 1,
        ("first", "where", "value", "event.price"): 1,
        ("second", "where", "value", "event.price"): 1,
    }
    assert found.errors == {("clicks", "condition"): 1}


def test_a_segment_that_fails_is_told_with_its_name(tmp_path: Path) -> None:
    rules = """
segments: {rich: customer.income > 5, known: segments.rich || customer.name == 'x', odd: event_is > 5}
rules:
  r: {on: view, if: segments.known, send: {channel: web, content: {text: hi}}}
""".replace(", odd: event_is > 5", "")
    found = played(tmp_path, rules, {})
    assert found.condition_errors == {
        ("r", "segments.rich", "missing", "customer.income"): 1,
        ("r", "segments.known", "missing", "customer.name"): 1,
    }
