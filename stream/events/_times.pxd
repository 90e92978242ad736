"""Times as events write them; the essay is in `_times.pyx`."""

from libc.stdint cimport int64_t

from stream.events._value cimport ValueC

cdef inline int64_t latest_time() noexcept:
    return 253402300799999          # 9999-12-31T23:59:59.999Z

cdef int64_t milliseconds(object value) except -2       # -1: it is none
cdef int64_t milliseconds_of(const ValueC *value) except -2
