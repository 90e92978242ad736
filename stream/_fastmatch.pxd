"""The loop over events; the essay is in `_fastmatch.pyx`."""

from libc.stdint cimport int64_t

from stream.state._customers cimport Customers
from stream.matcher._source cimport SourceQueue
from stream.matcher._explain cimport Explainer
from stream.matcher._frame cimport Frame
from stream.matcher._program cimport RulePlan, Plan, Program, StepPlan, Update
from stream.state._instances cimport Instance
from stream.state._customer cimport Customer


cdef inline int64_t verdict_of(int64_t epoch, int held) noexcept:
    """What a condition came to for the `epoch`th event: 1, 0, or -1 for an error."""
    return epoch << 2 | (held + 1)


cdef inline bint is_known(int64_t verdict, int64_t epoch, int *held) noexcept:
    """Whether a verdict is on the `epoch`th event; then what it says."""
    held[0] = <int> (verdict & 3) - 1
    return verdict >> 2 == epoch


cdef class Match:
    cdef readonly object rule
    cdef readonly str customer_id, source, event_name, event_id
    cdef readonly int64_t event_time, appended_at, at
    cdef readonly bint timed
    cdef Instance cause
    cdef Customer customer
    cdef Frame frame
    cdef PartitionState state

cdef class PartitionState:
    cdef readonly object rules
    cdef Program program
    cdef Customers table
    cdef list queues
    cdef dict queue_by_name
    cdef Frame frame, timer_frame
    cdef int64_t *verdicts          # by the program's numbers of predicates and conditions
    cdef int64_t epoch
    cdef int *hits                  # what an index has found
    cdef Explainer explainer        # None: nobody asks why
    cdef int64_t floor              # how far the watermark was, on the clock of the events; -1: nowhere
    cdef public bytes marks         # what the runtime keeps with how far the sources are: kept and given out
    cdef public dict prior_decisions    # (trigger id, at): see Match.prior_decision
    cdef public dict prior_sends    # (customer, counter): times, see Match.prior_sends
    cdef bytes reached_given        # the record of how far the sources are, as last given out or loaded
    # during a call:
    cdef object result, decide
    cdef int64_t wall
    cdef bint by_event_time
    cdef int partition
    cdef Py_ssize_t budget          # events and timers that may still be worked off
    cdef dict groups                # group: the rule that has claimed it, for the event at hand

    cdef int link(self) except -1
    cdef SourceQueue next_queue(self)
    cdef int64_t watermark(self) except -2
    cdef int64_t now(self, SourceQueue queue) except -1
    cdef int apply(self, SourceQueue queue) except -1
    cdef int merge_profile(self, SourceQueue queue, Customer customer) except -1
    cdef int replace_context(self, SourceQueue queue, Customer customer) except -1
    cdef int match(self, SourceQueue queue, Plan plan, Customer customer) except -1
    cdef bint holds(self, int predicate, SourceQueue queue) except -1
    cdef bint count_event(self, Update update, SourceQueue queue) except -1

    cdef list move_on(self, Plan plan, SourceQueue queue)
    cdef bint fits(self, StepPlan step, RulePlan rule, Instance instance, SourceQueue queue) except -1
    cdef bint is_awaited(self, Plan plan, SourceQueue queue) except -1
    cdef Instance further(self, RulePlan rule, Instance instance, StepPlan step, SourceQueue queue)
    cdef Instance instance_of(self, RulePlan rule, SourceQueue queue)
    cdef int set_deadline(self, RulePlan rule, Instance instance) except -1
    cdef bytes kept_event(self, StepPlan step, SourceQueue queue)
    cdef int begin(self, RulePlan rule, SourceQueue queue) except -1
    cdef int put_off(self, Match match, int64_t until) except -1

    cdef bint is_met(self, RulePlan rule, Frame frame, str source) except -1
    cdef int count_segment_errors(self, Frame frame, str source) except -1
    cdef int judge_completed(self, Instance instance, SourceQueue queue) except -1
    cdef int judge(self, RulePlan rule, Frame frame, Instance cause, bint timed) except -1
    cdef int fire_due(self, int64_t before) except -1
    cdef int fire_own(self, Customer customer, int64_t before) except -1
    cdef int fire(self, Customer customer, Instance instance) except -1
    cdef int complain(self, str source, str reason) except -1
