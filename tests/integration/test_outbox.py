"""What leaves a worker: in order, in whole batches, and a refusal is told."""

from __future__ import annotations

import asyncio

import pytest

from stream.errors import RefusedError
from stream.kafka._packed import PackedRecords
from stream.kafka.lease import Lease
from stream.kafka.most_bytes import most_bytes_of
from stream.runtime.outbox import Outbox
from stream.settings import load
from stream.structs import MOST_BYTES
from stream.topics.ensure import admin_client
from tests.kit.kafka import consume_all, create_topics
from tests.kit.patience import eventually_async


def held() -> Lease:
    """A lease that is held."""
    lease = Lease(600)
    lease.renew(lease.now())
    return lease


def records(*numbers: int, size: int = 10) -> PackedRecords:
    made = PackedRecords()
    for number in numbers:
        made.add(b"k", b"%d:" % number + b"x" * size, (("n", b"%d" % number),))
    return made


async def test_records_arrive_in_the_order_of_the_calls_whatever_their_number(
    kafka: str, prefix: str
) -> None:
    topic = f"{prefix}-out"
    create_topics(kafka, {topic: 2})
    errors: list[BaseException] = []
    outbox = Outbox(load({}, {"broker": kafka}, env_file=None), held(), errors.append, {})
    await outbox.start()
    futures = []
    number = 0
    for size in (1, 5000, 2, 1, 700):
        futures.append(outbox.ship(topic, 1, records(*range(number, number + size), size=200), sender=1))
        number += size
    ends = [await future for future in futures]
    later = await outbox.ship(topic, 1, records(number), sender=1)
    await outbox.stop(20)
    arrived = consume_all(kafka, [topic])
    assert [int(each.value.split(b":")[0]) for each in arrived] == list(range(number + 1))
    assert {each.partition for each in arrived} == {1}
    assert ends == sorted(ends)
    assert ends[-1] == number, "the offset after the parcel"
    assert later == number + 1
    assert not errors


async def test_what_waits_when_the_worker_stops_is_still_sent(kafka: str, prefix: str) -> None:
    topic = f"{prefix}-out"
    create_topics(kafka, {topic: 1})
    outbox = Outbox(load({}, {"broker": kafka}, env_file=None), held(), lambda error: None, {})
    await outbox.start()
    outbox.ship(topic, 0, records(0, 1, 2), sender=0)
    await outbox.stop(20)
    assert len(consume_all(kafka, [topic])) == 3


async def test_a_record_that_kafka_refuses_is_told_and_not_swallowed(kafka: str, prefix: str) -> None:
    topic = f"{prefix}-small"
    create_topics(kafka, {topic: 1}, {"max.message.bytes": "1000"})
    errors: list[BaseException] = []
    outbox = Outbox(load({}, {"broker": kafka}, env_file=None), held(), errors.append, {})
    await outbox.start()
    with pytest.raises(RefusedError, match=rf"{topic}/0: .* 5,\d\d\d bytes"):
        await outbox.ship(topic, 0, records(0, size=5000), sender=0)
    assert len(errors) == 1
    await outbox.stop(20)


async def test_nothing_leaves_without_the_lease_and_what_was_abandoned_never_does(
    kafka: str, prefix: str
) -> None:
    """A process that was stopped for a minute woke up and sent what it had ready, beside the new owner's."""
    topic = f"{prefix}-out"
    create_topics(kafka, {topic: 1})
    now, asked = [0.0], [0]

    def clock() -> float:
        asked[0] += 1
        return now[0]

    lease = Lease(10, clock)
    lease.renew(0)
    errors: list[BaseException] = []
    outbox = Outbox(load({}, {"broker": kafka}, env_file=None), lease, errors.append, {})
    await outbox.start()
    await outbox.ship(topic, 0, records(0), sender=0)
    producer = outbox._producer
    assert producer is not None
    ready = outbox.ship(topic, 0, records(1), sender=0)
    while not producer._kafka._message_accumulator._batches:  # it waits in the client itself by now
        await asyncio.sleep(0)
    now[0] = 60
    later = outbox.ship(topic, 0, records(2), sender=0)
    refused = asked[0]

    async def refused_again_and_again() -> bool:
        return asked[0] > refused + 3

    await eventually_async(refused_again_and_again, "the client wants to send, and asks for the lease")
    assert not ready.done()
    await outbox.abandon()
    assert ready.cancelled()
    assert later.cancelled()
    lease.renew(60)
    await outbox.ship(topic, 0, records(3), sender=0)
    await outbox.stop(20)
    assert [each.value.split(b":")[0] for each in consume_all(kafka, [topic])] == [b"0", b"3"]
    assert not errors


