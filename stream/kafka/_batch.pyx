"""A batch of records as Kafka has them (magic 2), not compressed, made of packed ones.

aiokafka's own builder is given each record as objects, and takes 2 µs for it. Here a batch is made at once,
of bytes: each record has its place put before it, and its length before that.

    batch  =>  head (`raw_records.HEADER`), records
    record =>  length, attributes: int8, timestamp and offset less the batch's, and the rest as in `_packed`
               lengths and numbers: zigzag varint

The timestamp is that of the making, the same for all of a batch. So a batch takes the bytes that aiokafka's
takes, to the last (the test compares them).

aiokafka's producer asks a batch for what its own `BatchBuilder` has: those methods are here under its names.
It sets a batch's state once, before it is sent first; and builds it anew each time that it is sent, which
here comes to writing the head again. Cost: 0.02 µs a record of 500 bytes, and of the checksum (`_crc32c`)
0.08 µs a kilobyte.
Tested by tests/kafka/test_batch.py.
"""

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy

from stream.kafka._packed cimport PREFIX, PackedRecords
from stream.events._varint cimport put_varint, size_of_varint

from struct import Struct

from stream.kafka.raw_records import ATTRIBUTES_AT as _ATTRIBUTES_AT
from stream.kafka.raw_records import COVERED_AT as _COVERED_AT
from stream.kafka._crc32c import crc32c
from stream.kafka.raw_records import HEADER

cdef Py_ssize_t head_size = HEADER.size, covered_at = _COVERED_AT, attributes_at = _ATTRIBUTES_AT
cdef object checksum = Struct(">I")
cdef Py_ssize_t CHECKSUM_AT = 17
cdef int NO_EPOCH = -1, MAGIC = 2
cdef tuple NOBODY = (-1, -1, 0)     # a producer that is not idempotent


cdef inline Py_ssize_t size_in_batch(Py_ssize_t size, int32_t number) noexcept:
    """Of a packed record, without its length; so many are before it. 2: the attributes, a timestamp of 0."""
    return 2 + size_of_varint(number) + size


@cython.no_gc
@cython.final
cdef class RecordBatch:
    """As many records from byte `start` on as `most` bytes take; the first is in it whatever its size.

    `end`: the byte after them. `now`: their timestamp, in ms.
    """

    def __cinit__(self, PackedRecords records not None, Py_ssize_t start, Py_ssize_t most, int64_t now):
        self.timestamp = now
        self.producer = NOBODY
        self.end = start
        self.fill(records, start, self.measure(records, most))

    cdef Py_ssize_t measure(self, PackedRecords records, Py_ssize_t most) except -1:
        """How large it becomes, up to which byte it goes and with how many records."""
        cdef Py_ssize_t size = head_size, packed, more
        while self.end < records.size:
            packed = records.size_at(self.end)
            more = size_in_batch(packed, self.count)
            more += size_of_varint(more)
            if size + more > most and self.count:
                break
            size += more
            self.end += PREFIX + packed
            self.count += 1
        return size

    cdef int fill(self, PackedRecords records, Py_ssize_t start, Py_ssize_t size) except -1:
        cdef Py_ssize_t at = start, packed
        cdef int32_t number
        cdef uint8_t *into
        self.data = PyByteArray_FromStringAndSize(NULL, size)
        into = <uint8_t *> PyByteArray_AS_STRING(self.data) + head_size
        for number in range(self.count):
            packed = records.size_at(at)
            into += put_varint(into, size_in_batch(packed, number))
            into[0] = into[1] = 0
            into += 2
            into += put_varint(into, number)
            at += PREFIX
            memcpy(into, records.data + at, packed)
            into += packed
            at += packed
        return 0

    # - what aiokafka's producer asks for

    def record_count(self):
        return self.count

    def size(self):
        """In bytes."""
        return len(self.data)

    def close(self):
        """Nothing is added to it anyway."""

    def closed(self):
        return True

    def _set_producer_state(self, producer_id, producer_epoch, base_sequence):
        self.producer = (producer_id, producer_epoch, base_sequence)

    def _build(self):
        """The bytes to be sent."""
        HEADER.pack_into(
            self.data, 0, 0, len(self.data) - covered_at, NO_EPOCH, MAGIC, 0, 0, max(self.count - 1, 0),
            self.timestamp, self.timestamp, *self.producer, self.count,
        )
        checksum.pack_into(self.data, CHECKSUM_AT, crc32c(memoryview(self.data)[attributes_at:]))
        return self.data
