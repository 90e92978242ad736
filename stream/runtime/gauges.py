"""The gauges of partitions and of what is under way, brought up to date once a second.

Tested by tests/runtime/test_lane.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from stream.clock import Clock
from stream.runtime.ledger import Ledger, TopicPartition
from stream.runtime.outbox import Outbox
from stream.runtime.partition import OwnedPartition
from stream.telemetry.metrics import Metrics
from stream.telemetry.partition_metrics import PartitionFigures

MEASURE_S = 1.0


class Gauges:
    """Measures the partitions in `owned`. `topics`: of the sources. `is_open`: whether work has begun."""

    def __init__(
        self,
        owned: Mapping[int, OwnedPartition],
        topics: Iterable[str],
        *,
        outbox: Outbox,
        ledger: Ledger,
        clock: Clock,
        metrics: Metrics,
        is_open: Callable[[], bool],
    ) -> None:
        self._owned = owned
        self._topics = tuple(topics)
        self._outbox = outbox
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._is_open = is_open
        # Since when there is something behind of which nothing is in hand.
        self._behind_since: dict[TopicPartition, int] = {}

    async def keep_measuring(self) -> None:
        """Keep the gauges true, for ever."""
        while True:
            self.measure()
            await asyncio.sleep(MEASURE_S)

    def measure(self) -> None:
        """Bring all gauges up to date."""
        for owned in self._owned.values():
            self._measure(owned)
        tps = [TopicPartition(topic, number) for number in self._owned for topic in self._topics]
        for tp in self._behind_since.keys() - set(tps):
            del self._behind_since[tp]
        self._metrics.commits.set_under_way(
            sum(map(self._ledger.in_flight, tps)),
            sum(map(self._outbox.load, self._owned)),
            self._ledger.uncommitted() if self._is_open() else (),
        )

    def _measure(self, owned: OwnedPartition) -> None:
        stored, figures, wall = owned.stored, owned.partition.figures, self._clock.wall()
        now = owned.watermark if self._clock.by_event_time else wall
        late = 0 if now is None or owned.next_deadline is None else now - owned.next_deadline
        self._metrics.partitions.set_partition(
            owned.number,
            PartitionFigures(
                stored.keys,
                stored.bytes,
                {"open": figures.timers},
                owned.watermark,
                figures.live,
                figures.fetched,
                max(late, 0) / 1000,
            ),
        )
        for topic in self._topics:
            tp = TopicPartition(topic, owned.number)
            records = self._ledger.lag(tp)
            self._metrics.partitions.set_lag(
                topic, owned.number, records, self._lag_ms(tp, records, wall) / 1000
            )

    def _lag_ms(self, tp: TopicPartition, records: int, now: int) -> int:
        """How old the oldest of these records is. Of what is not fetched yet nobody knows: it counts from
        when it was first seen to be behind.
        """
        since = self._ledger.oldest(tp)
        if records == 0 or since is not None:
            self._behind_since.pop(tp, None)
        else:
            since = self._behind_since.setdefault(tp, now)
        return 0 if records == 0 or since is None else max(now - since, 0)
