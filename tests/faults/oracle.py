"""What must have come out, from the topics' records alone, and how far what came out is from it.

The reference model (tests/reference) says what is decided, slowly and obviously; the engine, in one
uninterrupted run on the same records, has to agree with it (on a sample of customers, where there are too
many for the model), and adds the ids of triggers and the customers' final states.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from aiokafka.structs import ConsumerRecord

from stream.clock import Clock
from stream.decisions.wire import iso_time
from stream.engine import PartitionState, process
from stream.rules.model import RuleSet
from stream.structs import Batch, Decision, OwnTopics
from tests.faults.workload import HOUR, LAST
from tests.kit.kafka import consume_all
from tests.reference.histories import Rec
from tests.reference.model import Model

NEVER = 253_402_300_799_999
SOURCE = "clicks"
RECORDS_OF_MODEL = 5_000  # in a partition
Judged = tuple[str, str, str | None, str]  # id of the trigger, outcome, reason, time


@dataclass(frozen=True)
class Expected:
    """What must come out: triggers by partition in order, decisions, bad records, customers' byte forms."""

    triggers: Mapping[int, Sequence[Decision]]
    decisions: Counter[Judged]
    timed: frozenset[str]
    letters: Counter[tuple[int, int]]  # partition and offset
    states: Mapping[bytes, bytes]
    rules: RuleSet
    newest: int  # event time, ms


def expect(rules: RuleSet, records: Iterable[ConsumerRecord[bytes, bytes]]) -> Expected:
    """From everything that is in the source's topic."""
    by_partition: defaultdict[int, list[Rec]] = defaultdict(list)
    for each in records:
        by_partition[each.partition].append(Rec(each.offset, each.timestamp, each.key, each.value))
    triggers, decisions, letters = {}, list[Decision](), Counter[tuple[int, int]]()
    states: dict[bytes, bytes] = {}
    newest = 0
    for partition, its in by_partition.items():
        state, clock = PartitionState(rules), Clock(wall=lambda: NEVER, by_event_time=True)
        result = process(
            Batch(partition, {SOURCE: its}, frozenset([SOURCE])), rules, state, clock, limit=1 << 30
        )
        assert not result.more
        some = _sample(its)
        asked = [each if each.key in some else _without_name(each) for each in its]
        model = Model(rules, partition).run({SOURCE: asked}).decisions
        assert [
            each._replace(trigger_id="") for each in result.decisions if each.customer_id.encode() in some
        ] == [each._replace(trigger_id="") for each in model], (
            "the engine and the reference model differ: there is nothing to hold a worker against"
        )
        triggers[partition] = [each for each in result.decisions if each.outcome == "sent"]
        decisions += result.decisions
        letters.update((partition, each.record.offset) for each in result.dead_letters)
        newest = max(newest, result.watermark or 0)
        states |= {key: value for key, value in state.take_changed() if key}
    timed = frozenset(each.trigger_id for each in decisions if each.timed)
    return Expected(
        triggers,
        Counter((each.trigger_id, each.outcome, each.reason, iso_time(each.at)) for each in decisions),
        timed,
        letters,
        states,
        rules,
        newest,
    )


