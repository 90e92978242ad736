"""The parts of a worker around one stage, with everything beyond them in the test's hands."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from stream.clock import Clock
from stream.kafka._packed import PackedRecords
from stream.kafka.lease import Lease
from stream.runtime.checkpoint import Checkpoint
from stream.runtime.checkpointer import Checkpointer
from stream.runtime.effects import Perform, refuse
from stream.runtime.gauges import Gauges
from stream.runtime.lane import Lane
from stream.runtime.ledger import Ledger
from stream.runtime.ownership import Ownership
from stream.runtime.partition import OwnedPartition
from stream.runtime.partition_store import PartitionStore
from stream.runtime.recovery import Recovery
from stream.runtime.stage import Stage
from stream.runtime.takeover import Start
from stream.structs import WireRecord
from stream.telemetry.metrics import Metrics

START = 1_767_225_600_000


class Outbox:
    """Keeps what is shipped; the test acknowledges it when it likes."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[WireRecord], asyncio.Future[int]]] = []
        self.targets: list[tuple[str, int, int]] = []  # topic, partition, sender of each batch
        self.ends: Counter[tuple[str, int]] = Counter()
        self.abandoned = False

    def on_error(self, error: BaseException) -> None:
        raise error

    async def abandon(self) -> None:
        self.abandoned = True

    def load(self, partition: int) -> int:
        return sum(
            len(records)
            for (_, records, acknowledged), (*_, sender) in zip(self.batches, self.targets, strict=True)
            if sender == partition and not acknowledged.done()
        )

    def ship(self, topic: str, partition: int, records: PackedRecords, *, sender: int) -> asyncio.Future[int]:
        acknowledged: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.batches.append((topic, records.unpack(topic), acknowledged))
        self.targets.append((topic, partition, sender))
        return acknowledged

    async def begin_term(self, topic: str, partition: int, records: PackedRecords) -> None:
        """Nobody else is there."""

    def topics(self) -> list[str]:
        return [topic for topic, _, _ in self.batches]

    def acknowledge(self, topic: str) -> None:
        for (name, records, acknowledged), (_, partition, _) in zip(self.batches, self.targets, strict=True):
            if name == topic and not acknowledged.done():
                self.ends[name, partition] += len(records)
                acknowledged.set_result(self.ends[name, partition])

    def acknowledge_first(self) -> None:
        """Acknowledge the oldest batch that is under way, and no other."""
        topic, records, acknowledged = next(each for each in self.batches if not each[2].done())
        self.ends[topic, 0] += len(records)
        acknowledged.set_result(self.ends[topic, 0])

    async def acknowledge_all(self) -> None:
        """Acknowledge what is shipped, until nothing more comes."""
        await settle()
        while any(not acknowledged.done() for *_, acknowledged in self.batches):
            self.acknowledge_first()
            await settle()

    def refuse(self, topic: str, error: Exception) -> None:
        """Refuse what is under way to a topic."""
        for name, _, acknowledged in self.batches:
            if name == topic and not acknowledged.done():
                acknowledged.set_exception(error)


class Reader:
    """Nothing is in the changelog."""

    async def catch_up(self, numbers: Sequence[int]) -> int:
        return 0


class Takeover:
    """Everything begins at its beginning; what a former owner wrote is the test's to say."""

    recovery: Recovery | None = None

    async def starts(self, checkpoints: Mapping[int, object]) -> dict[int, Start]:
        return {number: Start(Checkpoint(), {}, self.recovery) for number in checkpoints}


class Parts:
    """Lane, checkpointer, ownership and gauges over partition 0 of a stage."""

    def __init__(self, stage: Stage, metrics: Metrics, perform: Perform = refuse) -> None:
        self.metrics, self.wall = metrics, START
        self.outbox, self.store, self.ledger = Outbox(), PartitionStore(stage), Ledger(1000)
        self.store.ensure(0, "")
        self.now = 0.0
        self.lease = Lease(60, lambda: self.now)
        self.lease.renew(self.lease.now())
        self.clock = Clock(lambda: self.wall, by_event_time=True)
        self.all_owned: dict[int, OwnedPartition] = {}
        outbox: Any = self.outbox
        parts: dict[str, Any] = {"outbox": outbox, "ledger": self.ledger}
        self.lane = Lane(stage, self.all_owned, lease=self.lease, clock=self.clock, perform=perform, **parts)
        self.checkpointer = Checkpointer(
            self.all_owned,
            stage.sources,
            "changelog",
            store=self.store,
            lease=self.lease,
            interval=0.1,
            on_durable=self.lane.hand_on,
            **parts,
        )
        self.takeover = Takeover()
        stand_ins: dict[str, Any] = {"reader": Reader(), "takeover": self.takeover}
        self.ownership = Ownership(
            self.all_owned,
            stage.sources,
            store=self.store,
            checkpointer=self.checkpointer,
            effects=self.lane.effects,
            lease=self.lease,
            interval=0.1,
            **stand_ins,
            **parts,
        )
        self.gauges = Gauges(
            self.all_owned,
            stage.sources.values(),
            clock=self.clock,
            metrics=self.metrics,
            is_open=lambda: self.ownership.is_open,
            **parts,
        )

    async def open(self) -> None:
        self.store.ensure(0, "")
        await self.ownership.restore([0])
        self.ownership.open([0])
        self.owned = self.all_owned[0]

    async def checkpoint(self) -> None:
        await self.checkpointer.checkpoint(self.owned)


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)
