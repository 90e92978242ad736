"""Checkpoints: what makes durable all that a partition has applied, once per commit interval.

    1 process      2 records written by the stage      3 the keys that changed, to the changelog
                   4 the marks (the empty key), there too                                        5 offsets

Each waits until the one before is acknowledged. What changed is encoded when the checkpoint begins, before
anything later is processed: the changelog never holds the effect of an event whose records are not
acknowledged. Marks that were durable without the keys would say that events are applied whose effects are
nowhere. A key that changed ten times is written once. Checkpoints of the partitions are spread over the
interval, so that none stalls the loop for long.

After a crash before (4) is acknowledged, events are read again, and what had been written of them is found in
the tails (`recovery`). After it, the state says that the events are applied.
Tested by tests/runtime/test_checkpoint_order.py and test_lane.py.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from stream.errors import CheckpointError
from stream.kafka._packed import PackedRecords
from stream.kafka.lease import Lease
from stream.runtime.lane import tick
from stream.runtime.ledger import Ledger, TopicPartition
from stream.runtime.outbox import Outbox
from stream.runtime.partition import OwnedPartition
from stream.runtime.partition_store import PartitionStore, StoredPartition

log = structlog.get_logger("stream.lane")


class Checkpointer:
    """Checkpoints the partitions in `owned`. `topic_of`: of the sources. `on_durable` hears of each. `lag`:
    seconds after which Kafka is to have compacted what is outdated.
    """

    def __init__(
        self,
        owned: Mapping[int, OwnedPartition],
        topic_of: Mapping[str, str],
        changelog: str,
        *,
        store: PartitionStore,
        outbox: Outbox,
        ledger: Ledger,
        lease: Lease,
        interval: float,
        on_durable: Callable[[OwnedPartition], None],
        lag: float = math.inf,
    ) -> None:
        self._lag = lag
        self._owned = owned
        self._topic_of = topic_of
        self._changelog = changelog
        self._store = store
        self._outbox = outbox
        self._ledger = ledger
        self._lease = lease
        self._interval = interval
        self._on_durable = on_durable

    async def checkpoint(self, owned: OwnedPartition) -> None:
        """Make everything that the partition has applied durable.

        Raises CheckpointError once a checkpoint has failed: what it took from the state is in nobody's hands.
        """
        async with owned.checkpointing:
            if owned.torn:
                raise CheckpointError(f"partition {owned.number}: a checkpoint failed; not trusted")
            owned.torn = True
            await self._checkpoint(owned)
            owned.torn = False

    async def _checkpoint(self, owned: OwnedPartition) -> None:
        started = time.monotonic()
        # The snapshot: from here to the first await nothing else is processed.
        positions, waiting = dict(owned.positions), owned.unacknowledged
        changed = owned.take_changed() or self._tick(owned)
        owned.unacknowledged = set()
        if waiting:
            await asyncio.gather(*waiting)
        if changed:
            logged = await self._log(owned.stored, changed)
            owned.logged_at = time.monotonic()
        if owned.stored.dropped:
            return  # its state is restored by now, perhaps from before what was just written
        if changed:
            for _ in owned.stored.committing(changed, logged, self._store.keep):
                await asyncio.sleep(0)
        for source, position in positions.items():
            if owned.durable.get(source) != position:
                self._ledger.finish(TopicPartition(self._topic_of[source], owned.number), position)
                owned.durable[source] = position
        if len(changed) > 1:
            owned.ticked = False
        if changed:
            seconds = round(time.monotonic() - started, 3)
            log.debug("checkpointed", partition=owned.number, customers=len(changed), seconds=seconds)
            self._on_durable(owned)

    def _tick(self, owned: OwnedPartition) -> list[tuple[bytes, bytes]]:
        """The checkpoint anew, once, when a partition has had nothing to write for `lag`. Kafka closes
        a segment when something is appended, and compacts none but closed ones: else what was replaced or
        deleted last would lie there for as long as the partition is quiet.
        """
        if owned.ticked or time.monotonic() < owned.logged_at + self._lag:
            return []
        owned.ticked = True
        return owned.take_checkpoint()

    async def begin(self, stored: StoredPartition, checkpoint: bytes) -> None:
        """The first record of a new owner: the checkpoint from which it goes on. What a former owner still
        has on its way comes before it, or not at all: the changelog is to be read once more, up to here.
        """
        records = PackedRecords()
        records.add_pairs(stored.take_checkpoint(checkpoint))
        await self._outbox.begin_term(self._changelog, stored.number, records)

    async def _log(self, stored: StoredPartition, changed: Sequence[tuple[bytes, bytes]]) -> int:
        """Write keys, and then marks, to the changelog; returns the offset after them, once they are
        acknowledged. Nothing of a partition that was dropped: it is another worker's.
        """
        end, number = 0, stored.number
        for part in ([pair for pair in changed if pair[0]], [pair for pair in changed if not pair[0]]):
            if part and not stored.dropped:
                records = PackedRecords()
                records.add_pairs(part)
                end = await self._outbox.ship(self._changelog, number, records, sender=number)
        return end

    async def keep_checkpointing(self) -> None:
        """Checkpoint each partition once per interval, and sooner when much of it is in flight, for ever."""
        async with asyncio.TaskGroup() as checkpoints:
            while True:
                now = time.monotonic()
                for owned in self._owned.values() if self._lease.held else ():
                    if not owned.checkpointing.locked() and (now >= owned.due or self._is_pressed(owned)):
                        owned.due = now + self._interval
                        checkpoints.create_task(self.checkpoint(owned))
                await tick()

    def _is_pressed(self, owned: OwnedPartition) -> bool:
        tps = (TopicPartition(topic, owned.number) for topic in self._topic_of.values())
        return any(map(self._ledger.is_filling, tps))
