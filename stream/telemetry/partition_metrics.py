"""Metrics of the partitions that the worker has: what they hold and how far they are.

A worker's figures are sums over its partitions. Of a partition that left nothing stays: another worker shows
it from then on. Tested by tests/telemetry/test_metrics.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stream.telemetry.registry import MetricsRegistry


@dataclass(frozen=True, slots=True)
class PartitionFigures:
    """How much one partition number holds. `timers` by state: `open` are those that have not fired."""

    customers: int
    state_bytes: int
    timers: Mapping[str, int]
    watermark: int | None  # milliseconds since the epoch
    live: int = 0  # customers in memory
    fetched: int = 0  # customers read from the store so far
    overdue: float = 0.0  # seconds since the deadline of the timer that should have fired first


class PartitionMetrics:
    """Partitions that this worker works on. Set once a second."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._figures: dict[int, PartitionFigures] = {}
        self._timer_states = {"open"}
        self._lag = registry.gauge(
            "stream_lag_records",
            "Records between the last one whose effects are durable and the topic's end.",
            "topic",
            "partition",
        )
        self._lag_seconds = registry.gauge(
            "stream_lag_seconds",
            "Age of the oldest record whose effects are not yet durable; 0: there is none.",
            "topic",
            "partition",
        )
        self._watermark = registry.gauge(
            "stream_watermark_seconds", "The partition's watermark, in seconds since 1970 UTC.", "partition"
        )
        self._overdue = registry.gauge(
            "stream_timers_overdue_seconds",
            "Seconds since the deadline of the timer that should have fired first; 0: none is overdue.",
        )
        self._timers = registry.gauge("stream_timers", "Timers that wait, by state.", "state")
        self._customers = registry.gauge("stream_customers", "Customers with a state on this worker.")
        self._live = registry.gauge(
            "stream_live_customers", "Customers in memory: all, or with a store on disk those in use."
        )
        self._store_reads = registry.counter(
            "stream_store_reads", "Customers looked for in the store on disk."
        )
        self._state_bytes = registry.gauge("stream_state_bytes", "Estimated bytes of the customers' states.")
        self._sum_up()

    def set_lag(self, topic: str, partition: int, records: int, seconds: float) -> None:
        """`seconds`: the age of the oldest of these records, 0 without any."""
        self._lag.labels(topic, str(partition)).set(records)
        self._lag_seconds.labels(topic, str(partition)).set(seconds)

    def set_partition(self, partition: int, figures: PartitionFigures) -> None:
        """What the partition holds now."""
        before = self._figures.get(partition)
        self._store_reads.inc(max(figures.fetched - (before.fetched if before is not None else 0), 0))
        self._figures[partition] = figures
        if figures.watermark is not None:
            self._watermark.labels(str(partition)).set(figures.watermark / 1000)
        self._sum_up()

    def keep(self, active: Collection[int]) -> None:
        """Forget all partitions but these: the figures of others would stand still for ever."""
        for partition in self._figures.keys() - set(active):
            self._figures.pop(partition)
            for gauge in (self._watermark, self._lag, self._lag_seconds):
                gauge.remove_by_labels({"partition": str(partition)})
        self._sum_up()

    def _sum_up(self) -> None:
        held = self._figures.values()
        self._customers.set(sum(each.customers for each in held))
        self._live.set(sum(each.live for each in held))
        self._state_bytes.set(sum(each.state_bytes for each in held))
        self._overdue.set(max((each.overdue for each in held), default=0.0))
        self._timer_states.update(*(each.timers for each in held))
        for state in self._timer_states:
            self._timers.labels(state).set(sum(each.timers.get(state, 0) for each in held))
