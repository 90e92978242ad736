"""Past events; the essay is in `_past.pyx`."""

from libc.stdint cimport int64_t

from stream.events._event cimport Event

cdef class PastEvent:
    cdef readonly int64_t offset        # given when its turn comes, where its input has none
    cdef readonly int64_t timestamp     # ms; -1: nothing says when it was
    cdef readonly bytes key
    cdef readonly bytes value
    cdef readonly int64_t order         # where it comes among all events
    cdef readonly int64_t number        # of its line or row in the input
    cdef readonly int rank              # of its source
    cdef readonly object origin         # the input; its `place_of` says where it is

cdef class Held:
    cdef tuple names
    cdef list lists                     # by rank: events in their order

    cdef int add(self, PastEvent event) except -1

cdef struct SourceC:
    int time_field                      # -1: none
    int name_field                      # of the event; -1: none
    int customer_field                  # -1: who it is of does not matter
    int64_t reached                     # the largest time so far
    int64_t seen                        # the largest time of what is an event, as far as a survey can tell
    int64_t seen_at                     # where that was
    int64_t lines
    int64_t placed                      # of them, those that say no time
    int64_t first_ahead                 # where the first is that is dated after now; -1: nowhere
    int64_t disordered                  # that are earlier than one before them by more than is allowed
    int64_t first_disordered
    int64_t after                       # where what the first of them should have followed is
    int64_t step_back                   # the largest, ms

cdef class Reader:
    cdef Event event
    cdef object origin
    cdef tuple names, encoded
    cdef SourceC *sources
    cdef int n, source_field, stamp_field, fixed
    cdef int64_t latest, allowed, last, before, present
    cdef bint by_time, readable         # of the line at hand
    cdef readonly Held held
    cdef readonly dict unknown          # {name: [lines, number of the first]}
    cdef set waited                     # names of events, encoded, that are asked for and have not come
    cdef readonly int64_t earliest      # time of all; -1: there is none
    cdef readonly int64_t least         # order
    cdef readonly int64_t largest       # order so far
    cdef readonly bint is_scattered

    cdef int note_name(self, int source) except -1
    cdef int go_through(self, list values, object numbers, bint keep) except -1
    cdef int look(self, bytes value, int64_t number) except -2
    cdef int leave_out(self, name, int64_t number) except -1
    cdef int64_t time_of(self, int source, int64_t stamp, int64_t number) except -2
    cdef bint is_event(self, SourceC *of) noexcept
    cdef void note_disorder(self, SourceC *of, int64_t time, int64_t number) noexcept
    cdef int64_t note(self, int source, int64_t time, int64_t number) except -2
