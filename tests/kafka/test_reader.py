"""Restore without Kafka: what cannot be had at will from a real one. The rest is in tests/integration."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from stream.kafka.reader import close, read


class _Client:
    closed = False

    async def close(self) -> None:
        self.closed = True


class _Fetcher:
    def __init__(self) -> None:
        self._pending_tasks: set[asyncio.Task[None]] = set()


class _Consumer:
    """Stops as aiokafka 0.14 does: it awaits the fetches that it has just cancelled."""

    def __init__(self) -> None:
        self._client, self._fetcher = _Client(), _Fetcher()

    async def fetch(self) -> None:
        await asyncio.Event().wait()

    async def stop(self) -> None:
        for task in self._fetcher._pending_tasks:
            task.cancel()
            await task
        await self._client.close()


async def test_a_fetch_under_way_when_the_restore_ends_does_not_leave_the_worker_alive_and_idle() -> None:
    consumer: Any = _Consumer()
    consumer._fetcher._pending_tasks = {asyncio.create_task(consumer.fetch()) for _ in range(3)}
    await asyncio.sleep(0)
    await close(consumer)  # raised CancelledError, which ended the restore task silently
    assert consumer._client.closed
    await asyncio.sleep(0)
    assert all(task.cancelled() for task in consumer._fetcher._pending_tasks)


class _Polled:
    """A consumer whose answer comes just after the poll that waited for it is over."""

    def __init__(self) -> None:
        self.at = 0
        self.polls = 0
        self._fetcher = SimpleNamespace(_records={})

    def assign(self, tps: list[TopicPartition]) -> None: ...

    def pause(self, tp: TopicPartition) -> None: ...

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.at = offset

    async def position(self, tp: TopicPartition) -> int:
        return self.at

    async def getmany(self, *tps: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        self.polls += 1
        if self.polls == 1:
            self._fetcher._records[tps[0]] = [SimpleNamespace(offset=0), SimpleNamespace(offset=1)]
            return {}
        records = self._fetcher._records.pop(tps[0])
        self.at = 2
        return {tps[0]: records}

    def last_poll_timestamp(self, tp: TopicPartition) -> int:
        return 1 << 60

    def highwater(self, tp: TopicPartition) -> int:
        return 2


async def test_records_that_come_just_after_a_poll_are_not_taken_for_a_hole() -> None:
    """On a busy machine the customers of a partition were not restored, and nobody was told."""
    changelog, consumer = TopicPartition("changelog", 0), _Polled()
    parts = [(records, to) async for _, records, to in read(consumer, {changelog: (0, 2)})]
    assert [(len(records), to) for records, to in parts] == [(2, 2), (0, 2)]
