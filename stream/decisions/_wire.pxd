"""Decisions and triggers as JSON; the essay is in `_wire.pyx`."""

from libc.stdint cimport int64_t

from stream.state._packed cimport Buffer

cdef class Words:
    """What is the same in each record of a rule, as JSON."""
    cdef bytes name, goal, goals, priority

cdef class Decided:
    """What became of a match: all that its records say. Texts that do not apply are None."""
    cdef Words words
    cdef str trigger_id, customer_id, outcome, reason, channel, variant
    cdef str event_name, event_id
    cdef int64_t event_time, at                 # ms
    cdef tuple held_out_by
    cdef object unwritten                       # a `structs.Unwritten`, or None
    # of what is sent
    cdef object address                         # any value of JSON; None: it needs none
    cdef object content                         # a mapping of texts, or bytes: the JSON of one
    cdef object consent                         # a `structs.ConsentProof`, or None
    cdef tuple sensitive                        # `structs.SubjectProof`s

    cdef int put_decision(self, Buffer out, bytes revision) except -1
    cdef int put_trigger(self, Buffer out, bytes revision, int64_t sent_at) except -1   # -1: nothing is sent
    cdef int put_beginning(self, Buffer out, bytes revision) except -1
    cdef int put_outcome(self, Buffer out) except -1
    cdef int put_event(self, Buffer out) except -1
    cdef int put_reached(self, Buffer out) except -1
    cdef int put_message(self, Buffer out, int64_t sent_at) except -1
    cdef int put_content(self, Buffer out) except -1

cdef Words words_of(rule_name, tuple goals, priority)
