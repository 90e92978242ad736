"""Records as they lie in a fetched batch, whatever a producer put there: no batch ends who reads it.

aiokafka's own reading ends with an exception, at the same record after each start: where a codec is unknown,
a checksum is wrong, a name is not UTF-8. It unpacks a batch whole, however large that becomes. And it makes a
Python object of each record for its users, which takes half of the 2 µs that fetching one costs; here records
stay where they lie (`events/_taken`). It has no option for any of this. So of a consumer's fetcher, and of no
other's, three classes are replaced: what holds the bytes of a partition, its batches, and what is taken of
them at a time.

    a record that is damaged or too large     an `Unread` in its place, and those after it are read
    a batch that cannot be unpacked           one `Unread` for all of it
    a batch with a wrong checksum             is fetched once more, since it may be the line; then the same
    a batch that holds more than it may       (`codecs`) its beginning, and one `Unread` for what is left
    a batch of an aborted transaction         nothing; nor of control records

What is taken at a time has a bound in bytes, too, as it lies about in the worker.
Tested by tests/kafka/test_raw_records.py, tests/attacks/test_records.py and tests/integration/test_lane.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any, NamedTuple
from zlib import crc32

import structlog
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.legacy_records import _LegacyRecordBatchPy

from stream.events._taken import TakenRecords
from stream.kafka._crc32c import crc32c
from stream.kafka._records import BatchRecords, plain_records
from stream.kafka.codecs import Damaged, unpack
from stream.structs import UNREAD_HEAD, Record, Unread

log = structlog.get_logger("stream.intake")

TAKEN_BYTES = 8 << 20  # of all partitions of a consumer at a time, roughly
LEAST_TAKEN_BYTES = 256 << 10  # of one
SLICE = 500  # records that are made at once
MOST_RECORDS = 1 << 24  # of a batch that is believed
OVERHEAD = 200  # bytes of a record, beside its own: as an object
# An event has at most 1 MiB (`engine.MAX_EVENT_BYTES`): so much more may key and headers be.
LARGEST = (1 << 20) + (64 << 10)
UNBOUNDED = 1 << 31
HEADER = struct.Struct(">qiibIhiqqqhii")  # of a batch of magic 2
LENGTH = struct.Struct(">i")
ATTRIBUTES_AT = 21  # what the checksum covers begins there
LENGTH_AT, MAGIC_AT = 8, 16
COVERED_AT = 12  # what a batch's length counts begins there
LEAST_LENGTH = 14
FARTHEST = 1 << 62  # an offset that is believed
CONTROL_KEY_SIZE = 4
CODEC, APPEND_TIME, TRANSACTIONAL, CONTROL = 0x07, 0x08, 0x10, 0x20
PASSED_OVER = TRANSACTIONAL | CONTROL  # perhaps


class Older(NamedTuple):
    """A record of before Kafka 0.11."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[()] = ()


class Bytes:
    """What was fetched of a partition."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def size_in_bytes(self) -> int:
        return len(self.data)

    def has_next(self) -> bool:
        """Whether there is anything. The first batch is whole, however little was asked for, or damaged."""
        return bool(self.data)


class _Head(NamedTuple):
    """Of a batch, in the order of the wire."""

    base: int
    length: int
    epoch: int
    magic: int
    crc: int
    attributes: int
    last_delta: int
    first_timestamp: int
    last_timestamp: int
    producer_id: int
    producer_epoch: int
    sequence: int
    records: int


class Reading:
    """How a consumer reads. `largest`: bytes of a record. `ours`: what is written in a transaction is not.
    `own`: the bytes of a header that a record which we wrote has.
    """

    def __init__(self, fetcher: Any, largest: int, *, ours: bool, own: bytes | None = None) -> None:
        self.largest = largest
        self.own = own
        self.ours = ours
        self._fetcher = fetcher
        self._suspects: set[tuple[Any, int]] = set()

    @property
    def room(self) -> int:
        """Bytes that may be taken of one partition now."""
        return max(TAKEN_BYTES // max(len(self._fetcher._records), 1), LEAST_TAKEN_BYTES)

    def is_worth_another_look(self, tp: Any, base: int) -> bool:
        """Whether a batch with a wrong checksum was seen for the first time."""
        first = (tp, base) not in self._suspects
        self._suspects.symmetric_difference_update({(tp, base)})
        return first

    def batches(self, tp: Any, fetched: Bytes, aborted: Any, offset: int, *rest: Any) -> Batches:
        """In place of aiokafka's PartitionRecords; the last of its arguments is the isolation level."""
        return Batches(self, tp, fetched.data, aborted, offset, committed_only=rest[-1] == READ_COMMITTED)