def _sample(records: Sequence[Rec]) -> frozenset[bytes | None]:
    """The customers whom the model is asked about: all, or so many that it takes seconds."""
    keys = [each.key for each in records]
    return frozenset(sorted(set(keys), key=str)[:: len(keys) // RECORDS_OF_MODEL + 1])


def _without_name(record: Rec) -> Rec:
    """An event that no rule asks for, at the same time: customers share nothing but the watermark, and where
    clocks are wrong, it decides which timer fires before which event.
    """
    try:
        event = json.loads(record.value or b"")
    except ValueError:
        return record
    return record._replace(value=json.dumps(event | {"event": LAST}).encode()) if "event" in event else record


@dataclass
class Verdict:
    """How many things are wrong, by kind; what is not wrong but measured is told with it."""

    lost: int = 0  # triggers, decisions and dead letters that must have come, and have not
    duplicated: int = 0  # that came more often than once, as they lie on the topics
    invented: int = 0  # that must not have come at all
    state: int = 0  # customers whose last changelog record says something else
    order: int = 0  # triggers of a customer out of the order of their causes
    timers_missed: int = 0
    timers_early: int = 0
    timers_doubled: int = 0
    commits_back: int = 0
    recovery: list[float] = field(default_factory=list)  # seconds from a start to the first trigger after it
    pauses: list[float] = field(default_factory=list)  # between two triggers of a partition under load

    @property
    def is_good(self) -> bool:
        return not any(
            (
                *(self.lost, self.duplicated, self.invented, self.state, self.order),
                *(self.timers_missed, self.timers_early, self.timers_doubled, self.commits_back),
            )
        )

    def __str__(self) -> str:
        recovery = " / ".join(f"{each:.1f}" for each in spread(self.recovery)) or "-"
        ranked = sorted(self.pauses)
        pause = f"{ranked[int(0.99 * len(ranked))]:.1f} max {ranked[-1]:.1f}" if ranked else "-"
        return (
            f"lost {self.lost}  duplicated {self.duplicated} (raw)  invented {self.invented}  "
            f"state {self.state}  order {self.order}  "
            f"timers missed {self.timers_missed} early {self.timers_early} doubled {self.timers_doubled}  "
            f"commits back {self.commits_back}  recovery {recovery} s  pause p99 {pause} s  "
            f"{'OK' if self.is_good else 'WRONG'}"
        )


def spread(values: Sequence[float]) -> tuple[float, ...]:
    """Minimum, median and maximum."""
    ranked = sorted(values)
    return (ranked[0], ranked[len(ranked) // 2], ranked[-1]) if ranked else ()


def judge(
    bootstrap: str, prefix: str, expected: Expected, loaded: Sequence[tuple[float, float]] = ()
) -> Verdict:
    """Hold what lies on the topics against what must lie there. `loaded`: from when to when events came, in
    milliseconds of the wall clock.
    """
    verdict = Verdict()
    told = consume_all(bootstrap, [f"{prefix}-web", f"{prefix}-push"])
    _compare(
        verdict,
        Counter(each.trigger_id for its in expected.triggers.values() for each in its),
        Counter(dict(each.headers)["ce_id"].decode() for each in told),
    )
    ours = [
        each
        for each in consume_all(bootstrap, ["decisions", "dead-letters"])
        if dict(each.headers).get("ce_app") == prefix.encode()
    ]
    judged = Counter(_judged(json.loads(each.value)) for each in ours if each.topic == "decisions")
    _compare(verdict, expected.decisions, judged)
    letters = [dict(each.headers) for each in ours if each.topic == "dead-letters"]
    found = Counter((int(each["partition"]), int(each["offset"])) for each in letters)
    _compare(verdict, expected.letters, found)
    verdict.pauses = list(_pauses(told, loaded))
    verdict.order = _disorder(expected, told)
    _judge_timers(verdict, expected, judged)
    newest: dict[bytes, bytes | None] = {}
    for record in consume_all(bootstrap, [OwnTopics(prefix).changelog]):
        if record.key:
            newest[record.key] = record.value
    everybody = newest.keys() | expected.states.keys()
    differ = [key for key in everybody if newest.get(key) != expected.states.get(key)]
    verdict.state = sum(
        _future(expected, key, newest.get(key)) != _future(expected, key, expected.states.get(key))
        for key in differ
    )
    return verdict


def _future(expected: Expected, key: bytes, value: bytes | None) -> tuple[list[Any], list[Decision]] | None:
    """What a customer's state says: traits, now and ten hours ago, before the last event came. And what it
    would lead to: more views than any limit allows, a cart, a purchase.

    The same state has several byte forms: times are written as differences from the first that was entered,
    and after a crash that may be what was sent, where it was what was begun.
    """
    if value is None:
        return None
    state = PartitionState(expected.rules)
    state.load(key, value)
    state.customers.rebuild_timers()
    traits = [
        state.trait(key.decode(), trait.name, at)
        for trait in expected.rules.traits
        for at in (expected.newest, expected.newest - 10 * HOUR)
    ]
    events = ["view"] * 25 + ["cart", "purchase"]
    records = []
    for number, name in enumerate(events):
        body = {"customer": key.decode(), "event": name, "amount": 1, "id": f"probe{number}"}
        probe = json.dumps({**body, "ts": expected.newest + number}).encode()
        records.append(Rec((1 << 40) + number, expected.newest, key, probe))
    clock = Clock(wall=lambda: NEVER, by_event_time=True)
    led_to = process(
        Batch(0, {SOURCE: records}, frozenset([SOURCE])), expected.rules, state, clock, limit=1 << 30
    )
    return traits, led_to.decisions


def _pauses(
    told: Iterable[ConsumerRecord[bytes, bytes]], loaded: Sequence[tuple[float, float]]
) -> Iterator[float]:
    """Seconds between two triggers of a partition, while events came."""
    said_at: defaultdict[int, list[int]] = defaultdict(list)
    for record in told:
        said_at[record.partition].append(record.timestamp)
    for times in said_at.values():
        for at, later in pairwise(sorted(times)):
            if any(begin <= at and later <= end for begin, end in loaded):
                yield (later - at) / 1000


def _compare(verdict: Verdict, expected: Counter[Any], found: Counter[Any]) -> None:
    verdict.lost += len(expected.keys() - found.keys())
    verdict.invented += len(found.keys() - expected.keys())
    verdict.duplicated += sum(max(found[each] - count, 0) for each, count in expected.items())


def _judged(decision: Mapping[str, Any]) -> Judged:
    return decision["trigger_id"], decision["outcome"], decision["reason"], decision["at"]


def _disorder(expected: Expected, told: Iterable[ConsumerRecord[bytes, bytes]]) -> int:
    """Neighbours that stand the wrong way round, among a customer's triggers of one topic."""
    places = {each.trigger_id: place for its in expected.triggers.values() for place, each in enumerate(its)}
    last: dict[tuple[str, bytes], int] = {}
    wrong = 0
    for record in told:
        place = places.get(dict(record.headers)["ce_id"].decode(), -1)
        of = (record.topic, record.key)
        wrong += 0 <= place < last.get(of, -1)
        last[of] = max(last.get(of, -1), place)
    return wrong


def _judge_timers(verdict: Verdict, expected: Expected, judged: Counter[Judged]) -> None:
    due = {each[0]: each[3] for each in expected.decisions if each[0] in expected.timed}
    found = Counter(each[0] for each in judged.elements() if each[0] in due)
    verdict.timers_missed = len(due.keys() - found.keys())
    verdict.timers_early = sum(each[3] < due[each[0]] for each in judged if each[0] in due)
    verdict.timers_doubled = sum(count > 1 for count in found.values())
