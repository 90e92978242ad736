"""Which partitions a worker works on: restored, opened, given up, as rebalances come.

    restore   the states of the partitions assigned are made complete; where to go on is learnt (`takeover`);
              a term is begun, after which no former owner's changes come in (`kafka.fence`)
    seeks     where the consumer is to read on
    open      work begins
    close     what is applied is made durable within a deadline, and the rest is read again by the next owner
    follow    the states of partitions for which this worker stands by are kept near their end

Tested by tests/runtime/test_lane.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Iterable, Mapping

import structlog
from faust.types import TP

from stream.kafka.lease import Lease
from stream.runtime import checkpoint
from stream.runtime.checkpointer import Checkpointer
from stream.runtime.effects import Effects
from stream.runtime.ledger import Ledger, TopicPartition
from stream.runtime.outbox import Outbox
from stream.runtime.partition import OwnedPartition
from stream.runtime.partition_store import PartitionStore
from stream.runtime.restore import ChangelogReader
from stream.runtime.takeover import Start, Takeover

log = structlog.get_logger("stream.lane")


class Ownership:
    """Fills and empties `owned`, which lane, checkpointer and gauges look at."""

    def __init__(
        self,
        owned: dict[int, OwnedPartition],
        topic_of: Mapping[str, str],
        *,
        store: PartitionStore,
        reader: ChangelogReader,
        takeover: Takeover,
        checkpointer: Checkpointer,
        outbox: Outbox,
        effects: Effects,
        ledger: Ledger,
        lease: Lease,
        interval: float,
    ) -> None:
        self.is_open = False
        self._owned = owned
        self._source_of = {topic: source for source, topic in topic_of.items()}
        self._store = store
        self._reader = reader
        self._takeover = takeover
        self._checkpointer = checkpointer
        self._outbox = outbox
        self._effects = effects
        self._ledger = ledger
        self._lease = lease
        self._interval = interval
        self._starts: dict[int, Start] = {}
        self._resumed: dict[TopicPartition, tuple[int | None, int | None]] = {}  # as noted, as committed

    async def restore(self, numbers: Iterable[int], standbys: Iterable[int] = ()) -> int:
        """Make the states of these partitions complete, and learn where to go on; drop those that are neither
        wanted nor stood by for. Returns the number of changelog records read.
        """
        wanted = set(numbers)
        for number in set(self._store.stored) - wanted - set(standbys):
            self._store.drop(number)
        started = time.monotonic()
        records = await self._reader.catch_up(wanted)
        stored = self._store.stored
        self._starts = await self._takeover.starts(
            {number: checkpoint.decode(stored[number].partition.checkpoint) for number in wanted}
        )
        begun = (
            self._checkpointer.begin(stored[number], checkpoint.encode(start.checkpoint))
            for number, start in self._starts.items()
        )
        await asyncio.gather(*begun)
        late = await self._reader.catch_up(wanted)  # what a former owner had on its way, and what was begun
        records += max(late - len(wanted), 0)
        for number in wanted:
            stored[number].partition.ready()
        log.info(
            "restored", partitions=len(wanted), records=records, seconds=round(time.monotonic() - started, 3)
        )
        return records

    async def follow(self, standbys: Iterable[int], progress: Callable[[int, int], None]) -> None:
        """Keep what other workers write of these partitions at hand; ends only where there are none."""
        await self._reader.follow(standbys, progress)

    @property
    def sources(self) -> Iterable[str]:
        """The sources' topics."""
        return self._source_of.keys()

    def missing(self, assignment: Iterable[TP]) -> set[str]:
        """The sources' topics that an assignment lacks, though it has the same partitions of others."""
        assigned = set(assignment)
        numbers = {tp.partition for tp in assigned}
        return {topic for topic in self._source_of for n in numbers if TP(topic, n) not in assigned}

    def seeks(self, tps: Iterable[TP], committed: Mapping[TP, int | None]) -> dict[TP, int]:
        """Where to read on: where the changelog says, else where the group does, else at the beginning."""
        found = {}
        for tp in tps:
            start, source = self._starts[tp.partition], self._source_of[tp.topic]
            position = start.checkpoint.positions.get(source)
            self._resumed[TopicPartition(*tp)] = (position, committed.get(tp))
            found[tp] = (committed.get(tp) or start.begins[source]) if position is None else position
        return found

    def open(self, numbers: Iterable[int]) -> None:
        """Begin work on these partitions, whose states are complete."""
        opened = sorted(numbers)
        self._ledger.forget()
        for tp, (position, committed) in self._resumed.items():
            if position is not None and tp.partition in opened:
                self._ledger.resume(tp, position, committed)
        self._resumed = {}
        now, apart = time.monotonic(), self._interval / max(len(opened), 1)
        self._owned.clear()
        for turn, number in enumerate(opened, start=1):
            self._owned[number] = OwnedPartition(
                number, self._store.stored[number], self._starts[number], now + apart * turn
            )
        self.is_open = True

    async def close(self, deadline: float) -> bool:
        """Stop work on all partitions and make durable what was applied, within `deadline` seconds.

        What is at hand but not applied is dropped: it is read again. States that could not be made durable in
        time are forgotten, so that they come from the changelog. Returns whether everything became durable.
        """
        closed = list(self._owned.values())
        self._owned.clear()
        self.is_open = False
        for owned in closed:
            owned.partition.forget_pending()
        if not closed:
            return True
        await self._effects.cancel(owned.number for owned in closed)
        if not self._lease.held:  # others may own them by now: nothing may be written for them
            deadline = 0
        checkpoints = [asyncio.ensure_future(self._checkpointer.checkpoint(owned)) for owned in closed]
        done, late = await asyncio.wait(checkpoints, timeout=deadline)
        for owned, task in zip(closed, checkpoints, strict=True):
            if task in late or task.exception() is not None:
                task.cancel()
                self._store.drop(owned.number)
        if late:
            log.warning("not_durable_in_time", partitions=len(late), deadline=deadline)
            await self._outbox.abandon()
        return not late and all(task.exception() is None for task in done)

    def places(
        self, at_hand: Container[TopicPartition], answers: Container[TopicPartition]
    ) -> dict[str, object]:
        """For the watchdog: each partition with records in hand that waits for nothing of Kafka's, and how
        far it is. `at_hand`: fetched and not taken; `answers`: what Kafka answers for.
        """
        found: dict[str, object] = {}
        for number in list(self._owned):
            tps = [TopicPartition(topic, number) for topic in self._source_of]
            held = [tp in at_hand or self._ledger.in_flight(tp) > 0 for tp in tps]
            if self._effects.is_full(number):
                continue  # it waits for partners outside, each within its time-out
            if self._owned[number].held:
                continue  # it waits for Kafka to acknowledge a checkpoint
            if any(held) and all(has or tp in answers for has, tp in zip(held, tps, strict=True)):
                found[f"partition {number}"] = tuple(self._ledger.place(tp) for tp in tps)
        return found
