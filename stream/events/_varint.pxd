"""Numbers as Kafka's records have them: of the zigzag (0, -1, 1, -2, …) 7 bits a byte, the lowest first; the
high bit says that more follow.

Tested by tests/kafka/test_raw_records.py and test_packed.py.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint64_t


@cython.overflowcheck(False)
cdef inline uint64_t zigzag(int64_t number) noexcept:
    return (<uint64_t> number << 1) ^ <uint64_t> (number >> 63)


cdef inline Py_ssize_t size_of_varint(int64_t number) noexcept:
    """Bytes that it takes."""
    cdef uint64_t left = zigzag(number)
    cdef Py_ssize_t size = 1
    while left >= 0x80:
        left >>= 7
        size += 1
    return size


cdef inline Py_ssize_t put_varint(uint8_t *into, int64_t number) noexcept:
    """Writes it where there is room for it; how many bytes it took."""
    cdef uint64_t left = zigzag(number)
    cdef Py_ssize_t size = 0
    while left >= 0x80:
        into[size] = <uint8_t> (left & 0x7f) | 0x80
        left >>= 7
        size += 1
    into[size] = <uint8_t> left
    return size + 1


@cython.overflowcheck(False)
cdef inline bint read_varint(const uint8_t *data, Py_ssize_t *at, Py_ssize_t end, int64_t *value) noexcept:
    """False if it is not whole, or longer than 64 bits."""
    cdef uint64_t found = 0
    cdef int shift = 0
    cdef uint8_t byte
    while at[0] < end and shift < 64:
        byte = data[at[0]]
        at[0] += 1
        found |= <uint64_t> (byte & 0x7f) << shift
        if byte < 0x80:
            value[0] = <int64_t> (found >> 1) ^ -<int64_t> (found & 1)
            return True
        shift += 7
    return False
