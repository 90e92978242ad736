"""A unit of work: one partition number's customers, how far its sources are, and what is not acknowledged.

Tested by tests/runtime/test_lane.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from stream.rules.model import RuleSet
from stream.runtime import checkpoint as marks
from stream.runtime.checkpoint import Making, Marks
from stream.runtime.partition_store import StoredPartition
from stream.runtime.takeover import Start
from stream.structs import Result, WireRecord


class Unit:
    """One partition number's work. `due`: when to checkpoint next, on the monotonic clock."""

    __slots__ = (
        "checkpointing",
        "due",
        "durable",
        "given_up",
        "makings",
        "next_deadline",
        "number",
        "positions",
        "recall",
        "stored",
        "tails",
        "torn",
        "unacknowledged",
        "watermark",
    )

    def __init__(
        self, number: int, stored: StoredPartition, start: Start, rules: RuleSet, due: float
    ) -> None:
        self.number = number
        self.due = due
        self.stored = stored
        self.positions: dict[str, int] = dict(start.marks.positions)  # per source: next offset, not applied
        self.durable: dict[str, int] = {}
        self.makings: Mapping[str, Making] = start.marks.makings
        self.tails: dict[str, int] = dict(start.marks.tails)  # per topic: what follows may be unknown later
        self.recall = start.recall
        self.unacknowledged: set[asyncio.Future[int]] = set()
        self.checkpointing = asyncio.Lock()
        self.torn = False
        self.given_up = False
        self.watermark: int | None = None
        self.next_deadline: int | None = None
        for source, making in self.makings.items():
            stored.state.rebase(source, making.base)
        stored.state.prior_decisions, stored.state.prior_sends = {}, {}
        if self.recall is not None:
            self.recall.enter(stored.state, rules)

    def advance(self, result: Result, topics: Mapping[str, str]) -> None:
        """Take over how far the engine came. `topics`: of the sources."""
        self.positions.update(result.positions)
        self.watermark, self.next_deadline = result.watermark, result.next_deadline
        if self.recall is not None and self.recall.is_over(
            {topics[source]: position for source, position in self.positions.items()}, self.watermark
        ):
            self.recall.leave(self.stored.state, self.stored.state.rules)
            self.recall = None

    def await_shipped(self, topic: str, acknowledged: asyncio.Future[int]) -> None:
        """Note a parcel on its way to `topic`. Once it has come, the tail of the topic begins after it: all
        in it was decided before any later checkpoint begins.
        """
        self.unacknowledged.add(acknowledged)
        if self.recall is None:
            acknowledged.add_done_callback(lambda parcel: self._note_tail(topic, parcel))

    def _note_tail(self, topic: str, parcel: asyncio.Future[int]) -> None:
        if not parcel.cancelled() and parcel.exception() is None:
            self.tails[topic] = max(self.tails.get(topic, 0), parcel.result())

    def without_repeats(self, records: Sequence[WireRecord]) -> Sequence[WireRecord]:
        """The records without those that a former owner had written."""
        return records if self.recall is None else self.recall.without_repeats(records)

    def take_changed(self) -> list[tuple[bytes, bytes]]:
        """What the changelog is to be told: customers that changed, and after them the marks."""
        self.stored.state.marks = marks.encode(Marks(self.positions, self.makings, self.tails))
        return self.stored.take_changed()
