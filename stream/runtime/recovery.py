"""Recall: what a partition's former owner had written before it died, and its customers do not know of.

Triggers, decisions and dead letters go to the partition number of their customer's events. So their tails,
from the offset that the last checkpoint marked (`marks`), hold all that was written after it. They are read
before work begins: what was said stays said, is not written again, and counts against limits and caps, even
where events are read again in another order. So there are no repeats after a crash, without transactions.

It is needed until the events that caused it are applied again; then it is forgotten (`is_over`).
Pure. Tested by tests/runtime/test_recovery.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from stream.decisions import limits
from stream.decisions.wire import APP, CAUSE, DEAD_LETTERS, DECISIONS
from stream.engine import PartitionState
from stream.errors import StateError
from stream.events._times import parse_time
from stream.rules.model import RuleSet
from stream.structs import PUT_OFF, Outcome, PriorDecision, Record, WireRecord

Key = tuple[str, ...]  # what makes a record of a topic the same as one that was written before


@dataclass(slots=True)
class Recall:
    """What the tails of one partition hold of this app's."""

    app_id: str
    written: set[Key] = field(default_factory=set)
    prior_decisions: dict[tuple[str, int], PriorDecision] = field(default_factory=dict)
    sends: list[tuple[str, str, str, int]] = field(default_factory=list)  # customer, rule, channel, at
    causes: dict[str, int] = field(default_factory=dict)  # source's topic: offset of the last cause
    latest: int = -1  # the latest time at which a timer had fired

    def read(self, topic: str, record: Record) -> None:
        """Take in a record of a topic's tail; StateError if it says that it is ours and cannot be read."""
        headers = dict(record.headers)
        if headers.get(APP) != self.app_id.encode():
            return
        try:
            self.written.add(_key(topic, headers, record.value))
            self._note_cause(headers)
            if topic != DEAD_LETTERS:
                self._take(topic, headers, orjson.loads(record.value or b""))
        except (KeyError, ValueError, TypeError) as error:
            raise StateError(
                f"{topic} offset {record.offset}: no record of this app, though its headers say so"
            ) from error

    def _note_cause(self, headers: Mapping[str, bytes]) -> None:
        if CAUSE in headers:
            topic, _, offset = headers[CAUSE].decode().rsplit("/", 2)
        elif "offset" in headers:
            topic, offset = headers["topic"].decode(), headers["offset"].decode()
        else:
            return
        self.causes[topic] = max(self.causes.get(topic, -1), int(offset))

    def _take(self, topic: str, headers: Mapping[str, bytes], body: Mapping[str, Any]) -> None:
        at = parse_time(body["at"])
        if at is None:
            raise ValueError("no time")
        if CAUSE not in headers:
            self.latest = max(self.latest, at)
        outcome: Outcome = "sent" if topic != DECISIONS else body["outcome"]
        if topic == DECISIONS and outcome == "sent":
            return  # its trigger says so; and if that was not written, it is judged anew
        if outcome in ("sent", "holdout"):
            self.sends.append((body["customer_id"], body["rule"], body["channel"], at))
        self.prior_decisions[body["trigger_id"], at] = PriorDecision(
            outcome, body.get("reason"), body["channel"]
        )
        if topic != DECISIONS and CAUSE not in headers:
            # Judged at an earlier time, it was put off: or its own send would be in the way of its limit.
            self.prior_decisions[body["trigger_id"], PUT_OFF] = PriorDecision(
                "deferred", "quiet", body["channel"]
            )

    def enter(self, state: PartitionState, rules: RuleSet) -> None:
        """Let the state know: what was said stays said, and counts until it is said again."""
        state.prior_decisions = self.prior_decisions
        by_name = {rule.name: rule for rule in rules.rules}
        channels = {channel.name: channel for channel in rules.channels}
        times: dict[tuple[str, str], list[int]] = defaultdict(list)
        for customer, rule, channel, at in self.sends:
            if rule in by_name and channel in channels:
                for counter, _ in limits.counters(by_name[rule], channels[channel], rules.policy):
                    times[customer, counter].append(at)
        for (customer, counter), prior in times.items():
            for at in state.sends(customer, counter):  # of an event that is applied: it is not said again
                if at in prior:
                    prior.remove(at)
        state.prior_sends = {used: sorted(each) for used, each in times.items() if each}

    def leave(self, state: PartitionState, rules: RuleSet) -> None:
        """It is over: what was sent and, as other events came first, not said again, enters the limits.

        Nothing counts twice if that is done once more after another crash.
        """
        used_up_by = {
            counter: limit
            for rule in rules.rules
            for channel in rule.channels
            for counter, limit in limits.counters(rule, channel, rules.policy)
        }
        for (customer, counter), times in state.prior_sends.items():
            if times and counter in used_up_by:
                state.recall(customer, counter, times, used_up_by[counter].count)
        state.prior_decisions, state.prior_sends = {}, {}

    def without_repeats(self, records: Iterable[WireRecord]) -> list[WireRecord]:
        """The records without those that were written before."""
        return [
            each for each in records if _key(each.topic, dict(each.headers), each.value) not in self.written
        ]

    def is_over(self, positions: Mapping[str, int], watermark: int | None) -> bool:
        """Whether all that caused what was written is applied. `positions`: next offset by topic."""
        return all(positions.get(topic, 0) > offset for topic, offset in self.causes.items()) and (
            watermark is not None and watermark > self.latest
        )


def _key(topic: str, headers: Mapping[str, bytes], value: bytes | None) -> Key:
    if topic == DEAD_LETTERS:
        return topic, headers["topic"].decode(), headers["offset"].decode()
    outcome = orjson.loads(value or b"")["outcome"] if topic == DECISIONS else ""
    return topic, headers["ce_id"].decode(), headers["ce_time"].decode(), outcome
