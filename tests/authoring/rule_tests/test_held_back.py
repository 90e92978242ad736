"""What held a message back, as a failed test says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.rule_tests import run as rule_tests
from stream.authoring.rule_tests.coverage import Coverage
from stream.authoring.rule_tests.held_back import Guard, guards
from stream.rules.compiler.rule_set import check_rules

RULES = """
sources: {clicks: {event: event, customer: user}}
traits: {complaints: {function: count, of: complaint}}
channels:
  web: {topic: web, consent: none, cap: 2 per 1d}
  mail: {topic: mail, consent: news, address: customer.email, quiet: "21:00-08:00"}
  push: {topic: push, consent: news, address: customer.device, quiet: "21:00-08:00"}
policy:
  timezone: Europe/Berlin
  cap: 1 per calendar week
  suppress: traits.complaints > 0 || customer.age < 18
  stale_after: 15m
  holdout: 5%
  sensitive: {baby: {events: nursery}}
rules:
  once: {on: view, send: {channel: web, content: {text: Hi}}, limit: 1 per 7d}
  often: {on: look, send: {channel: web, content: {text: "{{ event.sku }}"}}}
  first: {on: pair, group: g, priority: 1, send: {channel: web, content: {text: Hi}}}
  second: {on: pair, group: g, send: {channel: web, content: {text: Hi}}}
  mailed: {on: write, send: {channel: mail, content: {text: Hi}}}
  again: {on: rewrite, send: {channel: mail, content: {text: Hi}}, unless: {on: bought, within: 1m}}
  dropped: {on: ring, quiet: drop, send: {channel: push, content: {text: Hi}}}
  baby: {on: nursery, sensitive: baby, send: {channel: mail, content: {text: Hi}}}
tests:
  - name: it
    customer: CUSTOMER
    start: 2026-03-09T12:00
    events: [EVENTS]
    until: 2d
    expect: []
    MORE
