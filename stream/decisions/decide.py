"""A match to a decision: the guards' verdict, the message, the trigger. Pure.

It sees a match through `Decidable` only, so it needs no compiled engine.
Tested by tests/engine/test_process.py, and against the reference model in tests/reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Protocol

from stream.decisions import experiments, guards
from stream.decisions.guards import Arms, MatchView
from stream.decisions.limits import counters
from stream.decisions.wire import fits, iso_time
from stream.errors import ContentError
from stream.rules.model import Channel, Rule, RuleSet, Variant
from stream.structs import (
    MOST_BYTES,
    ConsentProof,
    Decision,
    EventRef,
    PriorDecision,
    Result,
    SubjectProof,
    Trigger,
    Unwritten,
    short_id,
)

MAX_VARIABLE = 256  # characters that a decision has of its name, and of a filter
KAFKAS: Mapping[str, int] = MappingProxyType({})  # of every topic what Kafka takes by default


class Decidable(MatchView, Protocol):
    """What a decision needs of a match besides what the guards see.

    `event`, `event_time` and so on are those of the last step; `captured` maps the names of steps to their
    events. `key`: the JSON of the value of the rule's `key`, None without one. `timed`: a timer fired it.
    `appended_at`: the causing record's timestamp in Kafka; `offset`: its offset, -1 where a timer fired; of
    what an event closed, that event's.
    `text_steps`: what texts have taken so far that come of the same event, or timer.
    """

    @property
    def rules(self) -> RuleSet: ...
    @property
    def source(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def event(self) -> Mapping[str, Any]: ...
    @property
    def event_name(self) -> str: ...
    @property
    def event_id(self) -> str: ...
    @property
    def event_time(self) -> int: ...
    @property
    def appended_at(self) -> int: ...
    @property
    def timed(self) -> bool: ...
    @property
    def key(self) -> str | None: ...
    @property
    def captured(self) -> Mapping[str, Any]: ...
    @property
    def text_steps(self) -> int: ...
    @text_steps.setter
    def text_steps(self, steps: int) -> None: ...
    @property
    def contexts(self) -> Mapping[str, Mapping[str, Any]]: ...
    @property
    def trait_names(self) -> tuple[str, ...]: ...
    @property
    def segment_names(self) -> tuple[str, ...]: ...

    def trait(self, name: str) -> Any: ...
    def segment(self, name: str) -> bool: ...
    def prior_decision(self, trigger_id: str) -> PriorDecision | None: ...
    def claim_group(self) -> None: ...
    def enter(self, counter: str, keep: int, again: bool = False) -> None: ...
    def defer(self, until: int) -> None: ...


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

    def __init__(self, match: Decidable) -> None:
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

    def __init__(self, match: Decidable) -> None:
        self._match = match

    def __missing__(self, name: str) -> Any:
        make = _FACTS.get(name)
        # A step may have any name that is none of these.
        fact = self[name] = self._match.captured[name] if make is None else make(self._match)
        return fact


_FACTS: Mapping[str, Callable[[Decidable], Any]] = {
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


def decide(
    match: Decidable, result: Result, arms: Arms = experiments, most_bytes: Mapping[str, int] = KAFKAS
) -> None:
    """Make a match a decision, and a trigger if nothing refuses it. `most_bytes`: of a batch, by topic."""
    rule, policy = match.rule, match.rules.policy
    event_id = short_id(match.event_id)  # an earlier release kept it as it came
    id_ = trigger_id(rule.stable_id, match.customer_id, match.source, event_id, match.key)
    prior = match.prior_decision(id_) if match.closed_by is None else None
    verdict = (
        guards.judge(match, policy, arms) if prior is None else guards.repeat(match, policy, prior, arms)
    )
    variant: Variant | None = None
    content: Mapping[str, str] | Unwritten = {}
    if verdict.outcome in ("sent", "holdout"):
        if rule.variants:
            variant = arms.variant_of(match.customer_id, rule.name, rule.variants)
        if prior is None:
            # Also for who is held out: what they would have got must be what the others get.
            content = _render(match, variant or rule, verdict.channel, result)
        if isinstance(content, Unwritten):
            verdict = verdict._replace(outcome="suppressed", reason="content")
    decision = Decision(
        trigger_id=id_,
        rule=rule.name,
        customer_id=match.customer_id,
        outcome=verdict.outcome,
        reason=verdict.reason,
        channel=verdict.channel.name,
        variant=variant.name if variant else None,
        event=EventRef(match.event_name, event_id, match.event_time),
        at=match.at,
        timed=match.timed,
        source=match.closed_by or match.source,
        offset=match.offset,
        held_out_by=verdict.held_out_by,
        goals=rule.goals,
        unwritten=content if isinstance(content, Unwritten) else None,
    )
    trigger = None
    if prior is None and not isinstance(content, Unwritten) and verdict.outcome in ("sent", "holdout"):
        trigger = _trigger(match, decision, verdict.channel, content)
        if not fits(trigger, match.rules.revision, most_bytes.get(trigger.topic, MOST_BYTES)):
            verdict = verdict._replace(outcome="suppressed", reason="size")
            decision = decision._replace(outcome="suppressed", reason="size")
    result.decisions.append(decision)
    if verdict.outcome == "suppressed":
        return
    match.claim_group()
    if verdict.until is not None:
        match.defer(verdict.until)
        return
    for counter, limit in counters(rule, verdict.channel, policy):
        match.enter(counter, limit.count, prior is not None)
    if verdict.outcome == "sent" and trigger is not None:
        result.triggers.append(trigger)


def _trigger(match: Decidable, decision: Decision, channel: Channel, content: Mapping[str, Any]) -> Trigger:
    return Trigger(
        decision=decision,
        topic=channel.topic,
        address=None if channel.address is None else match.address(channel),
        content=content,
        priority=match.rule.priority,
        appended_at=match.appended_at,
        consent=None if channel.consent is None else _proof(match, channel.consent),
        sensitive=tuple([SubjectProof(on.name, _proof(match, on.consent)) for on in match.rule.sensitive]),
    )


def _proof(match: Decidable, purpose: str) -> ConsentProof:
    """What the customer has said for a purpose that the guards have found consented to."""
    said = match.consents[purpose]
    return ConsentProof(purpose, said.at, said.basis, said.expires)


def _render(
    match: Decidable, message: Rule | Variant, channel: Channel, result: Result
) -> Mapping[str, str] | Unwritten:
    """The content, or which field cannot be rendered; `result` counts that."""
    if message.plain_content is not None:
        return message.plain_content
    facts, region = _Facts(match), match.rules.policy.region
    content = {}
    for name, template in message.content.items():
        try:
            content[name] = template.render(facts, channel.format_of(name), region, match)
        except ContentError as error:
            place = (match.rule.name, name, error.message)
            result.content_errors[place] = result.content_errors.get(place, 0) + 1
            variable, applied = error.variable, error.filter
            return Unwritten(name, variable and variable[:MAX_VARIABLE], applied and applied[:MAX_VARIABLE])
    return content
