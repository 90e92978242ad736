"""The records of a batch; the essay is in `_records.pyx`."""

from libc.stdint cimport int32_t, int64_t, uint8_t


cdef class RawRecord:
    cdef readonly int64_t offset
    cdef readonly int64_t timestamp             # ms; -1: none
    cdef readonly bytes key
    cdef readonly bytes value
    cdef bytes raw_headers                      # as they came, their number in front; None: there are none


cdef class BatchRecords:
    cdef Py_buffer buffer                       # what the data lies in
    cdef const uint8_t *data
    cdef Py_ssize_t size
    cdef readonly Py_ssize_t at                 # bytes that were read
    cdef Py_ssize_t largest
    cdef int64_t base, next, last               # offsets: of the batch, the next expected, the batch's last
    cdef int64_t first_timestamp, append_time
    cdef int32_t left                           # records still to come
    cdef bint cut
    cdef bytes own                              # a header; None: of no interest

    cdef bytes copy(self, Py_ssize_t start, Py_ssize_t end)
    cdef object record(self, Py_ssize_t end)
    cdef object missed(self, int64_t offset, Py_ssize_t begin, Py_ssize_t end)
