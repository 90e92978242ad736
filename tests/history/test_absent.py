"""Names of events that the rules ask for, and that none of the past ones has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli.main import cli

RULES = """
sources:
  clicks: {event: event, customer: user}
  till: {event: {is: sale}, customer: user}
channels: {web: {topic: web, consent: none}}
traits: {views: {function: count, of: [view, page_view]}}
rules:
  left:
    on: cart
    unless: {on: [purchased, sale], within: 1d}
    if: traits.views >= 0
    send: {channel: web, content: {text: Hi}}
    limit: 1 per 1d
    goals: [{on: purchase, within: 3d}, {on: view, within: 1d}]
"""
PAST = [
    {"event": "view", "user": "a", "timestamp": "2026-03-02T10:00:00Z"},
    {"event": "cart", "user": "a", "timestamp": "2026-03-02T10:01:00Z"},
    {"event": "purchase", "user": "a", "timestamp": "2026-03-02T10:02:00Z"},
]


def played(folder: Path, past: list[dict[str, object]], *, rules: str = RULES) -> dict[str, object]:
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "r.yaml").write_text(rules)
    (folder / "past.jsonl").write_text("".join(json.dumps(each) + "\n" for each in past))
    done = CliRunner().invoke(
        cli,
        ["backtest", str(folder / "rules"), str(folder / "past.jsonl"), "--json", "--until", "2026-04-01"],
    )
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_everybody_was_reminded_as_unless_waited_for_a_name_that_nobody_sends(tmp_path: Path) -> None:
    found = played(tmp_path, PAST)
    assert found["absent_events"] == ["page_view", "purchased", "sale"]
    assert found["notes"] == [
        "no `page_view` came, which traits.views asks for (did you mean `view`?)",
        "no `purchased` came, which `unless` of rule left asks for (did you mean `purchase`?)",
        "no `sale` came, which `unless` of rule left asks for",
    ]


def test_what_a_source_names_itself_has_come_with_its_records(tmp_path: Path) -> None:
    sale = {"source": "till", "user": "a", "timestamp": "2026-03-02T10:03:00Z"}
    assert played(tmp_path, [*PAST, sale])["absent_events"] == ["page_view", "purchased"]


def test_a_part_of_the_past_does_not_fill_the_screen(tmp_path: Path) -> None:
    names = ", ".join(f"event_{number}" for number in range(99))
    rules = RULES.replace("of: [view, page_view]", f"of: [view, {names}]").replace("purchased, sale", "sale")
    found = played(tmp_path, PAST, rules=rules)
    assert isinstance(found["notes"], list)
    assert len(found["notes"]) == 11
    assert found["notes"][-1] == "nor did 90 more events that are asked for: --json has their names"


@pytest.mark.parametrize("value", ["49.90", [1], True, {"sum": 1}])
def test_the_worth_of_a_goal_was_nought_as_the_shop_sends_texts(tmp_path: Path, value: object) -> None:
    rules = RULES.replace("{on: purchase, within: 3d}", "{on: purchase, within: 3d, value: order.total}")
    orders = [{**PAST[2], "order": {"total": each}} for each in (5, 5.5, None, value, value)]
    found = played(tmp_path, [*PAST, *orders], rules=rules)
    assert found["goal_values"] == [{"rule": "left", "path": "order.total", "count": 2}]
    assert (
        "2 × `value` of the goal of rule left counts nothing: `order.total` is there, and is no number"
        in str(found["notes"])
    )
