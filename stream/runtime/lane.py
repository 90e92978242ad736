"""The lane: from fetched batches to what a stage writes, one partition number at a time.

    take    batches of what was fetched arrive; the stage steps; what it writes is shipped at once
    tick    time passes without records: timers come due, topics turn out to be read to their end

Everything here runs on one event loop, and no step awaits. What has to be durable before offsets are
committed is the `checkpointer`'s business; which partitions there are, `ownership`'s.
Tested by tests/runtime/test_lane.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

import structlog

from stream.clock import Clock
from stream.kafka._packed import PackedRecords
from stream.kafka.lease import Lease
from stream.runtime.effects import Effects, Perform, refuse
from stream.runtime.ledger import Ledger, TopicPartition
from stream.runtime.outbox import Outbox
from stream.runtime.partition import OwnedPartition
from stream.runtime.stage import HandsOn, Performed, Performs, Stage, StepResult
from stream.structs import Batch, Record, Target

log = structlog.get_logger("stream.lane")

EVENTS_PER_STEP = 2000  # how long the event loop is held at most: a few milliseconds
TICK_S = 0.05  # how late a timer may be looked at
IDLE_S = 1.0  # how late a partition is looked at of which nothing is due
CLOGGED_RECORDS = 10_000  # of a partition, not acknowledged: no more timers fire for now


async def tick() -> None:
    """Until the next tick, the same for all who wait for it: an idle worker wakes up once for them."""
    await asyncio.sleep(until_tick(asyncio.get_running_loop().time()))


def until_tick(now: float) -> float:
    """Seconds. The loop counts in milliseconds and wakes up a little early: that is the tick, too, and not
    the time to wait for a rest of nothing, again and again.
    """
    left = TICK_S - now % TICK_S
    return left if left > TICK_S / 2 else left + TICK_S


class Lane:
    """Steps the partitions in `owned`, which `ownership` fills."""

    def __init__(
        self,
        stage: Stage,
        owned: Mapping[int, OwnedPartition],
        *,
        outbox: Outbox,
        ledger: Ledger,
        lease: Lease,
        clock: Clock,
        perform: Perform = refuse,
    ) -> None:
        self._topic_of = dict(stage.sources)
        self._source_of = {topic: source for source, topic in stage.sources.items()}
        self._owned = owned
        self._outbox = outbox
        self._ledger = ledger
        self._lease = lease
        self._clock = clock
        self.effects = Effects(perform, lease, self._performed, outbox.on_error)

    async def take(self, batches: Iterable[tuple[TopicPartition, Sequence[Record]]]) -> None:
        """What was fetched together has arrived, by topic partition: process what can be processed."""
        arrived: dict[OwnedPartition, int] = {}  # and how many records
        for tp, records in batches:
            if (owned := self._owned.get(tp.partition)) is not None:
                owned.waiting.append((tp, records))
                arrived[owned] = arrived.get(owned, 0) + len(records)
            # else it was taken from us while the batch was on its way; its new owner reads it
        await self._lease.wait()
        held = 0
        for owned, count in arrived.items():
            if held and held + count > EVENTS_PER_STEP:
                await asyncio.sleep(0)
                held = 0
            held += count
            while self._is_ours(owned) and self._go_on(owned):
                await asyncio.sleep(0)

    async def keep_ticking(self) -> None:
        """Let time pass, for ever. Partitions take turns: one may have a million timers due at once."""
        more = False
        while True:
            if not more:
                await tick()
            more = False
            for owned in [each for each in self._owned.values() if self._is_due(each)]:
                if self._may_tick(owned) and self._go_on(owned):
                    more = True
                await asyncio.sleep(0)  # a step can take long

    def _is_due(self, owned: OwnedPartition) -> bool:
        """Whether a tick has something to do: a step without records that finds nothing costs as much as one
        with some.
        """
        if owned.waiting or owned.more or owned.recovery is not None:
            return True
        now = owned.watermark if self._clock.by_event_time else self._clock.wall()
        if owned.next_deadline is not None and now is not None and now >= owned.next_deadline:
            return True
        return time.monotonic() >= owned.stepped_at + IDLE_S or self._ended(owned) != owned.ended

    def _ended(self, owned: OwnedPartition) -> frozenset[str]:
        """The sources that are read to their end."""
        return frozenset(
            name
            for name, topic in self._topic_of.items()
            if self._ledger.ended(TopicPartition(topic, owned.number))
        )

    def _may_tick(self, owned: OwnedPartition) -> bool:
        """Whether the partition is still ours, and what leaves it still flows off."""
        return self._is_ours(owned) and self._outbox.load(owned.number) < CLOGGED_RECORDS

    def _is_ours(self, owned: OwnedPartition) -> bool:
        return self._lease.held and self._owned.get(owned.number) is owned

    # -- steps

    def _go_on(self, owned: OwnedPartition) -> bool:
        """One step, with the batches that have waited longest; whether another one has something to do.

        A partition with too many effects under way waits, and so does one that is held; its batches are in
        flight, so that soon no more of them are fetched. Others go on.
        """
        if owned.held or self.effects.is_full(owned.number):
            return False
        records: dict[str, Sequence[Record]] = {}
        while owned.waiting and (source := self._source_of[owned.waiting[0][0].topic]) not in records:
            tp, records[source] = owned.waiting.popleft()
            self._ledger.arrive(tp)
        return self._step(owned, records) or bool(owned.waiting)

    def _step(self, owned: OwnedPartition, records: Mapping[str, Sequence[Record]]) -> bool:
        """One step of the stage, and shipping of what it came to; whether there is more at hand."""
        owned.ended, owned.stepped_at = self._ended(owned), time.monotonic()
        batch = Batch(owned.number, records, owned.ended)
        try:
            step = owned.partition.step(batch, self._clock, EVENTS_PER_STEP)
        except Exception:
            self._say_where(owned, records)
            raise
        self._carry_out(owned, step)
        owned.advance(step, self._topic_of)
        return step.more

    def _say_where(self, owned: OwnedPartition, records: Mapping[str, Sequence[Record]]) -> None:
        """A record that ends the worker would end it again: an operator has to know where it lies."""
        for source, topic in self._topic_of.items():
            if source in records or self._ledger.in_flight(TopicPartition(topic, owned.number)):
                log.error(
                    "failed_at",
                    topic=topic,
                    partition=owned.number,
                    applied=owned.positions.get(source),
                    end=records[source][-1].offset + 1 if records.get(source) else None,
                    hint="docs/recovery.md#a-record-that-stops-workers",
                )

    def hand_on(self, owned: OwnedPartition) -> None:
        """A checkpoint of the partition is durable."""
        partition = owned.partition
        if isinstance(partition, HandsOn) and self._is_ours(owned):
            self._carry_out(owned, partition.checkpointed())

    def _performed(self, number: int, done: Performed) -> None:
        owned = self._owned.get(number)
        if owned is not None and isinstance(owned.partition, Performs):
            self._carry_out(owned, owned.partition.performed(done, self._clock))

    def _carry_out(self, owned: OwnedPartition, step: StepResult) -> None:
        if step.records:
            self._ship(owned, owned.without_repeats(step.records))
        if step.checkpoint:
            owned.due = 0.0
        if step.effects:
            self.effects.start(owned.number, step.effects)

    def _ship(self, owned: OwnedPartition, records: Mapping[Target, PackedRecords]) -> None:
        for (topic, partition), packed in records.items():
            if packed:
                number = owned.number if partition is None else partition
                shipped = self._outbox.ship(topic, number, packed, sender=owned.number)
                owned.await_shipped(topic, number, shipped)