class Batches:
    """What was fetched of a partition. What lies before `next_fetch_offset` was taken, or is passed over."""

    def __init__(
        self, reading: Reading, tp: Any, data: bytes, aborted: Any, offset: int, *, committed_only: bool
    ) -> None:
        self.next_fetch_offset = self._begun_at = offset
        self.size = 0  # of what was taken, in bytes
        self.reading = reading
        self._tp = tp
        self._data = memoryview(data)
        self._at = 0
        self._again = False  # what is left is fetched once more
        self._is_damaged = False
        self._head: _Head | None = None
        self._body = self._data
        self._records: Iterator[TakenRecords] = iter(())
        self._end = offset  # after the present batch
        self._committed_only = committed_only
        self._aborted = sorted(aborted or (), key=lambda each: each[1])  # (producer, first offset)
        self._aborting: set[int] = set()  # producers

    def take(self) -> TakenRecords | None:
        """The next records, which may be none; None if there is nothing more."""
        if self._at == 0 and (plain := self._take_plain()) is not None:
            return plain
        found: TakenRecords | None = None
        try:
            while (found := next(self._records, None)) is None:
                self.next_fetch_offset = max(self.next_fetch_offset, self._end)
                if not self._open_next():
                    break
        except Damaged as error:  # the next batch can be read all the same
            found = TakenRecords([self._unread(error)])
            self._records = iter(())
        if found is None:
            if self._again or self.next_fetch_offset > self._begun_at or not self._is_damaged:
                return None
            # What was given ends before the offset that was asked for. It would be given for ever.
            self._end = self.next_fetch_offset + 1
            found = TakenRecords([self._unread(Damaged("offsets"))])
        found = found.since(self.next_fetch_offset)  # it may have begun in the middle of a batch
        if found:
            self.next_fetch_offset = found.end
        return found

    def _take_plain(self) -> TakenRecords | None:
        """All there is, as it mostly is; a batch at a time, it takes some 20 µs for each."""
        reading = self.reading
        if self._aborted or self._again:
            return None
        plain = plain_records(self._data, self.next_fetch_offset, reading.room, reading.largest, reading.own)
        if plain is None:
            return None
        found, self.next_fetch_offset, size = plain
        self.size += size
        self._at = len(self._data)
        return found

    def _open_next(self) -> bool:
        start, end = self._at, _end_of(self._data, self._at)
        if self._again or start == len(self._data) or (start and end > len(self._data)):
            return False  # the size of a fetch has cut off what comes last
        self._at, self._body = end, (data := self._data[start:end])
        base = int.from_bytes(data[:LENGTH_AT], "big")
        if odd := base > FARTHEST:  # no checksum covers it
            base = self.next_fetch_offset
        self._head, self._end, right = None, base + 1, False
        whole = MAGIC_AT < len(data) == end - start
        if whole and data[MAGIC_AT] < 2:
            right = int.from_bytes(data[COVERED_AT:MAGIC_AT], "big") == crc32(data[MAGIC_AT:])
            self._records = self._read_older(data)
        elif whole and len(data) >= HEADER.size:
            self._head = head = _Head._make(HEADER.unpack_from(data))
            right = head.crc == crc32c(data[ATTRIBUTES_AT:])
            self._end, self._records = base + max(head.last_delta, 0) + 1, self._read(head, data)
        if odd or not right:
            self._is_damaged = True
            if self.reading.is_worth_another_look(self._tp, base):
                self._again, self._end = True, self.next_fetch_offset
                return False
            self._end = self._likely_end(base)
            self._records = map(_refuse, ("checksum",))
        return True

    def _likely_end(self, base: int) -> int:
        """After a batch of which no number can be trusted: where the next one begins, if it is here."""
        head = self._head
        after = int.from_bytes(self._data[self._at : self._at + LENGTH_AT], "big", signed=True)
        if base < after < base + MOST_RECORDS:
            return after
        if head is not None and 0 < head.records == head.last_delta + 1 <= MOST_RECORDS:
            return base + head.records
        return base + 1

    def _read(self, head: _Head, data: memoryview) -> Iterator[TakenRecords]:
        if head.magic != 2:
            raise Damaged("magic")
        if (self._aborted or head.attributes & PASSED_OVER) and self._is_passed_over(head, data):
            return
        codec, body, cut = head.attributes & CODEC, data[HEADER.size :], False
        if codec:
            body, cut = unpack(codec, body)
        records = _records(head, body, cut=cut, largest=self.reading.largest, own=self.reading.own)
        before = 0
        while found := records.take(SLICE):
            self.size += records.at - before + OVERHEAD * len(found)
            before = records.at
            yield found
            if len(found) < SLICE:
                return

    def _read_older(self, data: memoryview) -> Iterator[TakenRecords]:
        records, size = _older(data)
        self.size += size + OVERHEAD * len(records)
        yield TakenRecords(records)

    def _is_passed_over(self, head: _Head, data: memoryview) -> bool:
        """Whether nothing in it is for a reader."""
        if self._committed_only:
            while self._aborted and self._aborted[0][1] <= head.base:
                self._aborting.add(self._aborted.pop(0)[0])
        if head.attributes & CONTROL:
            marker = _records(head, data[HEADER.size :], cut=False, largest=UNBOUNDED, own=None).take(1)
            if marker and _is_abort(marker[0].key):
                self._aborting.discard(head.producer_id)
            return True
        if not head.attributes & TRANSACTIONAL:
            return False
        return self.reading.ours or head.producer_id in self._aborting

    def _unread(self, error: Damaged) -> Unread:
        """In place of what is left of a batch."""
        log.info("not_read_because", topic=self._tp[0], partition=self._tp[1], error=str(error))
        timestamp = self._head.first_timestamp if self._head is not None else -1
        first, data = self.next_fetch_offset, self._body
        last, head = max(self._end - 1, first), bytes(data[:UNREAD_HEAD])
        self.size += len(head) + OVERHEAD
        return Unread(last, timestamp, "unreadable", first, None, head, len(data))


