"""The records of one Kafka batch (magic 2), from the bytes that it was unpacked to.

aiokafka's reader believes what it reads: a header's name that is not UTF-8 ends it, and so does anything odd
about one record; and each header becomes three objects, whoever wants them. Here nothing is believed.

    record =>  length, attributes: int8, timestamp and offset less the batch's,
               key, value, number of headers, (name, value) of each      lengths and numbers: zigzag varint

- Nothing is read beyond a record's length, nor beyond the data. What does not fit, is an `Unread` in its
  place. The length says where the next record begins, so that one costs no other.
- A record above `largest` is not copied. It is an `Unread` with the first bytes of its value.
- Where the data ends within a record, because no more was unpacked (`cut`) or because it is broken, one
  `Unread` stands for all that is left.
- Headers stay bytes until somebody asks for them.

Offsets only grow, stay within the batch's, and leave one for each record that is still to come; so none of
them is passed over in silence. Cost: 0.15 µs a record, which is what its objects take.
Tested by tests/kafka/test_raw_records.py and tests/attacks/test_records.py.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8

from stream.kafka._varint cimport read_varint

from stream.structs import UNREAD_HEAD as _UNREAD_HEAD
from stream.structs import Unread

cdef Py_ssize_t head_size = _UNREAD_HEAD
MOST_HEADERS = 1000         # that are looked at; nobody sends as many in earnest
cdef Py_ssize_t most_headers = MOST_HEADERS
cdef int64_t SHORTEST = 6, LONGEST = 0x7fffffff     # bytes of a record, as Kafka has them


@cython.final
@cython.freelist(1000)
cdef class RawRecord:
    """What `structs.Record` asks for."""

    @property
    def headers(self):
        """The names and values; of a name that is not UTF-8 the bytes are written out, null is empty."""
        cdef Py_ssize_t at = 0, size, end
        cdef int64_t left = 0, length = 0
        cdef const uint8_t *data
        cdef list found = []
        cdef str name
        if self.raw_headers is None:
            return ()
        data, size = self.raw_headers, len(self.raw_headers)
        read_varint(data, &at, size, &left)
        while left > 0 and len(found) < most_headers:
            left -= 1
            if not read_varint(data, &at, size, &length) or not 0 <= length <= size - at:
                break
            name = PyUnicode_DecodeUTF8(<const char *> data + at, length, "backslashreplace")
            at += length
            if not read_varint(data, &at, size, &length) or length > size - at:
                break
            end = at + max(length, 0)
            found.append((name, PyBytes_FromStringAndSize(<const char *> data + at, end - at)))
            at = end
        return tuple(found)


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
        PyObject_GetBuffer(data, &self.buffer, PyBUF_SIMPLE)
        self.data, self.size = <const uint8_t *> self.buffer.buf, self.buffer.len
        self.largest, self.cut, self.own = largest, cut, own
        self.base = self.next = base
        self.last, self.left = last, count
        self.first_timestamp, self.append_time = first_timestamp, append_time

    def __dealloc__(self):
        PyBuffer_Release(&self.buffer)

    def take(self, Py_ssize_t most):
        """The next records, in a list; an empty one when there are no more."""
        cdef int64_t length = 0
        cdef list found = []
        while self.left > 0 and len(found) < most:
            if (
                read_varint(self.data, &self.at, self.size, &length) and SHORTEST <= length <= LONGEST
                and (length <= self.size - self.at or self.cut)
            ):
                self.left -= 1
                found.append(self.record(self.at + length))
                self.at += length
            else:
                self.left = 0
                found.append(self.missed(self.last, self.at, self.size))
        return found

    cdef bytes copy(self, Py_ssize_t start, Py_ssize_t end):
        return PyBytes_FromStringAndSize(<const char *> self.data + start, end - start)

    cdef object record(self, Py_ssize_t end):
        """The record from here to `end`, which may be beyond the data where it is cut."""
        cdef Py_ssize_t begin = self.at, at = begin + 1, stop = min(end, self.size)
        cdef int64_t later = 0, delta = 0, length = 0, count = 0, timestamp
        cdef const uint8_t *data = self.data
        cdef RawRecord made
        cdef bytes key = None, value = None, headers = None
        if not (
            read_varint(data, &at, stop, &later) and read_varint(data, &at, stop, &delta)
            and self.next - self.base <= delta <= self.last - self.base - self.left
            and read_varint(data, &at, stop, &length) and -1 <= length <= stop - at
        ):
            return self.missed(self.next, begin, stop)
        if length >= 0:
            key = self.copy(at, at + length)
            at += length
        if not read_varint(data, &at, stop, &length) or not -1 <= length <= end - at:
            return self.missed(self.next, begin, stop)
        timestamp = self.append_time if self.append_time >= 0 else self.first_timestamp + later
        if end - begin > self.largest or length > stop - at:
            self.next = self.base + delta + 1
            head = self.copy(at, min(at + max(min(length, head_size), 0), stop))
            return Unread(self.next - 1, timestamp, "size", self.next - 1, key, head, max(length, 0))
        if length >= 0:
            value = self.copy(at, at + length)
            at += length
        begin = at
        if not read_varint(data, &at, stop, &count) or count < 0:
            return self.missed(self.next, begin, stop)
        if count:
            headers = self.copy(begin, stop)
            if self.own is not None and self.own in headers:
                self.next = self.base + delta + 1
                head = b"" if value is None else value[:head_size]
                return Unread(self.next - 1, timestamp, "own", self.next - 1, key, head, len(value or b""))
        made = RawRecord.__new__(RawRecord)
        made.offset, made.timestamp = self.base + delta, timestamp
        made.key, made.value, made.raw_headers = key, value, headers
        self.next = made.offset + 1
        return made

    cdef object missed(self, int64_t offset, Py_ssize_t begin, Py_ssize_t end):
        """In place of what cannot be read, up to that offset."""
        first, self.next = self.next, offset + 1
        head = self.copy(begin, min(begin + head_size, end)) if begin < end else b""
        reason = "size" if self.cut else "unreadable"
        return Unread(offset, self.first_timestamp, reason, first, None, head, max(end - begin, 0))
