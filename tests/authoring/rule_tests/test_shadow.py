"""Tests of rules in shadow mode: what they would send is expected like what others send."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.rule_tests import run as rule_tests
from stream.authoring.rule_tests.run import Outcome
from stream.rules.compiler.rule_set import check_rules

RULES = """
sources: {clicks: {event: event, customer: customer, time: ts}}
channels: {web: {topic: triggers.web, consent: none}}
rules:
  shadow: {on: view, MODE send: {channel: web, content: {text: Hi}}, limit: 1 per 1h}
  live: {on: view, send: {channel: web, content: {text: Hello}}, limit: 1 per 1h}
tests:
  - {name: t, events: [{at: 0m, event: view}], TEST}
"""


def played(tmp_path: Path, test: str, mode: str = "mode: shadow,") -> Outcome:
    (tmp_path / "rules.yaml").write_text(RULES.replace("MODE", mode).replace("TEST", test))
    checked = check_rules(tmp_path)
    assert checked.rules is not None, checked.diagnostics
    (test_,) = checked.tests
    return rule_tests.run(test_, checked.rules)


@pytest.mark.parametrize(
    ("test", "passes"),
    [
        ("rule: shadow, expect: [{at: 0m, content: {text: Hi}}]", True),
        ("rule: shadow, expect: [{outcome: shadow}]", True),
        ("rule: shadow, expect: [{outcome: sent}]", False),
        ("rule: shadow, expect: [{content: {text: Other}}]", False),
        ("rule: shadow, expect: []", False),
        ("expect: [{rule: live}]", True),  # a shadow beside it is of no matter to a test of others
        ("expect: [{rule: live}, {rule: shadow}]", True),
        ("expect: [{rule: live, outcome: sent}, {outcome: shadow}]", True),
        ("expect: [{rule: live, outcome: shadow}]", False),
        ("expect: []", False),
    ],
)
def test_what_a_shadow_would_send_is_compared_where_the_test_is_about_it(
    tmp_path: Path, test: str, passes: bool
) -> None:
    assert played(tmp_path, test).passed is passes


def test_one_test_holds_for_a_rule_in_shadow_mode_and_live(tmp_path: Path) -> None:
    for mode in ("mode: shadow,", "mode: live,", ""):
        assert played(tmp_path, "rule: shadow, expect: [{at: 0m, channel: web}]", mode).passed


def test_what_was_not_compared_is_told(tmp_path: Path) -> None:
    outcome = played(tmp_path, "expect: []")
    assert [each.outcome for each in outcome.held_back] == ["shadow"]
    assert outcome.guards == ("it would have been sent, but for the rule's `mode: shadow`",)
