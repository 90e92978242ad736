"""Rules that have begun; the essay is in `_instances.pyx`."""

from libc.stdint cimport int64_t, uint8_t

from stream.state._packed cimport Buffer

cdef class Instance:
    cdef int rank                                   # the rule's slot
    cdef int step                                   # how many steps are done: 1 or more
    cdef object key                                 # the value of the rule's `key`; ABSENT without one
    cdef bint late                                  # the last step's event was too old when it came
    cdef int64_t since                              # first judged at, if quiet hours put it off; else -1
    cdef int64_t deadline
    cdef int64_t sequence                           # in the order of opening; 0: it has not been open
    cdef int64_t time, appended_at                  # of the last step's event, as what follows
    cdef str source, name, id
    cdef list events                                # JSON of each step's event, what is needed of it

cdef enum:
    MAX_KEPT = 65536            # bytes of JSON of an event that is kept

cdef struct HeadC:
    const uint8_t *at           # of the entry
    const uint8_t *source       # its length and bytes, if `slot` is -1
    const uint8_t *tail
    const uint8_t *key          # NULL: there is none
    const uint8_t *rest         # from the time on
    const uint8_t *end
    int rank, step, slot        # `slot`: of the source
    bint late
    int64_t sequence, deadline, since

cdef int next_head(const uint8_t **at, int64_t base, HeadC *into) noexcept
cdef int read_tail(const uint8_t *at, int64_t base, HeadC *into) noexcept
cdef str source_of(const HeadC *head, tuple sources)
cdef Instance unpack(const HeadC *head, int64_t base, tuple sources)
cdef bytes without_largest(bytes event)
cdef int put_head(Buffer out, int rank, int64_t sequence, str source, dict slots) except -1
cdef int put_instance(Buffer out, Instance instance, int64_t base, dict slots) except -1
