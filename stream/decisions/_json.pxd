"""JSON, written without Python objects; the essay is in `_json.pyx`."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from stream.state._packed cimport Buffer, reserve

cdef enum:
    TIME_CHARACTERS = 24        # of `2026-03-02T10:00:00.000Z`
    DIGITS = 20                 # of the smallest number of 64 bits, with its sign

cdef int put_text(Buffer out, str text) except -1               # in quotes; None: null
cdef int put_time(Buffer out, int64_t ms) except -1             # in quotes
cdef int put_string(Buffer out, const char *text, Py_ssize_t size) except -1   # UTF-8, in quotes
cdef int put_digits(Buffer out, int64_t number) except -1
cdef int put_value(Buffer out, value) except -1                 # any value of JSON
cdef int write_digits(char *into, int64_t number) noexcept      # how many characters, DIGITS at most
cdef int write_time(char *into, int64_t ms) except -1           # TIME_CHARACTERS, without quotes

# As they are. Inline, because most of a record is written by them in a few bytes each.

cdef inline int put_raw(Buffer out, const void *data, Py_ssize_t size) except -1:
    reserve(out, size)
    if size:
        memcpy(out.data + out.size, data, size)
    out.size += size
    return 0


cdef inline int put_bytes(Buffer out, bytes data) except -1:
    return put_raw(out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
