"""The test kit for real Kafka: create topics, produce, read everything, look at offsets.

Plain functions that block, each with a client of its own that it opens and closes. They also work where an
event loop runs, and hold it up meanwhile; `await asyncio.to_thread(produce, ...)` does not.
Nothing here joins a group, so nothing here disturbs the groups under test.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError, for_code
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.structs import ConsumerRecord

from stream.broker import cluster
from stream.kafka.most_bytes import most_bytes_of
from stream.kafka.topic_ids import metadata, only_ask
from tests.kit.patience import eventually_async, scaled

LARGEST = 16 * 1024 * 1024  # that these clients take; what a topic takes is its own affair
UNKNOWN_TOPIC = 3

# Records of tests carry the times of their events, months old: Kafka would delete them while they are read,
# and begin a segment for each week of theirs.
OLD_EVENTS = {"retention.ms": "-1", "segment.ms": str(10 * 365 * 86_400_000)}

# Those who start a Kafka want to be told when it hangs; here the limit of a test ends that.
cluster.READY_SECONDS = cluster.STOP_SECONDS = cluster.TRAINING_SECONDS = 3600.0

# What `produce` takes: partition, key, value, timestamp in ms (None: now), headers.
Produced = tuple[int, bytes | None, bytes | None, int | None, Sequence[tuple[str, bytes]]]
T = TypeVar("T")


def create_topics(
    bootstrap: str,
    partitions: Mapping[str, int],
    configs: Mapping[str, str] | None = None,
    replicas: int = -1,
) -> None:
    """Create topics (name → partitions) and wait until every partition has a leader.

    `configs` go beyond Kafka's defaults, and beyond `OLD_EVENTS`. `replicas` -1: as many as the cluster gives
    by default. A topic that exists is an error.
    """
    _run(_create_topics(bootstrap, partitions, OLD_EVENTS | dict(configs or {}), replicas))


def configure(bootstrap: str, topic: str, configs: Mapping[str, str]) -> None:
    """Give a topic these settings, as if it had been created with them."""
    _run(_configure(bootstrap, topic, OLD_EVENTS | dict(configs)))


def free_port() -> int:
    """A port of this machine that nobody listens on, as of now: one that no outgoing connection is given."""
    while True:
        port = random.choice(cluster.PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def produce(bootstrap: str, topic: str, records: Iterable[Produced]) -> None:
    """Send records, in order per partition, and wait for all acknowledgements."""
    _run(_produce(bootstrap, topic, list(records)))


def consume_all(bootstrap: str, topics: Sequence[str]) -> list[ConsumerRecord[bytes, bytes]]:
    """All records from the beginning to the end offsets as they are now; in offset order per partition."""
    return _run(_consume_all(bootstrap, topics))


def end_offsets(bootstrap: str, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """The offset after the last record of every partition; topics that do not exist are left out."""
    return _run(_end_offsets(bootstrap, topics))


def committed(bootstrap: str, group: str, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """What the group has committed on these topics; partitions without a commit are left out."""
    return _run(_committed(bootstrap, group, topics))


def delete_topics(bootstrap: str, topics: Sequence[str]) -> None:
    """Delete topics and wait until they are gone."""
    _run(_delete_topics(bootstrap, topics))


def delete_records(bootstrap: str, before: Mapping[TopicPartition, int]) -> None:
    """Delete the records before these offsets, as retention does."""
    _run(_delete_records(bootstrap, before))


def delete_offsets(bootstrap: str, group: str) -> None:
    """Delete a group, which must have no members, with all that it has committed."""
    _run(_delete_group(bootstrap, group))


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run in an event loop of its own, in a thread of its own: the caller may be inside another loop."""
    results: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(asyncio.run(work))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target, name="kafka-kit")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _request_ms() -> int:
    return int(1000 * scaled(40))


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_request_ms())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def _consumer(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer[bytes, bytes]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        max_partition_fetch_bytes=LARGEST,
        request_timeout_ms=_request_ms(),
    )
    only_ask(consumer._client)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _create_topics(
    bootstrap: str, partitions: Mapping[str, int], configs: Mapping[str, str], replicas: int
) -> None:
    async with _admin(bootstrap) as admin:
        wanted = [
            NewTopic(name, count, replicas, {} if replicas == -1 else None, dict(configs))
            for name, count in partitions.items()
        ]
        response = await admin.create_topics(wanted)
        for name, code, *_ in response.topic_errors:
            if code:
                raise for_code(code)(name)

        async def complete() -> bool:
            described = {each[1]: each for each in await _describe(admin, list(partitions))}
            return all(
                described[name][0] == 0
                and len(described[name][4]) == count
                and all(leader >= 0 for _, _, leader, *_ in described[name][4])
                for name, count in partitions.items()
            )

        await eventually_async(complete, f"{', '.join(partitions)} have leaders")


