"""The batch lane's own bookkeeping of what was handed out, what is durable and what may be committed.

Faust's acks count single messages and cannot carry batches: commits stalled up to a fetch short of the end,
and its merged gaps passed offsets still in work. Here a topic partition has three numbers that only grow:

    handed     how many batches (one partition's share of one fetch) went to the lane, and their records
    durable    the next offset whose effects are not yet safe in Kafka; offsets are committed up to here
    committed  what was last taken for a commit

After the last record may come offsets that are none: a transaction's marker, what was aborted or compacted.
Where all that was read is durable, they are passed, so that a topic which ends in them has no lag.

Pure: no Kafka, no asyncio. Invariant: durable never moves back, and never past what was handed out.
Tested by tests/runtime/test_ledger.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.errors import InternalError, TopologyError

BYTES_IN_FLIGHT = 16 << 20  # of a topic partition


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class Reach(NamedTuple):
    """How far the consumer had read when a fetch returned: its position, and the topic's end as last heard
    of, which is where a transaction that is still open begins.
    """

    position: int
    end: int


@dataclass(slots=True)
class _Account:
    batches: deque[tuple[int, int, int, int]] = field(default_factory=deque)  # oldest first, see `hand_out`
    in_flight: int = 0
    bytes_in_flight: int = 0
    handed_batches: int = 0
    arrived_batches: int = 0
    handed_to: int = -1
    durable: int = -1
    committed: int = -1
    passed: int = -1  # beyond what is durable, where nothing is

    @property
    def done(self) -> int:
        return max(self.durable, self.passed)


class Ledger:
    """Accounts of the topic partitions assigned to this worker.

    `limit`: records per topic partition that may be in flight (handed out and not durable) before it counts
    as full; so does `BYTES_IN_FLIGHT`, since few bytes in Kafka can be many here.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._accounts: dict[TopicPartition, _Account] = {}
        self._reach: dict[TopicPartition, Reach] = {}

    def resume(self, tp: TopicPartition, position: int, committed: int | None) -> None:
        """Everything before `position` was made durable by a former owner, who may have died before the group
        was told: `committed` is what it knows. Without this it would show a lag until something new comes.
        """
        account = self._accounts.setdefault(tp, _Account())
        account.handed_to = account.durable = position
        account.committed = -1 if committed is None or committed > position else committed

    def hand_out(
        self, tp: TopicPartition, records: int, next_offset: int, appended_at: int = 0, size: int = 0
    ) -> None:
        """A batch of `records`, ending before `next_offset`, is on its way to the lane; the first of them was
        appended at `appended_at`, in ms. `size`: bytes.
        """
        account = self._accounts.setdefault(tp, _Account())
        if next_offset <= account.handed_to:
            raise TopologyError(
                f"{tp.topic}/{tp.partition}: offsets went back from {account.handed_to} to {next_offset}",
                hint="was the topic deleted and made anew? Started again, the worker notices and goes on",
            )
        account.batches.append((records, next_offset, appended_at, size))
        account.in_flight += records
        account.bytes_in_flight += size
        account.handed_batches += 1
        account.handed_to = next_offset

    def arrive(self, tp: TopicPartition) -> None:
        """The oldest batch that was on its way has reached the lane."""
        self._accounts[tp].arrived_batches += 1

    def reached(self, reach: Mapping[TopicPartition, Reach]) -> None:
        """What a fetch that has just returned says of every assigned partition."""
        self._reach.update(reach)
        for tp, (position, _) in reach.items():
            account = self._accounts.get(tp)
            if account is not None and not account.batches:
                account.passed = position

    def finish(self, tp: TopicPartition, position: int) -> None:
        """Everything before `position` is applied and its effects are acknowledged by Kafka."""
        account = self._accounts.get(tp)
        if account is None or position == account.durable:
            return
        if not account.durable < position <= account.handed_to:
            raise InternalError(
                f"{tp.topic}/{tp.partition}: position {position} is outside what was handed out "
                f"({account.durable}…{account.handed_to})"
            )
        account.durable = position
        while account.batches and account.batches[0][1] <= position:
            records, _, _, size = account.batches.popleft()
            account.in_flight -= records
            account.bytes_in_flight -= size

    def committable(self) -> list[TopicPartition]:
        """The partitions that have something new to commit."""
        return [tp for tp, account in self._accounts.items() if account.done > account.committed]

    def take_committable(self, tp: TopicPartition) -> int | None:
        """The offset to commit, once; None where there is nothing new."""
        account = self._accounts.get(tp)
        if account is None or account.done <= account.committed:
            return None
        account.committed = account.done
        return account.committed

    def place(self, tp: TopicPartition) -> int:
        """How far everything is durable; changes with progress."""
        account = self._accounts.get(tp)
        return account.durable if account else -1

    def oldest(self, tp: TopicPartition) -> int | None:
        """When the first record of the oldest batch in flight was appended, in ms; None without one."""
        account = self._accounts.get(tp)
        return account.batches[0][2] if account and account.batches else None

    def uncommitted(self) -> set[int]:
        """The partition numbers of which something was handed out that is not committed."""
        return {tp.partition for tp, each in self._accounts.items() if each.handed_to > each.committed}

    def full(self) -> set[TopicPartition]:
        """The partitions that have enough in flight: not to be fetched from for now."""
        return {
            tp
            for tp, account in self._accounts.items()
            if account.in_flight >= self._limit or account.bytes_in_flight >= BYTES_IN_FLIGHT
        }

    def is_filling(self, tp: TopicPartition) -> bool:
        """Whether half of what may be in flight is."""
        account = self._accounts.get(tp)
        return account is not None and (
            account.in_flight * 2 >= self._limit or account.bytes_in_flight * 2 >= BYTES_IN_FLIGHT
        )

    def in_flight(self, tp: TopicPartition) -> int:
        """Records handed out whose effects are not yet durable."""
        account = self._accounts.get(tp)
        return account.in_flight if account else 0

    def ended(self, tp: TopicPartition) -> bool:
        """Whether the topic partition was read to its end, and all that was read has reached the lane."""
        reach = self._reach.get(tp)
        if reach is None or reach.position < reach.end:
            return False
        account = self._accounts.get(tp)
        return account is None or account.handed_batches == account.arrived_batches

    def lag(self, tp: TopicPartition) -> int:
        """Records between what is durable and the end of the topic partition, as far as known."""
        reach = self._reach.get(tp)
        if reach is None:
            return 0
        account = self._accounts.get(tp)
        done = account.done if account and account.durable >= 0 else reach.position
        if account and account.durable < 0:
            done = reach.position - account.in_flight
        return max(reach.end - done, 0)

    def forget(self, tps: Iterable[TopicPartition] | None = None) -> None:
        """Drop the accounts of partitions that are read again from their committed offsets, or lost (None:
        all).
        """
        for tp in list(self._accounts.keys() | self._reach.keys()) if tps is None else tps:
            self._accounts.pop(tp, None)
            self._reach.pop(tp, None)
