"""`python -m loadtest.bench`: load a workload into a real Kafka once, then measure worker after worker on it.

A run is a fresh consumer group and a fresh `stream worker` process, which starts at the beginning of the
topics and is measured until its group has committed their end offsets. With several rule sets the runs take
turns, so that an hour in which the machine is slow is slow for all of them. README.md says what the figures
mean.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from aiokafka.admin import AIOKafkaAdminClient
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from loadtest.load import TOPICS, Ends, create_topics, end_offsets, last_commit, load, record_counts
from loadtest.report import Run, by_rules, table, write
from loadtest.rulesets import stage
from loadtest.worker import COMMAND, Worker
from loadtest.workloads import WORKLOADS
from stream import settings as stream_settings
from stream.broker.cluster import EmbeddedKafka
from stream.errors import StreamError, TopologyError
from stream.rules.compiler.rule_set import load_rules
from stream.settings import Settings
from stream.topics.ensure import admin_client

POLL_SECONDS = 0.05
UNFIT = re.compile(r"[^A-Za-z0-9._-]")  # for the name of a consumer group and its changelog

out = Console(highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Which(StrEnum):
    """As the command line knows them."""

    DENSE = "dense"
    WIDE = "wide"


@app.command()
def bench(
    workload: Annotated[Which, typer.Option(help="Which events; see README.md.")] = Which.WIDE,
    rules: Annotated[
        list[str] | None,
        typer.Option(help="A directory of rule files, or ref300, ref500, ref2000; repeat it to compare."),
    ] = None,
    events: Annotated[
        int | None, typer.Option(min=1, help="Number of events; by default the workload's own.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 1,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each rule set.")] = 3,
    prefix: Annotated[str, typer.Option(help="Put before the names of source and channel topics.")] = "",
    reuse: Annotated[bool, typer.Option(help="Measure on what is in the source topics already.")] = False,
    patience: Annotated[float, typer.Option(help="Seconds without progress that end a run.")] = 60.0,
    json: Annotated[Path | None, typer.Option(help="Write every run and the machine to this file.")] = None,
) -> None:
    """Measure a worker: events/s, CPU-seconds per 100k events, peak memory, triggers.

    Starts an embedded Kafka of its own unless STREAM_BROKER is set.
    """
    count = events or WORKLOADS[workload].events
    asked = {
        "command": shlex.join(["python", "-m", "loadtest.bench", *sys.argv[1:]]),
        "workload": workload,
        "events": count,
        "seed": seed,
    }
    try:
        with ExitStack() as cleanup:
            directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="loadtest-")))
            rule_sets = [stage(each, directory, prefix) for each in rules or ["loadtest/rules/noop"]]
            for rule_set in rule_sets:
                load_rules(rule_set)  # a mistake in them should not wait for Kafka
            broker = (
                os.environ.get("STREAM_BROKER") or cleanup.enter_context(EmbeddedKafka(console=out)).bootstrap
            )
            settings = stream_settings.load(os.environ, {"broker": broker}, env_file=None)
            session = Session(settings, directory, prefix, patience)
            finished = asyncio.run(session.run(workload, seed, count, runs, rule_sets, reuse=reuse))
    except StreamError as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(error.exit_code) from None
    for name, group in by_rules(finished).items():
        out.print(table(f"{workload}, {name}: {len(group)} runs of {group[0].events:,} events", group))
    if json is not None:
        write(json, asked, finished)
        out.print(f"written: {json}", soft_wrap=True)


class Session:
    """One loaded Kafka and the runs on it. `directory` takes the workers' logs."""

    def __init__(self, settings: Settings, directory: Path, prefix: str, patience: float) -> None:
        self._settings = settings
        self._directory = directory
        self._prefix = prefix
        self._topics = [prefix + topic for topic in TOPICS]
        self._patience = patience
        self.command: Sequence[str] = COMMAND

    async def run(
        self, workload: str, seed: int, events: int, runs: int, rule_sets: list[Path], *, reuse: bool
    ) -> list[Run]:
        """Load the workload, or take what is there, then measure `runs` rounds of all rule sets."""
        async with admin_client(self._settings) as admin:
            await create_topics(admin, self._prefix, self._settings.replication or 1)
            loaded = await end_offsets(self._settings, self._topics)
            if reuse and not any(loaded.values()):
                raise TopologyError("there is nothing to reuse: the source topics are empty")
            if not reuse:
                if any(loaded.values()):
                    raise TopologyError(
                        "the source topics have records already",
                        hint="--prefix for topics of one's own, or --reuse to measure on those records",
                    )
                await self._load(workload, seed, events)
                loaded = await end_offsets(self._settings, self._topics)
            finished = []
            for number in range(1, runs + 1):
                for rule_set in rule_sets:
                    run = await self._measure(admin, rule_set, loaded)
                    out.print(
                        f"run {number}/{runs} {run.rules}: {run.events_per_second:,.0f} events/s, "
                        f"{run.cpu_seconds_per_100k:.3f} CPU-s per 100k, {_counts(run.triggers)}",
                        soft_wrap=True,
                    )
                    finished.append(run)
        return finished

    async def _load(self, workload: str, seed: int, events: int) -> None:
        chosen = WORKLOADS[workload]
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f} records/s"),
        )
        with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
            task = progress.add_task(f"loading {workload}", total=events + chosen.heartbeats, rate=0.0)
            began = time.monotonic()
            loaded = await load(
                self._settings,
                chosen.generate(seed, events),
                self._prefix,
                lambda done: progress.update(task, completed=done, rate=done / (time.monotonic() - began)),
            )
        out.print(
            f"loaded {loaded.records:,} records of {loaded.bytes / loaded.records:.0f} bytes on average "
            f"in {loaded.seconds:.1f} s: {loaded.records / loaded.seconds:,.0f} records/s",
            soft_wrap=True,
        )

    async def _measure(self, admin: AIOKafkaAdminClient, rule_set: Path, goal: Ends) -> Run:
        channels = sorted({channel.topic for channel in load_rules(rule_set).channels})
        before = await record_counts(admin, self._settings, channels)
        total = sum(goal.values())
        app_id = f"loadtest-{UNFIT.sub('-', rule_set.name)}-{time.time_ns() // 1_000_000}"
        launched = time.monotonic()
        told = {"STREAM_BROKER": self._settings.broker}
        with Worker(self._directory, rule_set, app_id, told, self.command) as worker:
            began, startup_cpu = await self._first_event(worker)
            ended = await last_commit(admin, worker, goal, self._patience)
            cpu, memory = worker.cpu_seconds(), worker.peak_memory()
            reading = await worker.reading()
            await worker.stop()
        if reading.events != total:
            # A worker that skips or repeats events has no speed.
            raise StreamError(f"{app_id} applied {reading.events:,} events, {total:,} are in the topics")
        after = await record_counts(admin, self._settings, channels)
        return Run(
            rules=rule_set.name,
            events=total,
            seconds=ended - began,
            cpu_seconds=cpu,
            startup_seconds=began - launched,
            startup_cpu_seconds=startup_cpu,
            peak_memory_bytes=memory,
            customers=reading.customers,
            triggers={topic: after[topic] - before[topic] for topic in channels},
        )

    async def _first_event(self, worker: Worker) -> tuple[float, float]:
        """When events began to be applied, and the CPU seconds spent before the worker was ready.

        The moment is the last look at which nothing was applied, so a poll interval too early at most.
        """
        deadline = time.monotonic() + self._patience
        idle_at, idle_cpu = time.monotonic(), worker.cpu_seconds()
        startup_cpu: float | None = None
        while time.monotonic() < deadline:
            looked_at, cpu = time.monotonic(), worker.cpu_seconds()
            if (await worker.reading()).events:
                return idle_at, idle_cpu if startup_cpu is None else startup_cpu
            idle_at, idle_cpu = looked_at, cpu
            if startup_cpu is None and await worker.ready():
                startup_cpu = cpu
            await asyncio.sleep(POLL_SECONDS)
        raise worker.stuck("applied no event", self._patience)


def _counts(triggers: Mapping[str, int]) -> str:
    listed = ", ".join(f"{topic} {count:,}" for topic, count in triggers.items())
    return f"{sum(triggers.values()):,} triggers ({listed})"


if __name__ == "__main__":
    app()
