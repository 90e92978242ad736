"""Bursts: does what happens to some customers reach the others?

One worker, one run: others send at an even rate throughout, and each of their events is a trigger. After a
warm-up comes as long a calm as the burst, then the burst. Their latency in the burst is held against theirs
in the calm just before.

Right is a run in which each event of the others, and each timer, rule or event of the burst, led to one
trigger, and none to two; and nothing was put aside.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import orjson

from loadtest.cases import keep_up
from loadtest.cases.catch_up import Measured
from loadtest.cases.cluster import Cluster, Side, channels_of
from loadtest.cases.open_loop import Appended, Latencies, latencies, send
from loadtest.cases.table import Case
from loadtest.cases.worlds import FAN_OUT, Burst, Due, planned
from loadtest.load import TOPICS, end_offsets, load

WARM_S = 5.0
SOON_MS = 5_000  # until the first event
PER_S = 5_000  # events that lie there beforehand, loaded and read in a second, with time to spare


async def measure(
    cluster: Cluster, case: Case, side: Side, scale: float
) -> tuple[*Measured, dict[str, Latencies]]:
    plan = planned(case, scale, WARM_S)
    prefix = f"{case.name}-{time.time_ns() // 1_000_000}-"
    rules = cluster.rules(case.rules, prefix)
    await cluster.make(prefix, rules, case.partitions, timed=True)
    topics, channels = [prefix + topic for topic in TOPICS], channels_of(rules)
    told = cluster.told(prefix, side) | {"STREAM_CLOCK": "wall"}
    problems = []
    async with keep_up.running(cluster, rules, prefix, told) as fleet:
        began_ms = round(time.time() * 1000 + SOON_MS + plan.beforehand / PER_S * 1000)
        await load(cluster.settings, plan.before(began_ms), prefix)
        await cluster.caught_up(fleet, await end_offsets(cluster.settings, topics, case.partitions))
        if (late := time.time() - began_ms / 1000) > 0:
            problems.append(f"the first event was sent {late:.1f} s late: the machine is too busy")
        cpu = fleet.cpu_seconds()
        sent = await send(cluster.settings, plan.due(began_ms), prefix, began_ms)
        await cluster.caught_up(fleet, await end_offsets(cluster.settings, topics, case.partitions))
        await keep_up.still(lambda: keep_up.records(cluster, channels))
        cpu, memory = fleet.cpu_seconds() - cpu, fleet.peak_memory()
        await fleet.stop()
    events, appended = list(plan.due(began_ms)), await keep_up.triggers(cluster, rules)
    problems += [*lost(plan, events, appended), *await keep_up.wrong(cluster, prefix)]
    taken = by_phase(plan, events, appended, began_ms)
    figures = {
        "cpu_s_per_100k": cpu / len(events) * 100_000,
        "peak_memory_mib": memory / 2**20,
        "triggers": sum(map(len, appended.values())),
        "burst_triggers": sum(len(times) for id_, times in appended.items() if id_[0] == "x"),
        "calm_p50_ms": taken["calm"].ms(50),
        "calm_p99_ms": taken["calm"].ms(99),
        "burst_p50_ms": taken["burst"].ms(50),
        "burst_p99_ms": taken["burst"].ms(99),
        "p99_ratio": taken["burst"].ms(99) / taken["calm"].ms(99),
        "burst_p99_of_its_own_ms": taken["own"].ms(99),
        "late_p99_ms": sent.late.ms(99),
    }
    return figures, problems, taken


def lost(plan: Burst, events: Sequence[Due], appended: Appended) -> list[str]:
    """What is missing, and what there is too much of."""
    wanted = Counter({f"x{number}": 1 for number in range(plan.beforehand)})
    for each in events:
        event = orjson.loads(each.value)
        wanted[event["event_id"]] = FAN_OUT if event["event"] == "product_view" else 1
    found = Counter({id_: len(times) for id_, times in appended.items()})
    said = []
    if missing := (wanted - found).total():
        said.append(f"{missing:,} triggers of {wanted.total():,} are missing")
    if doubled := (found - wanted).total():
        said.append(f"{doubled:,} triggers too many")
    return said


def by_phase(plan: Burst, events: Sequence[Due], appended: Appended, began_ms: float) -> dict[str, Latencies]:
    """The others' in the `calm` and in the `burst`, and the burst's `own`; from due to appended."""
    due = {orjson.loads(each.value)["event_id"]: each.at for each in events}
    due |= {f"x{number}": plan.timer_at(number) for number in range(plan.beforehand)}
    return {
        name: latencies(appended, {id_: at for id_, at in due.items() if id_[0] == letter}, began_ms)
        for name, letter in (("calm", "c"), ("burst", "b"), ("own", "x"))
    }
