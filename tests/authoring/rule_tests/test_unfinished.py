"""Silence that a test does not show, as it ends before anything could be sent."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from stream.authoring.rule_tests import run as rule_tests
from stream.authoring.rule_tests.coverage import Coverage
from stream.authoring.rule_tests.unfinished import unfinished
from stream.cli.main import cli
from stream.rules.compiler.rule_set import check_rules

RULES = """
sources: {clicks: {event: event, customer: user}}
channels:
  web: {topic: web, consent: none}
  mail: {topic: mail, consent: none, quiet: "21:00-08:00"}
policy: {timezone: UTC}
rules:
  left: {on: cart, unless: {on: buy, within: 30m}, send: {channel: web, content: {text: Hi}}}
  mailed: {on: write, send: {channel: mail, content: {text: Hi}}}
  two: {steps: [{on: a}, {on: b, within: 1h}], send: {channel: web, content: {text: Hi}}}
tests: [{name: t, TEST}]
"""
CART = "events: [{at: 0m, event: cart}], expect: []"


def warned(folder: Path, test: str, rules: str = RULES) -> list[str]:
    (folder / "r.yaml").write_text(rules.replace("TEST", test))
    checked = check_rules(folder)
    assert checked.rules is not None, checked.diagnostics
    outcomes = rule_tests.run_all(checked.tests, checked.rules, {}, Coverage())
    return [str(each).partition(": ")[2] for each in unfinished(outcomes, checked.files)]


WAITS = (
    "warning: `left` still waits until 30m, when the test is over: it does not show silence "
    "(add `until: 31m`) [W522]"
)


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (CART, [WAITS]),
        ("start: 2026-03-09T20:59, events: [{at: 1m, event: write}], expect: []", [
            "warning: quiet hours have put off a message of `mailed` until 11h1m, when the test is over: it "
            "does not show silence (add `until: 11h2m`) [W522]"]),
        ("start: 2026-03-09T21:30, events: [{at: 2026-03-09T21:30, event: write}], expect: []", [
            "warning: quiet hours have put off a message of `mailed` until 2026-03-10 08:00, when the test "
            "is over: it does not show silence (add `until: 2026-03-10 08:01`) [W522]"]),
    ],
)  # fmt: skip
def test_silence_passed_where_nobody_had_listened(tmp_path: Path, test: str, said: list[str]) -> None:
    """The reminder went out half an hour later, and its test had said that it does not."""
    assert warned(tmp_path, test) == said


@pytest.mark.parametrize(
    "test",
    [
        f"{CART}, until: 20m",
        "events: [{at: 0m, event: cart}, {at: 1m, event: buy}], expect: []",
        "events: [{at: 0m, event: write}, {at: 1m, event: cart}], expect: [{rule: mailed}]",
        "events: [{at: 0m, event: a}], expect: []",  # nothing would come of it however long one waits
        f"{CART}, allow: [W522]",
    ],
)
def test_what_is_said_or_allowed_or_nothing_comes_of_is_not_warned_of(tmp_path: Path, test: str) -> None:
    assert warned(tmp_path, test) == []


TWICE = "events: [{at: 0m, event: cart}, {at: 1h, event: cart}]"


@pytest.mark.parametrize(
    "test",
    [f"{TWICE}, expect: [{{at: 30m, rule: left}}]", f"rule: left, {TWICE}, expect: [{{at: 30m}}]"],
)
def test_that_a_limit_holds_passed_where_nobody_had_waited_for_the_second(tmp_path: Path, test: str) -> None:
    """The second reminder went out as well, and its test had said that there is one."""
    (found,) = warned(tmp_path, test)
    assert "`left` still waits until 1h30m, when the test is over: it does not show that no more is" in found
    assert warned(tmp_path, f"{test}, until: 61m") == []


def test_the_policy_allows_it_for_all_and_a_check_does_not_call_that_in_vain(tmp_path: Path) -> None:
    rules = RULES.replace("timezone: UTC", "timezone: UTC, allow: [W522, W501, W505]")
    assert warned(tmp_path, CART, rules) == []
    assert check_rules(tmp_path).diagnostics == ()


def test_the_command_shows_it_and_passes(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RULES.replace("TEST", CART))
    shown = CliRunner().invoke(cli, ["test", str(tmp_path)])
    assert (shown.exit_code, shown.stdout.splitlines()[-1]) == (0, "1 passed, 1 warning")
    assert WAITS in shown.stdout
    junit = tmp_path / "out.xml"
    CliRunner().invoke(cli, ["test", str(tmp_path), "--junit", str(junit)])
    (case,) = ElementTree.parse(junit).getroot()
    assert WAITS in str(case.findtext("system-out")), "CI systems show it, too"
    as_json = CliRunner().invoke(cli, ["test", str(tmp_path), "--json"])
    (warning,) = json.loads(as_json.stdout)["warnings"]
    assert (warning["code"], warning["hint"]) == ("W522", "add `until: 31m`")
