"""Which ids of events a customer has had, of a source with `dedupe`: the newest 128, oldest first.

    entries   := (hash time)*      6 bytes each: of the id 48 bits of MurmurHash2, by two seeds; milliseconds

In 48 bits one of 128 ids is taken for another once in two million million events. They are `Rare`: only who
has an event of such a source has any of it.

Cost: 0.1 us a look-up and 0.2 us an id that is new, in 128.
Tested by tests/engine/test_dedupe.py.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from stream.events._murmur cimport murmur2
from stream.events._times cimport LATEST
from stream.state._customer cimport Customer

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef enum:
    HALF = 6            # bytes
    ENTRY = 12
    MOST = 128          # ids


cdef uint64_t hash_of(str id) except? 0:
    cdef Py_ssize_t size = 0
    cdef const uint8_t *text = <const uint8_t *> PyUnicode_AsUTF8AndSize(id, &size)
    return <uint64_t> murmur2(text, size, 1) << 16 | murmur2(text, size, 2) & 0xFFFF


cdef inline uint64_t half_at(const char *at) noexcept:
    cdef uint64_t half = 0
    memcpy(&half, at, HALF)
    return half


cdef Py_ssize_t find(const char *entries, Py_ssize_t size, uint64_t hashed) noexcept:
    """Where an id's entry is; -1: nowhere."""
    cdef Py_ssize_t at = size
    while at:       # the newest first: repeats mostly come soon
        at -= ENTRY
        if half_at(entries + at) == hashed:
            return at
    return -1


cdef bint has_had(Customer customer, str source, str id, int64_t time, int64_t within) except -1:
    """Whether the customer has had an event of this id that is no more than `within` older."""
    cdef bytes entries
    cdef Py_ssize_t at
    if customer.rare.seen is None:
        return False
    entries = customer.rare.seen.get(source)
    if entries is None:
        return False
    at = find(entries, len(entries), hash_of(id))
    return at >= 0 and time - <int64_t> half_at(<const char *> entries + at + HALF) <= within


cdef bint remember(Customer customer, str source, str id, int64_t time, int64_t within) except -1:
    """Notes an id as the newest; True if one had to make room that would have counted still."""
    cdef uint64_t hashed = hash_of(id)
    cdef char entry[ENTRY]
    cdef bytes entries
    cdef Py_ssize_t at
    cdef bint crowded = False
    memcpy(entry, &hashed, HALF)
    memcpy(entry + HALF, &time, HALF)
    if customer.rare.seen is None:
        customer.own().seen = {}
    entries = customer.rare.seen.get(source, b"")
    at = find(entries, len(entries), hashed)
    if at >= 0:
        entries = entries[:at] + entries[at + ENTRY:]
    elif len(entries) == MOST * ENTRY:
        crowded = time - <int64_t> half_at(<const char *> entries + HALF) <= within
        entries = entries[ENTRY:]
    customer.rare.seen[source] = entries + entry[:ENTRY]
    return crowded


cdef bint is_seen(bytes entries) noexcept:
    cdef Py_ssize_t size = len(entries), at
    cdef const char *first = entries
    if size == 0 or size % ENTRY or size > MOST * ENTRY:
        return False
    for at in range(0, size, ENTRY):
        if <int64_t> half_at(first + at + HALF) > LATEST:
            return False
    return True
