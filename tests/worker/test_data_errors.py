"""What goes wrong with data is said: which record, which rule, which part; not its content, and not often."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream.clock import Clock
from stream.rules.compiler.rule_set import load_rules
from stream.structs import Batch, Result
from stream.telemetry.metrics import Metrics
from stream.worker import data_errors
from stream.worker.data_errors import DataErrors
from stream.worker.triggers import TriggerStage
from tests.engine.enginekit import Rec

RULES = """
sources: {clicks: {event: event, customer: customer_id, topic: clickstream}}
traits:
  big: {function: count, of: view, where: event.price > 100}
segments:
  rich: customer.income > 5
channels: {web: {topic: web, consent: none}}
policy: {suppress: customer.complaints > 0}
rules:
  viewed: {on: view, if: event.sku.startsWith("a"), send: {channel: web, content: {text: hello}}}
  seen: {on: look, send: {channel: web, content: {text: "You saw {{ event.what }}"}}}
  wealthy: {on: spend, if: segments.rich || event.much, send: {channel: web, content: {text: hello}}}
  followed:
    steps: [{on: first, as: begun}, {on: second, where: event.n == begun.n, within: 1h}]
    unless: {on: third, where: event.x > 1, within: 1h}
    send: {channel: web, content: {text: hello}}
"""
SECRET = "eve@example.org"  # in every record


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as lines:
        yield lines


def run(folder: Path, *records: bytes, rules: str = RULES) -> None:
    """Work off records of one partition."""
    (folder / "rules.yaml").write_text(rules)
    stage = TriggerStage(load_rules(folder), "shop", Metrics())
    batch = Batch(
        3,
        {"clicks": [Rec(offset, 1000, value) for offset, value in enumerate(records)]},
        frozenset({"clicks"}),
    )
    stage.open(3).step(batch, Clock(lambda: 2000), 1000)


def failing(times: int, rule: str = "cart") -> Result:
    result = Result()
    result.condition_errors[rule, "if", "value", "event.price"] = times
    return result


def event(name: str, **fields: Any) -> bytes:
    return json.dumps({"event": name, "customer_id": SECRET, "secret": SECRET, **fields}).encode()


def test_a_record_that_is_no_event_is_said_with_its_place(
    tmp_path: Path, logged: list[MutableMapping[str, Any]]
) -> None:
    run(tmp_path, event("view"), SECRET.encode())
    (line,) = [each for each in logged if each["event"] == "dead_letter"]
    assert line == {
        "event": "dead_letter", "log_level": "warning", "source": "clicks", "reason": "json",
        "topic": "clickstream", "partition": 3, "offset": 1, "times": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("records", "definition", "part", "reason", "paths"),
    [
        ([event("view", price="much", sku="b")], "traits.big", "where", "value", "event.price"),
        ([event("view", price=1, sku=7)], "viewed", "if", "value", "event.sku"),
        ([event("view", price=1)], "viewed", "if", "missing", "event.sku"),
        ([event("look", what="x")], "policy", "suppress", "missing", "customer.complaints"),
        ([event("spend")], "wealthy", "segments.rich", "missing", "customer.income"),
        ([event("spend")], "wealthy", "if", "missing", "event.much"),
        ([event("first"), event("second", n=1)], "followed", "step 2", "missing", "begun.n"),
        ([event("third", x="y")], "followed", "unless", "value", "event.x"),
    ],
)
def test_a_condition_that_fails_is_said_with_its_rule_and_part_and_what_it_asked_for(
    tmp_path: Path,
    logged: list[MutableMapping[str, Any]],
    records: list[bytes],
    definition: str,
    part: str,
    reason: str,
    paths: str,
) -> None:
    run(tmp_path, *records)
    said = [
        (line["definition"], line["part"], line.get("reason", "missing"), line["paths"], line["times"])
        for line in logged
        if line["event"] == ("condition_lacks_something" if reason == "missing" else "condition_failed")
    ]
    assert (definition, part, reason, paths, 1) in said
    assert SECRET not in repr(logged)


def test_what_is_not_clear_of_profiles_is_said_with_its_reason(
    logged: list[MutableMapping[str, Any]],
) -> None:
    result = Result(errors={("crm", "unknown_consent"): 2, ("crm", "timezone"): 1, ("crm", "future_time"): 7})
    DataErrors({}).tell(result, 3)
    assert [(each["event"], each["source"], each["reason"], each["times"]) for each in logged] == [
        ("profile_unclear", "crm", "unknown_consent", 2),
        ("profile_unclear", "crm", "timezone", 1),
    ]


def test_a_text_that_cannot_be_written_is_said_with_its_field(
    tmp_path: Path, logged: list[MutableMapping[str, Any]]
) -> None:
    rules = RULES.replace("policy: {suppress: customer.complaints > 0}\n", "")
    run(tmp_path, event("look"), rules=rules)
    (line,) = [each for each in logged if each["event"] == "text_failed"]
    assert (line["definition"], line["field"], line["partition"]) == ("seen", "text", 3)
    assert "template failed" in line["reason"]


def test_what_goes_wrong_again_and_again_is_said_once_a_minute_with_how_often(
    logged: list[MutableMapping[str, Any]],
) -> None:
    now = 0.0
    errors = DataErrors({}, lambda: now)
    result = failing(3)
    for second in (0.0, 1.0, 2.0, data_errors.EVERY_S, data_errors.EVERY_S + 1):
        now = second
        errors.tell(result, 0)
    assert [line["times"] for line in logged] == [3, 9]


def test_kinds_without_end_take_no_memory_without_end(logged: list[MutableMapping[str, Any]]) -> None:
    errors = DataErrors({})
    for number in range(3 * data_errors.MOST_KINDS):
        errors.tell(failing(1, rule=f"r{number}"), 0)
    assert len(errors._heard) <= data_errors.MOST_KINDS + 1


def test_more_kinds_than_are_told_apart_do_not_fill_the_log(
    logged: list[MutableMapping[str, Any]],
) -> None:
    """All was forgotten, and said again, whenever one kind too many came."""
    now = 0.0
    errors = DataErrors({}, lambda: now)
    for _ in range(3):
        for number in range(2 * data_errors.MOST_KINDS):
            errors.tell(failing(1, rule=f"r{number}"), 0)
    assert len(logged) == data_errors.MOST_KINDS + 1
    now = data_errors.EVERY_S
    errors.tell(failing(1, rule="new"), 0)
    assert logged[-1]["times"] == 1, "there is room for it again"
