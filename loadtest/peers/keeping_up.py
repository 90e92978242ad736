"""Keeping up: events come at a steady rate, whatever a contender does, and each trigger's latency is counted.

Latency is from the moment at which the broker appended the event to that at which it appended the trigger:
both topics have `message.timestamp.type=LogAppendTime`, so one clock, that of the broker, says both, in whole
milliseconds. Family cart is left out: it fires half an hour after its event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from loadtest.load import EMPTY_TOPICS, TOPICS, end_offsets
from loadtest.peers.catching_up import LOOK_SECONDS, look, prepared, trigger_topics
from loadtest.peers.contenders import Contender, Name
from loadtest.peers.interval import Cost, Look, between_times
from loadtest.peers.triggers import records_since
from loadtest.worker import Worker
from loadtest.workloads import PARTITIONS, WORKLOADS, LoadEvent
from stream.errors import StreamError
from stream.kafka.connections import security
from stream.settings import Settings
from stream.topics import ensure

APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}
LINGER_MS = "0"  # of the peers, where a trigger is waited for
TICK_SECONDS = 0.005
START_SECONDS = 180.0
SETTLE_SECONDS = 5.0  # from ready on, until the events begin: partitions are assigned, nothing is read yet
DRAIN_SECONDS = 3.0
WARMING = 1 / 3  # of the time is not measured, because a JVM is compiling


@dataclass(frozen=True, slots=True)
class Kept:
    """A run. `late` is the most that the sender was behind its schedule, in seconds."""

    contender: Name
    rate: int
    cost: Cost
    triggers: int
    p50_ms: float
    p99_ms: float
    late: float


async def keep_up(
    admin: AIOKafkaAdminClient,
    settings: Settings,
    contender: Contender,
    rules: str,
    rate: int,
    seconds: int,
    directory: Path,
) -> Kept:
    """A run of a contender on topics of its own, with the dense workload's events at `rate` a second."""
    app_id = f"{contender.name}-live-{time.time_ns() // 1_000_000}"
    prefix = f"{app_id}-"
    sources = [prefix + topic for topic in (*TOPICS, *EMPTY_TOPICS)]
    await ensure.create_topics(
        admin,
        dict.fromkeys(sources, APPEND_TIME),
        partitions=PARTITIONS,
        replication=settings.replication or 1,
    )
    topics = await trigger_topics(admin, settings, prefix, APPEND_TIME)
    measured = [topic for topic in topics if not topic.endswith(".cart")]
    before = await end_offsets(settings, measured)
    source_starts = await end_offsets(settings, sources)
    rules_path, told = prepared(contender, rules, directory / app_id, (prefix, prefix), LINGER_MS)
    told["STREAM_BROKER"] = settings.broker
    with Worker(directory / app_id, rules_path, app_id, told, contender.command) as process:
        await _ready(process)
        looks: list[Look] = []
        watcher = asyncio.create_task(_watch(process, looks))
        try:
            events = WORKLOADS["dense"].generate(1, rate * seconds)
            began = time.monotonic()
            late = await send(settings, islice(events, rate * seconds), prefix, rate)
            ended = time.monotonic()
            await asyncio.sleep(DRAIN_SECONDS)
        finally:
            watcher.cancel()
            await asyncio.wait([watcher])
        if not watcher.cancelled():
            watcher.result()  # raises why it ended
        process.check()
        await process.stop(contender.stopped)
    appended = {
        orjson.loads(record.value)["event_id"]: record.timestamp
        for record in await records_since(settings, source_starts)
    }
    warm = min(appended.values()) + WARMING * seconds * 1000
    latencies = sorted(
        record.timestamp - at
        for record in await records_since(settings, before)
        if (at := appended[orjson.loads(record.value)["event"]["id"]]) >= warm
    )
    if not latencies:
        raise StreamError(f"{contender.title} fired nothing at {rate:,} events a second")
    return Kept(
        contender=contender.name,
        rate=rate,
        cost=between_times(looks, began + WARMING * seconds, ended),
        triggers=len(latencies),
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
        late=late,
    )


async def send(settings: Settings, events: Iterator[LoadEvent], prefix: str, rate: int) -> float:
    """Send events when they are due, `rate` a second; gives how late the latest was, in seconds."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker, acks=1, **security(settings))
    await producer.start()
    try:
        began, sent, late, more = time.monotonic(), 0, 0.0, True
        while more:
            due = int((time.monotonic() - began) * rate) + 1
            late = max(late, (due - sent) / rate)
            more = False
            for topic, partition, key, value, _ in islice(events, due - sent):
                await producer.send(prefix + topic, value, key=key, partition=partition)
                sent += 1
                more = True
            await asyncio.sleep(TICK_SECONDS)
        await producer.flush()
    finally:
        await producer.stop()
    return late


def quantile(ascending: Sequence[float], share: float) -> float:
    """The least value that so many of the values do not exceed."""
    return ascending[min(int(len(ascending) * share), len(ascending) - 1)]


async def _ready(process: Worker) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not await process.ready():
        process.check()
        if time.monotonic() > deadline:
            raise process.stuck("was not ready", START_SECONDS)
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(SETTLE_SECONDS)


async def _watch(process: Worker, looks: list[Look]) -> None:
    while True:
        looks.append(await look(process))
        await asyncio.sleep(LOOK_SECONDS)