async def test_what_a_former_owner_sent_came_late_and_lay_over_what_the_next_one_had_written(
    kafka: str, prefix: str
) -> None:
    """It was stopped after it had asked for its lease."""
    topic = f"{prefix}-changelog"
    create_topics(kafka, {topic: 2})
    errors: list[BaseException] = []
    former, heir = (
        Outbox(load({}, {"broker": kafka}, env_file=None), held(), errors.append, {}) for _ in range(2)
    )
    for outbox in (former, heir):
        await outbox.start()
    await former.begin_term(topic, 0, records(0))
    await former.ship(topic, 0, records(1), sender=0)
    await heir.begin_term(topic, 0, records(2))
    late = former.ship(topic, 0, records(3), sender=0)
    elsewhere = former.ship(topic, 1, records(4), sender=0)
    await heir.ship(topic, 0, records(5), sender=0)
    await elsewhere
    assert not late.done(), "nobody is told that it is written"
    await heir.begin_term(topic, 0, records(6))  # as after a rebalance
    assert await heir.ship(topic, 0, records(7), sender=0) == 6
    await former.begin_term(topic, 0, records(8))
    assert await former.ship(topic, 0, records(9), sender=0) == 8
    for outbox in (former, heir):
        await outbox.stop(20)
    arrived = {
        n: [r.value.split(b":")[0] for r in consume_all(kafka, [topic]) if r.partition == n] for n in (0, 1)
    }
    assert arrived == {0: [b"0", b"1", b"2", b"5", b"6", b"7", b"8", b"9"], 1: [b"4"]}
    assert not errors


async def test_each_topic_says_how_large_a_batch_it_takes(kafka: str, prefix: str) -> None:
    create_topics(kafka, {f"{prefix}-small": 1}, {"max.message.bytes": "100000"})
    create_topics(kafka, {f"{prefix}-usual": 1})
    async with admin_client(load({}, {"broker": kafka}, env_file=None)) as client:
        most = await most_bytes_of(client, [f"{prefix}-small", f"{prefix}-usual"])
    assert most[f"{prefix}-small"] == 100_000
    assert most[f"{prefix}-usual"] >= MOST_BYTES


async def test_a_burst_of_small_records_fits_a_topic_that_takes_little(kafka: str, prefix: str) -> None:
    """Two hundred triggers at once made a batch that Kafka refused, at each start again."""
    topic = f"{prefix}-small"
    create_topics(kafka, {topic: 1}, {"max.message.bytes": "100000"})
    errors: list[BaseException] = []
    outbox = Outbox(load({}, {"broker": kafka}, env_file=None), held(), errors.append, {topic: 100_000})
    await outbox.start()
    assert await outbox.ship(topic, 0, records(*range(2000), size=600), sender=0) == 2000
    await outbox.stop(20)
    assert not errors


async def test_nothing_that_follows_a_refused_batch_arrives(kafka: str, prefix: str) -> None:
    """The marks of a checkpoint arrived, and its customers had been refused: their events were gone."""
    topic = f"{prefix}-small"
    create_topics(kafka, {topic: 1})
    errors: list[BaseException] = []
    outbox = Outbox(load({}, {"broker": kafka}, env_file=None), held(), errors.append, {})
    await outbox.start()
    too_large = records(0, size=20 << 20)
    for after in (records(1, size=300_000), records(2)):
        too_large.extend(after)
    with pytest.raises(RefusedError):
        await outbox.ship(topic, 0, too_large, sender=0)
    with pytest.raises(RefusedError):
        await outbox.ship(topic, 0, records(3), sender=0)
    await outbox.stop(20)
    assert consume_all(kafka, [topic]) == []
    assert len(errors) == 1


async def test_a_record_without_a_key_for_a_compacted_topic_is_told_with_what_mends_it(
    kafka: str, prefix: str
) -> None:
    topic = f"{prefix}-compacted"
    create_topics(kafka, {topic: 1}, {"cleanup.policy": "compact"})
    outbox = Outbox(load({}, {"broker": kafka}, env_file=None), held(), lambda error: None, {})
    await outbox.start()
    keyless = PackedRecords()
    keyless.add(None, b"x")
    with pytest.raises(RefusedError, match=r"without a key[^$]*cleanup\.policy=delete"):
        await outbox.ship(topic, 0, keyless, sender=0)
    await outbox.stop(20)
