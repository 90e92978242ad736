"""Every metric of the project, in one file: names, labels, units and when they move.

docs/metrics.md says of each what it means and what to do about it; a test holds the two together. Nothing per
customer ever becomes a label. Telemetry is added once per batch and may take 2% of a worker's time at most
(`python -m loadtest.telemetry`): what moves with each batch is put into plain lists and dictionaries, and
buckets and series are looked up when it is much or somebody scrapes. How long something has been waiting is
worked out when it is asked for, so that it goes on growing when the event loop stands still. Metrics may be
scraped from another thread at any time; what is recorded comes from one thread, but for `set_stalled`.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections import Counter as Tally
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from stream.structs import DeadLetterReason, EventErrorReason, Result, SuppressionReason, Trigger
from stream.telemetry.instruments import BatchHistogram, CounterTable
from stream.telemetry.rule_series import DecisionCounts

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


RESTORE_SECONDS_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

DEAD_LETTER_REASONS: tuple[DeadLetterReason, ...] = get_args(DeadLetterReason)
EVENT_ERROR_REASONS: tuple[EventErrorReason, ...] = get_args(EventErrorReason)
OUTCOMES = (  # of a decision, with the reasons that each may have
    ("sent", ""),
    *(("suppressed", reason) for reason in get_args(SuppressionReason)),
    ("deferred", "quiet"),
    ("holdout", "holdout"),
)


class Described(NamedTuple):
    """A metric as its name in PromQL, its type and its labels."""

    name: str
    type: str
    labels: tuple[str, ...]


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


class Metrics:
    """One worker's metrics, in a registry of their own. `clock` counts seconds, from any beginning."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        # A second series beside every counter, which says when the process started: known already.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it so
        self.registry = CollectorRegistry()
        self.described: list[Described] = []
        self._clock = clock
        self._partitions: dict[int, PartitionFigures] = {}
        self._recovering: dict[int, int] = {}
        self._following: dict[int, int] = {}
        self._followed_at: dict[int, float] = {}  # when a standby copy was last known to be complete
        self._uncommitted_since: float | None = None
        self._timer_states = {"open"}
        self._create_work()
        self._create_time()
        self._create_ownership()
        self._create_state()
        self._create_worker()
        ProcessCollector(registry=self.registry)
        self._sum_up()

    def _create_work(self) -> None:
        self._events = self._table("stream_events", "Events applied.", "source")
        self._event_errors = self._counter(
            "stream_event_errors",
            f"What was odd with events that were applied all the same: {', '.join(EVENT_ERROR_REASONS)}.",
            "source",
            "reason",
        )
        self._repeats = self._counter("stream_repeats", "Records read again and left out: applied before.")
        self._dead_letters = self._counter(
            "stream_dead_letters",
            f"Records that are not events and went to the dead letters: {', '.join(DEAD_LETTER_REASONS)}.",
            "source",
            "reason",
        )
        self._decided = DecisionCounts(
            self._described_table("stream_matches", "Matches judged: a rule's conditions held.", "rule"),
            self._described_table(
                "stream_decisions",
                "What became of matches: sent, suppressed, deferred, holdout. The reason is empty when sent.",
                "rule",
                "outcome",
                "reason",
            ),
            self._described_table(
                "stream_channel_decisions",
                "The same decisions by the channel that was chosen, whatever the number of rules.",
                "channel",
                "outcome",
                "reason",
            ),
        )
        self.registry.register(self._decided)
        self._triggers = self._table("stream_triggers", "Triggers handed to Kafka.", "channel")
        self._in_flight = self._gauge(
            "stream_in_flight_records", "Records handed to the engine whose effects are not yet durable."
        )
        self._unacknowledged = self._gauge(
            "stream_unacknowledged_records", "Records on their way to Kafka that it has not acknowledged."
        )
        self._commits = self._counter("stream_commits", "Commits of offsets: ok, failed.", "result")
        for result in ("ok", "failed"):
            self._commits.labels(result)

    def _create_time(self) -> None:
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
            "Records between the last one whose effects are durable and the topic's end.",
            "topic",
            "partition",
        )
        self._lag_seconds = self._gauge(
            "stream_lag_seconds",
            "Age of the oldest record whose effects are not yet durable; 0: there is none.",
            "topic",
            "partition",
        )
        self._watermark = self._gauge(
            "stream_watermark_seconds", "The partition's watermark, in seconds since 1970 UTC.", "partition"
        )
        self._overdue = self._gauge(
            "stream_timers_overdue_seconds",
            "Seconds since the deadline of the timer that should have fired first; 0: none is overdue.",
        )
        self._gauge(
            "stream_commit_age_seconds",
            "Seconds since the last commit of offsets while records wait for one; 0: none wait.",
        ).set_function(self._commit_age)

    def _create_ownership(self) -> None:
        self._ready = self._gauge(
            "stream_ready", "1 if partitions are assigned and their customers restored, as /ready says."
        )
        self._owned = self._gauge(
            "stream_partitions", "Partition numbers that this worker has: active, standby.", "role"
        )
        for role in ("active", "standby"):
            self._owned.labels(role)
        self._rebalances = self._counter("stream_rebalances", "Assignments of partitions to this worker.")
        self._restore_seconds = self._histogram(
            "stream_restore_seconds",
            "Seconds from an assignment to the first event: customers restored, position found.",
            RESTORE_SECONDS_BUCKETS,
        )
        self._restored = self._counter(
            "stream_restored_records", "Changelog records that were read for partitions to work on."
        )
        self._recovery = self._gauge(
            "stream_recovery_remaining_records", "Changelog records still to be read before work begins."
        )
        self._standby = self._gauge(
            "stream_standby_lag_records", "Changelog records that this worker's standby copies are behind."
        )
        self._gauge(
            "stream_standby_lag_seconds",
            "Seconds since the standby copy that is furthest behind was complete; 0: there is none.",
        ).set_function(self._standby_age)

    def _create_state(self) -> None:
        self._timers = self._gauge("stream_timers", "Timers that wait, by state.", "state")
        self._customers = self._gauge("stream_customers", "Customers with a state on this worker.")
        self._live = self._gauge(
            "stream_live_customers", "Customers in memory: all, or with a store on disk those in use."
        )
        self._store_reads = self._counter("stream_store_reads", "Customers looked for in the store on disk.")
        self._state_bytes = self._gauge("stream_state_bytes", "Estimated bytes of the customers' states.")
        self._disk_free = self._gauge(
            "stream_disk_free_bytes", "Bytes free on the store's disk; 0 without a store on disk."
        )
        self._disk_size = self._gauge(
            "stream_disk_size_bytes", "Bytes of the store's disk; 0 without a store on disk."
        )

    def _create_worker(self) -> None:
        self._build = self._info("stream_build", "What runs here.", "version", "python", "store")
        self._stalled = self._gauge(
            "stream_stalled_seconds",
            "Seconds that the part of the worker that has stood still longest, though it has work, has.",
        )
        self._stalled_limit = self._gauge(
            "stream_stalled_limit_seconds", "Seconds of that after which the worker ends itself."
        )
        self._revision = self._info(
            "stream_rules_revision", "The rule set in force, by its revision.", "revision"
        )
        self._rules_loaded = self._gauge("stream_rules", "Rules in force.")
        self._reload_failures = self._counter(
            "stream_rules_reload_failures", "Rule sets refused because of errors; the one in force stayed."
        )
        self._reload_successful = self._gauge(
            "stream_rules_last_reload_successful", "0 while the rule files at hand are refused, else 1."
        )
        self._reload_successful.set(1)

    # -- who runs it

    def declare(self, sources: Iterable[str], rules: Iterable[str], channels: Iterable[str]) -> None:
        """Starts the series of these names at 0, so that their first increase is seen as one."""
        for source in sources:
            self._events.add(0, source)
            for reason in DEAD_LETTER_REASONS:
                self._dead_letters.labels(source, reason)
            for oddity in EVENT_ERROR_REASONS:
                self._event_errors.labels(source, oddity)
        channels = list(channels)
        for channel in channels:
            self._triggers.add(0, channel)
        self._decided.declare(rules, ((channel, *each) for channel in channels for each in OUTCOMES))

    def retire(self, rules: Iterable[str]) -> None:
        """Rules other than these are gone: so are their series."""
        self._decided.retire(rules)

    def set_build(self, version: str, store: str) -> None:
        self._build.info({"version": version, "python": platform.python_version(), "store": store})

    def set_ready(self, ready: Callable[[], bool]) -> None:
        """What is asked at every scrape, in the thread of who scrapes."""
        self._ready.set_function(lambda: float(ready()))

    def watch_disk(self, folder: Path) -> None:
        """Show how full the disk of this folder is, which may not be there yet."""
        self._disk_free.set_function(lambda: _disk(folder).free)
        self._disk_size.set_function(lambda: _disk(folder).total)

    # -- batches

    def observe_batch(self, result: Result, seconds: float) -> None:
        """One call of the engine and the seconds that it took."""
        for source, count in result.events.items():
            self._events.add(count, source)
        for (source, reason), count in result.errors.items():
            self._event_errors.labels(source, reason).inc(count)
        if result.repeats:
            self._repeats.inc(result.repeats)
        if result.dead_letters:
            for labels, count in Tally((each.source, each.reason) for each in result.dead_letters).items():
                self._dead_letters.labels(*labels).inc(count)
        if result.decisions:
            self._decided.observe(result.decisions)
        self._batch_seconds.observe((seconds,))
        self._batch_events.observe((sum(result.events.values()),))

    def observe_sent(self, triggers: Sequence[Trigger], sent_at: int) -> None:
        """Triggers handed to Kafka at `sent_at`, milliseconds of the wall clock."""
        channels = [each.decision.channel for each in triggers]
        for channel in set(channels):  # few
            self._triggers.add(channels.count(channel), channel or "")
        # Below 0 if the record's timestamp is ahead of our clock: another machine wrote it.
        self._latency.observe(
            [(sent_at - each.appended_at) / 1000 for each in triggers if not each.decision.timed]
        )

    def count_commit(self, *, done: bool) -> None:
        self._commits.labels("ok" if done else "failed").inc()
        if done and self._uncommitted_since is not None:
            self._uncommitted_since = self._clock()

    # -- once a second

    def set_lag(self, topic: str, partition: int, records: int, seconds: float) -> None:
        """`seconds`: the age of the oldest of these records, 0 without any."""
        self._lag.labels(topic, str(partition)).set(records)
        self._lag_seconds.labels(topic, str(partition)).set(seconds)

    def set_under_way(self, in_flight: int, unacknowledged: int, *, uncommitted: bool) -> None:
        """Records in work, records on their way to Kafka, and whether anything waits for a commit."""
        self._in_flight.set(in_flight)
        self._unacknowledged.set(unacknowledged)
        if not uncommitted:
            self._uncommitted_since = None
        elif self._uncommitted_since is None:
            self._uncommitted_since = self._clock()

    def set_partition(self, partition: int, figures: PartitionFigures) -> None:
        """What the partition holds now; the worker's figures are the sums over its partitions."""
        before = self._partitions.get(partition)
        self._store_reads.inc(max(figures.fetched - (before.fetched if before is not None else 0), 0))
        self._partitions[partition] = figures
        if figures.watermark is not None:
            self._watermark.labels(str(partition)).set(figures.watermark / 1000)
        self._sum_up()

    def set_stalled(self, seconds: float, limit: float) -> None:
        """What the watchdog has seen, in its thread: how long what has work has stood still, of how long."""
        self._stalled.set(seconds)
        self._stalled_limit.set(limit)

    # -- rebalance and restore

    def set_assignment(self, active: Collection[int], standby: Collection[int]) -> None:
        """The partition numbers that the worker has from now on; of no other any figure is left."""
        self._rebalances.inc()
        self._owned.labels("active").set(len(active))
        self._owned.labels("standby").set(len(standby))
        for partition in self._following.keys() - set(standby):
            self._following.pop(partition)
            self._followed_at.pop(partition)
        self._standby.set(sum(self._following.values()))
        for partition in (self._partitions.keys() | self._recovering.keys()) - set(active):
            self._forget(partition)

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

    # -- rules

    def set_rules(self, revision: str, rules: int) -> None:
        """The rule set in force, and how many rules it has."""
        self._revision.info({"revision": revision})
        self._rules_loaded.set(rules)

    def set_reload(self, *, successful: bool) -> None:
        """Whether the rule files as they are now were taken."""
        self._reload_successful.set(successful)

    def count_reload_failure(self) -> None:
        self._reload_failures.inc()
        self.set_reload(successful=False)

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format; of the type `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    def _forget(self, partition: int) -> None:
        """Another worker has it now: this one's figures of it would stand still for ever."""
        self._partitions.pop(partition, None)
        self._recovering.pop(partition, None)
        self._recovery.set(sum(self._recovering.values()))
        self._watermark.remove_by_labels({"partition": str(partition)})
        self._lag.remove_by_labels({"partition": str(partition)})
        self._lag_seconds.remove_by_labels({"partition": str(partition)})
        self._sum_up()

    def _sum_up(self) -> None:
        held = self._partitions.values()
        self._customers.set(sum(each.customers for each in held))
        self._live.set(sum(each.live for each in held))
        self._state_bytes.set(sum(each.state_bytes for each in held))
        self._overdue.set(max((each.overdue for each in held), default=0.0))
        self._timer_states.update(*(each.timers for each in held))
        for state in self._timer_states:
            self._timers.labels(state).set(sum(each.timers.get(state, 0) for each in held))

    def _commit_age(self) -> float:
        since = self._uncommitted_since
        return 0.0 if since is None else self._clock() - since

    def _standby_age(self) -> float:
        followed = list(self._followed_at.values())
        return self._clock() - min(followed) if followed else 0.0

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        self.described.append(Described(f"{name}_total", "counter", labels))
        return Counter(name, documentation, labels, registry=self.registry)

    def _table(self, name: str, documentation: str, *labels: str) -> CounterTable:
        table = self._described_table(name, documentation, *labels)
        self.registry.register(table)
        return table

    def _described_table(self, name: str, documentation: str, *labels: str) -> CounterTable:
        """For a collector that tells it with others."""
        self.described.append(Described(f"{name}_total", "counter", labels))
        return CounterTable(name, documentation, labels)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        self.described.append(Described(name, "gauge", labels))
        return Gauge(name, documentation, labels, registry=self.registry)

    def _info(self, name: str, documentation: str, *labels: str) -> Info:
        """A gauge that is always 1; what it says is in its labels."""
        self.described.append(Described(f"{name}_info", "gauge", labels))
        return Info(name, documentation, registry=self.registry)

    def _histogram(self, name: str, documentation: str, buckets: Sequence[float]) -> BatchHistogram:
        self.described.append(Described(name, "histogram", ()))
        histogram = BatchHistogram(name, documentation, buckets)
        self.registry.register(histogram)
        return histogram


class _Disk(NamedTuple):
    total: float
    free: float


def _disk(folder: Path) -> _Disk:
    """Of the folder, or of the nearest one above it that there is. Not a number where the disk fails: a
    scrape must tell the rest all the same.
    """
    for each in (folder, *folder.absolute().parents):
        try:
            total, _, free = shutil.disk_usage(each)
        except FileNotFoundError:
            continue
        except OSError:
            break
        return _Disk(total, free)
    return _Disk(float("nan"), float("nan"))
