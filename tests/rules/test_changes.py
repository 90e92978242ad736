"""What one rule set says otherwise than another, by names and keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.rules.changes import keys_changed, renamed, rules_changed, rules_that_end, sections_changed
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import RuleSet

BASE = """
sources:
  clicks: {event: event, customer: customer, time: ts}
channels:
  web: {topic: triggers.web, consent: none}
  push: {topic: triggers.push, consent: none}
traits:
  views: {function: count, of: view, where: event.price > 1, over: 7d}
rules:
  plain: {on: view, send: {channel: web, content: {text: Hi, link: x}}, limit: 1 per 1d}
  timed:
    on: cart
    where: event.price > 1
    unless: {on: buy, within: 1h}
    send: {channel: web, content: {text: Hi}}
policy: {stale_after: 1h}
"""


def both(folder: Path, *change: str) -> tuple[RuleSet, RuleSet]:
    """What is in `BASE`, and what it is with the change."""
    sets = []
    for name, text in (("old", BASE), ("new", BASE.replace(*change))):
        (folder / name).mkdir()
        (folder / name / "all.yaml").write_text(text)
        sets.append(load_rules(folder / name))
    assert sets[0].revision != sets[1].revision
    return sets[0], sets[1]


@pytest.mark.parametrize(
    ("text", "other", "rule", "keys", "ends"),
    [
        ("limit: 1 per 1d", "limit: 2 per 1d", "plain", ["limit"], False),
        ("text: Hi, link: x", "text: Ho, more: x", "plain", ["more", "text", "link"], False),
        (
            "channel: web, content: {text: Hi, link",
            "channel: push, content: {text: Hi, link",
            "plain",
            ["channel"],
            False,
        ),
        ("  plain: {on: view", "  plain: {if: now > event_time, on: view", "plain", ["if"], False),
        ("  plain: {on: view", "  plain: {on: [view, home]", "plain", ["on"], True),
        (
            "on: cart\n    where: event.price > 1",
            "on: cart\n    where: event.price > 2",
            "timed",
            ["where"],
            True,
        ),
        ("within: 1h", "within: 2h", "timed", ["unless"], True),
        ("on: cart\n    where: event.price > 1", "steps: [{on: view}, {on: cart}]", "timed", ["steps"], True),
        ("  plain: {on: view", "  plain: {goal: {on: buy, within: 1d}, on: view", "plain", ["goal"], False),
    ],
)
def test_a_changed_rule_is_told_with_the_keys_of_its_file(
    tmp_path: Path, text: str, other: str, rule: str, keys: list[str], ends: bool
) -> None:
    old, new = both(tmp_path, text, other)
    assert rules_changed(old, new).changed == (rule,)
    (found,) = keys_changed(old, new, "rules", (rule,)).values()
    assert sorted(each.rpartition(".")[2] for each in found) == sorted(keys)
    assert [each.name for each in rules_that_end(old, new)] == ([rule] if ends else [])


def test_sections_are_told_by_names_and_the_policy_by_its_keys(tmp_path: Path) -> None:
    old, new = both(tmp_path, "policy: {stale_after: 1h}", "policy: {timezone: UTC}")
    policy = sections_changed(old, new)["policy"]
    assert (policy.added, policy.removed, policy.changed) == (("timezone",), ("stale_after",), ())


def test_another_where_of_a_trait_was_no_change_where_predicates_keep_their_numbers(tmp_path: Path) -> None:
    old, new = both(tmp_path, "of: view, where: event.price > 1", "of: view, where: event.price > 2")
    assert sections_changed(old, new)["traits"].changed == ("views",)
    assert keys_changed(old, new, "traits", ("views",)) == {"views": ["where"]}
    assert rules_changed(old, new).unchanged == ("plain", "timed")


def test_a_rule_by_another_name_is_found_by_what_it_says(tmp_path: Path) -> None:
    old, new = both(tmp_path, "  timed:", "  waits:")
    assert renamed(old, new) == {"timed": "waits"}
    assert [each.name for each in rules_that_end(old, new)] == ["timed"]
