"""Metrics of which partitions the worker has, and of how it takes them over: restores and standby copies.

The age of the oldest standby copy is worked out when it is asked for, so that it goes on growing when the
event loop stands still. Tested by tests/telemetry/test_metrics.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from stream.telemetry.partition_metrics import PartitionMetrics
from stream.telemetry.registry import MetricsRegistry

RESTORE_SECONDS_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class OwnershipMetrics:
    """`partitions`: forgets those that leave. `clock` counts seconds, from any beginning."""

    def __init__(
        self, registry: MetricsRegistry, partitions: PartitionMetrics, clock: Callable[[], float]
    ) -> None:
        self._partitions = partitions
        self._clock = clock
        self._recovering: dict[int, int] = {}
        self._following: dict[int, int] = {}
        self._followed_at: dict[int, float] = {}  # when a standby copy was last known to be complete
        self._owned = registry.gauge(
            "stream_partitions", "Partition numbers that this worker has: active, standby.", "role"
        )
        for role in ("active", "standby"):
            self._owned.labels(role)
        self._sources = registry.gauge(
            "stream_source_partitions", "Partition numbers that the sources have: all workers' together."
        )
        self._rebalances = registry.counter("stream_rebalances", "Assignments of partitions to this worker.")
        self._restore_seconds = registry.histogram(
            "stream_restore_seconds",
            "Seconds from an assignment to the first event: customers restored, position found.",
            RESTORE_SECONDS_BUCKETS,
        )
        self._restored = registry.counter(
            "stream_restored_records", "Changelog records that were read for partitions to work on."
        )
        self._recovery = registry.gauge(
            "stream_recovery_remaining_records", "Changelog records still to be read before work begins."
        )
        self._standby = registry.gauge(
            "stream_standby_lag_records", "Changelog records that this worker's standby copies are behind."
        )
        registry.gauge(
            "stream_standby_lag_seconds",
            "Seconds since the standby copy that is furthest behind was complete; 0: there is none.",
        ).set_function(self._standby_age)

    def set_assignment(self, active: Collection[int], standby: Collection[int]) -> None:
        """The partition numbers that the worker has from now on; no figure of any other stays."""
        self._rebalances.inc()
        self._owned.labels("active").set(len(active))
        self._owned.labels("standby").set(len(standby))
        for partition in self._following.keys() - set(standby):
            self._following.pop(partition)
            self._followed_at.pop(partition)
        self._standby.set(sum(self._following.values()))
        for partition in self._recovering.keys() - set(active):
            self._recovering.pop(partition)
        self._recovery.set(sum(self._recovering.values()))
        self._partitions.keep(active)

    def set_sources(self, partitions: int) -> None:
        """How many partition numbers there are to own."""
        self._sources.set(partitions)

    def observe_restore(self, seconds: float) -> None:
        """From an assignment to the first event."""
        self._restore_seconds.observe((seconds,))

    def set_recovery(self, partition: int, remaining: int) -> None:
        """Changelog records that the partition still has to read; 0 ends its recovery."""
        self._restored.inc(max(self._recovering.get(partition, 0) - remaining, 0))
        self._recovering[partition] = remaining
        self._recovery.set(sum(self._recovering.values()))

    def set_standby(self, partition: int, remaining: int) -> None:
        """How far behind the copy of another worker's partition is, as of now."""
        self._following[partition] = remaining
        if remaining == 0 or partition not in self._followed_at:
            self._followed_at[partition] = self._clock()
        self._standby.set(sum(self._following.values()))

    def _standby_age(self) -> float:
        followed = list(self._followed_at.values())
        return self._clock() - min(followed) if followed else 0.0
