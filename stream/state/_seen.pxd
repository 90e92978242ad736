"""Ids of events that a customer has had; the essay is in `_seen.pyx`."""

from libc.stdint cimport int64_t

from stream.state._customer cimport Customer

cdef bint has_had(Customer customer, str source, str id, int64_t time, int64_t within) except -1
cdef bint remember(Customer customer, str source, str id, int64_t time, int64_t within) except -1
cdef bint is_seen(bytes entries) noexcept       # whether bytes can be entries
