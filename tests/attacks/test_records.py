"""What a producer can put into a topic of events: batches, records, headers. No Kafka here; see `live`.

The promise: nothing ends who reads, each good record is read, and of each bad one it is known where it lies.
"""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from stream.kafka import raw_records
from stream.kafka.raw_records import give_raw_records
from stream.structs import Unread
from tests.attacks.fetching import Fetching
from tests.kit.batches import (
    ABORT,
    CODECS,
    COMMIT,
    CONTROL,
    TRANSACTIONAL,
    Made,
    batch,
    message,
    record,
    varint,
)

MIB = 1 << 20
OLD = b'{"customer_id": "c1"}'
GOOD: Made = (b"c1", OLD, [(b"h", b"v")])


def good(offset: int) -> tuple[int, Any]:
    return offset, "good"


def told(records: Sequence[Any]) -> list[tuple[int, str]]:
    """Offset of each record, and what became of it."""
    return [
        (each.offset, each.reason if isinstance(each, Unread) else "good" if each.value == GOOD[1] else "odd")
        for each in records
    ]


def broken(data: bytes, at: int, byte: int = 0xFF) -> bytes:
    return data[:at] + bytes([data[at] ^ byte]) + data[at + 1 :]


def frame(body: bytes) -> bytes:
    return varint(len(body)) + body


@dataclass(frozen=True)
class Row:
    """What is fetched, what comes of it, and where is read on."""

    name: str
    data: Callable[[], bytes]
    comes: list[tuple[int, str]]
    position: int


def with_one(odd: Made | bytes, codec: str = "none") -> Callable[[], bytes]:
    return lambda: batch([GOOD, odd, GOOD], codec)


def packed(*messages: bytes) -> bytes:
    """In the offsets 1 and 2."""
    return message(b"".join(messages), offset=2, codec="gzip")


def all_good(count: int) -> list[tuple[int, str]]:
    return [(offset, "good") for offset in range(count)]


BOMB = bytes(48 * MIB)  # more than is unpacked of a batch; of zeros, so a record of 400 MB is no other
MANY = [(b"h", b"v")] * 10_000
HUGE = [(b"h" * 50_000, b"v" * 900_000)]
AROUND_ONE = [(0, "good"), (1, "unreadable"), (2, "good")]

