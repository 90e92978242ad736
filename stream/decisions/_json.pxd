"""JSON, written without Python objects; the essay is in `_json.pyx`."""

from libc.stdint cimport int64_t

from stream.state._packed cimport Buffer

cdef enum:
    TIME_CHARACTERS = 24        # of `2026-03-02T10:00:00.000Z`

cdef int put_bytes(Buffer out, bytes data) except -1            # as they are
cdef int put_text(Buffer out, str text) except -1               # in quotes; None: null
cdef int put_time(Buffer out, int64_t ms) except -1             # in quotes
cdef int put_number(Buffer out, int64_t number) except -1
cdef int put_value(Buffer out, value) except -1                 # any value of JSON
cdef int write_time(char *into, int64_t ms) except -1           # TIME_CHARACTERS, without quotes
