"""`stream check --explain-index`: it says what the engine's index does."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

from rich.console import Console
from typer.testing import CliRunner

from stream.authoring.index_paths import in_words, paths, show
from stream.cli.main import cli
from stream.matcher._index import candidates
from stream.rules.compiler.rule_set import load_rules

RULES = """\
sources: {clicks: {event: event, customer: customer_id}}
channels: {web: {topic: triggers.web, consent: none}}
traits:
  views: {function: count, of: view, where: "event.category == 'shoes'"}
rules:
  shoes: {on: view, where: "event.category == 'shoes' && event.price > 5",
    send: {channel: web, content: {text: Hi}}}
  stores: {on: [view, buy], where: "event.store in ['a', 'b', 'c', 'd']",
    send: {channel: web, content: {text: Hi}}}
  dear: {on: view, where: "event.price > 50", send: {channel: web, content: {text: Hi}}}
  cheap: {on: view, where: "5 >= event.price", send: {channel: web, content: {text: Hi}}}
  member: {on: view, where: "event.member", send: {channel: web, content: {text: Hi}}}
  any: {on: view, where: "event.a == event.b", send: {channel: web, content: {text: Hi}}}
  all: {on: view, send: {channel: web, content: {text: Hi}}}
  later:
    steps: [{on: view, where: "event.page == '/cart'"}, {on: buy, where: "event.amount < 3"}]
    send: {channel: web, content: {text: Hi}}
"""


def _rules(directory: Path) -> Path:
    (directory / "rules.yaml").write_text(RULES)
    return directory


def test_each_rule_is_said_with_the_field_that_it_is_found_by(tmp_path: Path) -> None:
    found = paths(load_rules(_rules(tmp_path)))
    assert [(each.event, each.role, each.name, in_words(each)) for each in found] == [
        ("buy", "begins", "stores", 'event.store is one of "a", "b", "c", …'),
        ("buy", "goes on", "later", "event.amount is at most 3"),
        ("view", "begins", "all", "always tried (no `where`)"),
        ("view", "begins", "any", "always tried (no field to find it by)"),
        ("view", "begins", "cheap", "event.price is at most 5"),
        ("view", "begins", "dear", "event.price is at least 50"),
        ("view", "begins", "later", 'event.page is "/cart"'),
        ("view", "begins", "member", "event.member is true"),
        ("view", "begins", "shoes", 'event.category is "shoes"'),
        ("view", "begins", "stores", 'event.store is one of "a", "b", "c", …'),
        ("view", "counts", "views", 'event.category is "shoes"'),
    ]


def test_an_event_that_clears_a_trait_is_said_and_no_rule_that_is_always_tried(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.replace("of: view,", "of: view, clear: buy,"))
    found = paths(load_rules(tmp_path))
    assert [each.name for each in found if (each.event, each.role) == ("buy", "clears")] == ["views"]
    shown = StringIO()
    show(found, Console(file=shown, width=200))
    assert "views" not in shown.getvalue().partition("always tried, at every event")[2]


def test_what_is_said_to_be_always_tried_is_what_the_engine_tries_at_an_event_that_fits_nothing(
    tmp_path: Path,
) -> None:
    rules = load_rules(_rules(tmp_path))
    begins = {each.name: each for each in rules.rules if "view" in each.steps[0].on}
    conditions = [
        None if w is None else rules.predicates[w] for w in (r.steps[0].where for r in begins.values())
    ]
    event = {"category": "none", "store": "none", "price": 7, "member": False, "page": "/none"}
    tried = {list(begins)[at] for at in candidates(conditions, event)}
    said = {
        each.name for each in paths(rules) if each.event == "view" and each.role == "begins" and not each.atom
    }
    assert tried == said == {"all", "any"}


def test_the_command_shows_a_table_and_names_those_that_are_always_tried(tmp_path: Path) -> None:
    shown = CliRunner().invoke(
        cli, ["check", str(_rules(tmp_path)), "--explain-index"], env={"COLUMNS": "200"}
    )
    assert shown.exit_code == 0
    assert "event.price is at least 50" in shown.stdout
    assert "always tried, at every event of their names: 2: all, any" in shown.stdout
    assert "hint: a rule is found by a conjunct" in shown.stdout


def test_the_command_gives_programs_objects(tmp_path: Path) -> None:
    shown = CliRunner().invoke(cli, ["check", str(_rules(tmp_path)), "--explain-index", "--format", "json"])
    objects = json.loads(shown.stdout)
    assert {
        "event": "view",
        "does": "begins",
        "name": "dear",
        "found_by": "event.price is at least 50",
        "field": "price",
        "where": "event.price > 50",
    } in objects
    assert [each["name"] for each in objects if each["found_by"] is None] == ["all", "any"]


def test_a_set_with_errors_is_reported_as_without_the_flag(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.replace("on: view", "onn: view", 1))
    shown = CliRunner().invoke(cli, ["check", str(tmp_path), "--explain-index"])
    assert shown.exit_code == 1
    assert "did you mean" in shown.output
