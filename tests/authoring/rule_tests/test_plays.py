"""How tests of rules are played: what is known beforehand, what a history brings, and when things happen."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stream.authoring.rule_tests import run as rule_tests
from stream.authoring.rule_tests.coverage import Coverage
from stream.authoring.rule_tests.histories import read_histories
from stream.authoring.rule_tests.plays import Bench, plays
from stream.authoring.rule_tests.run import Outcome
from stream.rules.compiler.rule_set import check_rules

RULES = """
sources:
  clicks: {event: event, customer: user, time: ts}
  profiles: {kind: profile, customer: user, time: ts}
traits:
  spend: {function: sum, of: buy, field: amount, over: 90d}
  orders: {function: count, of: buy, where: event.amount > 0, over: 90d}
  views: {function: count, of: view, per: sku}
  basket: {function: mean, of: buy, field: amount}
  least: {function: min, of: buy, field: amount}
  most: {function: max, of: buy, field: amount}
  skus: {function: distinct, of: view, field: sku}
  tops: {function: top, of: view, field: sku}
  local_tops: {function: top, of: view, field: sku, per: shop}
  first_store: {function: first, of: buy, field: store}
  store: {function: last, of: buy, field: store}
channels:
  web: {topic: web, consent: none}
  mail: {topic: mail, consent: news, address: customer.email, quiet: "21:00-08:00"}
policy: {timezone: Europe/Berlin}
rules:
  is: {on: ask, if: "CONDITION", send: {channel: web, content: {text: Hi}}}
  asks: {on: wish, wait: 30m, if: "traits.views['a'] == 0", send: {channel: web, content: {text: Hi}}}
  left: {on: cart, wait: 30m, send: {channel: mail, content: {text: Hi}}, limit: 1 per 30d}
