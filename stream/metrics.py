"""Every metric of the project, in one file: names, labels, units and when they move.

Nothing per customer ever becomes a label. Telemetry is added once per batch: counts are summed up in plain
Python first, and a histogram takes all values of a batch under one lock. Counters may be scraped from another
thread at any time; what is recorded comes from one thread.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from threading import Lock

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from stream.structs import Result, Trigger
from stream.tallies import Later, Tally

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# Seconds. The engine's own share is below the first one, an outage's backlog above the last.
LATENCY_BUCKETS = (
    0.001,
    0.002,
    0.003,
    0.005,
    0.0075,
    0.01,
    0.015,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
)
BATCH_SECONDS_BUCKETS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    5,
)
BATCH_EVENTS_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)

MANY = 100  # decisions of one batch that are not kept in memory to be counted with others


class BatchHistogram(Collector):
    """A classic histogram that takes many values at once.

    The client library's own takes one value at a time and 2 µs for each, which is felt at ten thousand
    triggers a second; this one sorts them, and takes a tenth of that if they are many.
    """

    def __init__(self, name: str, documentation: str, buckets: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = tuple(float(bound) for bound in buckets)
        self._counts = [0] * (len(self._bounds) + 1)  # the last one is +Inf
        self._sum = 0.0
        self._lock = Lock()

    def observe(self, values: Iterable[float]) -> None:
        ordered = sorted(values)  # so that one look for each bucket is enough
        with self._lock:
            counted = 0
            for place, bound in enumerate(self._bounds):
                if counted == len(ordered):
                    break
                upto = bisect_right(ordered, bound, counted)
                self._counts[place] += upto - counted
                counted = upto
            self._counts[-1] += len(ordered) - counted
            self._sum += sum(ordered)

    def describe(self) -> Iterator[HistogramMetricFamily]:
        yield HistogramMetricFamily(self._name, self._documentation)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        with self._lock:
            counts, total = list(self._counts), self._sum
        cumulative, buckets = 0, []
        for bound, count in zip((*map(str, self._bounds), "+Inf"), counts, strict=True):
            cumulative += count
            buckets.append((bound, cumulative))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=total)


@dataclass(frozen=True, slots=True)
class PartitionFigures:
    """How much one partition number holds. `timers` by state: `open` are those that have not fired."""

    customers: int
    state_bytes: int
    timers: Mapping[str, int]
    watermark: int | None  # milliseconds since the epoch
    live: int = 0  # customers in memory
    fetched: int = 0  # customers read from the store so far


class Metrics:
    """One worker's metrics, in a registry of their own."""

    def __init__(self) -> None:
        # A second series beside every counter, which says when the process started: known already.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it so
        self.registry = CollectorRegistry()
        self._partitions: dict[int, PartitionFigures] = {}
        self._recovering: dict[int, int] = {}
        self._following: dict[int, int] = {}
        self._timer_states = {"open"}
        self._batches = Later(self._count_batches)
        self._sent = Later(self._count_sent)
        self._judged = Tally()

        self._events = self._counter("stream_events", "Events applied.", "source")
        self._event_errors = self._counter(
            "stream_event_errors",
            "Oddities of events that were applied all the same: future_time, condition (ended in an error).",
            "source",
            "reason",
        )
        self._repeats = self._counter("stream_repeats", "Records read again and left out: applied before.")
        self._dead_letters = self._counter(
            "stream_dead_letters",
            "Records that are no events and went to the dead letters: json, customer, event, time, size.",
            "source",
            "reason",
        )
        self._matches = self._counter("stream_matches", "Matches judged: a rule's conditions held.", "rule")
        self._decisions = self._counter(
            "stream_decisions",
            "What became of matches: sent, suppressed, deferred, holdout. The reason is empty when sent.",
            "rule",
            "outcome",
            "reason",
        )
        self._triggers = self._counter("stream_triggers", "Triggers handed to Kafka.", "channel")
        self._latency = self._histogram(
            "stream_trigger_latency_seconds",
            "Seconds from the event's record appended to Kafka to its trigger handed to Kafka; "
            "without the triggers that a timer fired.",
            LATENCY_BUCKETS,
        )
        self._batch_seconds = self._histogram(
            "stream_batch_seconds", "Seconds that the engine took for a batch.", BATCH_SECONDS_BUCKETS
        )
        self._batch_events = self._histogram(
            "stream_batch_events", "Events applied of a batch.", BATCH_EVENTS_BUCKETS
        )
        self._lag = self._gauge(
            "stream_lag_records",
            "Records between the last one applied and the topic's end.",
            "topic",
            "partition",
        )
        self._watermark = self._gauge(
            "stream_watermark_seconds", "The partition's watermark, in seconds since 1970 UTC.", "partition"
        )
        self._timers = self._gauge("stream_timers", "Timers that wait, by state.", "state")
        self._customers = self._gauge("stream_customers", "Customers with a state on this worker.")
        self._live = self._gauge(
            "stream_live_customers", "Customers in memory: all, or with a store on disk those in use."
        )
        self._store_reads = self._counter("stream_store_reads", "Customers looked for in the store on disk.")
        self._state_bytes = self._gauge("stream_state_bytes", "Estimated bytes of the customers' states.")
        self._recovery = self._gauge(
            "stream_recovery_remaining_records", "Changelog records still to be read before work begins."
        )
        self._standby = self._gauge(
            "stream_standby_lag_records", "Changelog records that this worker's standby copies are behind."
        )
        self._revision = Info(
            "stream_rules_revision", "The rule set in force, by its revision.", registry=self.registry
        )
        self._reload_failures = self._counter(
            "stream_rules_reload_failures", "Rule sets refused because of errors; the one in force stayed."
        )
        ProcessCollector(registry=self.registry)
        self._sum_up()

    def declare(self, sources: Iterable[str], rules: Iterable[str], channels: Iterable[str]) -> None:
        """Starts the series of these names at 0, so that their first increase is seen as one."""
        for source in sources:
            self._events.labels(source)
        for rule in rules:
            self._matches.labels(rule)
            self._decisions.labels(rule, "sent", "")
        for channel in channels:
            self._triggers.labels(channel)

    def observe_batch(self, result: Result, seconds: float) -> None:
        """One call of the engine and the seconds that it took."""
        self._batches.note((result, seconds))
        if result.dead_letters or len(result.decisions) > MANY:
            self._batches.settle()  # they can be large

    def observe_sent(self, triggers: Sequence[Trigger], sent_at: int) -> None:
        """Triggers handed to Kafka at `sent_at`, milliseconds of the wall clock."""
        self._sent.note((triggers, sent_at))
        if len(triggers) > MANY:
            self._sent.settle()

    def _count_batches(self, batches: Sequence[tuple[Result, float]]) -> None:
        events: Counts[str] = Counts()
        for result, _ in batches:
            for source, count in result.events.items():
                events[source] += count
            for (source, reason), count in result.errors.items():
                self._event_errors.labels(source, reason).inc(count)
            if result.repeats:
                self._repeats.inc(result.repeats)
            for letter in result.dead_letters:
                self._dead_letters.labels(letter.source, letter.reason).inc()
        self._judged.add(chain.from_iterable([result.decisions for result, _ in batches]))
        for source, count in events.items():
            self._events.labels(source).inc(count)
        self._batch_seconds.observe([seconds for _, seconds in batches])
        self._batch_events.observe([sum(result.events.values()) for result, _ in batches])

    def _count_sent(self, parcels: Sequence[tuple[Sequence[Trigger], int]]) -> None:
        channels: Counts[str | None] = Counts()
        waits: list[float] = []
        for triggers, sent_at in parcels:
            channels.update([each.decision.channel for each in triggers])
            waits += [(sent_at - each.appended_at) / 1000 for each in triggers if not each.decision.timed]
        for channel, count in channels.items():
            self._triggers.labels(channel or "").inc(count)
        # A record's timestamp may be ahead of our clock: another machine wrote it.
        self._latency.observe([max(0, wait) for wait in waits])

    def set_lag(self, topic: str, partition: int, records: int) -> None:
        self._lag.labels(topic, str(partition)).set(records)

    def set_partition(self, partition: int, figures: PartitionFigures) -> None:
        """What the partition holds now; the worker's figures are the sums over its partitions."""
        before = self._partitions.get(partition)
        self._store_reads.inc(max(figures.fetched - (before.fetched if before is not None else 0), 0))
        self._partitions[partition] = figures
        if figures.watermark is not None:
            self._watermark.labels(str(partition)).set(figures.watermark / 1000)
        self._sum_up()

    def set_recovery(self, partition: int, remaining: int) -> None:
        """Changelog records that the partition still has to read; 0 ends its recovery."""
        self._recovering[partition] = remaining
        self._recovery.set(sum(self._recovering.values()))

    def set_standby(self, partition: int, remaining: int) -> None:
        """How far behind the copy of another worker's partition is."""
        self._following[partition] = remaining
        self._standby.set(sum(self._following.values()))

    def forget_partition(self, partition: int) -> None:
        """Another worker has it now: this one's figures of it would stand still for ever."""
        self._partitions.pop(partition, None)
        self._recovering.pop(partition, None)
        self._following.pop(partition, None)
        self._standby.set(sum(self._following.values()))
        self._recovery.set(sum(self._recovering.values()))
        self._watermark.remove_by_labels({"partition": str(partition)})
        self._lag.remove_by_labels({"partition": str(partition)})
        self._sum_up()

    def set_revision(self, revision: str) -> None:
        self._revision.info({"revision": revision})

    def count_reload_failure(self) -> None:
        self._reload_failures.inc()

    def _count_judged(self) -> None:
        """In any thread: counters may be increased by several."""
        for (rule, _, outcome, reason), count in self._judged.take().items():
            if outcome != "deferred":  # it is judged again, and counted then
                self._matches.labels(rule).inc(count)
            self._decisions.labels(rule, outcome, reason or "").inc(count)

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format; of the type `CONTENT_TYPE`. In any thread."""
        self._batches.settle()
        self._sent.settle()
        self._count_judged()
        return generate_latest(self.registry)

    def _sum_up(self) -> None:
        held = self._partitions.values()
        self._customers.set(sum(each.customers for each in held))
        self._live.set(sum(each.live for each in held))
        self._state_bytes.set(sum(each.state_bytes for each in held))
        self._timer_states.update(*(each.timers for each in held))
        for state in self._timer_states:
            self._timers.labels(state).set(sum(each.timers.get(state, 0) for each in held))

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(name, documentation, labels, registry=self.registry)

    def _histogram(self, name: str, documentation: str, buckets: Sequence[float]) -> BatchHistogram:
        histogram = BatchHistogram(name, documentation, buckets)
        self.registry.register(histogram)
        return histogram
