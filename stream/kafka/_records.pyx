"""The records of one Kafka batch (magic 2), from the bytes that it was unpacked to.

aiokafka's reader believes what it reads: a header's name that is not UTF-8 ends it, and so does anything odd
about one record; and each header becomes three objects, whoever wants them. Here nothing is believed.

    record =>  length, attributes: int8, timestamp and offset less the batch's,
               key, value, number of headers, (name, value) of each      lengths and numbers: zigzag varint

- Nothing is read beyond a record's length, nor beyond the data. What does not fit, is an `Unread` in its
  place. The length says where the next record begins, so that one costs no other.
- A record above `largest` is an `Unread` with the first bytes of its value.
- Where the data ends within a record, because no more was unpacked (`cut`) or because it is broken, one
  `Unread` stands for all that is left.
- The others stay where they are (`events/_taken`): nothing of them is copied.

Offsets only grow, stay within the batch's, and leave one for each record that is still to come; so none of
them is passed over in silence. Cost: 0.02 µs a record.
Tested by tests/kafka/test_raw_records.py and tests/attacks/test_records.py.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer

from stream.events._taken cimport RecordC, TakenRecords, bytes_at
from stream.events._varint cimport read_varint
from stream.kafka._crc32c cimport checksum

from stream.structs import UNREAD_HEAD as _UNREAD_HEAD
from stream.structs import Unread

cdef extern from "string.h":
    void *memmem(const void *hay, size_t hay_size, const void *needle, size_t size) noexcept

# Of a batch: what is where in its head, what its flags are.
cdef enum:
    LENGTH_AT = 8
    BEFORE_LENGTH = 12          # what the length does not count
    MAGIC_AT = 16
    CRC_AT = 17
    FLAGS_AT = 21
    LAST_AT = 23
    FIRST_TIME_AT = 27
    LAST_TIME_AT = 35
    COUNT_AT = 57
    HEAD_SIZE = 61
    CODEC = 0x07
    APPEND_TIME = 0x08
    TRANSACTIONAL = 0x10
    CONTROL = 0x20
    OVERHEAD = 200              # bytes of a record, beside its own: as an object

cdef int64_t FARTHEST = <int64_t> 1 << 62           # an offset that is believed
cdef Py_ssize_t head_size = _UNREAD_HEAD
cdef int64_t SHORTEST = 6, LONGEST = 0x7fffffff     # bytes of a record, as Kafka has them


@cython.final
cdef class BatchRecords:
    """The records of a batch, a few at a time. There are no more of them (`count`) than offsets.

    `first_timestamp`: of the batch, in ms; `append_time`: that of Kafka for all of them, -1 if the producer's
    count. `cut`: the batch is longer than `data`. `largest`: bytes of a record. `own`: the bytes of a header
    by which a record is one that we wrote, and none for us to read; None: there is none.
    """

    def __init__(
        self, object data, int64_t base, int64_t last, int32_t count, int64_t first_timestamp,
        int64_t append_time, bint cut, Py_ssize_t largest,
        bytes own,
    ):
        self.owner = memoryview(data)       # a bytearray keeps its size as long as somebody has that
        PyObject_GetBuffer(self.owner, &self.buffer, PyBUF_SIMPLE)
        self.data, self.size = <const uint8_t *> self.buffer.buf, self.buffer.len
        self.largest, self.cut, self.own = largest, cut, own
        self.base = self.next = base
        self.last, self.left = last, count
        self.first_timestamp, self.append_time = first_timestamp, append_time

    def __dealloc__(self):
        PyBuffer_Release(&self.buffer)

    def take(self, Py_ssize_t most):
        """The next records; none when there are no more."""
        cdef TakenRecords found = TakenRecords()
        found.owners.append(self.owner)
        self.fill(found, most)
        return found

    cdef int fill(self, TakenRecords found, Py_ssize_t most) except -1:
        """`take`, until there are so many."""
        cdef int64_t length = 0
        while self.left > 0 and found.count < most:
            if (
                read_varint(self.data, &self.at, self.size, &length) and SHORTEST <= length <= LONGEST
                and (length <= self.size - self.at or self.cut)
            ):
                self.left -= 1
                unread = self.record(self.at + length, found.more(1))
                self.at += length
            else:
                self.left = 0
                found.more(1)
                unread = self.missed(self.last, self.at, self.size)
            if unread is not None:
                found[found.count - 1] = unread
        return 0

    cdef object record(self, Py_ssize_t end, RecordC *into):
        """The record from here to `end`, which may be beyond the data where it is cut: None, and where it
        lies, or an `Unread`.
        """
        cdef Py_ssize_t begin = self.at, at = begin + 1, stop = min(end, self.size)
        cdef int64_t later = 0, delta = 0, key_size = 0, size = 0, count = 0
        cdef const uint8_t *data = self.data
        if not (
            read_varint(data, &at, stop, &later) and read_varint(data, &at, stop, &delta)
            and self.next - self.base <= delta <= self.last - self.base - self.left
            and read_varint(data, &at, stop, &key_size) and -1 <= key_size <= stop - at
        ):
            return self.missed(self.next, begin, stop)
        into.offset = self.base + delta
        into.timestamp = self.append_time if self.append_time >= 0 else self.first_timestamp + later
        into.key, into.key_size = data + at, <int32_t> key_size
        at += max(key_size, 0)
        if not read_varint(data, &at, stop, &size) or not -1 <= size <= end - at:
            return self.missed(self.next, begin, stop)
        if end - begin > self.largest or size > stop - at:
            return self.left_out(into, "size", at, min(size, stop - at), size)
        into.value, into.value_size = data + at, <int32_t> size
        at += max(size, 0)
        begin = at
        if not read_varint(data, &at, stop, &count) or count < 0:
            return self.missed(self.next, begin, stop)
        into.headers, into.headers_size = data + begin, <int32_t> (stop - begin) if count else 0
        if count and self.own is not None and memmem(
            data + begin, stop - begin, <const char *> self.own, len(self.own)
        ) is not NULL:
            return self.left_out(into, "own", into.value - data, size, size)
        self.next = into.offset + 1
        return None

    cdef object left_out(self, RecordC *record, str reason, Py_ssize_t at, Py_ssize_t here, Py_ssize_t size):
        """In place of a record of which key and place are known. `here`: how much there is of its value."""
        key = bytes_at(record.key, record.key_size)
        head = bytes_at(self.data + at, min(max(here, 0), head_size))
        self.next = record.offset + 1
        return Unread(record.offset, record.timestamp, reason, record.offset, key, head, max(size, 0))

    cdef object missed(self, int64_t offset, Py_ssize_t begin, Py_ssize_t end):
        """In place of what cannot be read, up to that offset."""
        first, self.next = self.next, offset + 1
        head = bytes_at(self.data + begin, max(min(head_size, end - begin), 0))
        reason = "size" if self.cut else "unreadable"
        return Unread(offset, self.first_timestamp, reason, first, None, head, max(end - begin, 0))


def plain_records(data not None, int64_t offset, Py_ssize_t room, Py_ssize_t largest, bytes own):
    """All records from `offset` on of batches one after another, where they end, and how large they are, if
    nothing is odd about the batches: whole, not packed, of no transaction, with the right checksum. (Less
    than a whole one may come last.) None if something is, or they are larger than `room`.
    """
    cdef Py_buffer buffer
    owner = memoryview(data)            # a bytearray keeps its size as long as somebody has that
    PyObject_GetBuffer(owner, &buffer, PyBUF_SIMPLE)
    try:
        return plain(owner, <const uint8_t *> buffer.buf, buffer.len, offset, room, largest, own)
    finally:
        PyBuffer_Release(&buffer)


cdef object plain(
    object owner, const uint8_t *at, Py_ssize_t left, int64_t offset, Py_ssize_t room, Py_ssize_t largest,
    bytes own,
):
    cdef TakenRecords found = TakenRecords()
    cdef BatchRecords batch
    cdef const uint8_t *head
    cdef Py_ssize_t size, taken = 0, before
    cdef int64_t base, end = -1
    cdef int32_t last, count, flags
    found.owners.append(owner)
    while left >= HEAD_SIZE:
        head, size = at, BEFORE_LENGTH + <int32_t> be32(at + LENGTH_AT)
        if size < HEAD_SIZE or head[MAGIC_AT] != 2:
            return None
        if size > left:
            break
        base, flags = <int64_t> be64(head), head[FLAGS_AT] << 8 | head[FLAGS_AT + 1]
        last, count = <int32_t> be32(head + LAST_AT), <int32_t> be32(head + COUNT_AT)
        if (
            flags & (CODEC | TRANSACTIONAL | CONTROL) or not 0 <= base < FARTHEST or base < end
            or last < 0 or not 0 <= count <= <int64_t> last + 1
            or be32(head + CRC_AT) != checksum(head + FLAGS_AT, size - FLAGS_AT)
        ):
            return None
        batch = BatchRecords.__new__(BatchRecords)
        batch.data, batch.size = head + HEAD_SIZE, size - HEAD_SIZE
        batch.largest, batch.own = largest, own
        batch.base = batch.next = base
        batch.last, batch.left = base + last, count
        batch.first_timestamp = <int64_t> be64(head + FIRST_TIME_AT)
        batch.append_time = <int64_t> be64(head + LAST_TIME_AT) if flags & APPEND_TIME else -1
        before = found.count
        batch.fill(found, before + count)
        taken += batch.at + OVERHEAD * (found.count - before)
        if taken > room:
            return None
        end = base + last + 1
        at, left = at + size, left - size
    if end <= offset:
        return None
    return found.since(offset), end, taken


cdef uint32_t be32(const uint8_t *at) noexcept:
    return <uint32_t> at[0] << 24 | <uint32_t> at[1] << 16 | <uint32_t> at[2] << 8 | at[3]


cdef uint64_t be64(const uint8_t *at) noexcept:
    return <uint64_t> be32(at) << 32 | be32(at + 4)
