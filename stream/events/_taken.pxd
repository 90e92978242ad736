"""Records that were taken together; the essay is in `_taken.pyx`."""

from libc.stdint cimport int32_t, int64_t, uint8_t

cdef enum:
    AN_OBJECT = -2              # in place of a value's size: the record is an object

cdef struct RecordC:
    int64_t offset
    int64_t timestamp           # ms; -1: none
    const uint8_t *key
    const uint8_t *value
    const uint8_t *headers      # as they came, their number in front
    int32_t key_size            # -1: null
    int32_t value_size          # -1: null
    int32_t headers_size        # 0: there are none


cdef class RawRecord:
    cdef readonly int64_t offset
    cdef readonly int64_t timestamp             # ms; -1: none
    cdef readonly bytes key
    cdef readonly bytes value
    cdef bytes raw_headers                      # as they came, their number in front; None: there are none


cdef class TakenRecords:
    cdef RecordC *records
    cdef Py_ssize_t count, room
    cdef list owners                            # of what the records lie in
    cdef dict others                            # by place: those that are objects
    cdef public Py_ssize_t size

    cdef RecordC *more(self, Py_ssize_t count) except NULL
    cdef Py_ssize_t place_of(self, Py_ssize_t place) except -1
    cdef object at(self, Py_ssize_t place)

cdef bytes bytes_at(const uint8_t *data, Py_ssize_t size)
