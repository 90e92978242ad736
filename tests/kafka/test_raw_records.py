"""Records as they lie in a batch: ours and aiokafka's reading agree wherever aiokafka's gives an answer."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from stream.engine import MAX_EVENT_BYTES
from stream.kafka._records import plain_records
from stream.kafka.codecs import FIRST_BYTES, MOST_BYTES, Damaged, unpack
from stream.kafka.raw_records import LARGEST, Batches, Reading
from stream.structs import Unread
from tests.kit.batches import CODECS, CONTROL, TRANSACTIONAL, Made, batch, record

TEXT = st.one_of(st.none(), st.binary(max_size=20))
RECORDS = st.lists(
    st.tuples(TEXT, TEXT, st.lists(st.tuples(st.text("héx", max_size=3), st.binary(max_size=9)), max_size=3)),
    min_size=1,
    max_size=9,
)


class _Fetcher:
    _records = ("a partition",)


def ours(data: bytes, offset: int = 0, largest: int = LARGEST) -> list[Any]:
    """All records of what was fetched."""
    reading = Reading(_Fetcher(), largest, ours=False)
    batches = Batches(reading, ("clicks", 0), data, None, offset, committed_only=True)
    found: list[Any] = []
    while (taken := batches.take()) is not None:
        found += taken
    return found


def theirs(data: bytes) -> list[Any]:
    records, found = MemoryRecords(data), []
    while (each := records.next_batch()) is not None:
        found += list(each)
    return found


def told(records: list[Any]) -> list[Any]:
    return [(each.offset, each.timestamp, each.key, each.value, tuple(each.headers)) for each in records]


@given(st.lists(st.tuples(RECORDS, st.sampled_from(sorted(CODECS))), max_size=3))
def test_what_is_sound_is_read_as_aiokafka_reads_it(batches: list[tuple[list[Any], str]]) -> None:
    data, base = b"", 5
    for records, codec in batches:
        made: list[Made] = [
            (key, value, [(name.encode(), value) for name, value in headers])
            for key, value, headers in records
        ]
        data += batch(made, codec, base=base)
        base += len(made)
    assert told(ours(data)) == told(theirs(data))


@given(st.lists(RECORDS, min_size=1, max_size=4), st.integers(0, 12), st.integers(0, 80))
def test_what_is_plain_is_read_at_once_and_the_same(batches: list[list[Any]], begin: int, cut: int) -> None:
    """From the middle of a batch on, and up to one that the size of the fetch has cut off."""
    data, base, whole = b"", 5, 0
    for records in batches:
        found = batch(
            [(key, value, [(n.encode(), v) for n, v in headers]) for key, value, headers in records]
        )
        data, whole = data + base.to_bytes(8, "big") + found[8:], len(data)
        base += len(records)
    if len(batches) > 1 and 0 < cut < len(data) - whole:
        data, base = data[:-cut], base - len(batches[-1])
    plain = plain_records(data, 5 + begin, 1 << 20, LARGEST, None)
    if 5 + begin >= base:
        assert plain is None, "left to who knows what to do about it"
    else:
        assert plain is not None
        taken, end, _ = plain
        assert told(list(taken)) == [each for each in told(theirs(data)) if each[0] >= 5 + begin]
        assert end == base


THREE: list[Made] = [(b"k", b"v", ())] * 3


@pytest.mark.parametrize(
    "odd",
    [
        batch(THREE, "gzip", base=3),
        batch(THREE, base=3, attributes=TRANSACTIONAL, producer_id=1),
        batch(THREE, base=3, attributes=CONTROL, producer_id=1),
        batch(THREE, base=3, magic=1),
        batch(THREE, base=2),
        batch(THREE, base=3, count=4, last_delta=2),
        batch(THREE, base=3)[:-1] + b"?",
        batch([(b"k", b"v" * 999, ())], base=3),
    ],
    ids=["packed", "transaction", "control", "magic", "offsets", "count", "checksum", "room"],
)
def test_what_is_odd_is_left_to_who_reads_a_batch_at_a_time(odd: bytes) -> None:
    assert plain_records(batch(THREE), 0, 1600, LARGEST, None) is not None
    assert plain_records(batch(THREE) + odd, 0, 1600, LARGEST, None) is None


@given(st.binary(max_size=200), st.integers(0, 90), st.sampled_from(sorted(CODECS)))
def test_whatever_is_fetched_ends_nobody(junk: bytes, at: int, codec: str) -> None:
    """Offsets only grow, and something is said of what is damaged."""
    data = batch([(b"k", b"v" * 50, [(b"h", b"v")])] * 3, codec)
    offsets = [each.offset for each in ours(data[:at] + junk + data[at + len(junk) :])]
    assert offsets == sorted(set(offsets))


@given(st.binary(max_size=300), st.integers(0, 20))
def test_whatever_lies_in_a_sound_batch_ends_nobody(junk: bytes, count: int) -> None:
    found = ours(batch([junk], count=count))
    assert all(0 <= each.offset < max(count, 1) for each in found)
    assert all(isinstance(each.headers, tuple) for each in found)


@given(st.lists(st.integers(-1, 9), min_size=1, max_size=9))
def test_no_record_vanishes_whatever_offsets_a_batch_gives_its_records(deltas: list[int]) -> None:
    """What came after a jump was passed over: neither read nor put aside."""
    found = ours(batch([record(delta, (b"k", b"v", ())) for delta in deltas]))
    assert [each.offset for each in found] == list(range(len(deltas)))


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_packed_well_needs_more_room_than_is_tried_first(codec: str) -> None:
    records: list[Made] = [(b"k", b"x" * 9000, ())] * 100
    assert len(records) * 9000 > FIRST_BYTES
    assert len(ours(batch(records, codec))) == 100


def test_a_codec_that_is_not_known_is_no_reason_to_guess() -> None:
    with pytest.raises(Damaged):
        unpack(6, memoryview(b"abc"))


def test_an_event_as_large_as_may_be_is_read_with_its_headers() -> None:
    assert LARGEST > MAX_EVENT_BYTES
    assert MOST_BYTES > LARGEST
    made: Made = (b"k" * 256, b"x" * MAX_EVENT_BYTES, [(b"h", b"v" * 60_000)])
    assert [type(each) is Unread for each in ours(batch([made]))] == [False]


def test_of_our_own_records_none_is_too_large() -> None:
    (state,) = ours(batch([(b"k", b"x" * 3_000_000, ())]), largest=1 << 31)
    assert len(state.value) == 3_000_000
