"""Puts the demo's profiles and events into Kafka: in batches, in the order of event time, keyed by customer.

Records of one partition number are collected per topic, and sent together as soon as one of the batches is
full. So all topics have been played up to about the same event time at every moment: a reader may see one
topic a batch ahead of another. Read after the end for results that never vary.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from stream.demo.data import CLICKSTREAM, PROFILES, TRANSACTIONS, WEATHER, DemoEvent, events
from stream.errors import BrokerError

TOPICS = (PROFILES, WEATHER, CLICKSTREAM, TRANSACTIONS)

# What the topics need beyond Kafka's defaults: the events are years old. Kafka would delete them, or begin a
# segment for each week of theirs.
OLD_EVENTS = {"retention.ms": "-1", "segment.ms": str(20 * 365 * 86_400_000)}

_BATCH_BYTES = 128 * 1024
_PACED_FLUSHES_PER_SECOND = 10

Progress = Callable[[int, int], None]


async def play(bootstrap: str, partitions: int, progress: Progress, pace: float | None = None) -> int:
    """Produces all events to topics that exist already, and returns how many once all are acknowledged.

    `bootstrap` is `host:port[,…]`, `partitions` the partition count of all topics. `progress` is called with
    (acknowledged, total) after every batch. `pace` is in events per second; None is as fast as it goes.
    Records carry the event's time as their timestamp, so topics whose retention is shorter than that is ago
    lose them: create them with `OLD_EVENTS`.
    Raises BrokerError when Kafka cannot be reached or refuses the records.
    """
    # Off the loop: unpacking takes most of a second, and whatever else runs on the loop goes on meanwhile.
    history = await asyncio.to_thread(lambda: list(events()))
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", max_batch_size=_BATCH_BYTES
    )
    try:
        await producer.start()
        try:
            await _Player(producer, partitions, len(history), progress).play(history, pace)
        finally:
            await producer.stop()
    except KafkaError as error:
        raise BrokerError(
            f"the demo's events could not be written to Kafka at {bootstrap}: {error}",
            hint=f"is the broker running, and do the topics {', '.join(TOPICS)} exist?",
        ) from error
    return len(history)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's own clients choose for a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class _Player:
    """One open batch per topic and partition, and the count of what Kafka has acknowledged."""

    def __init__(self, producer: AIOKafkaProducer, partitions: int, total: int, progress: Progress) -> None:
        self._producer = producer
        self._partitions = partitions
        self._total = total
        self._progress = progress
        self._open: dict[tuple[str, int], Any] = {}
        self._on_the_way: list[asyncio.Future[Any]] = []
        self._acknowledged = 0

    async def play(self, history: list[DemoEvent], pace: float | None) -> None:
        """Sends everything; with a pace, what is collected goes out ten times a second."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        every = max(1, int(pace / _PACED_FLUSHES_PER_SECOND)) if pace else 0
        where = cache(lambda key: partition_of(key, self._partitions))
        for number, event in enumerate(history, start=1):
            partition = where(event.key)
            if not self._add(event, partition):
                await self._send(partition)
                self._add(event, partition)
            if pace and number % every == 0:
                await self._send_all()
                await asyncio.sleep(started + number / pace - loop.time())
        await self._send_all()
        await asyncio.gather(*self._on_the_way)

    def _add(self, event: DemoEvent, partition: int) -> bool:
        """False when the batch has no room for it."""
        batch = self._open.get((event.topic, partition))
        if batch is None:
            batch = self._open[event.topic, partition] = self._producer.create_batch()
        return batch.append(timestamp=event.time_ms, key=event.key, value=event.value) is not None

    async def _send_all(self) -> None:
        for partition in range(self._partitions):
            await self._send(partition)

    async def _send(self, partition: int) -> None:
        """Hands over what the topics have for a partition. Waits while an earlier batch is still queued."""
        for topic in TOPICS:
            batch = self._open.pop((topic, partition), None)
            if batch is None:
                continue
            count = batch.record_count()
            batch.close()
            sent = await self._producer.send_batch(batch, topic, partition=partition)
            sent.add_done_callback(lambda done, count=count: self._acknowledge(done, count))
            self._on_the_way.append(sent)

    def _acknowledge(self, done: asyncio.Future[Any], count: int) -> None:
        if done.cancelled() or done.exception() is not None:
            return  # raised where the futures are awaited
        self._acknowledged += count
        self._progress(self._acknowledged, self._total)