ROWS = [
    *(
        Row(
            f"a producer that packs with {codec} is read",
            lambda codec=codec: batch([GOOD] * 3, codec),
            all_good(3),
            3,
        )
        for codec in CODECS
    ),
    Row(
        "a header whose name is not UTF-8 ends nothing",
        with_one((b"c1", GOOD[1], [(b"\xff", b"v")])),
        all_good(3),
        3,
    ),
    Row("a header without a value ends nothing", with_one((b"c1", GOOD[1], [(b"h", None)])), all_good(3), 3),
    Row("ten thousand headers end nothing", with_one((b"c1", GOOD[1], MANY)), all_good(3), 3),
    Row("a header of a megabyte ends nothing", with_one((b"c1", GOOD[1], HUGE)), all_good(3), 3),
    Row("a record without a key ends nothing", with_one((None, GOOD[1], ())), all_good(3), 3),
    Row(
        "headers that are fewer than they say end nothing",
        with_one(
            frame(b"\0\0\2" + varint(2) + b"c1" + varint(len(GOOD[1] or b"")) + (GOOD[1] or b"") + b"\x7e")
        ),
        all_good(3),
        3,
    ),
    Row(
        "a key longer than its record costs that record alone",
        with_one(frame(b"\0\0\2" + varint(1 << 40) + b"abc")),
        AROUND_ONE,
        3,
    ),
    Row(
        "a key of a length below null costs that record alone",
        with_one(frame(b"\0\0\2" + varint(-7) + b"abc")),
        AROUND_ONE,
        3,
    ),
    Row(
        "a value as long as an address space costs that record alone",
        with_one(frame(b"\0\0\2\1" + varint((1 << 63) - 1) + b"abc")),
        AROUND_ONE,
        3,
    ),
    Row(
        "a number that never ends costs that record alone",
        with_one(frame(b"\0" + b"\xff" * 30)),
        AROUND_ONE,
        3,
    ),
    Row("an offset outside its batch costs that record alone", with_one(record(900, GOOD)), AROUND_ONE, 3),
    Row("an offset that goes back costs that record alone", with_one(record(0, GOOD)), AROUND_ONE, 3),
    Row(
        "offsets that change places cost those records, and none vanishes",
        lambda: batch([record(1, GOOD), record(0, GOOD), record(2, GOOD)]) + batch([GOOD], base=3),
        [(0, "unreadable"), (1, "unreadable"), (2, "good"), (3, "good")],
        4,
    ),
    Row(
        "a record at the offset of the last costs itself alone, and none vanishes",
        lambda: batch([record(2, GOOD), record(1, GOOD), record(2, GOOD)]) + batch([GOOD], base=3),
        [(0, "unreadable"), (1, "good"), (2, "good"), (3, "good")],
        4,
    ),
    Row(
        "the first record after a hole that compaction left is read",
        lambda: batch([record(3, GOOD), record(7, GOOD)], last_delta=9) + batch([GOOD], base=10),
        [(3, "good"), (7, "good"), (10, "good")],
        11,
    ),
    Row(
        "a batch with more records than offsets is passed over, and none vanishes",
        lambda: batch([GOOD] * 4, last_delta=2) + batch([GOOD], base=3),
        [(2, "unreadable"), (3, "good")],
        4,
    ),
    Row(
        "a length beyond the batch costs what comes after it",
        with_one(varint(5000) + b"abc"),
        [(0, "good"), (2, "unreadable")],
        3,
    ),
    Row(
        "more records announced than there are: said, and read on",
        lambda: batch([GOOD], count=5) + batch([GOOD], base=5),
        [(0, "good"), (4, "unreadable"), (5, "good")],
        6,
    ),
    Row(
        "a record of 30 MB in 30 kB is left out, and those around it are read",
        with_one((b"c1", bytes(30 * MIB), ()), "gzip"),
        [(0, "good"), (1, "size"), (2, "good")],
        3,
    ),
    Row(
        "a record of any size in a few kB is never unpacked, nor what comes after it in its batch",
        lambda: batch([GOOD, (b"c1", BOMB, ()), GOOD], "lz4") + batch([GOOD], base=3),
        [(0, "good"), (1, "size"), (2, "size"), (3, "good")],
        4,
    ),
    Row(
        "a record of 48 MB in 2 kB, by zstd",
        lambda: batch([GOOD, (b"c1", BOMB, ())], "zstd"),
        [(0, "good"), (1, "size")],
        2,
    ),
    Row(
        "a batch of a codec that nobody knows is passed over",
        lambda: batch([GOOD] * 2, attributes=7) + batch([GOOD], base=2),
        [(1, "unreadable"), (2, "good")],
        3,
    ),
    Row(
        "a batch of a format that nobody knows is passed over",
        lambda: batch([GOOD] * 2, magic=9) + batch([GOOD], base=2),
        [(1, "unreadable"), (2, "good")],
        3,
    ),
    Row(
        "a batch that says gzip and is not is passed over",
        lambda: batch([GOOD] * 2, attributes=1) + batch([GOOD], base=2),
        [(1, "unreadable"), (2, "good")],
        3,
    ),
    Row(
        "a batch that was cut short before it was packed is passed over",
        lambda: (
            batch([GOOD] * 2, "none", attributes=1, packed=gzip.compress(b"x" * 9000)[:30])
            + batch([GOOD], base=2)
        ),
        [(1, "unreadable"), (2, "good")],
        3,
    ),
    Row(
        "a control record that says nothing is passed over",
        lambda: batch([(None, b"", ())], attributes=CONTROL) + batch([GOOD], base=1),
        [(0, "unreadable"), (1, "good")],
        2,
    ),
    *(
        Row(
            f"records of before Kafka 0.11 are read, of magic {magic}",
            lambda magic=magic: message(OLD, magic=magic) + packed(message(OLD), message(OLD, offset=1)),
            all_good(3),
            3,
        )
        for magic in (0, 1)
    ),
    Row(
        "one of them that says to end before it begins is not read for ever",
        lambda: message(OLD) + packed(message(OLD), message(OLD, length=-12)),
        [(0, "good"), (2, "unreadable")],
        3,
    ),
    Row(
        "those of them whose offsets go back are passed over, or they would be read in another order",
        lambda: message(OLD) + packed(message(OLD, offset=1), message(OLD)),
        [(0, "good"), (2, "unreadable")],
        3,
    ),
    Row(
        "one of them that is packed twice is passed over",
        lambda: message(OLD) + packed(message(OLD), message(OLD, codec="gzip")),
        [(0, "good"), (2, "unreadable")],
        3,
    ),
    Row(
        "one of them that is too short for its times is passed over",
        lambda: message(OLD) + packed(message(OLD), message(OLD, offset=1)[:11] + b"\x0e" + bytes(14)),
        [(0, "good"), (2, "unreadable")],
        3,
    ),
]


