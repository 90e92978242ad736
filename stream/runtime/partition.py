"""A partition at work: how far its sources are, and what of it is not acknowledged.

Tested by tests/runtime/test_lane.py.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence

from stream.kafka._packed import PackedRecords, pack, unpack
from stream.runtime.checkpoint import Checkpoint, encode
from stream.runtime.ledger import TopicPartition
from stream.runtime.partition_store import StoredPartition
from stream.runtime.stage import Holds, Partition, StepResult
from stream.runtime.takeover import Start
from stream.structs import Record, Target


class OwnedPartition:
    """One partition number's work. `due`: when to checkpoint next, on the monotonic clock.

    `torn`: a checkpoint has failed; what it took from the state is in nobody's hands.
    """

    __slots__ = (
        "checkpointing",
        "due",
        "durable",
        "ended",
        "holds",
        "incarnations",
        "logged_at",
        "more",
        "next_deadline",
        "number",
        "positions",
        "recovery",
        "stepped_at",
        "stored",
        "tails",
        "ticked",
        "torn",
        "unacknowledged",
        "waiting",
        "watermark",
    )

    def __init__(self, number: int, stored: StoredPartition, start: Start, due: float) -> None:
        self.number = number
        self.due = due
        self.stored = stored
        self.positions: dict[str, int] = dict(start.checkpoint.positions)
        self.durable: dict[str, int] = {}
        self.incarnations = start.checkpoint.incarnations
        self.tails: dict[str, int] = dict(start.checkpoint.tails)
        self.recovery = start.recovery
        self.unacknowledged: set[asyncio.Future[int]] = set()
        self.waiting: deque[tuple[TopicPartition, Sequence[Record]]] = (
            deque()
        )  # batches that were not stepped with
        self.checkpointing = asyncio.Lock()
        self.logged_at = time.monotonic()  # when the changelog was last written to, as far as is known
        self.ticked = False  # whether that was by a tick
        self.torn = False
        self.watermark: int | None = None
        self.next_deadline: int | None = None
        self.more = True  # whether a step without records has something to do
        self.ended: frozenset[str] = frozenset()  # the sources that were read to their end at the last step
        self.stepped_at = 0.0
        self.holds = self.partition if isinstance(self.partition, Holds) else None
        bases = {source: incarnation.base for source, incarnation in self.incarnations.items()}
        self.partition.resume(bases, self.recovery.written if self.recovery is not None else ())

    @property
    def partition(self) -> Partition:
        return self.stored.partition

    @property
    def held(self) -> bool:
        """Whether no step may be taken until a checkpoint is durable."""
        return self.holds is not None and self.holds.held

    def advance(self, step: StepResult, topics: Mapping[str, str]) -> None:
        """Note how far a step came. `topics`: of the sources."""
        self.positions.update(step.positions)
        self.watermark, self.next_deadline, self.more = step.watermark, step.next_deadline, step.more
        if self.recovery is not None and self.recovery.is_over(
            {topics[source]: position for source, position in self.positions.items()}, self.watermark
        ):
            self.partition.recovered()
            self.recovery = None

    def without_repeats(self, records: Mapping[Target, PackedRecords]) -> Mapping[Target, PackedRecords]:
        """The records without those that a former owner had written to our number; only that was read."""
        if self.recovery is None:
            return records
        written, ours = self.recovery.has, (None, self.number)
        return pack(each for each in unpack(records) if each.partition not in ours or not written(each))

    def await_shipped(self, topic: str, number: int, acknowledged: asyncio.Future[int]) -> None:
        """Note records on their way. Once they have come, the tail of the topic begins after them: all in it
        was decided before any later checkpoint begins. Only topics' partitions of our number have tails.
        """
        self.unacknowledged.add(acknowledged)
        if self.recovery is None and number == self.number:
            acknowledged.add_done_callback(lambda shipped: self._note_tail(topic, shipped))

    def _note_tail(self, topic: str, shipped: asyncio.Future[int]) -> None:
        if not shipped.cancelled() and shipped.exception() is None:
            self.tails[topic] = max(self.tails.get(topic, 0), shipped.result())

    def take_changed(self) -> list[tuple[bytes, bytes]]:
        """What the changelog is to be told: what changed, and after it the checkpoint."""
        return self.stored.take_changed(self._checkpoint())

    def take_checkpoint(self) -> list[tuple[bytes, bytes]]:
        """The checkpoint, though nothing has changed."""
        return self.stored.take_checkpoint(self._checkpoint())

    def _checkpoint(self) -> bytes:
        return encode(Checkpoint(self.positions, self.incarnations, self.tails))
