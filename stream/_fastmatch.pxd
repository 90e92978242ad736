"""The program and the loop over events; the essay is in `_fastmatch.pyx`."""

from libc.stdint cimport int64_t

from stream._condition cimport Frame, Names, Node
from stream._customers cimport Customers
from stream._decode cimport Lane
from stream._state cimport Customer, Instance, Layout


# --- the program -------------------------------------------------------------------------------

cdef class Update:
    """A trait, as an event updates it."""
    cdef int slot, function, where
    cdef tuple field, per

cdef class Candidate:
    """A rule, as an event meets it."""
    cdef int rank, where, unless_where
    cdef int64_t within             # -1: judged at once
    cdef object rule
    cdef tuple fields               # what a waiting instance keeps of its event; None for all of it
    cdef Node condition
    cdef Py_ssize_t keep            # how many sends its limit looks at; 0 without one

cdef class Plan:
    """What an event name can touch."""
    cdef list updates, candidates, closing
    cdef set closing_ranks

cdef class Program:
    cdef Layout layout
    cdef dict plans, traits
    cdef list predicates, candidates
    cdef Names names

    cdef Plan plan(self, str name)
    cdef int add_trait(self, trait) except -1
    cdef Candidate add_rule(self, rule, int rank)


# --- matches and the loop ---------------------------------------------------------------------

cdef class Match:
    cdef readonly object rule
    cdef readonly str customer_id, source, event_name, event_id
    cdef readonly dict event
    cdef readonly int64_t event_time, appended_at, at
    cdef readonly bint timed
    cdef Candidate candidate
    cdef Customer customer
    cdef dict trait_slots

cdef class PartitionState:
    cdef readonly object rules
    cdef Program program
    cdef Customers table
    cdef list lanes
    cdef dict lane_by_name
    cdef Frame frame
    cdef signed char *verdicts      # of the predicates, for one event
    cdef bytes reached_taken        # the record of how far the sources are, as last given out or loaded
    # during a call:
    cdef object result, decide
    cdef int64_t wall
    cdef bint by_event_time
    cdef int partition
    cdef Py_ssize_t budget          # events and timers that may still be worked off

    cdef int link(self) except -1
    cdef Lane next_lane(self)
    cdef int64_t watermark(self) except -2
    cdef int apply(self, Lane lane) except -1
    cdef int match(self, Lane lane, Plan plan, Customer customer) except -1
    cdef bint holds(self, int predicate, Lane lane) except -1
    cdef bint count_event(self, Update update, Lane lane) except -1
    cdef bint close_waiting(self, Plan plan, Lane lane) except -1
    cdef bint is_met(self, Candidate candidate, Frame frame, str source) except -1
    cdef Instance instance_of(self, Candidate candidate, Lane lane)
    cdef bytes kept_event(self, Candidate candidate, Lane lane)
    cdef int settle(self, Candidate candidate, Frame frame, Instance cause, bint timed) except -1
    cdef int fire_due(self, int64_t before) except -1
    cdef int fire_own(self, Customer customer, int64_t before) except -1
    cdef int fire(self, Customer customer, Instance instance) except -1
    cdef int complain(self, str source, str reason) except -1
