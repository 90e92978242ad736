"""A worker with a bug planted: `python -m tests.faults.planted BUG worker`, as `python -m stream`.

Each is a mistake that somebody could make, at the seam between the engine and Kafka. Those that lose
something only in a crash end the process themselves, in the moment when it matters.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from stream.cli.main import main as stream_command
from stream.kafka._packed import PackedRecords
from stream.matcher._match import Match
from stream.runtime.checkpoint import Checkpoint, encode
from stream.runtime.checkpointer import Checkpointer
from stream.runtime.outbox import Outbox
from stream.runtime.partition import OwnedPartition
from stream.runtime.partition_store import StoredPartition
from stream.worker import triggers

BASE = 1 << 40  # beyond all offsets


def _none() -> None:
    """A worker as it is, to see that the trial itself is not what goes wrong."""


def _offset_plus_one() -> None:
    """Says that one more was applied than was."""

    def take_changed(self: OwnedPartition) -> list[tuple[bytes, bytes]]:
        positions = {source: position + 1 for source, position in self.positions.items()}
        return self.stored.take_changed(encode(Checkpoint(positions, self.incarnations, self.tails)))

    OwnedPartition.take_changed = take_changed  # type: ignore[method-assign]


def _read_again() -> None:
    """Not a mistake: everything is read again after a crash, as if the positions were lost."""

    def take_changed(self: OwnedPartition) -> list[tuple[bytes, bytes]]:
        return self.stored.take_changed(encode(Checkpoint({}, self.incarnations, self.tails)))

    OwnedPartition.take_changed = take_changed  # type: ignore[method-assign]


def _dies_restoring() -> None:
    """No mistake: is killed when a part of its customers is restored."""
    usual = StoredPartition.load

    def load(self: StoredPartition, records: Iterable[Any]) -> None:
        usual(self, records)
        os.kill(os.getpid(), signal.SIGKILL)

    StoredPartition.load = load  # type: ignore[method-assign, assignment]


def _applied_ignored() -> None:
    """Applies again what a customer has had: no offset is one that it knows."""
    usual = OwnedPartition.__init__

    def init(self: OwnedPartition, number: int, stored: StoredPartition, *rest: Any) -> None:
        usual(self, number, stored, *rest)
        assert isinstance(self.partition, triggers.TriggerPartition)
        for source in self.incarnations:
            self.partition.state.rebase(source, BASE)

    OwnedPartition.__init__ = init  # type: ignore[method-assign]


def _timer_dropped() -> None:
    """Forgets every third timer."""
    usual, fired = triggers.process, [0]

    def is_forgotten(match: Match) -> bool:
        fired[0] += match.timed
        return match.timed and fired[0] % 3 == 0

    def process(*args: Any, **kwargs: Any) -> Any:
        return usual(*args, take=is_forgotten, **kwargs)

    triggers.process = process  # type: ignore[attr-defined]


def _hold_back(acknowledge: bool) -> None:
    """Keep everything but the changelog from being sent, and die when the changelog has customers in it."""
    usual = Outbox.ship

    def ship(
        self: Outbox, topic: str, partition: int, records: PackedRecords, *, sender: int
    ) -> asyncio.Future[int]:
        if not topic.endswith("-customers-changelog"):
            held: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            if acknowledge:
                held.set_result(1)
            return held
        shipped = usual(self, topic, partition, records, sender=sender)
        if any(record.key for record in records.unpack(topic)):
            shipped.add_done_callback(lambda _: os.kill(os.getpid(), signal.SIGKILL))
        return shipped

    Outbox.ship = ship  # type: ignore[method-assign]


def _ack_before_send() -> None:
    """Takes for sent what only will be."""
    _hold_back(acknowledge=True)


def _changelog_before_triggers() -> None:
    """Has the changelog not wait for what was decided."""
    usual = OwnedPartition.take_changed

    def take_changed(self: OwnedPartition) -> list[tuple[bytes, bytes]]:
        changed = usual(self)
        self.unacknowledged = set()
        return changed

    async def checkpoint(self: Checkpointer, owned: OwnedPartition) -> None:
        owned.unacknowledged = set()
        await usual_checkpoint(self, owned)

    usual_checkpoint = Checkpointer._checkpoint
    Checkpointer._checkpoint = checkpoint  # type: ignore[method-assign]
    OwnedPartition.take_changed = take_changed  # type: ignore[method-assign]
    _hold_back(acknowledge=False)


def _marks_before_customers() -> None:
    """Has the marks not wait for the customers, who are held back; dies when there are both."""

    async def log(self: Checkpointer, stored: StoredPartition, changed: Sequence[tuple[bytes, bytes]]) -> int:
        marks = PackedRecords()
        marks.add_pairs([pair for pair in changed if not pair[0]])
        end = await self._outbox.ship(self._changelog, stored.number, marks, sender=stored.number)
        if len(changed) > len(marks):
            os.kill(os.getpid(), signal.SIGKILL)
        return end

    Checkpointer._log = log  # type: ignore[method-assign]


def _newest_ignored() -> None:
    """Restores the oldest record of a customer, not the newest; deletions have no effect."""
    usual, known = StoredPartition.load, set[tuple[int, bytes | None]]()

    def load(self: StoredPartition, records: Iterable[Any]) -> None:
        kept = []
        for each in records:
            if each.key == b"" or (id(self), each.key) not in known:
                known.add((id(self), each.key))
                kept.append(each)
        usual(self, kept)

    StoredPartition.load = load  # type: ignore[method-assign, assignment]


BUGS: dict[str, Callable[[], None]] = {
    "none": _none,
    "offset-plus-one": _offset_plus_one,
    "read-again": _read_again,
    "dies-restoring": _dies_restoring,
    "applied-ignored": _applied_ignored,
    "timer-dropped": _timer_dropped,
    "ack-before-send": _ack_before_send,
    "changelog-before-triggers": _changelog_before_triggers,
    "marks-before-customers": _marks_before_customers,
    "newest-ignored": _newest_ignored,
}


if __name__ == "__main__":
    BUGS[sys.argv.pop(1)]()
    stream_command()