class Fetched(FetchResult):  # type: ignore[misc]  # aiokafka has no types
    """What lies on the shelf of a partition until somebody takes it, a part at a time."""

    _partition_records: Batches | None

    def getall(self, max_records: int | None = None) -> TakenRecords:
        """As many records as there is room for; nobody asks for a number of them."""
        taken, tp = TakenRecords(), self._topic_partition
        if not self.check_assignment(tp) or (batches := self._partition_records) is None:
            return taken
        room = batches.reading.room
        found: TakenRecords | None = taken
        while batches.size < room and (found := batches.take()) is not None:
            taken.extend(found)
        self._update_position()
        taken.size, batches.size = batches.size, 0
        if found is None:
            self._partition_records = None
        for each in taken.unread:
            log.warning(
                "not_read", topic=tp.topic, partition=tp.partition, offset=each.offset, reason=each.reason
            )
        return taken


def _end_of(data: bytes | memoryview, start: int) -> int:
    """Where a batch ends; a length that cannot be reaches to the end of what there is."""
    if len(data) < start + COVERED_AT:
        return len(data)
    (length,) = LENGTH.unpack_from(data, start + LENGTH_AT)
    return start + COVERED_AT + length if length >= LEAST_LENGTH else len(data)


def _records(head: _Head, body: memoryview, *, cut: bool, largest: int, own: bytes | None) -> BatchRecords:
    append_time = head.last_timestamp if head.attributes & APPEND_TIME else -1
    if not 0 <= head.records <= head.last_delta + 1:
        raise Damaged("more records than offsets")
    last, first = head.base + head.last_delta, head.first_timestamp
    return BatchRecords(body, head.base, last, head.records, first, append_time, cut, largest, own)


