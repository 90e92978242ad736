"""Catching up: everything lies in Kafka before a contender starts; looks at it say what a part of it cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from loadtest.load import TOPICS, create_topics, end_offsets, last_commit, load
from loadtest.peers.contenders import Contender, Name, table_of
from loadtest.peers.interval import Cost, Look, between_events
from loadtest.peers.triggers import Fired, fired_by, records_since
from loadtest.rulesets import ref_named, stage
from loadtest.worker import Worker
from loadtest.workloads import PARTITIONS, WORKLOADS
from stream.kafka.topic_ids import partition_counts
from stream.settings import Settings
from stream.topics import ensure

LOOK_SECONDS = 0.2
LINGER_MS = "20"  # of the peers, where nobody waits for a trigger: full batches
TRIGGER_TOPICS = ("triggers.interest", "triggers.spender", "triggers.checkout", "triggers.cart")
# The part that is not measured, because a JVM is compiling: events before the 1,000,000th of wide's
# 3,000,000, and before the 100,000th of dense's 400,000. Of a shorter run the same share.
WARMING = {"wide": 1 / 3, "dense": 1 / 4}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A workload and the rules on it; `prefix` is that of its topics."""

    workload: str
    rules: str
    events: int

    @property
    def title(self) -> str:
        return f"{self.workload}, {self.rules}, {self.events:,} events"

    @property
    def prefix(self) -> str:
        return f"{self.workload}-"

    @property
    def first(self) -> int:
        return round(self.events * WARMING[self.workload])


@dataclass(frozen=True, slots=True)
class Caught:
    """A run. `cost` is that of the measured part; `whole` that of all: from the start of the process until
    the last offset is committed, and with it everything written.
    """

    contender: Name
    cost: Cost
    whole: Cost
    peak_memory_bytes: int
    fired: Fired


async def fill(admin: AIOKafkaAdminClient, settings: Settings, scenario: Scenario, seed: int) -> None:
    """Load the workload, unless it is there from another scenario."""
    topics = [scenario.prefix + topic for topic in TOPICS]
    await create_topics(admin, scenario.prefix, settings.replication or 1)
    if not any((await end_offsets(settings, topics)).values()):
        events = WORKLOADS[scenario.workload].generate(seed, scenario.events)
        await load(settings, events, scenario.prefix)


async def trigger_topics(
    admin: AIOKafkaAdminClient, settings: Settings, prefix: str, config: Mapping[str, str]
) -> list[str]:
    """The topics that triggers go to, made where they are missing."""
    topics = [prefix + topic for topic in TRIGGER_TOPICS]
    await ensure.create_topics(
        admin, dict.fromkeys(topics, config), partitions=PARTITIONS, replication=settings.replication or 1
    )
    while len(await partition_counts(admin._client, topics)) < len(topics):
        await asyncio.sleep(LOOK_SECONDS)  # they are made, and not everywhere known yet
    return topics


def prepared(
    contender: Contender, rules: str, directory: Path, prefixes: tuple[str, str], linger: str
) -> tuple[Path, dict[str, str]]:
    """The rules as the contender reads them, and its settings. `prefixes`: of its sources, its triggers."""
    sources, triggers = prefixes
    directory.mkdir()
    if contender.name is Name.WORKER:
        assert sources == triggers  # a rule set has one prefix for both
        return stage(rules, directory, sources), {}
    path = directory / "rules.tsv"
    path.write_text(table_of(ref_named(rules)), encoding="utf-8")
    return path, {
        **contender.settings,
        "PEER_SOURCE_PREFIX": sources,
        "PEER_TRIGGER_PREFIX": triggers,
        "PEER_LINGER_MS": linger,
    }


async def catch_up(
    admin: AIOKafkaAdminClient,
    settings: Settings,
    contender: Contender,
    scenario: Scenario,
    directory: Path,
    patience: float,
) -> Caught:
    """One run of a contender, with a consumer group of its own."""
    app_id = f"{contender.name}-{scenario.workload}-{time.time_ns() // 1_000_000}"
    triggers = scenario.prefix if contender.name is Name.WORKER else f"{scenario.prefix}{contender.name}-"
    rules, told = prepared(
        contender, scenario.rules, directory / app_id, (scenario.prefix, triggers), LINGER_MS
    )
    before = await end_offsets(settings, await trigger_topics(admin, settings, triggers, {}))
    goal = await end_offsets(settings, [scenario.prefix + topic for topic in TOPICS])
    total = sum(goal.values())
    launched = time.monotonic()
    told["STREAM_BROKER"] = settings.broker
    with Worker(directory / app_id, rules, app_id, told, contender.command) as process:
        looks = await look_until(process, total, patience)
        committed = await last_commit(admin, process, goal, patience)
        cpu, memory = process.cpu_seconds(), process.peak_memory()
        await process.stop(contender.stopped)
    return Caught(
        contender=contender.name,
        cost=between_events(looks, scenario.first, scenario.events),
        whole=Cost(total, committed - launched, cpu),
        peak_memory_bytes=memory,
        fired=fired_by(record.value or b"" for record in await records_since(settings, before)),
    )


async def look_until(process: Worker, events: int, patience: float) -> list[Look]:
    """Looks at a process until it has applied so many events. Raises StreamError without progress."""
    looks = [Look(time.monotonic(), process.cpu_seconds(), 0)]
    deadline = time.monotonic() + patience
    while looks[-1].events < events:
        await asyncio.sleep(LOOK_SECONDS)
        looks.append(await look(process))
        if looks[-1].events > looks[-2].events:
            deadline = looks[-1].at + patience
        elif looks[-1].at > deadline:
            raise process.stuck(f"applied {looks[-1].events:,} of {events:,} events, then no more", patience)
    return looks


async def look(process: Worker) -> Look:
    at, cpu = time.monotonic(), process.cpu_seconds()
    return Look(at, cpu, (await process.reading()).events)