async def read(data: bytes, **options: Any) -> tuple[list[Any], Fetching]:
    """All that is read of a partition that holds `data`; damaged batches are fetched twice."""
    fetching = Fetching(give_raw_records, **options)
    return await fetching.fetch(data), fetching


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_what_a_producer_writes_is_read_past(row: Row) -> None:
    records, fetching = await read(row.data())
    assert told(records) == row.comes
    assert fetching.position == row.position


async def test_a_batch_with_a_wrong_checksum_is_fetched_once_more_and_then_passed_over() -> None:
    fetching = Fetching(give_raw_records)
    data = broken(batch([GOOD] * 3), 90) + batch([GOOD], base=3)
    assert told(await fetching.fetch(data)) == []
    assert fetching.position == 0
    assert told(await fetching.fetch(data)) == [(2, "unreadable"), (3, "good")]
    assert fetching.position == 4


async def test_a_batch_that_was_damaged_on_the_line_is_not_lost() -> None:
    fetching = Fetching(give_raw_records)
    data = batch([GOOD]) + batch([GOOD] * 3, base=1)
    assert told(await fetching.fetch(broken(data, len(data) - 5))) == [(0, "good")]
    assert fetching.position == 1
    assert told(await fetching.fetch(data[len(batch([GOOD])) :])) == [(1, "good"), (2, "good"), (3, "good")]


@pytest.mark.parametrize("byte", [0, *range(8, 61)])  # those between say where the batch is
async def test_no_damaged_head_of_a_batch_holds_up_what_comes_after_it(byte: int) -> None:
    """Again and again the same, as from a broken disk."""
    fetching, after = Fetching(give_raw_records), batch([GOOD], base=3)
    data = broken(batch([GOOD] * 3), byte) + after
    found: list[Any] = []
    for _ in range(2):
        if not found:
            found = await fetching.fetch(data)
    assert 0 < fetching.position <= 4
    assert all(0 <= each.offset <= 3 for each in found)
    fetching.seek(3)
    assert told(await fetching.fetch(after)) == [(3, "good")]


