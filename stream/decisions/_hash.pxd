"""BLAKE2b of what decides ids and arms; the essay is in `_hash.pyx`."""

from libc.stdint cimport uint64_t

cdef enum:
    ID_BYTES = 16
    ID_DIGITS = 32

# Writes ID_DIGITS lower-case hex digits `into`; `key`: None where the rule has none.
cdef int write_trigger_id(
    char *into, str stable_id, str customer_id, str source, str event_id, str key
) except -1
cdef uint64_t number_of(str customer, str salt) except? 0
