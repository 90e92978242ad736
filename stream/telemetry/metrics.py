"""One worker's metrics, each part in a module of its own, in one registry.

    work           events, decisions, triggers, latency          `work_metrics`, once per batch
    commits        what is under way to Kafka                    `commit_metrics`, once a second
    partitions     lag, watermarks, customers, timers            `partition_metrics`, once a second
    ownership      assignments, restores, standby copies         `ownership_metrics`
    kafka          whether Kafka answers, and lets us in         `kafka_metrics`
    process        build, readiness, progress, disk              `worker_metrics`
    rules          the rule set in force, reloads                `worker_metrics`

docs/metrics.md says of each metric what it means and what to do about it; a test holds the two together. No
label is ever a customer's. Telemetry is added once per batch and may take 2% of a worker's time at most
(`python -m loadtest.telemetry`). Metrics may be scraped from another thread at any time; what is recorded
comes from one thread, but for `set_stalled`. Tested by tests/telemetry/test_metrics.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from stream.telemetry.commit_metrics import CommitMetrics
from stream.telemetry.kafka_metrics import KafkaMetrics
from stream.telemetry.ownership_metrics import OwnershipMetrics
from stream.telemetry.partition_metrics import PartitionMetrics
from stream.telemetry.registry import MetricsRegistry
from stream.telemetry.work_metrics import WorkMetrics
from stream.telemetry.worker_metrics import ProcessMetrics, RulesMetrics

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """The parts and their registry. `clock` counts seconds, from any beginning."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = MetricsRegistry()
        self.work = WorkMetrics(self.registry)
        self.commits = CommitMetrics(self.registry, clock)
        self.partitions = PartitionMetrics(self.registry)
        self.ownership = OwnershipMetrics(self.registry, self.partitions, clock)
        self.kafka = KafkaMetrics(self.registry)
        self.process = ProcessMetrics(self.registry)
        self.rules = RulesMetrics(self.registry)

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format; of the type `CONTENT_TYPE`."""
        return generate_latest(self.registry)
