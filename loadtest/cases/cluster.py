"""The Kafka that cases are measured on, and the workers that are measured.

Each set of events has topics of its own, named by a prefix, so that cases with other partition counts, and
rounds that must begin with nothing, do not meet.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from loadtest.cases.worlds import rule_files
from loadtest.load import EMPTY_TOPICS, TOPIC_CONFIG, TOPICS, Ends, end_offsets
from loadtest.rulesets import stage
from loadtest.worker import Worker
from stream.errors import StreamError
from stream.kafka.connections import security
from stream.kafka.topic_ids import partition_counts
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import RuleSet
from stream.settings import Settings
from stream.topics import ensure

POLL_S = 0.05
COMMIT_POLL_S = 0.1
APPENDED = {"message.timestamp.type": "LogAppendTime"}  # a record's time is when the broker had it
NO_RECORDS_MS = 1000  # of a topic that has been read to its end


@dataclass(frozen=True, slots=True)
class Side:
    """What is measured: this checkout, or another one. `path`: where Python finds its package `stream`."""

    name: str
    path: str


class Fleet:
    """Workers of one app, started at once. A context manager: they end with the block."""

    def __init__(
        self,
        folder: Path,
        rules: Path,
        app_id: str,
        told: Mapping[str, str],
        count: int = 1,
        command: Sequence[str] | None = None,
    ) -> None:
        self.app_id = app_id
        self.workers: list[Worker] = []
        self._folder, self._rules, self._told, self._count = folder, rules, told, count
        self._more = {} if command is None else {"command": command}
        self._stack = ExitStack()

    def __enter__(self) -> Fleet:
        with ExitStack() as stack:  # the first ones end if a later one cannot be started
            for number in range(self._count):
                home = self._folder / f"{self.app_id}-{number}"
                home.mkdir(parents=True)
                worker = Worker(home, self._rules, self.app_id, self._told, **self._more)
                self.workers.append(stack.enter_context(worker))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def check(self) -> None:
        for worker in self.workers:
            worker.check()

    def cpu_seconds(self) -> float:
        return sum(worker.cpu_seconds() for worker in self.workers)

    def peak_memory(self) -> int:
        return sum(worker.peak_memory() for worker in self.workers)

    async def ready(self) -> bool:
        return all([await worker.ready() for worker in self.workers])

    async def totals(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for worker in self.workers:
            found.update(await worker.totals())
        return found

    async def stop(self) -> None:
        for worker in self.workers:
            await worker.stop()

    def stuck(self, what: str) -> StreamError:
        words = "\n".join(worker.last_words() for worker in self.workers)
        return StreamError(f"{self.app_id} {what}", hint=f"last words:\n{words}")


class Cluster:
    """`patience`: seconds without progress that end a round."""

    def __init__(
        self,
        settings: Settings,
        admin: AIOKafkaAdminClient,
        directory: Path,
        patience: float,
        *,
        embedded: bool,
    ) -> None:
        self.settings = settings
        self.admin = admin
        self.directory = directory
        self.patience = patience
        self._embedded = embedded

    async def make(self, prefix: str, rules: Path, partitions: int, *, timed: bool = False) -> None:
        """The topics of sources and of a rule set's channels. `timed`: records have the broker's time."""
        config = TOPIC_CONFIG | (APPENDED if timed else {})
        topics = {prefix + topic for topic in (*TOPICS, *EMPTY_TOPICS)} | set(channels_of(rules))
        missing = topics - set(await partition_counts(self.admin._client, sorted(topics)))
        copies = self.settings.replication or 1
        await ensure.create_topics(
            self.admin, dict.fromkeys(sorted(missing), config), partitions=partitions, replication=copies
        )
        await self.counts(sorted(missing))  # which waits until each partition has its leader

    def rules(self, name: str, prefix: str) -> Path:
        """A rule set of the table, with the topics of `prefix`."""
        target = self.directory / "rules" / prefix.rstrip("-")
        staged = target / name
        if not staged.exists():
            raw = self.directory / "raw" / prefix.rstrip("-") / name
            raw.mkdir(parents=True)
            for file, text in rule_files(name).items():
                (raw / file).write_text(text, encoding="utf-8")
            target.mkdir(parents=True, exist_ok=True)
            stage(str(raw), target, prefix)
        return staged

    def told(self, prefix: str, side: Side) -> dict[str, str]:
        """The settings of a worker."""
        return {
            "STREAM_BROKER": self.settings.broker,
            "STREAM_DECISIONS_TOPIC": f"{prefix}decisions",
            "STREAM_DEAD_LETTERS_TOPIC": f"{prefix}dead-letters",
            "PYTHONPATH": side.path,
        }

    async def counts(self, topics: Sequence[str]) -> dict[str, int]:
        """How many records each topic has; none in one that is not there yet."""
        found = dict.fromkeys(topics, 0)
        for topic, partitions in (await partition_counts(self.admin._client, list(topics))).items():
            found[topic] = sum((await end_offsets(self.settings, [topic], partitions)).values())
        return found

    async def caught_up(self, fleet: Fleet, goal: Ends) -> float:
        """When the group's committed offsets were first seen to be `goal`."""
        coordinator = await self.admin.find_coordinator(fleet.app_id)
        reached, deadline = -1, time.monotonic() + self.patience
        while time.monotonic() < deadline:
            fleet.check()
            committed = await self.admin.list_consumer_group_offsets(fleet.app_id, coordinator)
            offsets = {each: committed[each].offset for each in goal if each in committed}
            now = time.monotonic()
            if all(offsets.get(each, 0) >= end for each, end in goal.items()):
                return now
            if sum(offsets.values()) > reached:
                reached, deadline = sum(offsets.values()), now + self.patience
            await asyncio.sleep(COMMIT_POLL_S)
        raise fleet.stuck(f"committed {reached:,} of {sum(goal.values()):,} offsets, then no more")

    async def appended(self, topics: Sequence[str], since: Ends) -> AsyncIterator[tuple[bytes, int]]:
        """(value, time in ms) of every record of the topics from `since` to what is their end now."""
        counts = await partition_counts(self.admin._client, list(topics))
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.broker, auto_offset_reset="earliest", **security(self.settings)
        )
        await consumer.start()
        try:
            wanted = [TopicPartition(topic, at) for topic, count in counts.items() for at in range(count)]
            ends = {
                each: end
                for each, end in (await consumer.end_offsets(wanted)).items()
                if end > since.get(each, 0)
            }
            consumer.assign(list(ends))
            for each in ends:
                consumer.seek(each, since.get(each, 0))
            left = set(ends)
            while left:
                for each, records in (await consumer.getmany(timeout_ms=NO_RECORDS_MS)).items():
                    for record in records:
                        if record.offset < ends[each]:
                            yield record.value, record.timestamp
                left = {each for each in left if await consumer.position(each) < ends[each]}
        finally:
            await consumer.stop()

    def broker_cpu_seconds(self) -> float | None:
        """Of the embedded Kafka; None where it is another one."""
        if not self._embedded:
            return None
        found = 0.0
        for process in psutil.Process(os.getpid()).children(recursive=True):
            if process.name() == "java":
                times = process.cpu_times()
                found += times.user + times.system
        return found


@lru_cache(maxsize=4)
def compiled(rules: Path) -> RuleSet:
    """A staged rule set; ten thousand rules take a minute."""
    return load_rules(rules)


def channels_of(rules: Path) -> list[str]:
    return sorted({channel.topic for channel in compiled(rules).channels})
