"""Prior decisions: what a partition's former owner had decided before it died, unknown to its state.

What was decided stays decided, even where events are read again in another order; and it counts against
limits and caps from the first event on, since another event may come first this time.

The records of the tails say it (`runtime.recovery`), as `read` reads them.
Pure. Tested by tests/worker/test_prior_decisions.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, get_args

import orjson

from stream.decisions.limits import counters
from stream.decisions.wire import APP, CAUSE, DEAD_LETTERS, DECISIONS
from stream.engine import PartitionState
from stream.errors import StateError
from stream.events._times import parse_time
from stream.rules.model import RuleSet
from stream.runtime.stage import Written
from stream.structs import PUT_OFF, Outcome, PriorDecision, Record, WireRecord

Cause = tuple[str, int, int]  # topic, partition, offset
Key = tuple[str, ...]  # what makes a record of a topic the same as one that was written before


class Recalled(NamedTuple):
    """What a trigger or a decision in a tail says."""

    trigger_id: str
    customer: str
    rule: str
    at: int
    prior: PriorDecision
    had_waited: bool  # a timer fired it and it was sent: if it was judged at an earlier time, it was put off


def read(topic: str, record: Record, app_id: str) -> Written | None:
    """A record of a tail; None if another app wrote it. StateError if it says that it is ours and is not.

    Who may write to a topic of ours can write that. So nothing is believed that we would not write.
    """
    headers = dict(record.headers)  # of one name the last: in dead letters of old, ours came last
    if headers.get(APP) != app_id.encode():
        return None
    try:
        key, cause = _key(topic, headers, record.value), _cause(topic, headers)
        if topic == DEAD_LETTERS:
            return Written(key, cause)
        body = orjson.loads(record.value or b"")
        at = _time(body["at"])
        return Written(key, cause, at if cause is None else None, _decided(topic, body, at, cause))
    except (KeyError, ValueError, TypeError) as error:
        raise StateError(
            f"{topic} offset {record.offset}: not a record of this app, though its headers say so"
        ) from error


def _time(text: str) -> int:
    at = parse_time(text)
    if at is None:
        raise ValueError("not a time")
    return at


def identity(record: WireRecord) -> Key:
    """See `stage.Stage.identity`."""
    return _key(record.topic, dict(record.headers), record.value)


def _key(topic: str, headers: Mapping[str, bytes], value: bytes | None) -> Key:
    if topic == DEAD_LETTERS:
        return topic, headers["topic"].decode(), headers["offset"].decode()
    outcome = orjson.loads(value or b"")["outcome"] if topic == DECISIONS else ""
    return topic, headers["ce_id"].decode(), headers["ce_time"].decode(), outcome


def _cause(topic: str, headers: Mapping[str, bytes]) -> Cause | None:
    """What it answers. A `ce_cause` in a dead letter of old is the producer's."""
    if topic == DEAD_LETTERS:
        found = [headers[name].decode() for name in ("topic", "partition", "offset")]
    elif CAUSE in headers:
        found = headers[CAUSE].decode().rsplit("/", 2)
    else:
        return None
    source, partition, offset = found
    return source, int(partition), int(offset)


def _decided(topic: str, body: Mapping[str, Any], at: int, cause: Cause | None) -> Recalled | None:
    """None for a decision `sent`: its trigger says so; and if that was not written, it is judged anew."""
    outcome: Outcome = "sent" if topic != DECISIONS else body["outcome"]
    reason, channel = body.get("reason"), body["channel"]
    trigger_id, customer, rule = body["trigger_id"], body["customer_id"], body["rule"]
    texts = (trigger_id, customer, rule, reason or "", channel or "")
    if outcome not in get_args(Outcome) or not all(isinstance(each, str) for each in texts):
        raise ValueError("not a decision")
    if topic == DECISIONS and outcome == "sent":
        return None
    prior = PriorDecision(outcome, reason, channel)
    had_waited = topic != DECISIONS and cause is None
    return Recalled(trigger_id, customer, rule, at, prior, had_waited)


def enter(written: Iterable[Written], state: PartitionState, rules: RuleSet) -> None:
    """Let the state know: what was decided stays decided, and counts until it is decided again."""
    decided: list[Recalled] = [each.content for each in written if each.content is not None]
    prior: dict[tuple[str, int], PriorDecision] = {}
    for each in decided:
        prior[each.trigger_id, each.at] = each.prior
        if each.had_waited:  # or its own send would be in the way of its limit
            prior[each.trigger_id, PUT_OFF] = PriorDecision("deferred", "quiet", each.prior.channel)
    state.prior_decisions = prior
    times = _sends(decided, rules)
    for (customer, counter), recalled in times.items():
        # Of an event that is applied: it is not decided again.
        for at in state.customers.sends(customer, counter):
            if at in recalled:
                recalled.remove(at)
    state.prior_sends = {used: sorted(each) for used, each in times.items() if each}


def _sends(decided: Iterable[Recalled], rules: RuleSet) -> dict[tuple[str, str], list[int]]:
    """When each counter of a customer was used, by what was decided."""
    by_name = {rule.name: rule for rule in rules.rules}
    channels = {channel.name: channel for channel in rules.channels}
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in decided:
        rule, channel = by_name.get(each.rule), channels.get(each.prior.channel)
        if each.prior.outcome in ("sent", "holdout") and rule is not None and channel is not None:
            for counter, _ in counters(rule, channel, rules.policy):
                times[each.customer, counter].append(each.at)
    return times


def leave(state: PartitionState, rules: RuleSet) -> None:
    """It is over: what was sent and, as other events came first, not decided again, enters the limits.

    Nothing counts twice if that is done once more after another crash.
    """
    limits = {
        counter: limit
        for rule in rules.rules
        for channel in rule.channels
        for counter, limit in counters(rule, channel, rules.policy)
    }
    for (customer, counter), times in state.prior_sends.items():
        if times and counter in limits:
            state.customers.enter_sends(customer, counter, times, limits[counter].count)
    state.prior_decisions, state.prior_sends = {}, {}
