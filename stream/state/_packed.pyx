"""Numbers and values in few bytes: what a customer's state consists of, in memory and in the changelog.

    number    a varint: 7 bits a byte, the lowest first; the high bit says that more follow
    signed    the same of its zigzag: 0, -1, 1, -2, …
    double    8 bytes of IEEE 754, little-endian
    scalar    head [payload]; head = size << 3 | kind, size that of a text, else 0; kinds as in `_value`
              (1 null, 2 false, 3 true, 4 signed, 5 number above 2^63, 6 double, 7 text); in an
              element of a list also 0, of what is not there

`next…` read what is known to be well formed: what this process has written, or `_codec` has found to be so.
A `Buffer` grows as it is written to; `write` does not look, so `reserve` comes first.
Tested by tests/state/test_codec.py and tests/state/test_customer.py.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memmove

import sys

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

if sys.byteorder != "little":
    raise ImportError("a customer's state is kept in little-endian bytes, and this machine is big-endian")


cdef bint is_key(const ValueC *value) noexcept:
    if value.kind == KIND_TEXT:
        return value.size <= MAX_SCALAR
    return value.kind in (KIND_INTEGER, KIND_TRUE, KIND_FALSE, KIND_UNSIGNED)


cdef bint is_kept(const ValueC *value) noexcept:
    return is_key(value) or value.kind == KIND_DOUBLE or value.kind == KIND_NIL


@cython.no_gc
@cython.final
cdef class Buffer:
    """Bytes that are being written."""

    def __dealloc__(self):
        PyMem_Free(self.data)

    cdef int grow(self, Py_ssize_t more) except -1:
        cdef Py_ssize_t room = max(2 * self.room, self.size + more, 256)
        cdef uint8_t *grown = <uint8_t *> PyMem_Realloc(self.data, room)
        if grown is NULL:
            raise MemoryError
        self.data = grown
        self.room = room
        return 0

    cdef int put(self, uint64_t number) except -1:
        reserve(self, VARINT)
        self.size += write(self.data + self.size, number)
        return 0

    cdef int put_signed(self, int64_t number) except -1:
        return self.put(zigzag(number))

    cdef int put_double(self, double number) except -1:
        return self.put_raw(&number, 8)

    cdef int put_raw(self, const void *data, Py_ssize_t size) except -1:
        reserve(self, size)
        if size:
            memcpy(self.data + self.size, data, size)
        self.size += size
        return 0

    cdef int put_text(self, str text) except -1:
        """Its length and its bytes in UTF-8."""
        cdef Py_ssize_t size = 0
        cdef const char *data = PyUnicode_AsUTF8AndSize(text, &size)
        self.put(size)
        return self.put_raw(data, size)

    cdef int put_scalar(self, const ValueC *value) except -1:
        cdef uint64_t size = value.size if value.kind == KIND_TEXT else 0
        self.put(size << 3 | <uint64_t> value.kind)
        if value.kind == KIND_TEXT:
            self.put_raw(value.of.text, value.size)
        elif value.kind == KIND_INTEGER:
            self.put_signed(value.of.integer)
        elif value.kind == KIND_UNSIGNED:
            self.put(value.of.unsigned)
        elif value.kind == KIND_DOUBLE:
            self.put_double(value.of.number)
        return 0

    cdef int put_length(self, Py_ssize_t since) except -1:
        """Puts before what was written from `since` on how long it is."""
        cdef Py_ssize_t size = self.size - since
        cdef int head = size_of(size)
        reserve(self, head)
        memmove(self.data + since + head, self.data + since, size)
        write(self.data + since, size)
        self.size += head
        return 0
