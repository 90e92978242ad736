"""What a broker answers to a fetch (version 11), from its bytes; layouts in `quick_requests`.

    answer     =>  throttled: int32, error: int16, session: int32, topics
    topic      =>  name: string, partitions
    partition  =>  number: int32, error: int16, high watermark, last stable offset, first offset: int64,
                   aborted transactions (producer, first offset: int64), preferred replica: int32,
                   records: bytes

Arrays and bytes have an int32 in front, strings an int16; -1: null. Cost: 0.3 µs a partition.
Tested by tests/kafka/test_quick_requests.py.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef class _Answer:
    cdef const uint8_t *data
    cdef Py_ssize_t at, size

    cdef const uint8_t *take(self, Py_ssize_t size) except NULL:
        """The next bytes."""
        cdef Py_ssize_t at = self.at
        if size > self.size - at:
            raise ValueError("an answer ends too early")
        self.at += size
        return self.data + at

    cdef uint64_t number(self, Py_ssize_t size) except? 0:
        """The next number, of so many bytes."""
        cdef const uint8_t *data = self.take(size)
        cdef uint64_t found = 0
        cdef Py_ssize_t at
        for at in range(size):
            found = found << 8 | data[at]
        return found

    cdef int16_t int16(self) except? 0:
        return <int16_t> <uint16_t> self.number(2)

    cdef int32_t int32(self) except? 0:
        return <int32_t> <uint32_t> self.number(4)

    cdef int64_t int64(self) except? 0:
        return <int64_t> self.number(8)

    cdef tuple partition(self):
        """One, in the order above."""
        cdef int32_t number = self.int32(), replica, size, count
        cdef int16_t error = self.int16()
        cdef int64_t highest = self.int64(), stable = self.int64(), first = self.int64()
        count = self.int32()
        aborted = None if count < 0 else [(self.int64(), self.int64()) for _ in range(count)]
        replica, size = self.int32(), self.int32()
        records = None
        if size >= 0:
            records = PyBytes_FromStringAndSize(<const char *> self.take(size), size)
        return number, error, highest, stable, first, aborted, replica, records


def read_answer(bytes data not None, Py_ssize_t at):
    """(throttled, error, session, [(topic, [a partition's fields, …]), …]), which begins at `at`. ValueError
    where there is too little.
    """
    cdef _Answer answer = _Answer.__new__(_Answer)
    cdef int32_t throttled, session
    cdef int16_t error, length
    cdef list topics = []
    answer.data, answer.size, answer.at = data, len(data), at
    throttled, error, session = answer.int32(), answer.int16(), answer.int32()
    for _ in range(answer.int32()):
        length = max(answer.int16(), 0)
        topic = PyUnicode_DecodeUTF8(<const char *> answer.take(length), length, NULL)
        topics.append((topic, [answer.partition() for _ in range(answer.int32())]))
    return throttled, error, session, topics
