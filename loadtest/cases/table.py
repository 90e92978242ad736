"""The cases as data: what is measured, by which workload and rules, and what must come of it.

A case is one line of CASES; a promise that binds is one line of TARGETS, with the case and the figure of it
that it is about. Everything else in this package follows from these two. README.md says what the workloads
and rule sets are; `FIGURES` says which figures a case of each regime gives, and their units.
Tested by tests/loadtest/test_cases.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Regime(StrEnum):
    """How a case is measured."""

    CATCH_UP = "catch-up"  # everything lies in Kafka before the workers start
    KEEP_UP = "keep-up"  # events come at a given rate, whatever the worker does
    BURST = "burst"  # the same, calm at first and then with something that happens to some customers
    RESTORE = "restore"  # from the changelog, with an empty disk
    ALONE = "alone"  # the engine's parts in one process, without Kafka


@dataclass(frozen=True, slots=True)
class Case:
    """`world`: which events; cases of the same world, size and partitions are measured on the same topics.

    Of a full measurement: `events` to catch up with, or `rate` a second for `seconds`; `customers` where the
    world does not say how many. Scaled down, there are fewer of all but of the rate.
    """

    name: str
    measures: str
    regime: Regime
    world: str = "wide"
    rules: str = "ref300"
    events: int = 0
    rate: int = 0
    seconds: int = 0
    customers: int = 0
    partitions: int = 8
    workers: int = 1
    store: str = "memory"


class Bound(StrEnum):
    AT_MOST = "≤"
    AT_LEAST = "≥"


@dataclass(frozen=True, slots=True)
class Target:
    """The median of a case's figure, held against `value`; or against `value` times the median of the same
    figure of another `case`, or of another `side` (a peer, measured on the same topics in the same run).
    """

    says: str
    case: str
    figure: str
    bound: Bound
    value: float
    source: str
    of_case: str = ""
    of_side: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """`more`: whether a larger one is better; None: neither."""

    label: str
    style: str
    more: bool | None = False


_COSTS = {
    "cpu_s_per_100k": Figure("worker: CPU-s per 100k events", ".3f"),
    "peak_memory_mib": Figure("peak memory of all workers, MiB", ",.0f"),
    "triggers": Figure("triggers", ",.0f", None),
}
_PARTS = {
    "engine_cpu_s_per_100k": Figure("of it in the engine", ".3f"),
    "broker_cpu_s_per_100k": Figure("the broker, CPU-s per 100k events", ".3f"),
}
FIGURES: dict[Regime, dict[str, Figure]] = {
    Regime.CATCH_UP: {
        "events_per_second": Figure("events/s", ",.0f", True),
        **_COSTS,
        **_PARTS,
        "seconds": Figure("seconds", ".1f"),
        "startup_seconds": Figure("start-up, seconds", ".2f"),
        "customers": Figure("customers with a state", ",.0f", None),
    },
    Regime.KEEP_UP: {
        "p50_ms": Figure("due → trigger appended: p50, ms", ".1f"),
        "p90_ms": Figure("p90, ms", ".1f"),
        "p99_ms": Figure("p99, ms", ".1f"),
        "p999_ms": Figure("p99.9, ms", ".1f"),
        "max_ms": Figure("most, ms", ".0f"),
        "echo_p50_ms": Figure("a bare echo: p50, ms", ".1f", None),
        "echo_p90_ms": Figure("echo: p90, ms", ".1f", None),
        "echo_p99_ms": Figure("echo: p99, ms", ".1f", None),
        "p50_by_echo": Figure("p50 ÷ the echo's", ".2f"),
        "p99_by_echo": Figure("p99 ÷ the echo's", ".2f"),
        "late_p99_ms": Figure("the generator itself was late: p99, ms", ".1f", None),
        **_COSTS,
        **_PARTS,
        "kafka_in_ms": Figure("Kafka in: appended → fetched, mean ms", ".2f"),
        "waiting_ms": Figure("waiting: fetched → engine, mean ms", ".2f"),
        "engine_ms": Figure("engine: a step, mean ms", ".3f"),
        "engine_p99_ms": Figure("engine: a step, p99 ms", ".3f"),
        "outbox_ms": Figure("outbox: decided → given to the client, mean ms", ".2f"),
        "kafka_out_ms": Figure("Kafka out: given → acknowledged, mean ms", ".2f"),
    },
    Regime.BURST: {
        "calm_p50_ms": Figure("other customers while it is calm: p50, ms", ".1f", None),
        "calm_p99_ms": Figure("while it is calm: p99, ms", ".1f", None),
        "burst_p50_ms": Figure("other customers in the burst: p50, ms", ".1f"),
        "burst_p99_ms": Figure("in the burst: p99, ms", ".1f"),
        "p99_ratio": Figure("p99 in the burst ÷ calm", ".2f"),
        "burst_triggers": Figure("triggers of the burst itself", ",.0f", None),
        "burst_p99_of_its_own_ms": Figure("due → appended of the burst's own: p99, ms", ",.0f"),
        "late_p99_ms": Figure("the generator itself was late: p99, ms", ".1f", None),
        **_COSTS,
    },
    Regime.RESTORE: {
        "customers_per_second": Figure("customers/s", ",.0f", True),
        "peak_memory_mib": Figure("peak memory, MiB", ",.0f"),
        "seconds": Figure("seconds", ".2f"),
    },
    Regime.ALONE: {
        "us": Figure("µs of the processor for one", ".2f"),
        "us_over_base": Figure("÷ the same with fewer rules", ".3f"),
        "bytes": Figure("bytes of a customer", ",.0f"),
        "resident_mib": Figure("resident, MiB", ",.0f"),
    },
}

C, K, B, A = Regime.CATCH_UP, Regime.KEEP_UP, Regime.BURST, Regime.ALONE
WIDE, DENSE = 3_000_000, 400_000

CASES = {
    case.name: case
    for case in (
        Case("noop", "the lane doing nothing: fetch, read, commit", C, rules="noop", events=WIDE),
        Case("few", "events that hardly ever fire", C, rules="few", events=WIDE),
        Case("wide", "REF-300 on wide: many fires", C, events=WIDE),
        Case("wide-ref500", "REF-500 on wide", C, rules="ref500", events=WIDE),
        Case("dense", "REF-300 on dense: timers, windows, triggers", C, world="dense", events=DENSE),
        Case("rocksdb", "the same as wide, with the store on disk", C, events=WIDE, store="rocksdb"),
        Case("rules-2000", "500 rules and 1,500 that match nothing", C, rules="ref500+1500", events=WIDE),
        Case("rules-10000", "500 rules and 9,500 that match nothing", C, rules="ref500+9500", events=WIDE),
        Case("partitions-64", "one worker with 64 partitions", C, events=WIDE, partitions=64),
        Case("workers-4", "four workers on 64 partitions", C, events=WIDE, partitions=64, workers=4),
        Case(
            "customers-1m",
            "a million customers on disk, then some again",
            C,
            world="many",
            rules="many",
            customers=1_000_000,
            store="rocksdb",
        ),
        Case(
            "customers-10m",
            "ten million customers on disk, then some again",
            C,
            world="many",
            rules="many",
            customers=10_000_000,
            store="rocksdb",
        ),
        Case(
            "hot-catch-up",
            "half of all events are one customer's",
            C,
            world="hot",
            rules="many",
            events=1_000_000,
        ),
        Case("keep-500", "500 events a second", K, rate=500, seconds=60),
        Case("keep-2000", "2,000 events a second", K, rate=2_000, seconds=60),
        Case("keep-5000", "5,000 events a second", K, rate=5_000, seconds=60),
        Case("keep-20000", "20,000 events a second", K, rate=20_000, seconds=60),
        Case(
            "burst-timers",
            "a million timers due in one minute, while others send 1,000 events a second",
            B,
            world="timers",
            rules="burst",
            rate=1_000,
            seconds=60,
            customers=1_000_000,
        ),
        Case(
            "burst-rules",
            "500 rules fire on one event, each second, while others send 1,000",
            B,
            world="fan-out",
            rules="burst",
            rate=1_000,
            seconds=60,
        ),
        Case(
            "burst-hot",
            "one customer has half of 2,000 events a second",
            B,
            world="hot",
            rules="burst",
            rate=1_000,
            seconds=60,
        ),
        Case(
            "restore",
            "a million customers from the changelog",
            Regime.RESTORE,
            rules="ref500",
            customers=1_000_000,
        ),
        Case(
            "restore-rocksdb",
            "the same, onto an empty disk",
            Regime.RESTORE,
            rules="ref500",
            customers=1_000_000,
            store="rocksdb",
        ),
        Case(
            "engine", "decoding, traits, matching, state: one event of wide under REF-500", A, events=300_000
        ),
        Case(
            "engine-2000",
            "the same with 1,500 rules more that match nothing, and how much more",
            A,
            events=300_000,
        ),
        Case("engine-10000", "the same with 9,500 more", A, events=300_000),
        Case("matcher", "300 boolean expressions, four in a thousand of them true", A, events=300_000),
        Case("fire", "a fire without text: decision, two records, their batches", A, events=20_000),
        Case("fire-text", "a fire with three plain texts", A, events=20_000),
        Case("state", "a customer in memory, and a million of them", A, events=WIDE, customers=1_000_000),
    )
}

_ORDER = "the project's goals of November 2026"
_FAIR = "bursts do not reach others: the project's goals of November 2026"
MOST, LEAST = Bound.AT_MOST, Bound.AT_LEAST


TARGETS = (
    Target(
        "wide, REF-300: CPU below Flink's in the same run",
        "wide",
        "cpu_s_per_100k",
        MOST,
        1,
        _ORDER,
        of_side="flink",
    ),
    Target("wide, REF-300: aim at 0.8 × Flink's, about 0.5", "wide", "cpu_s_per_100k", MOST, 0.5, _ORDER),
    Target("wide, REF-300: events a second", "wide", "events_per_second", LEAST, 150_000, _ORDER),
    Target(
        "wide, few fires: 0.8 × Flink's CPU in the same run",
        "few",
        "cpu_s_per_100k",
        MOST,
        0.8,
        _ORDER,
        of_side="flink",
    ),
    Target("wide, few fires: about 0.33", "few", "cpu_s_per_100k", MOST, 0.33, _ORDER),
    Target("the lane doing nothing", "noop", "cpu_s_per_100k", MOST, 0.25, _ORDER),
    Target("a fire without text, µs", "fire", "us", MOST, 4, _ORDER),
    Target("a fire with three plain texts, µs", "fire-text", "us", MOST, 8, _ORDER),
    Target("wide, REF-500 over REF-300", "wide-ref500", "cpu_s_per_100k", MOST, 1.15, _ORDER, of_case="wide"),
    Target(
        "dense, REF-300: CPU below Flink's in the same run",
        "dense",
        "cpu_s_per_100k",
        MOST,
        1,
        _ORDER,
        of_side="flink",
    ),
    Target("dense, REF-300: about 0.9", "dense", "cpu_s_per_100k", MOST, 0.9, _ORDER),
    Target("dense, REF-300: events a second", "dense", "events_per_second", LEAST, 100_000, _ORDER),
    Target("1,500 rules more that do not match", "engine-2000", "us_over_base", MOST, 1.15, _ORDER),
    Target("the engine alone, µs an event (the aim is 1.5)", "engine", "us", MOST, 3, _ORDER),
    Target("keeping up with 2,000 events a second: CPU", "keep-2000", "cpu_s_per_100k", MOST, 10, _ORDER),
    Target("the matcher alone on 300 expressions, µs an event", "matcher", "us", MOST, 1, _ORDER),
    Target("latency at 2,000/s, p50 by a bare echo's", "keep-2000", "p50_by_echo", MOST, 1.3, _ORDER),
    Target("latency at 2,000/s, p99 by a bare echo's", "keep-2000", "p99_by_echo", MOST, 1.5, _ORDER),
    Target("latency at 20,000/s, p50 by a bare echo's", "keep-20000", "p50_by_echo", MOST, 1.3, _ORDER),
    Target("latency at 20,000/s, p99 by a bare echo's", "keep-20000", "p99_by_echo", MOST, 1.5, _ORDER),
    Target(
        "latency at 2,000/s, p50 below tuned Kafka Streams'",
        "keep-2000",
        "p50_ms",
        MOST,
        1,
        _ORDER,
        of_side="kafka-streams",
    ),
    Target(
        "latency at 2,000/s, p99 below tuned Kafka Streams'",
        "keep-2000",
        "p99_ms",
        MOST,
        1,
        _ORDER,
        of_side="kafka-streams",
    ),
    Target("the engine's own share of it at 2,000/s, p99 ms", "keep-2000", "engine_p99_ms", MOST, 1, _ORDER),
    Target(
        "the engine's own share of it at 20,000/s, p99 ms", "keep-20000", "engine_p99_ms", MOST, 1, _ORDER
    ),
    Target("a customer on wide, bytes", "state", "bytes", MOST, 600, _ORDER),
    Target("a million customers, resident MiB", "state", "resident_mib", MOST, 1536, _ORDER),
    Target(
        "restoring into memory, customers a second", "restore", "customers_per_second", LEAST, 150_000, _ORDER
    ),
    Target(
        "restoring to disk, customers a second",
        "restore-rocksdb",
        "customers_per_second",
        LEAST,
        150_000,
        _ORDER,
    ),
    Target("a million timers in a minute: others' p99", "burst-timers", "p99_ratio", MOST, 2, _FAIR),
    Target("500 rules on one event: others' p99", "burst-rules", "p99_ratio", MOST, 2, _FAIR),
    Target("half of all events one customer's: others' p99", "burst-hot", "p99_ratio", MOST, 2, _FAIR),
)
