"""Batches of records on their way out; the essay is in `_batch.pyx`."""

from libc.stdint cimport int32_t, int64_t

from stream.kafka._packed cimport PackedRecords


cdef class RecordBatch:
    cdef readonly Py_ssize_t end            # up to where the packed records are in it
    cdef bytearray data                     # its head, not written yet, and its records
    cdef int64_t timestamp
    cdef int32_t count
    cdef tuple producer                     # its id and epoch, and the number of the first record

    cdef Py_ssize_t measure(self, PackedRecords records, Py_ssize_t most) except -1
    cdef int fill(self, PackedRecords records, Py_ssize_t start, Py_ssize_t size) except -1
