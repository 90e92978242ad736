"""A match, as guards and content see it; the essay is in `_match.pyx`."""

from libc.stdint cimport int64_t

from stream.matcher._frame cimport Frame, Node
from stream.matcher._program cimport Program, RulePlan
from stream.state._customer cimport Customer
from stream.state._customers cimport Customers
from stream.state._instances cimport Instance

cdef class Shared:
    """What all matches of a partition share."""
    cdef object rules
    cdef Program program
    cdef Customers customers
    cdef dict prior_decisions       # (trigger id, at): see Match.prior_decision
    cdef dict prior_sends           # (customer, counter): times, see Match.prior_sends
    cdef dict off                   # the rules that are switched off: until when, in ms
    cdef dict groups                # group: the rule that has claimed it, for the event at hand
    cdef object result              # during a call
    cdef int64_t text_steps         # what texts have taken, for the event at hand
    cdef int64_t shadow_steps       # the same, of rules in shadow mode
    cdef int64_t offset, at         # of the event's record, -1: a timer fired; and when that was

    cdef void begin(self, int64_t offset, int64_t at) noexcept  # another event, or timer
    cdef int complain(self, str source, str reason) except -1   # counts what was odd
    # A condition ended in an error; `why`: a `structs.ConditionErrorReason`, and by which paths.
    cdef int condition_failed(self, str source, tuple place, tuple why) except -1
    # The same, of one that is counted already.
    cdef int note_failure(self, str source, tuple place, tuple why) except -1

cdef class Match:
    cdef readonly object rule
    cdef readonly str customer_id, source, event_name, event_id
    cdef readonly int64_t event_time, appended_at, at, offset
    cdef readonly bint timed
    cdef readonly str closed_by     # the source of the event that closed it; None: nothing did
    cdef Instance cause
    cdef Customer customer
    cdef Frame frame
    cdef Shared shared

    cdef RulePlan plan(self)
    cdef object address_at(self, tuple path)
    cdef bint is_suppressed(self) except -1
    cdef bint is_suppressed_on(self, object channel, Node suppress) except -1
    cdef bint forbids(self, Node suppress, object of, str place) except -1
    cdef bint is_claimed(self) except -1
    cdef int claim_group(self) except -1
    cdef int enter(self, str counter, int slot, Py_ssize_t keep, bint again) except -1
    cdef int defer(self, int64_t until) except -1
