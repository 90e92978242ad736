"""Prior decisions: what a dead owner had decided stays decided, is not written again, and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from stream.clock import Clock
from stream.decisions.wire import Origin, dead_letter_record
from stream.engine import PartitionState, process
from stream.errors import StateError
from stream.rules.model import Channel, Policy, Quiet, RuleSet
from stream.runtime.recovery import Recovery
from stream.structs import Batch, Result, WireRecord
from stream.worker import prior_decisions
from tests.engine.enginekit import DAY, MINUTE, T0, Rules, rec
from tests.kit.wires import decision_record, trigger_record


@dataclass
class Kept:
    """A record as it is read back from its topic."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    offset: int = 0
    timestamp: int = 0


def rules_of(limit: int = 1) -> RuleSet:
    rules = Rules().rule("hello", "view", limit=(limit, DAY))
    return rules.rule("cart", "cart", unless=("order", 30 * MINUTE)).build()


def play(rules: RuleSet, state: PartitionState, *records: Any) -> tuple[Result, list[WireRecord]]:
    batch = Batch(0, {"clicks": list(records)}, frozenset({"clicks", "orders", "profiles"}))
    result = process(batch, rules, state, Clock(by_event_time=True))
    origin = Origin("app", 0, "r1", {source.name: f"topic-{source.name}" for source in rules.sources})
    wires = [
        *(trigger_record(each, origin, T0) for each in result.triggers),
        *(decision_record(each, origin) for each in result.decisions),
        *(dead_letter_record(each, origin) for each in result.dead_letters),
    ]
    return result, wires


def recovery_of(wires: Sequence[WireRecord], app_id: str = "app") -> Recovery:
    recovery = Recovery(0, prior_decisions.identity)
    for wire in wires:
        written = prior_decisions.read(wire.topic, Kept(wire.key, wire.value, wire.headers), app_id)
        if written is not None:
            recovery.add(written)
    return recovery


def new(recovery: Recovery, records: Sequence[WireRecord]) -> list[WireRecord]:
    """The records without those that were written before."""
    return [each for each in records if not recovery.has(each)]


def test_after_a_crash_the_same_events_write_nothing_again() -> None:
    rules = rules_of()
    events = [rec(0, 0, "view"), rec(1, 0, "cart"), rec(2, 60 * MINUTE, "view", customer="c2")]
    first, wires = play(rules, PartitionState(rules), *events)
    assert {each.rule for each in first.decisions} == {"hello", "cart"}
    state, recovery = PartitionState(rules), recovery_of(wires)
    prior_decisions.enter(recovery.written, state, rules)
    second, again = play(rules, state, *events)
    assert second.decisions == first.decisions
    assert new(recovery, again) == []
    assert second.triggers == [], "they are in Kafka"
    assert recovery.is_over({"topic-clicks": 3}, second.watermark)


def test_what_is_lost_is_written() -> None:
    """The crash came when a part had been acknowledged: a trigger without its decision, or the other way."""
    rules = rules_of()
    events = [rec(0, 0, "view"), rec(1, 0, "view", customer="c2")]
    _, wires = play(rules, PartitionState(rules), *events)
    for lost in range(len(wires)):
        state, recovery = PartitionState(rules), recovery_of(wires[:lost] + wires[lost + 1 :])
        prior_decisions.enter(recovery.written, state, rules)
        assert new(recovery, play(rules, state, *events)[1]) == [wires[lost]]


def test_what_was_sent_counts_before_it_is_read_again() -> None:
    """Another event of the same limit is read first: without the recall, two would have been sent."""
    rules = rules_of()
    first, second = rec(0, 0, "view"), rec(1, MINUTE, "view")
    _, wires = play(rules, PartitionState(rules), first)
    state, recovery = PartitionState(rules), recovery_of(wires)
    prior_decisions.enter(recovery.written, state, rules)
    result, _ = play(rules, state, second)
    assert [each.reason for each in result.decisions] == ["limit"]


def test_what_was_sent_later_does_not_keep_back_what_was_lost() -> None:
    """Of two messages the first did not reach its topic; the second counted against the first one's limit."""
    rules = rules_of()
    events = [rec(0, 0, "view"), rec(1, 2 * DAY, "view")]
    first, wires = play(rules, PartitionState(rules), *events)
    assert [each.outcome for each in first.decisions] == ["sent", "sent"]
    lost = wires[0]
    state, recovery = PartitionState(rules), recovery_of([wires[1], wires[3]])
    prior_decisions.enter(recovery.written, state, rules)
    second, again = play(rules, state, *events)
    assert second.decisions == first.decisions
    assert new(recovery, again) == [lost, wires[2]]


