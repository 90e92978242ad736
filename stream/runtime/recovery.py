"""Recovery: what a partition's former owner had written before it died, and its state does not know of.

What a partition writes to its own number lies in tails, from the offsets that the last checkpoint noted
(`checkpoint`). They are read before work begins. What was written is not written again, even where events are
read again in another order; what else it means is the stage's business (`Partition.resume`). So there are no
repeats after a crash, without transactions.

It is needed until the events that caused it are applied again; then it is forgotten (`is_over`).
Pure. Tested by tests/runtime/test_recovery.py.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from stream.runtime.stage import Written
from stream.structs import WireRecord


@dataclass(slots=True)
class Recovery:
    """What the tails of one partition hold. `identity` is the stage's."""

    partition: int
    identity: Callable[[WireRecord], Hashable]
    written: list[Written] = field(default_factory=list)
    identities: set[Hashable] = field(default_factory=set)
    causes: dict[str, int] = field(default_factory=dict)  # topic: offset of the last cause
    latest: int = -1  # the latest time at which a timer had fired

    def add(self, written: Written) -> None:
        """Take in what was read. What another partition wrote here answers records of that one."""
        if written.cause is not None and written.cause[1] != self.partition:
            return
        self.written.append(written)
        self.identities.add(written.identity)
        if written.cause is not None:
            topic, _, offset = written.cause
            self.causes[topic] = max(self.causes.get(topic, -1), offset)
        if written.fired_at is not None:
            self.latest = max(self.latest, written.fired_at)

    def has(self, record: WireRecord) -> bool:
        """Whether the same was written before."""
        return self.identity(record) in self.identities

    def is_over(self, positions: Mapping[str, int], watermark: int | None) -> bool:
        """Whether all that caused what was written is applied. `positions`: next offset by topic."""
        return all(positions.get(topic, 0) > offset for topic, offset in self.causes.items()) and (
            watermark is not None and watermark > self.latest
        )
