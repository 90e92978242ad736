"""The registry of one worker's metrics: makes them, and can say of each its name, type and labels.

Tested by tests/telemetry/test_metrics.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, disable_created_metrics

from stream.telemetry.instruments import BatchHistogram, CounterTable


class Described(NamedTuple):
    """A metric as its name in PromQL, its type and its labels."""

    name: str
    type: str
    labels: tuple[str, ...]


class MetricsRegistry(CollectorRegistry):
    """A Prometheus registry that makes its metrics itself; `described` has each of them."""

    def __init__(self) -> None:
        super().__init__()
        # A second series beside every counter, which says when the process started: known already.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it so
        self.described: list[Described] = []

    def counter(self, name: str, documentation: str, *labels: str) -> Counter:
        self.described.append(Described(f"{name}_total", "counter", labels))
        return Counter(name, documentation, labels, registry=self)

    def table(self, name: str, documentation: str, *labels: str) -> CounterTable:
        table = self.unregistered_table(name, documentation, *labels)
        self.register(table)
        return table

    def unregistered_table(self, name: str, documentation: str, *labels: str) -> CounterTable:
        """For a collector that collects several tables in one step."""
        self.described.append(Described(f"{name}_total", "counter", labels))
        return CounterTable(name, documentation, labels)

    def gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        self.described.append(Described(name, "gauge", labels))
        return Gauge(name, documentation, labels, registry=self)

    def info(self, name: str, documentation: str, *labels: str) -> Info:
        """A gauge that is always 1; what it says is in its labels."""
        self.described.append(Described(f"{name}_info", "gauge", labels))
        return Info(name, documentation, registry=self)

    def histogram(self, name: str, documentation: str, buckets: Sequence[float]) -> BatchHistogram:
        self.described.append(Described(name, "histogram", ()))
        histogram = BatchHistogram(name, documentation, buckets)
        self.register(histogram)
        return histogram
