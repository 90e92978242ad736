"""Keeping up with a given rate: `python -m loadtest.keeping_up`.

Events are sent when they are due, whatever the system does (an open loop). Of each worker, by rate: CPU-s per
100k events, how often its threads woke up, and how long it took from an event to the trigger that it caused,
beside a bare consumer that writes what it reads (`loadtest.echo`), in turns. And what an idle worker costs.

With `--tree`, workers of several checkouts take turns, each with the code that lies there, compiled.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median, quantiles

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import RecordMetadata
from rich.console import Console
from rich.table import Table

from loadtest.load import TOPIC_CONFIG, TOPICS, end_offsets
from loadtest.rulesets import stage
from loadtest.worker import COMMAND, PROJECT, Worker
from loadtest.workloads import PARTITIONS, WORKLOADS, LoadEvent
from stream.broker.cluster import EmbeddedKafka
from stream.clock import wall_ms
from stream.errors import StreamError
from stream.kafka.connections import security
from stream.rules.compiler.rule_set import load_rules
from stream.settings import Settings
from stream.settings import load as load_settings
from stream.topics.ensure import admin_client
from stream.topics.ensure import create_topics as make_topics

ECHO = "echo"
ECHOED = 8  # one record in so many, about as many as REF-300 fires on dense
WARM_S = 4.0  # of each rate, before anything is counted
SETTLED_S = 3.0
READY_S = 60.0
SLOT_S = 0.001  # how exactly an event is sent when it is due

Cause = tuple[str, int, int]  # topic, partition, offset


@dataclass(frozen=True, slots=True)
class Kept:
    """How a subject kept up with a rate; 0: it was idle."""

    subject: str
    rate: int
    cpu_seconds: float
    seconds: float
    wakeups: int
    since_due: Sequence[float] = ()
    since_append: Sequence[float] = ()

    @property
    def core(self) -> float:
        """Share of a core, in percent."""
        return self.cpu_seconds / self.seconds * 100

    @property
    def per_100k(self) -> float:
        return self.cpu_seconds / (self.rate * self.seconds) * 100_000 if self.rate else 0.0


class Subject:
    """A process that is measured: a worker of some checkout, or the echo."""

    def __init__(self, name: str, worker: Worker, topics: Sequence[str]) -> None:
        self.name = name
        self.worker = worker
        self.topics = topics  # that it writes to

    def wakeups(self) -> int:
        """How often its threads waited for something, so far."""
        found = 0
        for status in Path(f"/proc/{self.worker.pid}/task").glob("*/status"):
            for line in status.read_text(encoding="ascii").splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    found += int(line.split()[1])
        return found


@dataclass(slots=True)
class Sent:
    """When events were due and appended, in ms, by where they lie."""

    due: dict[Cause, float]
    appended: dict[Cause, int]


async def send(
    producer: AIOKafkaProducer, events: Iterator[LoadEvent], prefix: str, rate: int, seconds: float
) -> Sent:
    """So many events a second, each when it is due."""
    began, wall = time.monotonic(), wall_ms()
    futures: list[asyncio.Future[RecordMetadata]] = []
    due: list[float] = []
    lot = list(islice(events, int(rate * seconds)))
    while len(futures) < len(lot):
        for topic, partition, key, value, _ in lot[len(futures) : int((time.monotonic() - began) * rate) + 1]:
            due.append(wall + len(futures) / rate * 1000)
            futures.append(await producer.send(prefix + topic, value, key, partition))
        await asyncio.sleep(SLOT_S)
    places = await asyncio.gather(*futures)
    causes = [(each.topic, each.partition, each.offset) for each in places]
    return Sent(
        dict(zip(causes, due, strict=True)),
        {cause: each.timestamp for cause, each in zip(causes, places, strict=True)},
    )


async def latencies(
    settings: Settings, topics: Sequence[str], before: Mapping[TopicPartition, int], sent: Sent
) -> tuple[list[float], list[float]]:
    """Milliseconds from when an event was due, and from when it was appended, until what it caused was."""
    ends = await end_offsets(settings, topics)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker, **security(settings))
    await consumer.start()
    since_due, since_append = [], []
    try:
        left = {tp for tp, end in ends.items() if end > before[tp]}
        consumer.assign(list(left))
        for tp in left:
            consumer.seek(tp, before[tp])
        while left:
            for tp, records in (await consumer.getmany(timeout_ms=1000)).items():
                for record in records:
                    topic, partition, offset = dict(record.headers).get("ce_cause", b"//").decode().split("/")
                    cause = (topic, int(partition or 0), int(offset or 0))
                    if cause in sent.due:
                        since_due.append(record.timestamp - sent.due[cause])
                        since_append.append(record.timestamp - sent.appended[cause])
                if records[-1].offset + 1 >= ends[tp]:
                    left.discard(tp)
    finally:
        await consumer.stop()
    return since_due, since_append


async def keep_up(
    settings: Settings,
    subject: Subject,
    producer: AIOKafkaProducer,
    events: Iterator[LoadEvent],
    prefix: str,
    rate: int,
    seconds: float,
) -> Kept:
    """How it keeps up with a rate, once that has gone on for a while."""
    await send(producer, events, prefix, rate, WARM_S)
    before = await end_offsets(settings, subject.topics)
    began, cpu, woken = time.monotonic(), subject.worker.cpu_seconds(), subject.wakeups()
    sent = await send(producer, events, prefix, rate, seconds)
    took = time.monotonic() - began
    cpu, woken = subject.worker.cpu_seconds() - cpu, subject.wakeups() - woken
    await asyncio.sleep(SETTLED_S)
    return Kept(
        subject.name, rate, cpu, took, woken, *await latencies(settings, subject.topics, before, sent)
    )


async def idle(subject: Subject, seconds: float) -> Kept:
    """What it costs when nothing comes."""
    await asyncio.sleep(SETTLED_S)
    began, cpu, woken = time.monotonic(), subject.worker.cpu_seconds(), subject.wakeups()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    return Kept(subject.name, 0, subject.worker.cpu_seconds() - cpu, took, subject.wakeups() - woken)


async def create(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> None:
    """Topics whose records say when they were appended."""
    config = TOPIC_CONFIG | {"message.timestamp.type": "LogAppendTime"}
    await make_topics(admin, dict.fromkeys(topics, config), partitions=PARTITIONS, replication=1)


async def measure(
    settings: Settings, directory: Path, given: argparse.Namespace, tree: Path | None, prefix: str
) -> list[Kept]:
    """One subject, with topics of its own: the worker of a checkout, or the echo."""
    name = tree.name if tree else ECHO
    rules = stage(given.rules, directory / prefix, prefix)
    written = sorted({channel.topic for channel in load_rules(rules).channels}) if tree else [prefix + ECHO]
    sources = [prefix + topic for topic in TOPICS]
    command = COMMAND if tree else (sys.executable, "-m", "loadtest.echo", *sources, *written, str(ECHOED))
    environment = {"STREAM_BROKER": settings.broker, **dict(each.split("=", 1) for each in given.set)}
    async with AsyncExitStack() as cleanup:
        admin = await cleanup.enter_async_context(admin_client(settings))
        await create(admin, [*sources, *written])
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.broker, enable_idempotence=True, **security(settings)
        )
        await producer.start()
        cleanup.push_async_callback(producer.stop)
        path = {"PYTHONPATH": str(tree or PROJECT)}
        worker = cleanup.enter_context(
            Worker(directory, rules, f"kept-{prefix}{name}", {**environment, **path}, command)
        )
        subject = Subject(name, worker, written)
        deadline = time.monotonic() + READY_S
        while tree and not await worker.ready():
            worker.check()
            if time.monotonic() > deadline:
                raise StreamError(f"{name} is not ready", hint=worker.last_words())
            await asyncio.sleep(0.2)
        events = WORKLOADS[given.workload].generate(1, 10_000_000)
        found = [await idle(subject, given.seconds)] if given.idle else []
        for rate in given.rate:
            found.append(await keep_up(settings, subject, producer, events, prefix, rate, given.seconds))
            worker.check()
    return found


async def run(given: argparse.Namespace) -> list[Kept]:
    found: list[Kept] = []
    with tempfile.TemporaryDirectory() as directory, EmbeddedKafka() as kafka:
        settings = load_settings({"STREAM_BROKER": kafka.bootstrap, "STREAM_APP_ID": "kept"}, env_file=None)
        for number in range(given.rounds):
            for place, tree in enumerate([*given.tree, None]):
                prefix = f"r{number}-{place}-"
                (Path(directory) / prefix).mkdir()
                kept = await measure(settings, Path(directory), given, tree, prefix)
                found += kept
                print(*(_line(each) for each in kept), sep="\n", flush=True)
    return found


def _line(each: Kept) -> str:
    late = _at(each.since_due), _at(each.since_append)
    return (
        f"{each.subject} {each.rate}/s: {each.per_100k:.1f} CPU-s per 100k, {each.core:.1f}% of a core, "
        f"{each.wakeups / each.seconds:.0f} wake-ups/s, {len(each.since_due)} caused, p50/p99 ms since due "
        f"{late[0][0]:.0f}/{late[0][1]:.0f}, since appended {late[1][0]:.0f}/{late[1][1]:.0f}"
    )


def _at(milliseconds: Sequence[float]) -> tuple[float, float]:
    """The median, and what one in a hundred exceeds."""
    if len(milliseconds) < 2:
        return 0.0, 0.0
    cuts = quantiles(milliseconds, n=100, method="inclusive")
    return cuts[49], cuts[98]


def table(found: Sequence[Kept]) -> Table:
    """Minimum, median and maximum of the rounds, by subject and rate."""
    shown = Table(title="keeping up (min / median / max)", title_justify="left")
    headings = ("rate", "subject", "CPU-s per 100k", "% of a core", "wake-ups/s", "since due: p50", "p99")
    for heading in (*headings, "since append: p50", "p99"):
        shown.add_column(heading, justify="left" if heading == "subject" else "right")
    for rate, subject in sorted({(each.rate, each.subject) for each in found}):
        kept = [each for each in found if (each.rate, each.subject) == (rate, subject)]
        columns = (
            [each.per_100k for each in kept],
            [each.core for each in kept],
            [each.wakeups / each.seconds for each in kept],
            *([_at(each.since_due)[place] for each in kept] for place in (0, 1)),
            *([_at(each.since_append)[place] for each in kept] for place in (0, 1)),
        )
        shown.add_row(f"{rate:,}" if rate else "idle", subject, *map(_spread, columns))
    return shown


def _spread(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in (min(values), median(values), max(values)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=int, action="append", help="events a second; repeat it")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each rate, after a warm-up")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workload", choices=sorted(WORKLOADS), default="dense")
    parser.add_argument("--rules", default="ref300")
    parser.add_argument(
        "--tree", type=Path, action="append", help="a compiled checkout; repeat it to compare"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of the workers")
    parser.add_argument("--no-idle", dest="idle", action="store_false")
    given = parser.parse_args()
    given.rate = given.rate or [500, 2000, 10_000]
    given.tree = given.tree or [PROJECT]
    Console(width=int(os.environ.get("COLUMNS", "200"))).print(table(asyncio.run(run(given))))


if __name__ == "__main__":
    main()
