"""Which customers have something due; the essay is in `_timers.pyx`."""

from libc.stdint cimport int64_t

from stream.state._customer cimport Customer

cdef struct TimerC:
    int64_t deadline
    int rank
    void *customer          # not owned

cdef class Timers:
    cdef TimerC *heap
    cdef Py_ssize_t n, room

    cdef int put(self, int64_t deadline, int rank, Customer customer) except -1     # in no order
    cdef int push(self, int64_t deadline, int rank, Customer customer) except -1
    cdef int pop(self) except -1
    cdef int put_back(self, int64_t deadline, int rank) except -1       # of the first, which comes later now
    cdef int order(self) except -1
    cdef int clear(self) noexcept
    cdef int sink(self, Py_ssize_t at, TimerC timer) noexcept
