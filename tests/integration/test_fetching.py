"""Fetching in sessions from real Kafka: nothing is said of idle partitions, and what is up is found out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.kit.fetches import Taker
from tests.kit.kafka import create_topics, delete_records, delete_topics, produce
from tests.kit.patience import eventually_async

MANY = 64
SMALL = 100  # bytes of a request that names a partition or two


@asynccontextmanager
async def taking(kafka: str, counts: dict[str, int]) -> AsyncIterator[Taker]:
    """Who takes all that comes on these topics, and is in a session."""
    create_topics(kafka, counts)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        taker = Taker(consumer)
        consumer.assign([TopicPartition(topic, n) for topic, count in counts.items() for n in range(count)])
        await until(lambda: epoch(taker) > 2, "a session")
        yield taker
    finally:
        await consumer.stop()


async def until(so: Callable[[], object], what: str) -> None:
    async def found() -> object:
        return so()

    await eventually_async(found, what)


def epoch(taker: Taker) -> int:
    return max((node._epoch for node in taker.loop._nodes.values()), default=0)


def written(topic: str, number: int, *values: bytes) -> list[tuple[int, bytes, bytes, int, tuple[()]]]:
    return [(number, b"k", value, 1_767_225_600_000 + place, ()) for place, value in enumerate(values)]


async def test_of_many_idle_partitions_nothing_is_said(kafka: str, prefix: str) -> None:
    topic = f"{prefix}-many"
    async with taking(kafka, {topic: MANY}) as taker:
        (node,) = taker.loop._nodes.values()
        sizes: list[int] = []
        write = node._connection._writer.write
        node._connection._writer.write = lambda data: (sizes.append(len(data)), write(data))
        produce(kafka, topic, written(topic, 17, b"a", b"b"))
        tp = TopicPartition(topic, 17)
        await until(lambda: taker.values.get(tp) == [b"a", b"b"], "what was written")
        asked = len(sizes)
        await until(lambda: len(sizes) > asked + 1, "more fetches")
        assert max(sizes) < SMALL + len(topic)
        state = taker.consumer._subscription.subscription.assignment.state_value(tp)
        assert (state.position, state.highwater, state.lso) == (2, 2, 2)


async def test_records_that_were_deleted_are_passed_over(kafka: str, prefix: str) -> None:
    topic = f"{prefix}-deleted"
    tp = TopicPartition(topic, 0)
    async with taking(kafka, {topic: 2}) as taker:
        produce(kafka, topic, written(topic, 0, b"a", b"b", b"c"))
        await until(lambda: taker.values.get(tp) == [b"a", b"b", b"c"], "what was written")
        delete_records(kafka, {tp: 2})
        taker.consumer.seek(tp, 0)
        await until(lambda: taker.values[tp][3:] == [b"c"], "what is left")
        await until(lambda: epoch(taker) > 1, "a session again")


async def test_a_topic_that_is_deleted_keeps_no_other_waiting(kafka: str, prefix: str) -> None:
    gone, stays = f"{prefix}-gone", f"{prefix}-stays"
    tp = TopicPartition(stays, 0)
    async with taking(kafka, {gone: 2, stays: 2}) as taker:
        delete_topics(kafka, [gone])
        for turn in range(5):
            produce(kafka, stays, written(stays, 0, b"%d" % turn))
            await until(lambda turn=turn: len(taker.values.get(tp, ())) > turn, "what was written")
        assert taker.values == {tp: [b"%d" % turn for turn in range(5)]}


async def test_what_a_transaction_has_given_up_is_not_read(kafka: str, prefix: str) -> None:
    topic = f"{prefix}-transactions"
    tp = TopicPartition(topic, 0)
    async with taking(kafka, {topic: 1}) as taker:
        producer = AIOKafkaProducer(
            bootstrap_servers=kafka, transactional_id=f"{prefix}-writer", compression_type="gzip"
        )
        await producer.start()
        try:
            for value in (b"given up", b"kept"):
                await producer.begin_transaction()
                await producer.send_and_wait(topic, value, partition=0)
                await (producer.commit_transaction() if value == b"kept" else producer.abort_transaction())
        finally:
            await producer.stop()
        await until(lambda: taker.values.get(tp), "what was written")
        assert taker.values == {tp: [b"kept"]}
