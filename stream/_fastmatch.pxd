"""The loop over events; the essay is in `_fastmatch.pyx`."""

from libc.stdint cimport int64_t

from stream.decisions._clocks cimport Clocks
from stream.decisions._decide cimport Decider
from stream.events._event cimport Event
from stream.events._value cimport ValueC
from stream.matcher._explain cimport Explainer
from stream.matcher._frame cimport Frame
from stream.matcher._match cimport Match, Shared
from stream.matcher._program cimport Plan, Program, RulePlan, StepPlan, Update
from stream.matcher._source cimport SourceQueue, SourceQueues
from stream.state._customer cimport Customer
from stream.state._customers cimport Customers
from stream.state._instances cimport Instance


cdef inline int64_t verdict_of(int64_t epoch, int held) noexcept:
    """What a condition came to for the `epoch`th event: 1, 0, or -1 for an error."""
    return epoch << 2 | (held + 1)


cdef inline bint is_known(int64_t verdict, int64_t epoch, int *held) noexcept:
    """Whether a verdict is on the `epoch`th event; then what it says."""
    held[0] = <int> (verdict & 3) - 1
    return verdict >> 2 == epoch


cdef struct BegunC:             # the open instances of a rule whose first step the event at hand may be
    int64_t epoch               # of the event of which the rest is
    int64_t same                # sequence of the one with the event's key; 0: there is none
    int step                    # its
    int others                  # how many have other keys
    int64_t oldest              # sequence of the first of those


cdef class PartitionState:
    cdef readonly object rules
    cdef Program program
    cdef readonly Customers customers
    cdef SourceQueues queues
    cdef Shared shared
    cdef Frame frame, timer_frame
    cdef int64_t *verdicts          # by the program's numbers of predicates and conditions
    cdef int64_t epoch
    cdef int *hits                  # what an index has found
    cdef BegunC *begun              # by rank
    cdef int64_t begun_epoch        # of the event for which that was looked through
    cdef dict gone                  # the instances that the event at hand has closed by another: None each
    cdef dict kept                  # what instances keep of the event at hand: (bytes, is cut) by fields
    cdef Clocks clocks              # when the rules that a clock starts are due
    cdef Explainer explainer        # None: nobody asks why
    cdef public bytes marks         # what the runtime keeps with how far the sources are: kept and given out
    cdef object known               # `structs.Switches`
    cdef bytes reached_given        # the record of how far the sources are, as last given out or loaded
    # during a call:
    cdef object result, take
    cdef Decider decider
    cdef int partition
    cdef Py_ssize_t budget          # events and timers that may still be worked off
    cdef int64_t work               # what they may still cost: see MAX_WORK
    cdef int64_t clock_work         # of it what rules that a clock starts may, while events wait
    cdef int64_t set_work           # and what setting clocks may
    cdef int64_t reached            # the watermark
    cdef bint is_behind             # clocks of customers are to be set, for other rules

    cdef int link(self) except -1
    cdef int tell_crowded(self, str source) except -1
    cdef int pay(self) except -1
    cdef bint apply(self, SourceQueue queue) except -1
    cdef bint leave_out(self, SourceQueue queue, Customer customer) except -1
    cdef int remember_id(self, SourceQueue queue, Customer customer) except -1
    cdef int merge_profile(self, SourceQueue queue, Customer customer) except -1
    cdef int replace_context(self, SourceQueue queue, Customer customer) except -1
    cdef int match(self, SourceQueue queue, Plan plan, Customer customer) except -1
    cdef bint holds(self, int predicate, SourceQueue queue) except -1
    cdef int predicate_failed(self, int predicate, SourceQueue queue) except -1
    cdef bint count_event(self, Update update, SourceQueue queue) except -1
    cdef bint count_items(self, Update update, SourceQueue queue) except -1
    cdef bint count_values(self, Update update, const ValueC *values, SourceQueue queue) except -1
    cdef bint list_event(self, Update update, const ValueC *values, SourceQueue queue) except -1
    cdef int tell_no_key(
        self, str definition, str part, tuple path, const ValueC *value, SourceQueue queue
    ) except -1
    cdef int tell_not_taken(
        self, Update update, const ValueC *value, bint refused, SourceQueue queue
    ) except -1

    cdef list captured_of(self, Instance instance)
    cdef int settle(self, Frame frame) except -1
    cdef list move_on(self, Plan plan, SourceQueue queue)
    cdef bint fits(self, StepPlan step, RulePlan rule, Instance instance, SourceQueue queue) except -1
    cdef bint is_awaited(self, Plan plan, SourceQueue queue) except -1
    cdef Instance further(self, RulePlan rule, Instance instance, StepPlan step, SourceQueue queue)
    cdef Instance instance_of(self, RulePlan rule, SourceQueue queue)
    cdef int set_deadline(self, RulePlan rule, Instance instance, SourceQueue queue) except -1
    cdef bytes kept_event(self, StepPlan step, SourceQueue queue)
    cdef tuple cut_event(self, tuple fields, Event record)
    cdef int look_through(self, ValueC *values) except -1
    cdef int begin(self, RulePlan rule, SourceQueue queue) except -1

    cdef bint is_met(self, RulePlan rule, Frame frame, str source) except -1
    cdef int count_segment_errors(self, RulePlan rule, Frame frame, str source) except -1
    cdef int judge_completed(self, Instance instance, SourceQueue queue) except -1
    cdef int close_match(self, Instance instance, SourceQueue queue) except -1
    cdef int decide(self, Match match) except -1
    cdef int judge(self, Frame frame, Instance cause, int64_t offset) except -1
    cdef Match match_of(self, Instance cause, Frame frame, int64_t offset)
    cdef int64_t known_at(self, SourceQueue queue) except -2
    cdef int set_clocks(self) except -1
    cdef bint may_fire(self) except -1
    cdef int fire_due(self, int64_t before) except -1
    cdef bint fire_own(self, Customer customer, int64_t before) except -1
    cdef int fire(self, Customer customer, Instance instance) except -1
