"""Restore without Kafka: what cannot be had at will from a real one. The rest is in tests/integration."""

from __future__ import annotations

import asyncio
from typing import Any

from stream.ranges import close


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
        await asyncio.sleep(60)

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