"""
ADULT = "{attributes: {age: 30, email: a@b.example, device: d1}, consents: [news, baby]}"
VIEW, LOOK = "{at: 0m, event: view}", "{at: 1m, event: look, sku: s}"


def held(folder: Path, events: str, customer: str = ADULT, more: str = "") -> tuple[list[str], Coverage]:
    text = RULES.replace("CUSTOMER", customer).replace("EVENTS", events).replace("MORE", more)
    (folder / "shop.yaml").write_text(text)
    checked = check_rules(folder)
    assert checked.rules is not None, checked.diagnostics
    coverage = Coverage()
    (outcome,) = rule_tests.run_all(checked.tests, checked.rules, {}, coverage)
    return [
        f"{each.rule}: {guard}" for each, guard in zip(outcome.held_back, outcome.guards, strict=True)
    ], coverage


@pytest.mark.parametrize(
    ("events", "customer", "more", "said"),
    [
        (f"{VIEW}, {{at: 10m, event: view}}", ADULT, "", [
            "once: limit: 1 per 7d was used up by the message at 0s"]),
        (f"{VIEW}, {LOOK}, {{at: 2m, event: look, sku: s}}", ADULT, "", [
            "often: cap: of channel `web`, 2 per 1d was used up by the messages at 0s of `once`, 1m"]),
        ("{at: 0m, event: write}, {at: 1h, event: rewrite}", ADULT, "", [
            "again: cap: of the policy, 1 per calendar week was used up by the message at 0s of `mailed`"]),
        ("{at: 0m, event: write}", "{attributes: {age: 30}}", "", [
            "mailed: consent: it takes `news`, and the customer has not given that"]),
        ("{at: 0m, event: nursery}", "{attributes: {age: 30}, consents: [news]}", "", [
            "baby: consent: it takes `news` and `baby`, and the customer has not given all of these"]),
        ("{at: 0m, event: write}", "{attributes: {age: 30}, consents: [news]}", "", [
            "mailed: address: channel `mail` sends to `customer.email`, and no address is there"]),
        ("{at: 10h, event: write}", ADULT, "", [
            "mailed: quiet: 21:00-08:00 on channel `mail`, and it waits for their end"]),
        ("{at: 10h, event: write}", ADULT.replace("age", "timezone: Berlin, age"), "", [
            "mailed: quiet: 21:00-08:00 on channel `mail`, and their end is later than it may wait, or not "
            "known for want of a time zone; the customer's `timezone`, `Berlin`, cannot be read (did "
            "you mean `Europe/Berlin`?)"]),
        ("{at: 10h, event: ring}", ADULT, "", [
            "dropped: quiet: 21:00-08:00 on channel `push`, and its rule says `quiet: drop`"]),
        ("{at: 10h, event: rewrite}, {at: 11h, event: bought}", ADULT, "", [
            "again: quiet: 21:00-08:00 on channel `mail`, and it waits for their end",
            "again: unless: that event came while quiet hours put it off"]),
        ("{at: 0m, event: complaint}, {at: 1m, event: view}", ADULT, "", [
            "once: suppressed: the policy's `suppress` holds: traits.complaints > 0 || customer.age < 18"]),
        (VIEW, "{}", "", [
            "once: suppressed: the policy's `suppress` ended in an error, which counts: "
            "traits.complaints > 0 || customer.age < 18"]),
        ("{at: 0m, event: view, late: 16m}", ADULT, "", [
            "once: stale: it came later than `stale_after: 15m`"]),
        ("{at: 0m, event: pair}", ADULT, "", [
            "second: group: `first` of the group `g` has answered that event"]),
        (VIEW, ADULT, "arm: holdout", ["once: holdout: the test says `arm: holdout`"]),
        ("{at: 0m, event: look}", ADULT, "",
            ["often: content: `text`: there is no `event.sku`, or it is an object"]),
    ],
)  # fmt: skip
def test_the_guard_is_said_as_it_is_written_with_what_used_it_up(
    tmp_path: Path, events: str, customer: str, more: str, said: list[str]
) -> None:
    assert held(tmp_path, events, customer, more)[0] == said


@pytest.mark.parametrize(
    ("events", "customer", "wanted", "said"),
    [
        ("{at: 0m, event: both}, {at: 1m, event: both}, {at: 2m, event: both}", ADULT, "web", [
            "`web` was passed over: its cap, 2 per 1d was used up by the messages at 0s, 1m"]),
        ("{at: 0m, event: both}", ADULT.replace("age: 30", "age: 30, preferred_channel: mail"), "web", [
            "`web` was passed over: the customer's `preferred_channel` is another"]),
        ("{at: 0m, event: both}", ADULT, "mail", [
            "`mail` was passed over: it lacked the consent to `news` or an address at `customer.email` or "
            "room under the policy's cap, or the customer's `preferred_channel` is another"]),
        ("{at: 0m, event: both}", ADULT, "push", ["rule `both` does not send on `push`"]),
    ],
)  # fmt: skip
def test_another_channel_than_expected_has_a_reason(
    tmp_path: Path, events: str, customer: str, wanted: str, said: list[str]
) -> None:
    text = RULES.replace("CUSTOMER", customer).replace("EVENTS", events).replace("MORE", "")
    more = "  both: {on: both, send: {channel: [web, mail], content: {text: Hi}}}\ntests:"
    text = text.replace("tests:", more).replace("expect: []", f"expect: [EXPECTED{{channel: {wanted}}}]")
    text = text.replace("EXPECTED", "{channel: web}, " * events.count("both}, "))
    (tmp_path / "shop.yaml").write_text(text)
    checked = check_rules(tmp_path)
    assert checked.rules is not None, checked.diagnostics
    (outcome,) = rule_tests.run_all(checked.tests, checked.rules, {}, Coverage())
    assert [each.note for each in outcome.failures] == said


def test_without_a_time_zone_the_calendar_counts_as_used_up(tmp_path: Path) -> None:
    customer = ADULT.replace("age: 30", "age: 30, timezone: nowhere")
    said, _ = held(tmp_path, "{at: 0m, event: write}", customer)
    assert said == [
        "mailed: quiet: 21:00-08:00 on channel `mail`, and their end is later than it may wait, or not known "
        "for want of a time zone; the customer's `timezone`, `nowhere`, cannot be read (write e.g. "
        "Europe/Berlin)"
    ]


def test_the_guards_of_a_rule_set_are_those_that_a_test_can_show_at_work(tmp_path: Path) -> None:
    _, coverage = held(tmp_path, f"{VIEW}, {{at: 10m, event: view}}, {LOOK}, {{at: 2m, event: look, sku: s}}")
    assert coverage.guards == {Guard("rule", "once", "limit"), Guard("channel", "web", "cap")}
    checked = check_rules(tmp_path)
    assert checked.rules is not None
    assert set(guards(checked.rules)) == {
        Guard("rule", "once", "limit"),
        Guard("channel", "web", "cap"),
        *(
            Guard("channel", name, key)
            for name in ("mail", "push")
            for key in ("consent", "address", "quiet")
        ),
        Guard("policy", "", "cap"),
    }
