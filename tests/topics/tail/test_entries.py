"""Records as entries, and what of them may be seen."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from stream.errors import StreamError
from stream.rules.compiler.rule_set import compile_files
from stream.rules.files import collect
from stream.rules.model import RuleSet
from stream.structs import OwnTopics, Unread
from stream.topics.tail.entries import ANOTHER, EntryMask, EntryReader, Wanted
from stream.topics.tail.lines import TailSummary, as_json, as_line
from stream.topics.tail.topics import Followed, chosen

PERSON = "zoe.miller@private.example"


class Kept(NamedTuple):
    value: bytes | None
    key: bytes | None = PERSON.encode()
    headers: tuple[tuple[str, bytes], ...] = ()
    offset: int = 5
    timestamp: int = 1_772_445_600_123


@pytest.fixture
def rules(tmp_path: Any) -> RuleSet:
    (tmp_path / "r.yaml").write_text(
        "sources:\n  shop: {topic: t.shop, event: event, customer: customer_id}\n"
        "  people: {kind: profile, customer: customer_id}\n"
        "channels: {web: {topic: t.web, consent: none}}\n"
    )
    found = compile_files(*collect(tmp_path)).rules
    assert found is not None
    return found


def followed(rules: RuleSet, name: str) -> Followed:
    (one,) = chosen(rules, OwnTopics("app"), name)
    return one


DECISION = {
    "trigger_id": "t",
    "rule": "third-look",
    "customer_id": PERSON,
    "outcome": "suppressed",
    "reason": "limit",
    "channel": "web",
    "variant": None,
    "event": {"name": "view", "id": PERSON},
}


def shown_of(rules: RuleSet, name: str, record: Any, *, personal: bool = False) -> tuple[str, dict[str, Any]]:
    reading = EntryReader({"view"})
    one = reading.entry(followed(rules, name), 3, record)
    shown = EntryMask(reading, personal)
    return as_line(one, shown).plain, json.loads(as_json(one, shown))


@pytest.mark.parametrize(
    ("name", "value", "headers"),
    [
        ("decisions", DECISION, ()),
        ("web", DECISION | {"content": {"text": PERSON}, "address": PERSON}, ()),
        ("shop", {"event": "view", "customer_id": PERSON, "mail": PERSON}, ()),
        ("shop", {"event": PERSON, "customer_id": PERSON}, ()),
        ("people", {"customer_id": PERSON, "attributes": {"email": PERSON}, "consents": {PERSON: {}}}, ()),
        (
            "dead-letters",
            {"mail": PERSON},
            (("reason", b"customer"), ("source", b"shop"), ("topic", b"t.shop")),
        ),
    ],
)
def test_nothing_of_a_person_is_shown_unless_asked_for(
    rules: RuleSet, name: str, value: dict[str, Any], headers: tuple[tuple[str, bytes], ...]
) -> None:
    record = Kept(json.dumps(value).encode(), headers=headers)
    line, found = shown_of(rules, name, record)
    assert PERSON not in line
    assert PERSON not in json.dumps(found)
    line, found = shown_of(rules, name, record, personal=True)
    assert PERSON in line
    assert found["record"] == value


def test_a_decision_is_one_line_that_says_what_and_why(rules: RuleSet) -> None:
    line, found = shown_of(rules, "decisions", Kept(json.dumps(DECISION).encode()))
    assert line.startswith(
        "2026-03-02T10:00:00.123Z  third-look                suppressed   limit  web  on view  "
    )
    assert found["outcome"] == "suppressed"
    assert (found["partition"], found["offset"]) == (3, 5)


def test_the_same_customer_looks_the_same_within_a_run_and_otherwise_in_the_next(rules: RuleSet) -> None:
    reading = EntryReader(())
    one = reading.entry(followed(rules, "decisions"), 0, Kept(json.dumps(DECISION).encode()))
    first, second = EntryMask(reading), EntryMask(reading)
    assert first.customer(one) == first.customer(one) != second.customer(one)


def test_an_event_whose_name_the_rules_do_not_have_may_be_anything(rules: RuleSet) -> None:
    line, _ = shown_of(rules, "shop", Kept(b'{"event": "made up", "customer_id": "c1"}'))
    assert ANOTHER in line


@pytest.mark.parametrize(
    ("name", "record", "said"),
    [
        ("people", Kept(None), "deleted"),
        ("shop", Kept(b"no json"), "no JSON object"),
        ("decisions", Kept(b"[]"), "json"),
        ("people", Kept(b'{"customer_id": "c", "attributes": {"a": 1}}'), "attributes 1"),
        ("shop", Unread(5, -1, "size", 5, b"k", b"x", 99), "size"),
        ("shop", Kept(b'{"event": "view\\u001b[2J", "customer_id": "c"}', timestamp=-1), "another"),
    ],
)
def test_whatever_lies_there_is_a_line(rules: RuleSet, name: str, record: Any, said: str) -> None:
    line, _ = shown_of(rules, name, record)
    assert said in line
    assert line.isprintable()


def test_why_not_counts_by_reason(rules: RuleSet) -> None:
    reading, wanted, summary = EntryReader(()), Wanted(why_not=True), TailSummary()
    for outcome, reason in [
        ("sent", None),
        ("suppressed", "limit"),
        ("suppressed", "limit"),
        ("holdout", "holdout"),
    ]:
        body = DECISION | {"outcome": outcome, "reason": reason}
        one = reading.entry(followed(rules, "decisions"), 0, Kept(json.dumps(body).encode()))
        if wanted.has(one):
            summary.add(one)
    assert list(summary.lines(why_not=True)) == [
        "3 records: suppressed 2, holdout 1",
        "         2  limit",
        "         1  holdout",
    ]


def test_only_a_rule_or_a_customer(rules: RuleSet) -> None:
    one = EntryReader(()).entry(followed(rules, "decisions"), 0, Kept(json.dumps(DECISION).encode()))
    assert Wanted(rule="third-look").has(one)
    assert not Wanted(rule="other").has(one)
    assert Wanted(customer=PERSON).has(one)
    assert not Wanted(customer="c1").has(one)


def test_a_topic_is_named_as_rule_files_do_or_as_kafka_does(rules: RuleSet) -> None:
    own = OwnTopics("app", decisions="app.decided")
    names = ["shop", "t.shop", "web", "t.web", "decisions", "app.decided", "dead-letters", "people"]
    found = [chosen(rules, own, name)[0].topic for name in names]
    assert found == [
        "t.shop",
        "t.shop",
        "t.web",
        "t.web",
        "app.decided",
        "app.decided",
        "dead-letters",
        "people",
    ]
    assert [each.topic for each in chosen(rules, own, None)] == ["app.decided", "dead-letters"]
    assert "t.shop" in [each.topic for each in chosen(rules, own, None, customer=True)]
    with pytest.raises(StreamError, match="did you mean `shop`"):
        chosen(rules, own, "shopp")


def test_what_stood_in_the_place_of_a_rules_name_in_a_foreign_record_was_shown_word_for_word(
    rules: RuleSet,
) -> None:
    (decisions,) = chosen(rules, OwnTopics("app"), "decisions")
    record = Kept(json.dumps({"rule": f"of {PERSON}", "outcome": PERSON, "reason": PERSON}).encode())
    reading = EntryReader(())
    one = reading.entry(decisions, 0, record)
    shown = as_line(one, EntryMask(reading)).plain + as_json(one, EntryMask(reading))
    assert PERSON not in shown
    assert one.rule == one.outcome == one.reason == "?"
