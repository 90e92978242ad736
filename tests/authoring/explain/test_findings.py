"""Why a rule fired for a customer, and why it did not: in a line, with the condition as a tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.authoring.explain.explainkit import found, known_after, line, rules_in, tell

VIEW = {"sku": "a", "price": 20}


@pytest.mark.parametrize(
    ("events", "rule", "why"),
    [
        ([], "never", "it begins with `veiw`, which the customer has not had (did you mean `view`?)"),
        ([("view", {"price": 5})], "viewed", "its `where` did not hold, once"),
        ([("view", VIEW)], "viewed", "its `if` did not hold, once"),
        ([("view", {**VIEW, "gift": True})] * 2, "viewed", "sent at 2026-03-02T10:02:00.000Z"),
        ([("cart", {})], "left", "it waits for its time, until 2026-03-02T10:31:00.000Z"),
        ([("cart", {}), ("buy", {})], "left", "its `unless` ended it"),
        ([("view", VIEW)], "pair", "it waits for `cart`, until 2026-03-02T11:01:00.000Z"),
        (
            [("view", VIEW), ("cart", {})],
            "pair",
            "its condition held once, and it was held back: "
            "consent: it takes `news`, and the customer has not given that",
        ),
    ],
)
def test_a_line_says_what_became_of_a_rule(
    tmp_path: Path, events: list[tuple[str, dict[str, Any]]], rule: str, why: str
) -> None:
    lines = [line(at, name, **more) for at, (name, more) in enumerate([*events, ("view", {"price": 1})], 1)]
    told = tell(tmp_path, lines if rule == "never" else lines[:-1])
    assert found(told)["rules"][rule]["why"] == why


def test_the_nearest_is_the_one_of_which_the_fewest_parts_failed(tmp_path: Path) -> None:
    views = [line(0, "view", **VIEW), line(1, "view", **VIEW, gift=False), line(1500, "view", **VIEW)][:2]
    rule = found(tell(tmp_path, views), "viewed")["rules"]["viewed"]
    assert rule["nearest"]["at"] == "2026-03-02T10:01:00.000Z"
    views_term, joined = rule["nearest"]["terms"]
    assert (views_term["text"], views_term["outcome"]) == ("traits.views >= 2", "true")
    assert views_term["seen"] == [{"path": "traits.views", "value": "2"}]
    segment, gift = joined["parts"]
    assert (segment["text"], segment["outcome"], gift["outcome"]) == ("segments.big", "false", "false")
    inner = segment["parts"][0]
    assert inner["text"] == "traits.views >= 3 || customer.vip"
    assert [each["outcome"] for each in inner["parts"]] == ["false", "error"]


def test_a_limit_names_the_message_that_used_it_up(tmp_path: Path) -> None:
    views = [line(at, "view", **VIEW, gift=True) for at in range(4)]
    decisions = [each for moment in found(tell(tmp_path, views))["moments"] for each in moment["decisions"]]
    assert [(each["outcome"], each["because"]) for each in decisions if each["rule"] == "viewed"] == [
        ("sent", None),
        ("suppressed", "limit: 1 per 1h was used up by the message at 2026-03-02T10:01:00.000Z"),
        ("suppressed", "limit: 1 per 1h was used up by the message at 2026-03-02T10:01:00.000Z"),
    ]
    assert decisions[0]["content"] == {"text": "a"}


def test_of_one_rule_only_its_moments_and_what_it_reads_are_told(tmp_path: Path) -> None:
    events = [line(0, "view", **VIEW), line(1, "buy"), line(2, "cart")]
    one = found(tell(tmp_path, events), "viewed")
    assert [each["event"] for each in one["moments"]] == ["view"]
    assert [each["name"] for each in one["moments"][0]["changes"]] == ["traits.views"]
    assert list(one["rules"]) == ["viewed"]


def test_a_rule_that_begins_again_and_one_that_moves_on_are_told_apart(tmp_path: Path) -> None:
    text = """
sources:
  clicks: {event: event, customer: customer, time: ts}
channels: {web: {topic: triggers.web, consent: none}}
rules:
  left: {on: cart, unless: {on: buy, within: 30m}, again: restart, send: {channel: web, content: {text: Hi}}}
  pair: {steps: [{on: cart}, {on: pay, within: 1h}], wait: 1m, send: {channel: web, content: {text: Hi}}}
"""
    from tests.authoring.explain.explainkit import rules_in

    events = [line(0, "cart"), line(5, "cart"), line(6, "pay"), line(50, "other")]
    told = found(tell(tmp_path, events, rules=rules_in(tmp_path, text)))
    steps = [(each["rule"], each["what"]) for moment in told["moments"] for each in moment["instances"]]
    assert ("left", "began anew") in steps
    assert ("pair", "moved on") in steps
    assert steps[-1] == ("left", "ended")


def test_an_event_that_counted_for_nothing_was_said_not_to_have_come_did_you_mean_itself(
    tmp_path: Path,
) -> None:
    rules = rules_in(tmp_path)
    known = known_after(tmp_path, [line(0, "view"), line(1, "view")], rules, 1_772_445_720_000)
    told = found(tell(tmp_path, [line(0, "view")], rules=rules, known=known))
    assert told["moments"][0]["put_aside"] == "it was read before"
    assert told["rules"]["viewed"]["why"] == "it begins with `view`, and what came of it counted for nothing"


SHADOW = """
sources: {clicks: {event: event, customer: customer, time: ts, id: id}}
channels: {web: {topic: triggers.web, consent: none}}
rules:
  shadow: {on: view, mode: shadow, send: {channel: web, content: {text: Hi}}}
  few: {on: view, rollout: 0.01%, send: {channel: web, content: {text: Hi}}}
"""


def test_it_says_that_a_rule_is_in_shadow_mode_or_not_rolled_out_to_the_customer(tmp_path: Path) -> None:
    told = found(tell(tmp_path, [line(1, "view")], rules=rules_in(tmp_path, SHADOW)))["rules"]
    assert told["shadow"]["why"].endswith("it would have been sent, but for the rule's `mode: shadow`")
    assert "outside of the rule's `rollout: 0.01%`" in told["few"]["why"]
    assert (told["shadow"]["outcomes"], told["few"]["reasons"]) == ({"shadow": 1}, {"rollout": 1})
