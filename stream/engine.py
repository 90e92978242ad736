"""The engine's seam: (events, rule set, state, clock) → decisions. Pure and synchronous.

It knows no Kafka, no asyncio and no time but `clock`: a worker, a test, a backtest and `explain` all call
`process`, and the same input gives the same result. The loop over events is in `_fastmatch`; what is
rare, a match, comes back here, passes the guards and becomes a decision and perhaps a trigger.

Tested by tests/unit/test_engine.py, and against the reference model in tests/reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from stream import guards
from stream._decode import FUTURE_MS, MAX_EVENT_BYTES
from stream._fastmatch import Match, PartitionState
from stream.clock import Clock
from stream.errors import ContentError
from stream.program import FieldPath, RuleSet
from stream.structs import Batch, Decision, EventRef, Result, Trigger

__all__ = ["FUTURE_MS", "MAX_EVENT_BYTES", "PartitionState", "process", "trigger_id"]


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


def trigger_id(stable_id: str, customer_id: str, source: str, event_id: str) -> str:
    """32 hex digits that depend on the rule's definition, the customer and the cause, and nothing else."""
    digest = blake2b(digest_size=16)
    for part in (stable_id, customer_id, source, event_id):
        encoded = part.encode()
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
    return digest.hexdigest()


class TraitValues(Mapping[str, Any]):
    """The traits as content sees them: read when they are asked for, as of the match's time."""

    def __init__(self, match: Match) -> None:
        self._match = match

    def __getitem__(self, name: str) -> Any:
        return self._match.trait(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._match.trait_names)

    def __len__(self) -> int:
        return len(self._match.trait_names)


def _decide(match: Match, result: Result) -> bool:
    """Make a match a decision, and a trigger if nothing refuses it. Returns whether it was sent."""
    rule = match.rule
    reason = guards.refusal(match)
    content: dict[str, str] = {}
    if reason is None:
        try:
            content = _render(match)
        except ContentError:
            reason = "content"
    decision = Decision(
        trigger_id=trigger_id(rule.stable_id, match.customer_id, match.source, match.event_id),
        rule=rule.name,
        customer_id=match.customer_id,
        outcome="sent" if reason is None else "suppressed",
        reason=reason,
        channel=rule.channel.name,
        variant=None,
        event=EventRef(match.event_name, match.event_id, match.event_time),
        at=match.at,
        timed=match.timed,
    )
    result.decisions.append(decision)
    if reason is not None:
        return False
    address = None if rule.channel.address is None else _look_up(match.event, rule.channel.address)
    result.triggers.append(
        Trigger(decision, rule.channel.topic, address, content, rule.priority, match.appended_at)
    )
    return True


def _render(match: Match) -> dict[str, str]:
    if not match.rule.content:
        return {}
    bindings = {
        "event": match.event,
        "event_name": match.event_name,
        "traits": TraitValues(match),
        "rule": match.rule.name,
    }
    return {name: template.render(bindings) for name, template in match.rule.content.items()}


def _look_up(event: Mapping[str, Any], path: FieldPath) -> Any:
    """The value at a field path, None if there is none."""
    value: Any = event
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value
