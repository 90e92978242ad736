"""Catching up: everything lies in the topics before the workers start.

What a run measures is what `loadtest.bench` does (README.md), of one worker or several together. Right is a
run that sends, on each channel's topic, as many triggers as the engine does alone when it is given the same
events in one process; and that puts nothing aside.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from loadtest.cases.cluster import POLL_S, Cluster, Fleet, Side, channels_of, compiled
from loadtest.cases.table import Case
from loadtest.cases.worlds import events, scaled
from loadtest.load import TOPICS, end_offsets, load
from loadtest.micro.engine import FAR, PER_BATCH, batches
from loadtest.workloads import LoadEvent
from stream.clock import Clock
from stream.decisions.wire import Origin
from stream.engine import PartitionState, process
from stream.worker._writer import RecordWriter

LOOKS = 5
KNOWN = 0.9  # of the customers, by a gauge that is an estimate with a store on disk
Measured = tuple[dict[str, float], list[str]]  # figures, problems


async def prepare(cluster: Cluster, case: Case, scale: float) -> str:
    """Load the case's events, unless they lie there from another case; gives the prefix of their topics."""
    prefix = prefix_of(case, scale)
    await cluster.make(prefix, cluster.rules(case.rules, prefix), case.partitions)
    if not any((await cluster.counts([prefix + topic for topic in TOPICS])).values()):
        await load(cluster.settings, events(case, scale), prefix)
    return prefix


def prefix_of(case: Case, scale: float) -> str:
    size = case.customers or case.events
    return f"{case.world}-{round(size * scale)}-{case.partitions}-"


async def measure(cluster: Cluster, case: Case, side: Side, scale: float, expected: int | None) -> Measured:
    """One run. `expected`: how many triggers it must send; None: not known yet, the engine says."""
    prefix = await prepare(cluster, case, scale)
    rules = cluster.rules(case.rules, prefix)
    await cluster.make(prefix, rules, case.partitions)
    goal = await end_offsets(cluster.settings, [prefix + topic for topic in TOPICS], case.partitions)
    count = sum(goal.values())
    channels, letters = channels_of(rules), f"{prefix}dead-letters"
    before = await cluster.counts([*channels, letters])
    app_id = f"bench-{case.name}-{time.time_ns() // 1_000_000}"
    told = cluster.told(prefix, side) | {"STREAM_STORE": case.store}
    broker = cluster.broker_cpu_seconds()
    launched = time.monotonic()
    with Fleet(cluster.directory, rules, app_id, told, case.workers) as fleet:
        began = await _first_event(cluster, fleet)
        ended = await cluster.caught_up(fleet, goal)
        cpu, memory = fleet.cpu_seconds(), fleet.peak_memory()
        totals = await _totals(fleet, count)
        await fleet.stop()
    after = await cluster.counts([*channels, letters])
    sent = sum(after[topic] - before[topic] for topic in channels)
    figures = {
        "events_per_second": count / (ended - began),
        "cpu_s_per_100k": cpu / count * 100_000,
        "engine_cpu_s_per_100k": totals["stream_batch_seconds_sum"] / count * 100_000,
        "peak_memory_mib": memory / 2**20,
        "triggers": sent,
        "seconds": ended - began,
        "startup_seconds": began - launched,
        "customers": totals["stream_customers"],
    }
    if broker is not None:
        figures["broker_cpu_s_per_100k"] = ((cluster.broker_cpu_seconds() or 0.0) - broker) / count * 100_000
    if expected is None:
        expected = await asyncio.to_thread(triggers_of, case, rules, scale)
    problems = []
    if sent != expected:
        problems.append(f"{sent:,} triggers, the engine alone sends {expected:,}")
    if totals["stream_events_total"] < count:
        problems.append(f"{totals['stream_events_total']:,.0f} events applied of {count:,}")
    if figures["customers"] < scaled(case.customers, scale) * KNOWN:
        problems.append(f"{figures['customers']:,.0f} customers of {scaled(case.customers, scale):,}")
    if after[letters] != before[letters]:
        problems.append(f"{after[letters] - before[letters]:,} dead letters")
    return figures, problems


async def _first_event(cluster: Cluster, fleet: Fleet) -> float:
    """The last look at which nothing was applied: a poll too early at most."""
    deadline = time.monotonic() + cluster.patience
    idle_at = time.monotonic()
    while time.monotonic() < deadline:
        fleet.check()
        looked_at = time.monotonic()
        if (await fleet.totals())["stream_events_total"]:
            return idle_at
        idle_at = looked_at
        await asyncio.sleep(POLL_S)
    raise fleet.stuck("applied no event")


async def _totals(fleet: Fleet, count: int) -> Counter[str]:
    """What the workers' metrics say, once they say so many events: an answer may be a second old."""
    for _ in range(LOOKS):
        totals = await fleet.totals()
        if totals["stream_events_total"] >= count:
            break
        await asyncio.sleep(1)
    return totals


def triggers_of(case: Case, rules: Path, scale: float) -> int:
    """How many triggers the engine sends for the case's events, in one process without Kafka."""
    if case.world == "many":  # more customers than fit into this process; each purchase is one, whoever buys
        return sum(topic == TOPICS[1] for topic, *_ in events(case, scale))
    return sent_by_the_engine(events(case, scale), rules)


def sent_by_the_engine(events: Iterable[LoadEvent], rules: Path) -> int:
    """How many triggers a fresh partition sends that is given all the events."""
    rule_set = compiled(rules)
    state, clock = PartitionState(rule_set), Clock(wall=lambda: FAR, by_event_time=True)
    writer = RecordWriter(
        Origin("bench", 0, rule_set.revision, {each.name: each.topic for each in rule_set.sources})
    )
    sent: Counter[str] = Counter()
    for batch in batches(events):
        more, rest = True, batch
        while more:
            more = process(rest, rule_set, state, clock, limit=PER_BATCH * 10, sink=writer).more
            sent.update(writer.channels)
            writer.take(FAR)
            rest = replace(batch, records={})
    return sent.total()
