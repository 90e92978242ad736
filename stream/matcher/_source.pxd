"""The records of one source; the essay is in `_source.pyx`."""

from libc.stdint cimport int64_t

from stream.events._event cimport Event
from stream.events._taken cimport RecordC, TakenRecords
from stream.matcher._program cimport Plan, Program

cdef class SourceQueue:
    cdef object source
    cdef str name
    cdef Program program
    cdef Plan constant              # what an event can touch where all have one name; may be None
    cdef int slot
    cdef int customer_field, event_field, time_field, id_field      # slots of the record; -1: not mapped
    cdef bint ended, of_profiles, of_context
    cdef int64_t dedupe             # how long an id that came once leaves out others; -1: it does not
    cdef int partition, partitions  # ours, and of how many; 0: that is not known
    cdef int unsampled              # records that are not compared with `partition` before the next one is
    cdef list waiting               # sequences of records that come after `records`
    cdef object records
    cdef TakenRecords taken         # `records`, if they lie in bytes; else None
    cdef Py_ssize_t at, count
    cdef int64_t reached            # the largest event time applied, not beyond `latest`; -1: none
    cdef int64_t latest             # the wall clock of the call; LATEST where events are the clock
    cdef int64_t base               # what the source's offsets are counted from: see PartitionState.rebase
    cdef int64_t applied, position, future, left_out, misplaced

    cdef bint ready                 # the head, decoded:
    cdef Event event
    cdef object record              # as an object; None until somebody asks
    cdef RecordC head               # where it lies
    cdef bytes value                # of one that is an object; else None
    cdef Plan plan                  # what an event of its name can touch; None: nothing
    cdef const char *id             # the customer's, in UTF-8; good as long as the record is at hand
    cdef Py_ssize_t id_size
    cdef char[24] digits            # of an id that is a number
    cdef str named                  # the id as an object; None until somebody asks
    cdef int64_t time, offset, appended_at
    cdef int64_t place              # where it comes in the order of events: its time, if that is believed
    cdef bint gone                  # it is a tombstone: what its source has said of the customer is gone
    cdef bint from_future
    cdef object profile             # what a profile update says; None: the head is none
    cdef str flaw                   # what else is wrong with it; None: nothing
    cdef dict context               # what a record of `kind: context` says; None: the head is none

    cdef int feed(self, object records) except -1
    cdef int64_t advance(self, object result, int64_t wall, int64_t work) except -1
    cdef int let_go(self) except -1
    cdef int find_head(self) except -1
    cdef object whole_record(self)                  # the head, as an object
    cdef str customer(self)
    cdef str refusal(self, int64_t wall)
    cdef str weigh(self, str flaw)
    cdef str farewell(self, int64_t wall)
    cdef str date(self, int64_t written, int64_t wall)
    cdef bint find_customer(self) except -1
    cdef bint find_customer_in_key(self) except -1
    cdef bint name_customer(self, str id) except -1
    cdef int compare_partition(self) except -1
    cdef str mapped_id(self)
    cdef str event_id(self, int partition)
    cdef object dead_letter(self, str reason)       # of the head
    cdef int consume(self) except -1
    cdef Py_ssize_t at_hand(self) noexcept
    cdef bint at_end(self) noexcept
    cdef bint is_halted(self) noexcept

cdef class SourceQueues:
    cdef list queues                # in the order of the sources' names
    cdef dict by_name
    cdef int64_t floor              # how far the watermark was, on the clock of the events; -1: nowhere
    # during a call:
    cdef object result
    cdef int64_t wall
    cdef int64_t left               # what it may still cost: see MAX_WORK
    cdef bint by_event_time
    cdef int partitions             # of each source; 0: not known

    cdef int link(self, rules, Program program) except -1
    cdef Py_ssize_t at_hand(self) except -1
    cdef int forget(self) except -1
    cdef dict reached(self)
    cdef int set_reached(self, dict reached) except -1
    cdef int feed(self, batch, result, clock) except -1
    cdef int tell(self, result) except -1
    cdef SourceQueue next_queue(self)
    cdef bint are_halted(self) noexcept
    cdef int64_t watermark(self) except -2
    cdef int64_t now(self, SourceQueue queue) except -1
    cdef bint is_overdue(self, int64_t deadline, int64_t stale_after) noexcept
    cdef int64_t overdue_since(self, int64_t stale_after) noexcept
