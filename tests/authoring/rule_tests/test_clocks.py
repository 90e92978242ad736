"""Tests of rules that a clock starts: that they are played, and what is said where the clock did not come."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from stream.authoring.rule_tests import run as rule_tests
from stream.authoring.rule_tests.coverage import Coverage
from stream.authoring.rule_tests.unfinished import unfinished
from stream.cli.main import cli
from stream.rules.compiler.rule_set import check_rules

RULES = """
sources:
  clicks: {event: event, customer: user, time: ts}
  profiles: {kind: profile, customer: user}
traits: {views: {function: count, of: view}}
channels: {web: {topic: web, consent: none}}
policy: {timezone: Europe/Berlin}
rules:
  picks: {every: {week: monday, at: "09:00"}, if: traits.views > 0, send: {channel: web, content: {text: Hi}}}
  ends: {date: {of: customer.ends, before: 2d, at: "10:00"}, send: {channel: web, content: {text: Hi}}}
  cart: {on: cart, send: {channel: web, content: {text: Hi}}}
tests: [{name: t, TEST}]
"""


def played(folder: Path, test: str) -> tuple[rule_tests.Outcome, list[str]]:
    (folder / "r.yaml").write_text(RULES.replace("TEST", test))
    checked = check_rules(folder)
    assert checked.rules is not None, checked.diagnostics
    [outcome] = rule_tests.run_all(checked.tests, checked.rules, {}, Coverage())
    return outcome, [each.message for each in unfinished([outcome], checked.files)]


VIEW = "events: [{at: 0m, event: view}]"


@pytest.mark.parametrize(
    "test",
    [
        f"{VIEW}, until: 8d, expect: [{{at: monday 09:00, rule: picks}}]",
        f"start: 2026-03-03T10:00, {VIEW}, until: 8d, expect: [{{at: monday 09:00, rule: picks}}]",
        "customer: {attributes: {ends: 2026-03-06}}, events: [], until: 8d, expect: [{at: 2026-03-04T10:00}]",
        "rule: picks, customer: {id: c1}, events: [], until: 8d, expect: []",
    ],
)
def test_a_clock_comes_in_a_test(tmp_path: Path, test: str) -> None:
    outcome, warnings = played(tmp_path, test)
    assert (outcome.failures, warnings) == ((), [])


@pytest.mark.parametrize(
    ("test", "why"),
    [
        (f"rule: picks, {VIEW}, until: 1d", "its clock comes at 6d22h, when the test is over"),
        ("rule: ends, customer: {attributes: {ends: soon}}, events: [], until: 9d", "its clock has no time"),
        ("rule: picks, customer: {attributes: {a: 1}}, events: [], until: 9d", "by its clock: `if` does not"),
    ],
)
def test_why_it_did_not_come(tmp_path: Path, test: str, why: str) -> None:
    outcome, _ = played(tmp_path, f"{test}, expect: [{{at: 1d}}]")
    assert any(why in line for reason in outcome.why for line in reason.lines)


def test_the_clocks_of_other_rules_do_not_spoil_silence(tmp_path: Path) -> None:
    """Each test that expects silence would have been warned of, as clocks always wait."""
    assert played(tmp_path, f"{VIEW}, expect: []")[1] == []
    [warning] = played(tmp_path, f"rule: picks, {VIEW}, expect: []")[1]
    assert "`picks` still waits until 6d22h" in warning


def test_a_backtest_goes_on_to_the_given_end(tmp_path: Path) -> None:
    played(tmp_path, f"{VIEW}, expect: []")
    events = tmp_path / "events.jsonl"
    at = {"source": "profiles", "user": "c1", "attributes": {"ends": "2026-03-20"}}
    view = {"source": "clicks", "event": "view", "user": "c2", "ts": "2026-03-10T10:00:00Z"}
    first = {"source": "clicks", "event": "view", "user": "c1", "ts": "2026-03-02T10:00:00Z"}
    events.write_bytes(b"\n".join(map(orjson.dumps, [at, first, view])))
    out = tmp_path / "out.jsonl"
    arguments = ["backtest", str(tmp_path), str(events), "--until", "2026-03-24T00:00:00Z", "--out", str(out)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    decisions = [orjson.loads(each) for each in out.read_bytes().splitlines()]
    assert sorted((each["customer_id"], each["rule"], each["event"]["id"]) for each in decisions) == [
        ("c1", "ends", "2026-03-18"),
        ("c1", "picks", "2026-03-09"),
        ("c1", "picks", "2026-03-16"),
        ("c1", "picks", "2026-03-23"),
        ("c2", "picks", "2026-03-16"),
        ("c2", "picks", "2026-03-23"),
    ]
    assert {each["event"]["name"] for each in decisions} == {None}


def test_an_explanation_says_when_the_clock_comes(tmp_path: Path) -> None:
    played(tmp_path, f"{VIEW}, expect: []")
    events = tmp_path / "events.jsonl"
    events.write_bytes(
        orjson.dumps({"source": "clicks", "event": "view", "user": "c1", "ts": "2026-03-02T10:00:00Z"})
    )
    said = CliRunner().invoke(cli, ["explain", str(tmp_path), str(events), "--customer", "c1"]).output
    assert "picks began, waits until 2026-03-09T08:00:00.000Z" in said
    assert "its clock has no time for the customer" in said  # of `ends`
