"""Times as events write them; the essay is in `_times.pyx`."""

from libc.stdint cimport int64_t

from stream.events._value cimport ValueC

cdef extern from *:
    """
    #define STREAM_LATEST INT64_C(253402300799999)
    #define STREAM_NEVER INT64_MAX
    """
    const int64_t LATEST "STREAM_LATEST"        # 9999-12-31T23:59:59.999Z, as `clock.LATEST`
    const int64_t NEVER "STREAM_NEVER"          # later than any time

cdef int64_t milliseconds(object value) except -2       # -1: it is none
cdef int64_t milliseconds_of(const ValueC *value) except -2