tests:
"""


def run(folder: Path, *tests: dict[str, Any], condition: str = "true") -> list[Outcome]:
    text = RULES.replace("CONDITION", condition.replace('"', '\\"'))
    (folder / "shop.yaml").write_text(text + "".join(f"  - {json.dumps(each)}\n" for each in tests))
    checked = check_rules(folder)
    assert checked.rules is not None, checked.diagnostics
    read, broken = read_histories(checked.tests, checked.rules, folder)
    assert broken == []
    return rule_tests.run_all(checked.tests, checked.rules, read, Coverage())


def failures(folder: Path, condition: str = "true", **parts: Any) -> list[str]:
    test = {"name": "it", "events": [{"at": "0m", "event": "ask"}], "expect": [{"rule": "is"}], **parts}
    test = {key: value for key, value in test.items() if value is not None}
    (outcome,) = run(folder, test, condition=condition)
    return [each.message for each in outcome.failures]


# ---- known ----


@pytest.mark.parametrize(
    ("known", "reads"),
    [
        ({"spend": 520}, "traits.spend == 520.0 && traits.orders == 0"),
        ({"spend": 0}, "traits.spend == 0.0"),
        ({"orders": 3}, "traits.orders == 3"),
        ({"orders": 0}, "traits.orders == 0"),
        ({"orders": 10_000}, "traits.orders == 10000"),
        ({"views": {"shoes": 3, "bags": 1}}, "traits.views['shoes'] == 3 && traits.views['bags'] == 1"),
        ({"views": {"shoes": 0}}, "traits.views['shoes'] == 0"),
        ({"basket": [40, 50.5]}, "traits.basket == 45.25"),
        ({"basket": []}, "!has(traits.basket)"),
        ({"least": -2, "most": 7.5}, "traits.least == -2.0 && traits.most == 7.5"),
        ({"skus": ["a", "b", 3]}, "traits.skus == 3"),
        ({"tops": ["a", "a", "b"]}, "traits.tops == ['a', 'b']"),
        ({"local_tops": {"s1": ["b", "b", "a"]}}, "traits.local_tops['s1'] == ['b', 'a']"),
        ({"store": "s7", "first_store": 1.5}, "traits.store == 's7' && traits.first_store == 1.5"),
        ({"store": True}, "traits.store == true"),
    ],
    ids=str,
)
def test_a_trait_reads_at_the_start_what_is_known(tmp_path: Path, known: dict[str, Any], reads: str) -> None:
    assert failures(tmp_path, reads, known=known) == []
    assert failures(tmp_path, f"!({reads})", known=known) != []


@pytest.mark.parametrize(("at", "spend"), [("0m", 520.0), ("90d", 520.0), ("91d", 520.0), ("92d", 0.0)])
def test_what_is_known_leaves_the_window_as_if_it_had_happened_at_the_start(
    tmp_path: Path, at: str, spend: float
) -> None:
    events = [{"at": at, "event": "ask"}]
    assert failures(tmp_path, f"traits.spend == {spend}", known={"spend": 520}, events=events) == []


def test_what_happens_then_is_added(tmp_path: Path) -> None:
    known = {"spend": 500, "basket": [40, 50], "store": "s1", "first_store": "s1", "views": {"shoes": 2}}
    events = [
        {"at": "0m", "event": "buy", "amount": 60, "store": "s2"},
        {"at": "0m", "event": "view", "sku": "shoes"},
        {"at": "1m", "event": "ask"},
    ]
    reads = (
        "traits.spend == 560.0 && traits.basket == 50.0 && traits.store == 's2' && "
        "traits.first_store == 's1' && traits.views['shoes'] == 3"
    )
    assert failures(tmp_path, reads, known=known, events=events) == []


def test_a_key_without_quotes_is_a_number_where_it_looks_like_one(tmp_path: Path) -> None:
    """An event has `sku: 4711`; a text of the same digits is another key."""
    text = RULES.replace("CONDITION", "traits.views[event.sku] == 3")
    for key, sku, holds in (("4711", "4711", True), ("'4711'", "'4711'", True), ("4711", "'4711'", False)):
        test = f"{{name: it, known: {{views: {{{key}: 3}}}}, events: [{{at: 0m, event: ask, sku: {sku}}}]"
        (tmp_path / "shop.yaml").write_text(f"{text}  - {test}, expect: [{{}}]}}\n")
        checked = check_rules(tmp_path)
        assert checked.rules is not None, checked.diagnostics
        (outcome,) = rule_tests.run_all(checked.tests, checked.rules, {}, Coverage())
        assert outcome.passed is holds


# ---- times ----


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        ({"events": [{"at": "2026-03-09T09:00", "event": "ask"}]}, "2026-03-09T08:00:00Z"),  # policy's zone
        ({"events": [{"at": "2026-03-09", "event": "ask"}]}, "2026-03-08T23:00:00Z"),
        ({"events": [{"at": "2026-03-09 09:00:30.5", "event": "ask"}]}, "2026-03-09T08:00:30.5Z"),
        ({"events": [{"at": "2026-03-09T09:00Z", "event": "ask"}]}, "2026-03-09T09:00:00Z"),
        ({"events": [{"at": "2026-03-09T09:00-05:00", "event": "ask"}]}, "2026-03-09T14:00:00Z"),
        (
            {
                "events": [{"at": "2026-03-09T09:00", "event": "ask"}],
                "customer": {"attributes": {"timezone": "America/New_York"}},
            },
            "2026-03-09T13:00:00Z",
        ),
        (
            {
                "events": [{"at": "2026-03-09T09:00", "event": "ask"}],
                "customer": {"attributes": {"timezone": "nowhere"}},
            },
            "2026-03-09T08:00:00Z",
        ),
        ({"start": "2026-07-01T12:00", "events": [{"at": "1h", "event": "ask"}]}, "2026-07-01T11:00:00Z"),
        ({"events": [{"at": "2026-03-29T03:30", "event": "ask"}]}, "2026-03-29T01:30:00Z"),  # after the gap
        ({"events": [{"at": "2026-10-25T02:30+01:00", "event": "ask"}]}, "2026-10-25T01:30:00Z"),
    ],
    ids=str,
)
def test_dates_are_where_the_customer_is(tmp_path: Path, parts: dict[str, Any], sent: str) -> None:
    (outcome,) = run(tmp_path, {"name": "it", "expect": [{"rule": "is"}], **parts})
    assert outcome.passed, outcome.failures
    at = outcome.sent[0].decision.at / 1000
    assert datetime.fromtimestamp(at, UTC) == datetime.fromisoformat(sent)


def test_dates_and_durations_mix(tmp_path: Path) -> None:
    test = {
        "name": "a cart in the evening is remembered in the morning",
        "customer": {"attributes": {"email": "a@b.example"}, "consents": ["news"]},
        "start": "2026-03-08T20:00",
        "events": [{"at": "1h", "event": "cart"}, {"at": "2026-03-08T22:00", "event": "ask"}],
        "until": "2026-03-09T09:00",
        "expect": [{"at": "2h", "rule": "is"}, {"at": "2026-03-09T08:00", "rule": "left"}],
    }
    (outcome,) = run(tmp_path, test)
    assert outcome.passed, [each.message for each in outcome.failures]


# ---- history ----


def history(folder: Path, *lines: dict[str, Any]) -> None:
    (folder / "past.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))


def at(day: int, **more: Any) -> dict[str, Any]:
    return {"user": "c1", "ts": f"2026-02-{day:02}T10:00:00Z", **more}


def test_a_history_brings_traits_profile_and_what_was_sent(tmp_path: Path) -> None:
    consents = {"news": {"granted": True, "at": "2026-02-01T10:00:00Z"}}
    history(
        tmp_path,
        at(1, source="profiles", attributes={"email": "a@b.example"}, consents=consents),
        at(20, event="buy", amount=30),
        at(21, event="cart"),
        at(21, event="cart", user="somebody else"),
    )
    cart = {"at": "1m", "event": "cart"}
    ask = {"at": "2m", "event": "ask"}
    tests: list[dict[str, Any]] = [
        {"history": "past.jsonl", "events": [cart, ask], "until": "2h", "expect": [{"rule": "is"}]},
        {"history": "past.jsonl", "start": "2026-03-24T12:00", "events": [cart], "until": "2h",
         "expect": [{"at": "31m", "rule": "left"}]},
    ]  # fmt: skip
    first, second = run(
        tmp_path,
        *({"name": str(number), **each} for number, each in enumerate(tests)),
        condition="traits.spend == 30.0 && customer.email == 'a@b.example'",
    )
    assert (first.failures, second.failures) == ((), ())
    assert first.guards == ("limit: 1 per 30d was used up by the message at -8d23h30m",)


def test_what_waits_when_the_history_ends_goes_on(tmp_path: Path) -> None:
    customer = {"attributes": {"email": "a@b.example"}, "consents": ["news"]}
    history(tmp_path, at(21, event="cart"))
    parts = {"customer": customer, "history": "past.jsonl", "until": "1h", "expect": [{"at": "20m"}]}
    assert failures(tmp_path, start="2026-02-21T10:10:00Z", events=[], **parts) == []
    assert failures(tmp_path, start="2026-02-21T10:40:00Z", events=[], **parts) == [
        "expected something at 20m, and it was not sent"
    ]


def test_who_the_customer_is_holds_for_the_history_too(tmp_path: Path) -> None:
    """The reminder of February was suppressed for want of the consent, and used up no limit."""
    history(tmp_path, at(20, event="cart"))
    customer = {"attributes": {"email": "a@b.example"}, "consents": ["news"]}
    parts = {"customer": customer, "history": "past.jsonl", "until": "1h", "expect": []}
    assert failures(tmp_path, events=[{"at": "1m", "event": "cart"}], **parts) == []
    assert failures(tmp_path, events=[{"at": "1m", "event": "cart"}], **{**parts, "history": None}) != []


def test_what_was_due_before_the_start_does_not_see_what_is_known_then(tmp_path: Path) -> None:
    history(tmp_path, at(20, event="wish"))
    test = {"name": "it", "history": "past.jsonl", "known": {"views": {"a": 1}}, "events": [], "expect": []}
    text = RULES.replace("CONDITION", "true") + f"  - {json.dumps(test)}\n"
    (tmp_path / "shop.yaml").write_text(text)
    checked = check_rules(tmp_path)
    assert checked.rules is not None
    read, _ = read_histories(checked.tests, checked.rules, tmp_path)
    (test_read,) = checked.tests
    (play,) = plays(test_read, Bench(checked.rules).of(test_read), *read.values())
    assert [(each.rule, each.outcome) for each in play.before] == [("asks", "sent")]


def test_what_is_known_is_not_added_to_what_a_history_brought(tmp_path: Path) -> None:
    """It would not read what the test says."""
    history(tmp_path, at(20, event="buy", amount=30))
    parts = {"history": "past.jsonl", "known": {"spend": 520, "store": "s1", "views": {"a": 1}}}
    assert failures(tmp_path, "traits.store == 's1'", **parts) == [
        "`known` says what `spend` is, which the history has brought to a value already"
    ]


def test_a_record_of_a_history_that_is_none_fails_the_test_at_its_line(tmp_path: Path) -> None:
    history(tmp_path, at(20, event="buy", amount=30), {"event": "buy", "ts": "2026-02-21T10:00:00Z"})
    (said,) = failures(tmp_path, history="past.jsonl")
    what = f"a record of `clicks` was put aside: customer ({tmp_path}/past.jsonl:2)"
    assert said == f"{what}: `user` must be the customer's id, a text or a whole number"
