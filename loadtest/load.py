"""Loading a workload into Kafka, and the offsets that say how far everybody is."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.producer.message_accumulator import BatchBuilder

from loadtest.worker import Worker
from loadtest.workloads import CLICKSTREAM, PARTITIONS, TRANSACTIONS, LoadEvent
from stream.errors import TopologyError
from stream.kafka.connections import security
from stream.kafka.topic_ids import partition_counts
from stream.settings import Settings
from stream.topics import ensure as topology

TOPICS = (CLICKSTREAM, TRANSACTIONS)
EMPTY_TOPICS = ("profiles", "weather")  # which the example rules read, too: the workloads have neither
BATCH_BYTES = 256 * 1024
BATCHES_IN_FLIGHT = 32
COMMIT_POLL_SECONDS = 0.1

# Event times lie months back: with retention by time the broker would delete what is being read, and begin a
# segment for each week of theirs.
TOPIC_CONFIG = {"retention.ms": "-1", "retention.bytes": "-1", "segment.ms": str(10 * 365 * 86_400_000)}

Ends = Mapping[TopicPartition, int]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded: records, bytes of values, seconds that it took."""

    records: int
    bytes: int
    seconds: float


async def create_topics(
    admin: AIOKafkaAdminClient, prefix: str, replication: int, partitions: int = PARTITIONS
) -> None:
    """Create the source topics. Raises TopologyError where one is there with another partition count."""
    topics = [prefix + topic for topic in (*TOPICS, *EMPTY_TOPICS)]
    await topology.create_topics(
        admin, dict.fromkeys(topics, TOPIC_CONFIG), partitions=partitions, replication=replication
    )
    for topic, count in (await partition_counts(admin._client, topics)).items():
        if count != partitions:
            raise TopologyError(
                f"{topic} has {count} partitions, the workload needs {partitions}",
                hint="delete it, or use --prefix",
            )


async def load(
    settings: Settings, events: Iterable[LoadEvent], prefix: str, progress: Progress = lambda _: None
) -> Loaded:
    """Produce `events`, idempotent and acknowledged by all replicas; each topic partition in the given order.

    `progress` is told the number of records produced so far, once a batch.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker,
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        **security(settings),
    )
    await producer.start()
    began = time.monotonic()
    try:
        records, size = await _send(producer, events, prefix, progress)
    finally:
        await producer.stop()
    return Loaded(records, size, time.monotonic() - began)


async def _send(
    producer: AIOKafkaProducer, events: Iterable[LoadEvent], prefix: str, progress: Progress
) -> tuple[int, int]:
    batches: defaultdict[tuple[str, int], BatchBuilder] = defaultdict(producer.create_batch)
    in_flight: deque[asyncio.Future[object]] = deque()
    size = records = 0
    for topic, partition, key, value, time_ms in events:
        size += len(value)
        batch = batches[topic, partition]
        if batch.append(key=key, value=value, timestamp=time_ms) is None:
            in_flight.append(await producer.send_batch(batch, prefix + topic, partition=partition))
            records += batch.record_count()
            progress(records)
            batch = batches[topic, partition] = producer.create_batch()
            batch.append(key=key, value=value, timestamp=time_ms)
            if len(in_flight) > BATCHES_IN_FLIGHT:
                await in_flight.popleft()
    for (topic, partition), batch in batches.items():
        if batch.record_count():
            in_flight.append(await producer.send_batch(batch, prefix + topic, partition=partition))
            records += batch.record_count()
    await asyncio.gather(*in_flight)
    progress(records)
    return records, size


async def end_offsets(settings: Settings, topics: Sequence[str], partitions: int = PARTITIONS) -> Ends:
    """The end offset of every partition of `topics`, all of which must exist, with so many partitions."""
    if not topics:
        return {}  # and a consumer that is stopped before it did anything cancels whoever stops it
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker, **security(settings))
    await consumer.start()
    try:
        found: Ends = await consumer.end_offsets(
            [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
        )
    finally:
        await consumer.stop()
    return found


async def record_counts(
    admin: AIOKafkaAdminClient, settings: Settings, topics: Sequence[str]
) -> dict[str, int]:
    """How many records each of `topics` has; none in one that does not exist yet."""
    counts = await partition_counts(admin._client, topics)
    records = dict.fromkeys(topics, 0)
    for partition, end in (await end_offsets(settings, list(counts))).items():
        records[partition.topic] += end
    return records


async def last_commit(admin: AIOKafkaAdminClient, worker: Worker, goal: Ends, patience: float) -> float:
    """When the group's committed offsets were first seen to be `goal`, on the monotonic clock.

    Raises StreamError after `patience` seconds without progress.
    """
    coordinator = await admin.find_coordinator(worker.app_id)
    reached, deadline = -1, time.monotonic() + patience
    while time.monotonic() < deadline:
        worker.check()
        committed = await admin.list_consumer_group_offsets(worker.app_id, coordinator)
        offsets = {partition: committed[partition].offset for partition in goal if partition in committed}
        now = time.monotonic()
        if all(offsets.get(partition, 0) >= end for partition, end in goal.items()):
            return now
        if sum(offsets.values()) > reached:
            reached, deadline = sum(offsets.values()), now + patience
        await asyncio.sleep(COMMIT_POLL_SECONDS)
    raise worker.stuck(f"committed {reached:,} of {sum(goal.values()):,} offsets, then no more", patience)