def test_what_was_lost_stays_away_where_what_was_sent_later_leaves_no_room() -> None:
    """Another topic's event came first this time; with it, there would be two in a day."""
    rules = rules_of()
    _, wires = play(rules, PartitionState(rules), rec(1, DAY - 1, "view"))
    state, recovery = PartitionState(rules), recovery_of(wires)
    prior_decisions.enter(recovery.written, state, rules)
    result, _ = play(rules, state, rec(0, 0, "view"), rec(1, DAY - 1, "view"), rec(2, DAY + 1, "view"))
    told = [(each.outcome, each.reason) for each in result.decisions]
    assert told == [("suppressed", "limit"), ("sent", None), ("suppressed", "limit")]


def test_what_is_not_said_again_counts_when_all_is_over() -> None:
    rules = rules_of()
    _, wires = play(rules, PartitionState(rules), rec(0, 0, "view"))
    state, recovery = PartitionState(rules), recovery_of(wires)
    for _ in range(2):
        prior_decisions.enter(recovery.written, state, rules)
        prior_decisions.leave(state, rules)
    assert state.customers.sends("c1", "rule:hello") == [T0]
    assert (state.prior_decisions, state.prior_sends) == ({}, {})


def test_to_recall_again_what_is_applied_counts_nothing_twice() -> None:
    rules = rules_of(limit=2)
    view, later = rec(0, 0, "view"), rec(1, MINUTE, "view")
    _, wires = play(rules, PartitionState(rules), view)
    state = PartitionState(rules)
    prior_decisions.enter(recovery_of(wires).written, state, rules)
    play(rules, state, view)
    restored = PartitionState(rules)
    for key, value in state.take_changed():
        restored.load(key, value)
    prior_decisions.enter(recovery_of(wires).written, restored, rules)
    result, _ = play(rules, restored, later)
    assert [each.outcome for each in result.decisions] == ["sent"]


def test_to_recall_again_after_a_second_crash_counts_nothing_twice() -> None:
    rules = rules_of(limit=2)
    _, wires = play(rules, PartitionState(rules), rec(0, 0, "view"))
    state = PartitionState(rules)
    prior_decisions.enter(recovery_of(wires).written, state, rules)
    restored = PartitionState(rules)
    for key, value in state.take_changed():
        restored.load(key, value)
    prior_decisions.enter(recovery_of(wires).written, restored, rules)
    result, _ = play(rules, restored, rec(0, 0, "view"), rec(1, MINUTE, "view"), rec(2, 2 * MINUTE, "view"))
    assert [each.outcome for each in result.decisions] == ["sent", "sent", "suppressed"]


def test_what_was_refused_stays_refused() -> None:
    rules = rules_of()
    events = [rec(0, 0, "view"), rec(1, MINUTE, "view")]
    _, wires = play(rules, PartitionState(rules), *events)
    decisions = [wire for wire in wires if wire.topic == "decisions" and b'"limit"' in (wire.value or b"")]
    state, recovery = PartitionState(rules), recovery_of(decisions)
    prior_decisions.enter(recovery.written, state, rules)
    result, again = play(rules, state, events[1])
    assert [(each.outcome, each.reason) for each in result.decisions] == [("suppressed", "limit")]
    assert new(recovery, again) == []


def test_dead_letters_are_written_once() -> None:
    rules = rules_of()
    bad = replace(rec(0, 0), value=b"{")
    _, wires = play(rules, PartitionState(rules), bad)
    assert len(wires) == 1
    assert new(recovery_of(wires), play(rules, PartitionState(rules), bad)[1]) == []


def test_another_apps_records_are_its_own_business() -> None:
    rules = rules_of()
    _, wires = play(rules, PartitionState(rules), rec(0, 0, "view"))
    assert recovery_of(wires, "another").written == []


def test_it_is_over_when_the_causes_are_applied_and_not_before() -> None:
    rules = rules_of()
    result, wires = play(
        rules, PartitionState(rules), rec(5, 0, "cart"), rec(6, 60 * MINUTE, "view", customer="c2")
    )
    recovery = recovery_of(wires)
    assert result.watermark is not None
    assert not recovery.is_over({"topic-clicks": 6}, result.watermark)
    assert not recovery.is_over({"topic-clicks": 7}, T0 + 30 * MINUTE), "the timer has to fire first"
    assert not recovery.is_over({"topic-clicks": 7}, None)
    assert recovery.is_over({"topic-clicks": 7}, T0 + 30 * MINUTE + 1)


