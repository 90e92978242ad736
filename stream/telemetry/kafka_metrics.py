"""Metrics of Kafka as this worker sees it: whether it answers, and whether it lets the worker in.

Both are asked for at each scrape, so that they go on when the event loop stands still. Tested by
tests/telemetry/test_metrics.py.
"""

from __future__ import annotations

from collections.abc import Callable

from stream.telemetry.registry import MetricsRegistry


class KafkaMetrics:
    """What the connections of this process have seen."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._away = registry.gauge(
            "stream_kafka_away_seconds", "Seconds since Kafka last answered; 0 while it does."
        )
        self._refusals = registry.table(
            "stream_kafka_refusals", "Connections that a Kafka which is there has refused.", "reason"
        )

    def watch(self, away: Callable[[], float], refusals: dict[tuple[str, ...], int]) -> None:
        """What is looked at whenever somebody scrapes, in the thread that does. `refusals`: by reason."""
        self._away.set_function(away)
        self._refusals.counts = refusals
