"""A client that is answered by hand: what a fetch brings, without Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.protocol.fetch import FetchRequest

TP = TopicPartition("clicks", 3)


class Fetching:
    """aiokafka's fetcher, with raw records, on one partition. `give` is what a consumer gets by default."""

    def __init__(self, give: Any, *, committed_only: bool = True, **options: Any) -> None:
        cluster = SimpleNamespace(leader_for_partition=lambda tp: None)
        self.answers: list[Any] = []
        self.taken: list[int] = []  # bytes at a time
        client = SimpleNamespace(_loop=None, _metadata_max_age_ms=1000, cluster=cluster, send=self._send)
        self._subscription = SubscriptionState()
        self._subscription.assign_from_user([TP])
        level = "read_committed" if committed_only else "read_uncommitted"
        self.fetcher: Any = Fetcher(client, self._subscription, isolation_level=level)
        self.fetcher._fetch_task.cancel()
        give(SimpleNamespace(_fetcher=self.fetcher), **options)
        self._subscription.seek(TP, 0)

    async def _send(self, node: int, request: Any) -> Any:
        return self.answers.pop(0)

    @property
    def position(self) -> int:
        """Where the next fetch begins."""
        assignment = self._subscription.subscription.assignment
        return int(assignment.state_value(TP).position)

    def seek(self, offset: int) -> None:
        self._subscription.seek(TP, offset)

    async def fetch(
        self, data: bytes, aborted: Sequence[tuple[int, int]] = (), *, end: int = 1 << 40
    ) -> list[Any]:
        """All records of a fetch that is answered with `data`."""
        part = (TP.partition, 0, end, end, 0, list(aborted), -1, data)
        self.answers.append(SimpleNamespace(API_VERSION=11, topics=[(TP.topic, [part])]))
        request = FetchRequest(0, 0, 0, 0, [(TP.topic, [(TP.partition, self.position, 0)])])
        assignment = self._subscription.subscription.assignment
        await self.fetcher._proc_fetch_request(assignment, 0, request)
        found: list[Any] = []
        while TP in self.fetcher._records:
            records = (await self.fetcher.fetched_records([TP], 0)).get(TP, [])
            self.taken.append(getattr(records, "size", 0))
            found += records
        return found
