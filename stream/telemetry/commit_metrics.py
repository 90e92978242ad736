"""Metrics of what is under way to Kafka, and of the commits of offsets.

How long a commit has been due is worked out when it is asked for, so that it goes on growing when the event
loop stands still. Tested by tests/telemetry/test_metrics.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from stream.telemetry.registry import MetricsRegistry


class CommitMetrics:
    """`clock` counts seconds, from any beginning."""

    def __init__(self, registry: MetricsRegistry, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[int, float] = {}  # replaced, never changed: it is asked for in other threads
        self._in_flight = registry.gauge(
            "stream_in_flight_records", "Records handed to the engine whose effects are not yet durable."
        )
        self._unacknowledged = registry.gauge(
            "stream_unacknowledged_records", "Records on their way to Kafka that it has not acknowledged."
        )
        self._commits = registry.counter("stream_commits", "Commits of offsets: ok, failed.", "result")
        for result in ("ok", "failed"):
            self._commits.labels(result)
        registry.gauge(
            "stream_commit_age_seconds",
            "Seconds since the last commit of offsets of the partition that has waited for one longest; "
            "0: none waits.",
        ).set_function(self._age)

    def set_under_way(self, in_flight: int, unacknowledged: int, uncommitted: Collection[int]) -> None:
        """Records in work, records on their way to Kafka, and partitions that wait for a commit."""
        self._in_flight.set(in_flight)
        self._unacknowledged.set(unacknowledged)
        now = self._clock()
        self._since = {number: self._since.get(number, now) for number in uncommitted}

    def count_commit(self, partitions: Collection[int], *, done: bool) -> None:
        """Offsets of these partitions were committed, or not."""
        self._commits.labels("ok" if done else "failed").inc()
        if done:
            now = self._clock()
            self._since = {
                number: now if number in partitions else since for number, since in self._since.items()
            }

    def _age(self) -> float:
        return max((self._clock() - since for since in self._since.values()), default=0.0)
