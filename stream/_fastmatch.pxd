"""The loop over events; the essay is in `_fastmatch.pyx`."""

from libc.stdint cimport int64_t

from stream.state._customers cimport Customers
from stream.matcher._source cimport Lane
from stream.matcher._explain cimport Explainer
from stream.matcher._frame cimport Frame
from stream.matcher._program cimport Candidate, Plan, Program, Step, Update
from stream.state._instances cimport Instance
from stream.state._customer cimport Customer


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
    cdef list lanes
    cdef dict lane_by_name
    cdef Frame frame, timer_frame
    cdef int64_t *verdicts          # by the program: for the `epoch`th event, what a condition came to
    cdef int64_t epoch
    cdef int *hits                  # what an index has found
    cdef Explainer explainer        # None: nobody asks why
    cdef int64_t floor              # how far the watermark was, on the clock of the events; -1: nowhere
    cdef public bytes marks         # what the lane keeps with how far the sources are: kept and given out
    cdef public dict prior_decisions    # (trigger id, at): see Match.prior_decision
    cdef public dict prior_sends    # (customer, counter): times, see Match.prior_sends
    cdef bytes reached_taken        # the record of how far the sources are, as last given out or loaded
    # during a call:
    cdef object result, decide
    cdef int64_t wall
    cdef bint by_event_time
    cdef int partition
    cdef Py_ssize_t budget          # events and timers that may still be worked off
    cdef dict groups                # group: the rule that has taken it, for the event at hand

    cdef int link(self) except -1
    cdef Lane next_lane(self)
    cdef int64_t watermark(self) except -2
    cdef int64_t now(self, Lane lane) except -1
    cdef int apply(self, Lane lane) except -1
    cdef int merge_profile(self, Lane lane, Customer customer) except -1
    cdef int replace_context(self, Lane lane, Customer customer) except -1
    cdef int match(self, Lane lane, Plan plan, Customer customer) except -1
    cdef bint holds(self, int predicate, Lane lane) except -1
    cdef bint count_event(self, Update update, Lane lane) except -1

    cdef list move_on(self, Plan plan, Lane lane)
    cdef bint fits(self, Step step, Candidate candidate, Instance instance, Lane lane) except -1
    cdef bint is_awaited(self, Plan plan, Lane lane) except -1
    cdef Instance further(self, Candidate candidate, Instance instance, Step step, Lane lane)
    cdef Instance instance_of(self, Candidate candidate, Lane lane)
    cdef int set_deadline(self, Candidate candidate, Instance instance) except -1
    cdef bytes kept_event(self, Step step, Lane lane)
    cdef int begin(self, Candidate candidate, Lane lane) except -1
    cdef int put_off(self, Match match, int64_t until) except -1

    cdef bint is_met(self, Candidate candidate, Frame frame, str source) except -1
    cdef int count_segment_errors(self, Frame frame, str source) except -1
    cdef int settle(self, Instance instance, Lane lane) except -1
    cdef int judge(self, Candidate candidate, Frame frame, Instance cause, bint timed) except -1
    cdef int fire_due(self, int64_t before) except -1
    cdef int fire_own(self, Customer customer, int64_t before) except -1
    cdef int fire(self, Customer customer, Instance instance) except -1
    cdef int complain(self, str source, str reason) except -1
