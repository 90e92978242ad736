"""The trigger stage: the engine as the runtime runs it, one `engine.PartitionState` for each partition.

    batch ─► engine.process ─► triggers, decisions, dead letters as records ─► StepResult

Rules are the stage's. `switch` goes over to another set between two events: its program is made first, in
slices between which the lane goes on; then each partition adopts it at its next step, or here if nothing
happens there. A partition that is restored or followed adopts before it loads more: what other workers have
written meanwhile is read with the rules in force, or what is new in them would be lost.

Switches (`worker.switches`) are a part of each partition's state, and change at a checkpoint only: the
partition asks for one, goes over to what is known by then as it is taken, and is held until it is durable. So
whatever is read again after a crash is judged by the switches of the checkpoint from which that begins, which
are those by which it was judged before. For the same reason nothing changes during a recovery.

Tested by tests/worker/test_triggers.py.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import NamedTuple
from weakref import WeakSet

from stream.clock import Clock
from stream.decisions.wire import (
    APP,
    DEAD_LETTERS,
    DECISIONS,
    Origin,
    cut,
    dead_letter_record,
)
from stream.engine import MAX_WORK, PartitionState, preparing, process
from stream.kafka._packed import PackedRecords, pack
from stream.rules.changes import rules_that_end
from stream.rules.model import Rule, RuleSet
from stream.runtime.stage import Figures, StepResult, Store, Written
from stream.structs import (
    MOST_BYTES,
    Batch,
    DeadLetter,
    OwnTopics,
    Record,
    Result,
    Switches,
    Target,
    Unread,
    WireRecord,
)
from stream.telemetry.metrics import Metrics
from stream.telemetry.tracing import Tracing
from stream.worker import prior_decisions
from stream.worker._writer import RecordWriter
from stream.worker.data_errors import DataErrors


class TriggerStage:
    """The rules in force, and what their partitions have in common."""

    name = "customers"

    def __init__(
        self,
        rules: RuleSet,
        app_id: str,
        metrics: Metrics,
        tracing: Tracing | None = None,
        most_bytes: Mapping[str, int] = MappingProxyType({}),
        *,
        own: OwnTopics | None = None,
        partitions: int = 0,
    ) -> None:
        self.rules = rules
        self.own = own or OwnTopics(app_id)
        self.mark = (APP, self.own.app_id.encode())
        self.partitions = partitions  # of each source; 0: not known
        self.metrics = metrics
        self.tracing = tracing
        self.most_bytes = most_bytes  # that a batch may have, by topic
        self.sources = {source.name: source.topic for source in rules.sources}
        self.data_errors = DataErrors(self.sources)
        self.switches = Switches()  # the latest that are known; partitions go over to them one by one
        self._partitions: WeakSet[TriggerPartition] = WeakSet()

    @property
    def outputs(self) -> Iterable[str]:
        """The channels' topics, decisions and dead letters."""
        channels = {channel.topic for channel in self.rules.channels}
        return channels | {self.own.decisions, self.own.dead_letters}

    def open(self, number: int) -> TriggerPartition:
        """A partition without customers."""
        partition = TriggerPartition(self, number)
        self._partitions.add(partition)
        return partition

    def read_written(self, topic: str, record: Record) -> Written | None:
        """See `prior_decisions.read`."""
        return prior_decisions.read(self._usual(topic), record, self.own.app_id)

    def identity(self, record: WireRecord) -> prior_decisions.Key:
        """By topic, id, time and outcome; a dead letter by its record's topic and offset."""
        return prior_decisions.identity(record._replace(topic=self._usual(record.topic)))

    def _usual(self, topic: str) -> str:
        """A topic by its usual name, whatever the settings call it; no channel's can be called so."""
        return {self.own.decisions: DECISIONS, self.own.dead_letters: DEAD_LETTERS}.get(topic, topic)

    async def switch(self, rules: RuleSet) -> list[Ended]:
        """Go over to another rule set, of the same sources: all that comes is judged by it.

        Answers what ends with it in the partitions that are at work here.
        """
        for _ in preparing(rules):
            await asyncio.sleep(0)
        old, self.rules = self.rules, rules
        ended: Counter[str] = Counter()
        unlooked = 0
        for partition in list(self._partitions):
            await asyncio.sleep(0)
            partition.adopt()
            if partition.at_work:
                ended.update(partition.state.customers.ended)
                unlooked += partition.state.customers.unlooked
        return [
            Ended(rule.name, ended[rule.stable_id], exact=not unlooked and not may_wait_for_ever(rule))
            for rule in rules_that_end(old, rules)
        ]


class Ended(NamedTuple):
    """A rule that is gone, or waits for something else, and how many of its instances ended with that.

    Not `exact`: at least as many. Customers that are only on disk are not read for it, and what waits without
    an end has no timer by which it could be found.
    """

    rule: str
    instances: int
    exact: bool

    def __str__(self) -> str:
        return f"{self.rule}: {self.instances}{'' if self.exact else ' or more'}"


def may_wait_for_ever(rule: Rule) -> bool:
    """Whether an instance of it can have no timer."""
    return any(step.within is None for step in rule.steps[1:])