def test_what_says_that_it_is_ours_and_is_not_names_nobody() -> None:
    with pytest.raises(StateError, match="triggers offset 9") as caught:
        prior_decisions.read("triggers", Kept(b"secret@example.com", b"{}", [("ce_app", b"app")], 9), "app")
    assert "secret" not in str(caught.value)


CAUSE, TRIGGER_ID = ("ce_cause", b"topic-clicks/0/0"), ("ce_id", b"t")
DEAD = [("topic", b"topic-clicks"), ("partition", b"0"), ("offset", b"7"), ("ce_app", b"app")]


def test_a_dead_letter_of_the_release_before_is_known_whatever_its_producer_wrote() -> None:
    """Its own `ce_cause`, `topic` and `offset` stand before ours there."""
    theirs = [("ce_cause", b"x"), ("topic", b"other"), ("offset", b"9000000000000000"), ("ce_app", b"x")]
    written = prior_decisions.read("dead-letters", Kept(b"k", b"{", [*theirs, *DEAD]), "app")
    assert written is not None
    assert written.cause == ("topic-clicks", 0, 7)
    rules = rules_of()
    _, wires = play(rules, PartitionState(rules), replace(rec(7, 0), value=b"{"))
    assert written.identity == prior_decisions.identity(wires[0])


@pytest.mark.parametrize(
    ("topic", "headers", "value"),
    [
        ("dead-letters", [*DEAD[1:]], b"{"),
        ("dead-letters", [*DEAD, ("partition", b"none")], b"{"),
        ("dead-letters", [*DEAD, ("topic", b"\xff")], b"{"),
        ("decisions", [DEAD[-1]], b"{}"),
        ("decisions", [DEAD[-1], TRIGGER_ID, ("ce_time", b"t"), CAUSE], b"[]"),
        ("decisions", [DEAD[-1], TRIGGER_ID, ("ce_time", b"t"), ("ce_cause", b"x")], b'{"outcome": "sent"}'),
        ("triggers", [DEAD[-1], TRIGGER_ID, ("ce_time", b"t"), CAUSE], b'{"at": "9999-99-99T00:00:00.000Z"}'),
        *(
            (
                "triggers",
                [DEAD[-1], TRIGGER_ID, ("ce_time", b"t"), CAUSE],
                b'{"at": "2026-03-02T10:00:00.000Z", "trigger_id": %s, "customer_id": %s, "rule": %s, '
                b'"channel": %s}' % values,
            )
            for values in (
                (b"[]", b'"c"', b'"r"', b'"web"'),
                (b'"t"', b"{}", b'"r"', b'"web"'),
                (b'"t"', b'"c"', b"[1]", b'"web"'),
                (b'"t"', b'"c"', b'"r"', b"[2]"),
            )
        ),
    ],
)
def test_what_somebody_else_wrote_under_our_name_is_told_from_ours(
    topic: str, headers: list[tuple[str, bytes]], value: bytes
) -> None:
    """It ended the worker, or came to an unhashable name later on."""
    with pytest.raises(StateError, match="not a record of this app"):
        prior_decisions.read(topic, Kept(b"k", value, headers), "app")


def test_a_message_that_was_put_off_and_sent_is_not_in_its_own_way() -> None:
    """Its trigger was written, the decision that put it off was not: judged anew, its limit refused it."""
    quiet = Channel("web", "triggers.web", quiet=Quiet(9 * 60, 11 * 60))  # the world begins at 10:00
    made = Rules().rule("hello", "view", channels=(quiet,), limit=(1, DAY), group="g", priority=1)
    made.policy = Policy(timezone="UTC")
    rules = made.rule("other", "view", group="g").build()
    events = [rec(0, 0, "view"), rec(1, 90 * MINUTE, "none", customer="c2")]
    first, wires = play(rules, PartitionState(rules), *events)
    told = [(each.rule, each.reason or each.outcome) for each in first.decisions]
    assert told == [("hello", "quiet"), ("other", "group"), ("hello", "sent")]
    state, recovery = PartitionState(rules), recovery_of(wires[:1])
    prior_decisions.enter(recovery.written, state, rules)
    second, again = play(rules, state, *events)
    assert second.decisions == first.decisions
    assert second.triggers == [], "it is in Kafka"
    assert len(new(recovery, again)) == 3, "the decisions are not"