async def _configure(bootstrap: str, topic: str, configs: Mapping[str, str]) -> None:
    async with _admin(bootstrap) as admin:
        (answer,) = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])
        for code, *_ in answer.resources:
            assert not code, for_code(code)(topic)

        async def known() -> bool:
            (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            (code, _, _, _, entries), *_ = answer.resources
            assert not code, for_code(code)(topic)
            return configs.items() <= {name: value for name, value, *_ in entries}.items()

        await eventually_async(known, f"{topic} has its settings")


async def _delete_topics(bootstrap: str, topics: Sequence[str]) -> None:
    async with _admin(bootstrap) as admin:
        await admin.delete_topics(list(topics))

        async def gone() -> bool:
            return all(each[0] == UNKNOWN_TOPIC for each in await _describe(admin, topics))

        await eventually_async(gone, f"{', '.join(topics)} are gone")


async def _describe(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> Sequence[Any]:
    """(error, name, id, whether internal, partitions, …) of each, which is not made by being asked for."""
    return (await metadata(admin._client, topics)).topics  # type: ignore[no-any-return]


async def _delete_records(bootstrap: str, before: Mapping[TopicPartition, int]) -> None:
    async with _admin(bootstrap) as admin:
        await admin.delete_records({tp: RecordsToDelete(offset) for tp, offset in before.items()})


async def _delete_group(bootstrap: str, group: str) -> None:
    async with _admin(bootstrap) as admin:

        async def deleted() -> bool:
            coordinator = await admin.find_coordinator(group)
            answer = await admin._send_request(DeleteGroupsRequest([group]), coordinator)
            return not answer.results[0][1]

        await eventually_async(deleted, f"the group {group} is deleted")


async def _produce(bootstrap: str, topic: str, records: list[Produced]) -> None:
    by_partition: defaultdict[int, list[Produced]] = defaultdict(list)
    for record in records:
        by_partition[record[0]].append(record)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        max_request_size=LARGEST,
        max_batch_size=LARGEST,
        request_timeout_ms=_request_ms(),
    )
    only_ask(producer.client)
    await producer.start()
    try:
        await asyncio.gather(
            *(_produce_partition(bootstrap, producer, topic, *each) for each in by_partition.items())
        )
    finally:
        await producer.stop()


async def _produce_partition(
    bootstrap: str, producer: AIOKafkaProducer, topic: str, partition: int, records: list[Produced]
) -> None:
    pending: list[Produced] = []
    size = 0
    for record in records:
        record_size = len(record[1] or b"") + len(record[2] or b"")
        # Small batches for small records, so that fetches in tests come in several pieces.
        if pending and size + record_size > 256 * 1024:
            await _produce_batch(bootstrap, producer, topic, partition, pending)
            pending, size = [], 0
        pending.append(record)
        size += record_size
    if pending:
        await _produce_batch(bootstrap, producer, topic, partition, pending)


async def _produce_batch(
    bootstrap: str, producer: AIOKafkaProducer, topic: str, partition: int, records: list[Produced]
) -> None:
    """A broker acknowledges what `configure` says a moment before it goes by it: it is asked again."""

    async def taken() -> bool:
        batch = producer.create_batch()
        for _, key, value, timestamp, headers in records:
            now = int(time.time() * 1000) if timestamp is None else timestamp
            assert batch.append(key=key, value=value, timestamp=now, headers=list(headers))
        try:
            await (await producer.send_batch(batch, topic, partition=partition))
        except MessageSizeTooLargeError as error:
            async with _admin(bootstrap) as admin:
                limits = await most_bytes_of(admin, [topic])
            if limits.get(topic, 0) < sum(
                len(key or b"") + len(value or b"") for _, key, value, *_ in records
            ):
                raise
            raise AssertionError("the topic does not take so much yet") from error
        return True

    await eventually_async(taken, f"{topic} takes a batch")


async def _consume_all(bootstrap: str, topics: Sequence[str]) -> list[ConsumerRecord[bytes, bytes]]:
    partitions = await _partitions(bootstrap, topics)
    missing = set(topics) - {each.topic for each in partitions}
    assert not missing, f"no such topics: {sorted(missing)}"
    async with _consumer(bootstrap) as consumer:
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
        consumer.assign(partitions)
        for each in partitions:
            consumer.seek(each, starts[each])
        waiting = {each for each in partitions if starts[each] < ends[each]}
        records: list[ConsumerRecord[bytes, bytes]] = []
        while waiting:
            for each, fetched in (await consumer.getmany(*waiting, timeout_ms=200)).items():
                records += (record for record in fetched if record.offset < ends[each])
            # By position, not by the last record: the end may be a hole (compaction, control records).
            waiting = {each for each in waiting if await consumer.position(each) < ends[each]}
        return records


async def _end_offsets(bootstrap: str, topics: Sequence[str]) -> dict[TopicPartition, int]:
    partitions = await _partitions(bootstrap, topics)
    if not partitions:
        return {}
    async with _consumer(bootstrap) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return ends


async def _committed(bootstrap: str, group: str, topics: Sequence[str]) -> dict[TopicPartition, int]:
    async with _admin(bootstrap) as admin:
        offsets = await admin.list_consumer_group_offsets(group)
        return {each: at.offset for each, at in offsets.items() if each.topic in topics and at.offset >= 0}


async def _partitions(bootstrap: str, topics: Sequence[str]) -> list[TopicPartition]:
    """Those of the topics that exist."""
    async with _admin(bootstrap) as admin:
        described = await _describe(admin, topics)
    return sorted(
        TopicPartition(name, number)
        for error, name, _, _, partitions, *_ in described
        if error != UNKNOWN_TOPIC
        for _, number, *_ in partitions
    )