def _sized(data: bytes) -> bytes:
    """As in a header: after its length, a zigzag varint."""
    left, length = len(data) << 1, bytearray()
    while left > 0x7F:
        length.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*length, left]) + data


def _refuse(what: str) -> TakenRecords:
    raise Damaged(what)


def _is_abort(key: bytes | None) -> bool:
    """What a control record says, of which an `Unread` may be in the place."""
    if key is None or len(key) < CONTROL_KEY_SIZE:
        raise Damaged("a control record")
    return bool(ControlRecord.parse(key) == ABORT_MARKER)


def _older(data: memoryview) -> tuple[list[Record], int]:
    """The records of a batch of magic 0 or 1, and their bytes, by aiokafka's reader in Python; what is packed
    in it is unpacked by ours.
    """
    try:
        batch = _LegacyRecordBatchPy(data, data[MAGIC_AT])
        if batch._compression_type:
            _, packed = batch._read_key_value(batch.KEY_OFFSET_V1 if data[MAGIC_AT] else batch.KEY_OFFSET_V0)
            found, cut = unpack(batch._compression_type, memoryview(packed or b""))
            if cut or not _is_whole(found):
                raise Damaged("a batch of an older format")
            batch._buffer, batch._decompressed = found, True
        records: list[Record] = [
            Older(each.offset, each.timestamp or -1, each.key, each.value) for each in batch
        ]
    except (AssertionError, struct.error) as error:  # what aiokafka's reader says to damage
        raise Damaged("a batch of an older format") from error
    offsets = [each.offset for each in records]
    if offsets != sorted(set(offsets)) or offsets[-1] != batch._offset:
        raise Damaged("offsets of an older format")
    return records, len(batch._buffer)


def _is_whole(found: memoryview) -> bool:
    """Whether batches of an older format follow each other to the end; aiokafka's reader takes any length."""
    at = 0
    while at + COVERED_AT + LEAST_LENGTH <= len(found):
        (length,) = LENGTH.unpack_from(found, at + LENGTH_AT)
        if length < LEAST_LENGTH:
            return False
        at += COVERED_AT + length
    return 0 < at == len(found)


def _renamed(method: Any, **classes: Any) -> Any:
    """A method of one object that finds other classes under these names."""
    function = method.__func__
    made = FunctionType(
        function.__code__, {**function.__globals__, **classes}, function.__name__, function.__defaults__
    )
    return MethodType(made, method.__self__)


def give_raw_records(
    consumer: Any, *, largest: int = LARGEST, ours: bool = False, mark: tuple[str, bytes] | None = None
) -> Reading:
    """Let a started consumer, which has fetched nothing yet, give raw records; see `Reading`.

    `mark`: a header, by name and value; what has it is an `Unread`, for we wrote it.
    """
    own = None if mark is None else b"".join(_sized(each) for each in (mark[0].encode(), mark[1]))
    fetcher = consumer._fetcher
    reading = Reading(fetcher, largest, ours=ours, own=own)
    names = {"MemoryRecords": Bytes, "PartitionRecords": reading.batches, "FetchResult": Fetched}
    fetcher._proc_fetch_request = _renamed(fetcher._proc_fetch_request, **names)
    fetcher.fetched_records = _renamed(fetcher.fetched_records, **names)
    return reading
