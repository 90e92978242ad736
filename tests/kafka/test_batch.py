"""Batches on their way out: to the last byte what aiokafka's builder makes, and what its sender asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as some

from stream.kafka._batch import RecordBatch
from stream.kafka._packed import PackedRecords
from stream.kafka._records import BatchRecords
from stream.kafka.raw_records import HEADER
from stream.structs import WireRecord
from tests.kafka.test_packed import HEADERS, packed

pytestmark = pytest.mark.engine  # what is wrong with memory, the sanitizer sees

NOW = 1_772_445_600_000
BORDERS = [0, 1, 63, 64, 8191, 8192]  # where a varint has a byte more
SIZED = some.none() | some.binary(max_size=300) | some.sampled_from(BORDERS).map(bytes)
RECORD = some.builds(WireRecord, some.just("t"), SIZED, SIZED, HEADERS, some.none())
RECORDS = some.lists(RECORD, min_size=1, max_size=30)


def ours(records: PackedRecords, most: int) -> Iterator[RecordBatch]:
    start = 0
    while start < records.size:
        batch = RecordBatch(records, start, most, NOW)
        start = batch.end
        yield batch


def theirs(records: Sequence[WireRecord], most: int) -> Iterator[BatchBuilder]:
    most += 1  # it is full a byte too early
    batch = BatchBuilder(most, 0)
    for record in records:
        given: dict[str, Any] = {"timestamp": NOW, "key": record.key, "value": record.value}
        given["headers"] = list(record.headers)
        if batch.append(**given) is None:
            yield batch
            batch = BatchBuilder(most, 0)
            batch.append(**given)
    yield batch


def assert_same(records: Sequence[WireRecord], most: int) -> None:
    for made, expected in zip(ours(packed(records), most), theirs(records, most), strict=True):
        assert (made.size(), made.record_count()) == (expected.size(), expected.record_count())
        for each in (made, expected):
            each._set_producer_state(7_000_000_000, 3, 2**31 - 2)
        assert made._build() == expected._build()
        assert made.closed()


@given(RECORDS, some.integers(0, 2000))
def test_the_bytes_are_those_of_aiokafkas_builder(records: list[WireRecord], most: int) -> None:
    assert_same(records, most)


@pytest.mark.parametrize("size", [*BORDERS, 1 << 20, 1 << 21])
def test_the_bytes_are_those_of_aiokafkas_builder_where_numbers_take_a_byte_more(size: int) -> None:
    values = [bytes(max(size - less, 0)) for less in range(12)]
    records = [WireRecord("t", b"k", value, (("n", value),)) for value in values]
    assert_same(records, 1 << 30)
    assert_same(records, 3 * size)


def test_the_bytes_are_those_of_aiokafkas_builder_for_many_records() -> None:
    assert_same([WireRecord("t", None, None, ())] * 9000, 1 << 20)
    assert_same([WireRecord("t", b"%d" % number, b"", ()) for number in range(9000)], 1000)


@pytest.mark.parametrize("most", range(60, 90))
def test_a_batch_is_full_where_aiokafkas_is(most: int) -> None:
    assert_same([WireRecord("t", b"k", b"v" * (number % 3), ()) for number in range(10)], most)


def test_a_batch_that_no_idempotent_producer_sends_says_so() -> None:
    (made,), (expected,) = (list(each) for each in (ours(packed(LETTERS), 1000), theirs(LETTERS, 1000)))
    assert made._build() == expected._build()


LETTERS = [WireRecord("t", b"a", b"1", ()), WireRecord("t", None, None, (("n", b""), ("ü", b"x")))]


@given(RECORDS)
def test_both_readers_read_it(records: list[WireRecord]) -> None:
    (batch,) = ours(packed(records), 1 << 30)
    data = bytes(batch._build())
    theirs = MemoryRecords(data).next_batch()
    assert theirs.validate_crc()
    read = [WireRecord("t", each.key, each.value, tuple(each.headers)) for each in theirs]
    assert read == records
    read_by_us = BatchRecords(
        data[HEADER.size :], 40, 39 + len(records), len(records), NOW, -1, False, 1 << 30, None
    ).take(1 << 30)
    assert [WireRecord("t", each.key, each.value, each.headers) for each in read_by_us] == records
    assert [(each.offset, each.timestamp) for each in read_by_us] == [
        (offset, NOW) for offset in range(40, 40 + len(records))
    ]


@pytest.mark.parametrize("start", [-1, 1, 5, 13])
def test_a_batch_begins_with_a_record_or_not_at_all(start: int) -> None:
    """Else it would be made of what lies behind the records in memory."""
    records = packed([WireRecord("t", b"\xff" * 7, None, ())])
    with pytest.raises(IndexError):
        RecordBatch(records, start, 1000, NOW)


def test_a_batch_of_nothing_is_empty() -> None:
    records = packed(LETTERS)
    assert RecordBatch(records, records.size, 1000, NOW).record_count() == 0
    assert RecordBatch(PackedRecords(), 0, 1000, NOW).end == 0


class Cluster:
    """All partitions have the same leader."""

    def leader_for_partition(self, partition: TopicPartition) -> int:
        return 1


async def test_a_batch_that_is_sent_again_is_the_same_to_the_last_byte() -> None:
    """Kafka knows by its sequence number that it has it already. What follows has the next number."""
    transactions = TransactionManager(None, 100)
    transactions.set_pid_and_epoch(120, 22)
    queue = MessageAccumulator(Cluster(), 1 << 20, 0, 30, txn_manager=transactions)
    where = TopicPartition("t", 0)

    async def drained(batch: RecordBatch) -> Any:
        await queue.add_batch(batch, where, 5)
        return queue.drain_by_nodes([])[0][1][where]

    first = await drained(RecordBatch(packed(LETTERS), 0, 1000, NOW))
    sent = bytes(first.get_data_buffer())
    assert MemoryRecords(sent).next_batch().validate_crc()
    *_, producer, epoch, sequence, count = HEADER.unpack_from(sent)
    assert (producer, epoch, sequence, count) == (120, 22, 0, 2)
    queue.reenqueue(first)
    again = queue.drain_by_nodes([])[0][1][where]
    assert bytes(again.get_data_buffer()) == sent
    again.done(0)
    then = await drained(RecordBatch(packed(LETTERS), 0, 1000, NOW))
    assert HEADER.unpack_from(then.get_data_buffer())[-2] == 2
    then.done(2)
