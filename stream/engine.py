"""The engine's seam: (events, rule set, state, clock) → decisions. Pure and synchronous.

It knows no Kafka, no asyncio and no time but `clock`: a worker, a test, a backtest and `explain` all call
`process`, and the same input gives the same result. The loop over events is in `_fastmatch`; what is
rare, a match, comes back here, passes the guards and becomes a decision and perhaps a trigger.

Tested by tests/engine/test_process.py, and against the reference model in tests/reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import blake2b
from typing import Any

import orjson

from stream._fastmatch import Match, PartitionState
from stream.clock import Clock
from stream.decisions import experiments as experiments
from stream.decisions import guards
from stream.decisions.guards import Arms
from stream.decisions.wire import iso_time
from stream.errors import ContentError
from stream.events._value import ABSENT
from stream.matcher._program import preparing
from stream.matcher._source import FUTURE_MS, MAX_EVENT_BYTES
from stream.rules.model import Channel, Rule, RuleSet, Variant
from stream.structs import Batch, ConsentProof, Decision, EventRef, Result, SubjectProof, Trigger

__all__ = ["FUTURE_MS", "MAX_EVENT_BYTES", "PartitionState", "preparing", "process", "trigger_id"]


def process(
    batch: Batch,
    rules: RuleSet,
    state: PartitionState,
    clock: Clock,
    *,
    limit: int = 5000,
    arms: Arms = experiments,
) -> Result:
    """Apply what is at hand in merged order, as far as it can be applied, and fire the timers that are due.

    New records are queued per source. The next event is the earliest of the sources' first ones (equal
    times: by the source's name), once every source that has nothing at hand is in `batch.ended`, which
    counts for this call only. `limit` bounds the events applied and timers fired by one call;
    `result.more` says that the same call again, with an empty batch and the same `ended`, would go on.
    `arms` draws who is held out and who gets which variant.
    A state of other rules than `rules` adopts them first. Bad records become dead letters, never errors.
    """
    if state.rules is not rules:
        state.adopt(rules)
    result = Result()
    state.run(batch, result, clock, limit, _decide if arms is experiments else partial(_decide, arms=arms))
    return result


def trigger_id(stable_id: str, customer_id: str, source: str, event_id: str, key: str | None = None) -> str:
    """32 hex digits that depend on the rule's definition, the customer and the cause, and nothing else.

    `key`: the JSON of the value of the rule's `key`, where it has one.
    """
    rule, customer = stable_id.encode(), customer_id.encode()
    origin, event = source.encode(), event_id.encode()
    hashed = b"%d:%b%d:%b" % (len(rule), rule, len(customer), customer)
    hashed += b"%d:%b%d:%b" % (len(origin), origin, len(event), event)
    if key is not None:
        last = key.encode()
        hashed += b"%d:%b" % (len(last), last)
    return blake2b(hashed, digest_size=16).hexdigest()


class _TraitValues(Mapping[str, Any]):
    """Traits as content sees them: read when they are asked for, as of the match's time."""

    __slots__ = ("_match",)

    def __init__(self, match: Match) -> None:
        self._match = match

    def __getitem__(self, name: str) -> Any:
        return self._match.trait(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._match.trait_names)

    def __len__(self) -> int:
        return len(self._match.trait_names)


class _SegmentValues(_TraitValues):
    """Segments, in the same way."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        return self._match.segment(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._match.segment_names)

    def __len__(self) -> int:
        return len(self._match.segment_names)


class _Facts(dict[str, Any]):
    """What content may name, each made when it is first asked for."""

    __slots__ = ("_match",)

    def __init__(self, match: Match) -> None:
        self._match = match

    def __missing__(self, name: str) -> Any:
        make = _FACTS.get(name)
        # A step may have any name that is none of these.
        fact = self[name] = self._match.captured[name] if make is None else make(self._match)
        return fact


_FACTS: Mapping[str, Callable[[Match], Any]] = {
    "event": lambda match: match.event,
    "event_name": lambda match: match.event_name,
    "event_time": lambda match: iso_time(match.event_time),
    "now": lambda match: iso_time(match.at),
    "customer": lambda match: match.attributes,
    "context": lambda match: match.contexts,
    "traits": _TraitValues,
    "segments": _SegmentValues,
    "rule": lambda match: match.rule.name,
}


def _decide(match: Match, result: Result, arms: Arms = experiments) -> None:
    """Make a match a decision, and a trigger if nothing refuses it."""
    rule, policy = match.rule, match.rules.policy
    key = None if match.key is ABSENT else orjson.dumps(match.key).decode()
    id_ = trigger_id(rule.stable_id, match.customer_id, match.source, match.event_id, key)
    prior = match.prior_decision(id_)
    verdict = guards.judge(match, policy, arms) if prior is None else guards.repeat(match, policy, prior)
    variant: Variant | None = None
    content: Mapping[str, str] = {}
    if verdict.outcome in ("sent", "holdout"):
        if rule.variants:
            variant = arms.variant_of(match.customer_id, rule.name, rule.variants)
        try:  # also for who is held out: what they would have got must be what the others get
            content = _render(match, variant or rule, verdict.channel) if prior is None else {}
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
    match.claim_group()
    if verdict.until is not None:
        match.defer(verdict.until)
        return
    for counter, limit in guards.counters(rule, verdict.channel, policy):
        match.enter(counter, limit.count, prior is not None)
    if verdict.outcome == "sent" and prior is None:
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


def _render(match: Match, message: Rule | Variant, channel: Channel) -> Mapping[str, str]:
    if message.plain_content is not None:
        return message.plain_content
    facts, region = _Facts(match), match.rules.policy.region
    if channel.format == "text" and not channel.formats:
        return {name: template.render(facts, "text", region) for name, template in message.content.items()}
    return {
        name: template.render(facts, channel.format_of(name), region)
        for name, template in message.content.items()
    }
