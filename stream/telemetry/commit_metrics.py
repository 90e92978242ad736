"""Metrics of what is under way to Kafka, and of the commits of offsets.

How long a commit has been due is worked out when it is asked for, so that it goes on growing when the event
loop stands still. Tested by tests/telemetry/test_metrics.py.
"""

from __future__ import annotations

from collections.abc import Callable

from stream.telemetry.registry import MetricsRegistry


class CommitMetrics:
    """`clock` counts seconds, from any beginning."""

    def __init__(self, registry: MetricsRegistry, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._uncommitted_since: float | None = None
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
            "Seconds since the last commit of offsets while records wait for one; 0: none wait.",
        ).set_function(self._age)

    def set_under_way(self, in_flight: int, unacknowledged: int, *, uncommitted: bool) -> None:
        """Records in work, records on their way to Kafka, and whether anything waits for a commit."""
        self._in_flight.set(in_flight)
        self._unacknowledged.set(unacknowledged)
        if not uncommitted:
            self._uncommitted_since = None
        elif self._uncommitted_since is None:
            self._uncommitted_since = self._clock()

    def count_commit(self, *, done: bool) -> None:
        self._commits.labels("ok" if done else "failed").inc()
        if done and self._uncommitted_since is not None:
            self._uncommitted_since = self._clock()

    def _age(self) -> float:
        since = self._uncommitted_since
        return 0.0 if since is None else self._clock() - since
