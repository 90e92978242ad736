"""What became of a match, and its JSON; the essay is in `_wire.pyx`."""

from libc.stdint cimport int64_t

from stream.state._packed cimport Buffer

cdef class Words:
    """What is the same in each record of a rule, as JSON."""
    cdef bytes name, goal, goals, priority

cdef class Decided:
    """What became of a match: all that its records say. Texts that do not apply are None."""
    cdef Words words
    cdef str rule, trigger_id, customer_id, outcome, reason, channel, variant
    cdef str event_name, event_id
    cdef str source                             # of the record that caused it; `offset` is its, -1: a timer
    cdef int64_t offset, event_time, at         # ms
    cdef bint timed
    cdef tuple held_out_by, goals
    cdef object unwritten                       # a `structs.Unwritten`, or None
    cdef str silenced_by
    # of what is sent
    cdef str topic
    cdef object address                         # any value of JSON; None: it needs none
    cdef object content                         # a mapping of texts; None: `written` is there
    cdef Buffer written                         # the content as JSON, until the next match is decided
    cdef object priority
    cdef int64_t appended_at                    # ms: the record's that caused it
    cdef str purpose                            # of the consent on which it is sent; None: it needs none
    cdef int64_t granted_at
    cdef str basis
    cdef object expires_at                      # None: it does not
    cdef tuple sensitive                        # `structs.SubjectProof`s
    cdef Py_ssize_t sent_at_place               # where `put_trigger` has written it: TIME_CHARACTERS
    cdef Py_ssize_t event_place                 # where `put_common` has begun to write of the event

    cdef int put_common(self, Buffer out, bytes revision) except -1     # what both records say
    cdef int put_decision(self, Buffer out, Buffer common) except -1
    cdef int put_trigger(self, Buffer out, Buffer common, int64_t sent_at) except -1    # -1: it is not sent
    cdef int put_beginning(self, Buffer out, bytes revision) except -1
    cdef int put_outcome(self, Buffer out) except -1
    cdef int put_event(self, Buffer out) except -1
    cdef int put_reached(self, Buffer out) except -1
    cdef int put_message(self, Buffer out, Buffer common, int64_t sent_at) except -1
    cdef int put_reference(self, Buffer out, Buffer common) except -1
    cdef int put_content(self, Buffer out) except -1
    cdef object as_decision(self)
    cdef object as_trigger(self, decision)

cdef Words words_of(rule_name, tuple goals, priority)
cdef Decided of_decision(decision)      # a `structs.Decision`
cdef Decided of_trigger(trigger)        # a `structs.Trigger`