@pytest.mark.parametrize("error", [MemoryError, RuntimeError, IndexError])
async def test_what_no_data_can_cause_makes_no_dead_letter(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """A worker that was short of memory, or wrong, put good events aside as damaged ones and went on."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(raw_records, "unpack", fail)
    with pytest.raises(error):
        await read(batch([GOOD] * 3, "gzip"))


@pytest.mark.parametrize("codec", ["gzip", "zstd", "lz4", "snappy"])
async def test_what_is_unpacked_is_bounded_before_it_is_allocated(codec: str) -> None:
    data = batch([(b"c1", BOMB, ())], codec)
    tracemalloc.start()
    try:
        records, _ = await read(data)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert told(records) == [(0, "size")]
    assert most < 40 * MIB  # and the codecs' own, which have bounds


async def test_large_records_that_are_packed_well_are_taken_a_few_at_a_time() -> None:
    """Ten thousand of them were in flight at once: ten gigabytes."""
    data = b"".join(batch([(b"c", b"x" * MIB, ())] * 8, "lz4", base=8 * n) for n in range(5))
    fetching = Fetching(give_raw_records)
    assert len(await fetching.fetch(data)) == 40
    largest = max(fetching.taken)
    assert largest <= 16 * MIB


async def test_old_records_that_are_packed_well_are_taken_a_few_at_a_time() -> None:
    """They counted for nothing, so all that a fetch had was in flight at once."""
    inner = [b"".join(message(b"x" * MIB, offset=8 * n + m) for m in range(8)) for n in range(5)]
    data = b"".join(message(each, offset=8 * n + 7, codec="gzip") for n, each in enumerate(inner))
    fetching = Fetching(give_raw_records)
    assert [each.offset for each in await fetching.fetch(data)] == list(range(40))
    assert sum(fetching.taken) >= 40 * MIB
    assert max(fetching.taken) <= 16 * MIB


async def test_what_is_left_of_damaged_batches_counts() -> None:
    """A partition of nothing else was taken whole, however many dead letters that made."""
    data = b"".join(batch([GOOD] * 30, attributes=7, base=30 * n) for n in range(500))
    fetching = Fetching(give_raw_records)
    assert len(await fetching.fetch(data)) == 500
    assert sum(fetching.taken) >= 500 * 1000


async def test_of_a_record_that_is_too_large_its_place_size_and_beginning_are_known() -> None:
    (bad,), _ = await read(batch([(b"c1", b"0123456789" * 2 * MIB, ())], "zstd"))
    assert (bad.key, bad.size, bad.head[:12], len(bad.head)) == (b"c1", 20 * MIB, b"012345678901", 1024)
    assert bad.value == b"\0", "it could be taken for an event"


async def test_names_that_are_not_utf8_and_values_that_are_null_are_still_told_apart() -> None:
    (odd,), _ = await read(batch([(b"c", b"{}", [(b"a\xff", b"1"), (b"b", None), (b"", b"2")])]))
    assert odd.headers == (("a\\xff", b"1"), ("b", b""), ("", b"2"))


async def test_records_of_an_aborted_transaction_are_never_applied() -> None:
    data = (
        batch([GOOD] * 2, attributes=TRANSACTIONAL, producer_id=7)
        + batch([GOOD], base=2)
        + batch([(ABORT, b"\0" * 6, ())], base=3, attributes=TRANSACTIONAL | CONTROL, producer_id=7)
        + batch([GOOD], base=4, attributes=TRANSACTIONAL, producer_id=7)
        + batch([(COMMIT, b"\0" * 6, ())], base=5, attributes=TRANSACTIONAL | CONTROL, producer_id=7)
    )
    fetching = Fetching(give_raw_records)
    assert told(await fetching.fetch(data, aborted=[(7, 0)])) == [(2, "good"), (4, "good")]
    assert fetching.position == 6, "what ends in a control record is read to its end"


async def test_what_others_write_in_transactions_is_none_of_our_own_records() -> None:
    """Our changelog, decisions and dead letters: no such record of theirs is taken for ours."""
    data = batch([GOOD], attributes=TRANSACTIONAL, producer_id=7) + batch([GOOD], base=1)
    records, fetching = await read(data, committed_only=False, ours=True)
    assert told(records) == [(1, "good")]
    assert fetching.position == 2


async def test_a_batch_in_the_middle_of_which_is_read_on_gives_what_comes_after() -> None:
    fetching = Fetching(give_raw_records)
    fetching.seek(2)
    assert told(await fetching.fetch(batch([GOOD] * 4))) == [(2, "good"), (3, "good")]


async def test_what_the_app_wrote_itself_is_not_read_as_an_event() -> None:
    """One event made 65,000 triggers in ten seconds: a channel's topic had become a source."""
    app = b"a" * 200  # its length takes two bytes
    mine: Made = (b"c1", b"{}", [(b"other", b"x"), (b"ce_app", app)])
    others: Made = (b"c1", b"{}", [(b"ce_app", app + b"2"), (b"app", app)])
    fetching = Fetching(give_raw_records, mark=("ce_app", app))
    first, second, third = await fetching.fetch(batch([others, mine, others]))
    assert isinstance(second, Unread)
    assert (second.reason, second.offset, second.key, second.size) == ("own", 1, b"c1", 2)
    assert [each.value for each in (first, third)] == [b"{}", b"{}"]
