"""Terms: which comes next, and how a batch is written in one."""

from __future__ import annotations

from stream.kafka._batch import RecordBatch
from stream.kafka._packed import PackedRecords
from stream.kafka.fence import BEFORE_ALL, FIRST_ID, LAST_EPOCH, TermBatch, WriteTerm
from stream.kafka.raw_records import HEADER


def test_each_term_is_later_than_those_before_it() -> None:
    first, last = BEFORE_ALL.next, WriteTerm(FIRST_ID, LAST_EPOCH)
    assert first == WriteTerm(FIRST_ID, 0)
    assert BEFORE_ALL < first < first.next < last < last.next == WriteTerm(FIRST_ID + 1, 0)


def test_a_batch_is_written_in_its_term_whatever_id_the_producer_has() -> None:
    records = PackedRecords()
    records.add_pairs([(b"k", b"v")])
    batch = TermBatch(RecordBatch(records, 0, 1000, 0), WriteTerm(FIRST_ID, 7))
    batch._set_producer_state(12, 0, 345)
    *_, producer, epoch, sequence, count = HEADER.unpack_from(batch._build())
    assert (producer, epoch, sequence, count) == (FIRST_ID, 7, 345, 1)
    assert batch.size() == len(batch._build())
