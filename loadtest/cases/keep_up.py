"""Keeping up: events come at a given rate, and each trigger's latency counts from when its event was due.

Three runs make a round, one after the other, each on topics of its own and with the same events: a bare echo
(`echo`), a worker, and for a third of the time a worker that is timed within (`staged`). The first seconds,
in which clients connect and code gets warm, are sent and not counted.

Right is a run that sends one trigger for each that the engine sends alone, and puts nothing aside.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from loadtest.cases.catch_up import Measured, sent_by_the_engine
from loadtest.cases.cluster import Cluster, Fleet, Side, channels_of
from loadtest.cases.open_loop import Latencies, latencies, send
from loadtest.cases.staged import FILE, STAGES
from loadtest.cases.table import Case
from loadtest.cases.worlds import SHORTEST_S, Due, steady
from loadtest.load import TOPICS, end_offsets
from loadtest.worker import PROJECT
from stream.errors import StreamError

WARM_S = 5.0
SOON_MS = 1000  # until the first event
STAGED = (sys.executable, "-m", "loadtest.cases.staged", "worker")
CALM_LOOKS = 3


async def measure(
    cluster: Cluster, case: Case, side: Side, scale: float
) -> tuple[*Measured, dict[str, Latencies]]:
    seconds = max(SHORTEST_S, case.seconds * scale)
    stamp = f"{case.name}-{time.time_ns() // 1_000_000}"
    echoed, late = await _echo(cluster, case, seconds, f"{stamp}-echo-")
    figures, problems, taken = await _worker(cluster, case, side, seconds, f"{stamp}-")
    split = await _split(cluster, case, side, max(SHORTEST_S, seconds / 3), f"{stamp}-split-")
    figures |= taken.figures() | {"max_ms": taken.most_ms}
    figures |= {name: value for name, value in echoed.figures("echo_").items() if "999" not in name}
    for name in ("p50", "p99"):
        figures[f"{name}_by_echo"] = figures[f"{name}_ms"] / figures[f"echo_{name}_ms"]
    figures["late_p99_ms"] = max(figures["late_p99_ms"], late.ms(99))
    figures |= {f"{name}_ms": split[name].mean_ms for name in STAGES}
    figures["engine_p99_ms"] = split["engine"].ms(99)
    return figures, problems, {"worker": taken, "echo": echoed}


def counted(events: Sequence[Due], after: float) -> dict[str, float]:
    """When each was due, by its id; only those after the warm-up."""
    return {orjson.loads(each.value)["event_id"]: each.at for each in events if each.at >= after}


async def _echo(cluster: Cluster, case: Case, seconds: float, prefix: str) -> tuple[Latencies, Latencies]:
    events = list(steady(case, WARM_S + seconds))
    await cluster.make(prefix, cluster.rules(case.rules, prefix), case.partitions, timed=True)
    (out,) = channels_of(cluster.rules("noop", prefix))
    await cluster.make(prefix, cluster.rules("noop", prefix), case.partitions, timed=True)
    topics = [prefix + topic for topic in TOPICS]
    command = [
        sys.executable,
        "-m",
        "loadtest.cases.echo",
        cluster.settings.broker,
        out,
        str(case.partitions),
    ]
    with subprocess.Popen(  # noqa: ASYNC220 - it takes no time beside what it starts
        [*command, *topics], stdout=subprocess.PIPE, cwd=PROJECT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            if await asyncio.to_thread(process.stdout.readline) != "ready\n":
                raise StreamError("the echo did not start")
            sent = await send(cluster.settings, events, prefix, time.time() * 1000 + SOON_MS)
            await still(lambda: records(cluster, [out]))
        finally:
            process.kill()
    appended: dict[str, list[int]] = {}
    async for value, at in cluster.appended([out], {}):
        appended.setdefault(orjson.loads(value)["event_id"], []).append(at)
    return latencies(appended, counted(events, WARM_S), sent.began_ms), sent.late


async def records(cluster: Cluster, topics: Sequence[str]) -> int:
    return sum((await cluster.counts(topics)).values())


async def still(count: Callable[[], Awaitable[int]]) -> None:
    """Until what is counted has not grown for some looks."""
    seen: list[int] = []
    while len(seen) < CALM_LOOKS or len(set(seen[-CALM_LOOKS:])) > 1:
        seen.append(await count())
        await asyncio.sleep(0.5)


@asynccontextmanager
async def running(
    cluster: Cluster, rules: Path, prefix: str, told: dict[str, str], command: Sequence[str] | None = None
) -> AsyncIterator[Fleet]:
    """A worker that is ready."""
    app_id = f"bench-{prefix}{time.time_ns() // 1_000_000}"
    with Fleet(cluster.directory, rules, app_id, told, command=command) as fleet:
        deadline = time.monotonic() + cluster.patience
        while not await fleet.ready():
            fleet.check()
            if time.monotonic() > deadline:
                raise fleet.stuck("is not ready")
            await asyncio.sleep(0.1)
        yield fleet


async def _worker(
    cluster: Cluster, case: Case, side: Side, seconds: float, prefix: str
) -> tuple[dict[str, float], list[str], Latencies]:
    events = list(steady(case, WARM_S + seconds))
    rules = cluster.rules(case.rules, prefix)
    await cluster.make(prefix, rules, case.partitions, timed=True)
    async with running(cluster, rules, prefix, cluster.told(prefix, side)) as fleet:
        began_ms = time.time() * 1000 + SOON_MS
        sending = asyncio.create_task(send(cluster.settings, events, prefix, began_ms))
        await asyncio.sleep(SOON_MS / 1000 + WARM_S)
        cpu, broker = fleet.cpu_seconds(), cluster.broker_cpu_seconds()
        before = (await fleet.totals())["stream_batch_seconds_sum"]
        sent = await sending
        cpu = fleet.cpu_seconds() - cpu
        totals = await fleet.totals()
        broker_after = cluster.broker_cpu_seconds()
        goal = await end_offsets(cluster.settings, [prefix + topic for topic in TOPICS], case.partitions)
        await cluster.caught_up(fleet, goal)
        memory = fleet.peak_memory()
        await fleet.stop()
    appended = await triggers(cluster, rules)
    due = counted(events, WARM_S)
    count = len(due)
    figures = {
        "cpu_s_per_100k": cpu / count * 100_000,
        "engine_cpu_s_per_100k": (totals["stream_batch_seconds_sum"] - before) / count * 100_000,
        "peak_memory_mib": memory / 2**20,
        "triggers": sum(map(len, appended.values())),
        "late_p99_ms": sent.late.ms(99),
    }
    if broker is not None and broker_after is not None:
        figures["broker_cpu_s_per_100k"] = (broker_after - broker) / count * 100_000
    problems = await wrong(cluster, prefix)
    expected = await asyncio.to_thread(_expected, events, rules)
    if figures["triggers"] != expected:
        problems.append(f"{figures['triggers']:,} triggers, the engine alone sends {expected:,}")
    return figures, problems, latencies(appended, due, began_ms)


def _expected(events: Sequence[Due], rules: Path) -> int:
    found = [(each.topic, 0, each.key, each.value, orjson.loads(each.value)["ts"]) for each in events]
    return sent_by_the_engine(found, rules)


async def triggers(cluster: Cluster, rules: Path) -> dict[str, list[int]]:
    """When the triggers of each event were appended, ms, by the event's id."""
    found: dict[str, list[int]] = {}
    async for value, at in cluster.appended(channels_of(rules), {}):
        found.setdefault(orjson.loads(value)["event"]["id"], []).append(at)
    return found


async def wrong(cluster: Cluster, prefix: str) -> list[str]:
    letters = await records(cluster, [f"{prefix}dead-letters"])
    return [f"{letters:,} dead letters"] if letters else []


async def _split(
    cluster: Cluster, case: Case, side: Side, seconds: float, prefix: str
) -> dict[str, Latencies]:
    """What each stage of a timed worker took, its warm-up included."""
    rules = cluster.rules(case.rules, prefix)
    await cluster.make(prefix, rules, case.partitions, timed=True)
    file = cluster.directory / f"{prefix}stages.json"
    told = cluster.told(prefix, side) | {FILE: str(file)}
    told["PYTHONPATH"] = f"{side.path}:{PROJECT}"
    async with running(cluster, rules, prefix, told, STAGED) as fleet:
        await send(cluster.settings, steady(case, WARM_S + seconds), prefix, time.time() * 1000 + SOON_MS)
        await asyncio.sleep(2)  # it writes its file once a second
        found = json.loads(file.read_text(encoding="utf-8"))
        await fleet.stop()
    return {name: Latencies(found[name]) for name in STAGES}
