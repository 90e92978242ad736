"""The records of a batch; the essay is in `_records.pyx`."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from stream.events._taken cimport RecordC, TakenRecords


cdef class BatchRecords:
    cdef object owner                           # what the data lies in
    cdef Py_buffer buffer
    cdef const uint8_t *data
    cdef Py_ssize_t size
    cdef readonly Py_ssize_t at                 # bytes that were read
    cdef Py_ssize_t largest
    cdef int64_t base, next, last               # offsets: of the batch, the next expected, the batch's last
    cdef int64_t first_timestamp, append_time
    cdef int32_t left                           # records still to come
    cdef bint cut
    cdef bytes own                              # a header; None: of no interest

    cdef int fill(self, TakenRecords found, Py_ssize_t most) except -1
    cdef object record(self, Py_ssize_t end, RecordC *into)
    cdef object left_out(self, RecordC *record, str reason, Py_ssize_t at, Py_ssize_t here, Py_ssize_t size)
    cdef object missed(self, int64_t offset, Py_ssize_t begin, Py_ssize_t end)
