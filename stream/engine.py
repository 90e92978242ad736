"""The engine's door: (events, rule set, state, clock) → decisions. Pure and synchronous.

It knows no Kafka, no asyncio and no time but `clock`: a worker, a test, a backtest and `explain` all call
`process`, and the same input gives the same result. The loop over events is in `_fastmatch`; what is rare, a
match, goes to `decisions._decide`, passes the guards and becomes a decision and perhaps a trigger.

Tested by tests/engine/test_process.py, and against the reference model in tests/reference.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from stream._fastmatch import MAX_WORK, PartitionState
from stream.clock import Clock
from stream.decisions._decide import KAFKAS, Decider, Sink
from stream.decisions._hash import trigger_id
from stream.decisions.experiments import Arms
from stream.matcher._match import Match
from stream.matcher._program import preparing
from stream.matcher._source import FUTURE_MS, MAX_EVENT_BYTES
from stream.rules.model import RuleSet
from stream.structs import Batch, DeadLetter, Result

__all__ = ["FUTURE_MS", "MAX_EVENT_BYTES", "MAX_WORK", "PartitionState", "preparing", "process", "trigger_id"]


def process(
    batch: Batch,
    rules: RuleSet,
    state: PartitionState,
    clock: Clock,
    *,
    limit: int = 5000,
    work: int = 1 << 62,
    arms: Arms | None = None,
    most_bytes: Mapping[str, int] = KAFKAS,
    sink: Sink | None = None,
    take: Callable[[Match], bool] | None = None,
) -> Result:
    """Apply what is at hand in merged order, as far as it can be applied, and fire the timers that are due.

    New records are queued per source. The next event is the earliest of the sources' first ones (equal
    times: by the source's name), once every source that has nothing at hand is in `batch.ended`, which
    counts for this call only. `limit` bounds the events applied and timers fired by one call, `work` what
    they cost: who must not be held says MAX_WORK. `result.more` says that the same call again, with an empty
    batch and the same `ended`, would go on.
    `arms` draws who is held out and who gets which variant. `most_bytes`: that a batch may have, by topic; a
    message that would not fit is suppressed. `sink` is told what was decided, in place of the result. `take`
    is asked of every match first: if it says True, nothing is decided of it.
    A state of other rules than `rules` adopts them first. Bad records become dead letters, never errors.
    """
    if state.rules is not rules:
        state.adopt(rules)
    result = Result()
    state.run(batch, result, clock, limit, work, Decider(result, arms, most_bytes, sink), take)
    if result.dead_letters:
        known = _purposes(rules)
        result.dead_letters = [_without_unknown(each, known) for each in result.dead_letters]
    return result


def _purposes(rules: RuleSet) -> set[str | None]:
    subjects = (subject.consent for subject in rules.policy.sensitive)
    return {*(channel.consent for channel in rules.channels), *subjects}


def _without_unknown(letter: DeadLetter, purposes: Collection[str | None]) -> DeadLetter:
    """A dead letter whose `detail` names a purpose only if the rules do: else it may be anything."""
    section, _, rest = letter.detail.partition(".")
    purpose, _, what = rest.rpartition(": ")
    if section != "consents" or purpose in purposes:
        return letter
    return replace(letter, detail=f"consents: {what}")
