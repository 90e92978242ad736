"""Records on their way out, as bytes; the essay is in `_packed.pyx`."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from stream.events._varint cimport put_varint, size_of_varint

cdef enum:
    PREFIX = 4          # bytes before a record that say its size
    HEADER_ROOM = 10    # bytes of a header, at most, beside its name and its value

cdef class PackedRecords:
    cdef uint8_t *data
    cdef readonly Py_ssize_t size       # bytes that are in use
    cdef Py_ssize_t room, count

    # Of key and value -1 is null; headers as `put_header` writes them, their number in front. None: size 0.
    cdef int append(
        self, const uint8_t *key, Py_ssize_t key_size, const uint8_t *value, Py_ssize_t value_size,
        const uint8_t *headers, Py_ssize_t headers_size,
    ) except -1
    cdef Py_ssize_t size_at(self, Py_ssize_t at) except -1  # of the record whose prefix begins there
    cdef uint8_t *more(self, Py_ssize_t size) except NULL


cdef inline Py_ssize_t put_bytes(uint8_t *into, const uint8_t *data, Py_ssize_t size) noexcept:
    """Writes the size and, unless that is -1, the bytes; how many it took."""
    cdef Py_ssize_t at = put_varint(into, size)
    if size > 0:
        memcpy(into + at, data, size)
        at += size
    return at


cdef inline Py_ssize_t put_header(
    uint8_t *into, const uint8_t *name, Py_ssize_t name_size, const uint8_t *value, Py_ssize_t value_size
) noexcept:
    """Writes a header where there is room for it; how many bytes it took."""
    cdef Py_ssize_t at = put_bytes(into, name, name_size)
    return at + put_bytes(into + at, value, value_size)


cdef inline Py_ssize_t size_of_bytes(Py_ssize_t size) noexcept:
    """Bytes that `put_bytes` takes."""
    return size_of_varint(size) + max(size, 0)