class TriggerPartition:
    """The customers of one partition, and the rules at work on them."""

    def __init__(self, stage: TriggerStage, number: int) -> None:
        self.stage = stage
        self.number = number
        self.at_work = False  # and not a copy, or on its way to work
        self.held = False
        self._may_turn = False  # to other switches
        self.state = PartitionState(stage.rules)
        self.state.customers.most_bytes = stage.most_bytes.get(stage.own.changelog, MOST_BYTES)
        self.state.partitions = stage.partitions
        self._of_rules: dict[str, RecordWriter] = {}  # by their revision: of those in force

    @property
    def checkpoint(self) -> bytes:
        return self.state.marks

    @property
    def figures(self) -> Figures:
        held = self.state.customers
        return Figures(len(held), held.state_bytes, held.timers, held.live, held.fetched, held.created)

    def adopt(self) -> None:
        """Go over to the stage's rules, if they are not in force here yet."""
        if self.state.rules is not self.stage.rules:
            self.state.adopt(self.stage.rules)

    # - from the changelog

    def load(self, records: Sequence[Record]) -> None:
        self.adopt()
        self.state.load_all(records)

    def ready(self) -> None:
        self.state.customers.rebuild_timers()

    def resume(self, bases: Mapping[str, int], written: Sequence[Written]) -> None:
        self.adopt()
        self.at_work = True
        for source, base in bases.items():
            self.state.rebase(source, base)
        prior_decisions.enter(written, self.state, self.stage.rules)
        self.held, self._may_turn = False, not written

    def recovered(self) -> None:
        prior_decisions.leave(self.state, self.state.rules)
        self._may_turn = True

    # - switches

    @property
    def is_behind(self) -> bool:
        """Whether other switches are known than those by which it judges, and it may go over to them."""
        mine, latest = self.state.switches, self.stage.switches
        if not self._may_turn or not latest.is_newer(mine):
            return False
        return latest.off != mine.off or latest.topic_id == mine.topic_id

    def checkpointed(self) -> StepResult:
        """The switches at hand are durable: from here on it is judged by them."""
        self.held = False
        return StepResult()

    # - work

    def step(self, batch: Batch, clock: Clock, limit: int) -> StepResult:
        """One call of the engine, and what it decided as records."""
        stage, started = self.stage, time.perf_counter()
        if stage.tracing is not None:
            for source, records in batch.records.items():
                stage.tracing.note(self.number, source, records)
        most, writer = stage.most_bytes, self._writer()
        result = process(
            batch, stage.rules, self.state, clock, limit=limit, work=MAX_WORK, most_bytes=most, sink=writer
        )
        if result.dead_letters:
            result.dead_letters = [_told(each) for each in result.dead_letters]
        decided = len(writer)
        written = self._records(writer, result, clock.wall()) if decided or result.dead_letters else {}
        if stage.tracing is not None:
            stage.tracing.passed(self.number, result.positions)
        if result.dead_letters or result.condition_errors or result.content_errors:
            stage.data_errors.tell(result, self.number)
        if batch.records or result.events or decided:
            stage.metrics.work.observe_batch(result, time.perf_counter() - started)
        return StepResult(
            written,
            result.positions,
            result.watermark,
            result.next_deadline,
            result.more,
            checkpoint=self.is_behind,
        )

    def _writer(self) -> RecordWriter:
        """That of the rules in force."""
        stage, writer = self.stage, self._of_rules.get(self.stage.rules.revision)
        if writer is None:
            own, tracing = stage.own, stage.tracing
            origin = Origin(
                own.app_id,
                self.number,
                stage.rules.revision,
                stage.sources,
                own.decisions,
                own.dead_letters,
            )
            trace = None if tracing is None else partial(tracing.traceparent, self.number)
            writer = RecordWriter(origin, trace)
            self._of_rules = {stage.rules.revision: writer}
        return writer

    def _records(self, writer: RecordWriter, result: Result, now: int) -> dict[Target, PackedRecords]:
        stage, work = self.stage, self.stage.metrics.work
        work.observe_decided(writer.outcomes)
        work.observe_sent(writer.channels, writer.appended, now)
        if stage.tracing is not None:
            stage.tracing.export(now)
        packed = writer.take(now)
        if result.dead_letters:
            most = stage.most_bytes.get(stage.own.dead_letters, MOST_BYTES)
            letters = (dead_letter_record(letter, writer.origin) for letter in result.dead_letters)
            packed |= pack(cut(letter, most) for letter in letters)
        return packed

    def take_changed(self, checkpoint: bytes) -> list[tuple[bytes, bytes]]:
        self.state.marks = checkpoint
        if self.is_behind:
            self.state.switches, self.held = self.stage.switches, True
        return self.state.take_changed()

    def forget_pending(self) -> None:
        self.state.forget_pending()
        self._may_turn = False
        if self.stage.tracing is not None:
            self.stage.tracing.forget(self.number)

    # - a store on disk

    def read_from(self, store: Store) -> None:
        self.state.customers.read_from(store)

    def stand_in(self, key: bytes, note: bytes) -> None:
        self.state.customers.stand_in(key, note)

    def take_notes(self) -> list[tuple[bytes, bytes | None]]:
        return self.state.customers.take_notes()

    def evict(self, keep: int, most: int) -> int:
        return self.state.customers.evict(keep, most)


def _told(letter: DeadLetter) -> DeadLetter:
    """With the reason why it was not read: the engine, which sees no value, takes it for a record without."""
    record = letter.record
    return replace(letter, reason=record.reason) if isinstance(record, Unread) else letter
