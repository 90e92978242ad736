"""The engine's seam: (events, rule set, state, clock) → decisions. Pure and synchronous.

It knows no Kafka, no asyncio and no time but `clock`: a worker, a test, a backtest and `explain` all call
`process`, and the same input gives the same result. The loop over events is in `_fastmatch`; what is
rare, a match, comes back here, passes the guards and becomes a decision and perhaps a trigger.

Tested by tests/unit/test_engine.py, and against the reference model in tests/reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from stream import guards
from stream._decode import FUTURE_MS, MAX_EVENT_BYTES
from stream._fastmatch import Match, PartitionState
from stream._program import preparing
from stream._state import ABSENT
from stream.clock import Clock
from stream.errors import ContentError
from stream.program import Channel, Rule, RuleSet, Variant
from stream.records import iso_time
from stream.structs import Batch, ConsentProof, Decision, EventRef, Result, SubjectProof, Trigger

__all__ = ["FUTURE_MS", "MAX_EVENT_BYTES", "PartitionState", "preparing", "process", "trigger_id"]


def process(
    batch: Batch, rules: RuleSet, state: PartitionState, clock: Clock, *, limit: int = 5000
) -> Result:
    """Apply what is at hand in merged order, as far as it can be applied, and fire the timers that are due.

    New records are queued per source. The next event is the earliest of the sources' first ones (equal
    times: by the source's name), once every source that has nothing at hand is in `batch.ended`, which
    counts for this call only. `limit` bounds the events applied and timers fired by one call;
    `result.more` says that the same call again, with an empty batch and the same `ended`, would go on.
    A state of other rules than `rules` adopts them first. Bad records become dead letters, never errors.
    """
    if state.rules is not rules:
        state.adopt(rules)
    result = Result()
    state.run(batch, result, clock, limit, _decide)
    return result


def trigger_id(stable_id: str, customer_id: str, source: str, event_id: str, key: str | None = None) -> str:
    """32 hex digits that depend on the rule's definition, the customer and the cause, and nothing else.

    `key`: the JSON of the value of the rule's `key`, where it has one.
    """
    parts = [part.encode() for part in (stable_id, customer_id, source, event_id)]
    if key is not None:
        parts.append(key.encode())
    told = b"".join([b"%d:%b" % (len(part), part) for part in parts])
    return blake2b(told, digest_size=16).hexdigest()


class _Names(Mapping[str, Any]):
    """Traits or segments as content sees them: read when they are asked for, as of the match's time."""

    def __init__(self, names: tuple[str, ...], read: Callable[[str], Any]) -> None:
        self._names, self._read = names, read

    def __getitem__(self, name: str) -> Any:
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _decide(match: Match, result: Result) -> None:
    """Make a match a decision, and a trigger if nothing refuses it."""
    rule, policy = match.rule, match.rules.policy
    key = None if match.key is ABSENT else orjson.dumps(match.key).decode()
    id_ = trigger_id(rule.stable_id, match.customer_id, match.source, match.event_id, key)
    told = match.told(id_)
    verdict = guards.judge(match, policy, match.arms) if told is None else guards.repeat(match, policy, told)
    variant: Variant | None = None
    content: Mapping[str, str] = {}
    if verdict.outcome in ("sent", "holdout"):
        if rule.variants:
            variant = match.arms.variant_of(match.customer_id, rule.name, rule.variants)
        try:  # also for who is held out: what they would have got must be what the others get
            content = _render(match, variant or rule) if told is None else {}
        except ContentError:
            verdict = verdict._replace(outcome="suppressed", reason="content")
    decision = Decision(
        trigger_id=id_,
        rule=rule.name,
        customer_id=match.customer_id,
        outcome=verdict.outcome,
        reason=verdict.reason,
        channel=verdict.channel.name,
        variant=variant.name if variant else None,
        event=EventRef(match.event_name, match.event_id, match.event_time),
        at=match.at,
        timed=match.timed,
        source=match.source,
        offset=match.offset,
    )
    result.decisions.append(decision)
    if verdict.outcome == "suppressed":
        return
    match.take_group()
    if verdict.until is not None:
        match.defer(verdict.until)
        return
    for counter, limit in guards.counters(rule, verdict.channel, policy):
        match.enter(counter, limit.count, told is not None)
    if verdict.outcome == "sent" and told is None:
        result.triggers.append(_trigger(match, decision, verdict.channel, content))


def _trigger(match: Match, decision: Decision, channel: Channel, content: Mapping[str, Any]) -> Trigger:
    return Trigger(
        decision=decision,
        topic=channel.topic,
        address=None if channel.address is None else match.address(channel),
        content=content,
        priority=match.rule.priority,
        appended_at=match.appended_at,
        goal=match.rule.goal,
        consent=None if channel.consent is None else _proof(match, channel.consent),
        sensitive=tuple([SubjectProof(on.name, _proof(match, on.consent)) for on in match.rule.sensitive]),
    )


def _proof(match: Match, purpose: str) -> ConsentProof:
    """What the customer has said for a purpose that the guards have found consented to."""
    said = match.consents[purpose]
    return ConsentProof(purpose, said.at, said.basis, said.expires)


def _render(match: Match, message: Rule | Variant) -> Mapping[str, str]:
    if message.plain_content is not None:
        return message.plain_content
    bindings = {
        "event": match.event,
        "event_name": match.event_name,
        "event_time": iso_time(match.event_time),
        "now": iso_time(match.at),
        "customer": match.attributes,
        "context": match.contexts,
        "traits": _Names(match.trait_names, match.trait),
        "segments": _Names(match.segment_names, match.segment),
        "rule": match.rule.name,
        **match.captured,
    }
    return {name: template.render(bindings) for name, template in message.content.items()}
