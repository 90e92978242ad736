"""What a condition sees, and what it is compiled to; the essay is in `_condition.pyx`."""

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from stream.events._event cimport Event, Fields
from stream.state._customer cimport Customer
from stream.events._value cimport ValueC

cdef class Frame:
    """What a condition sees. `begin` comes before each judgement whose fields differ from the one before."""
    cdef Event record               # the event; None: `event` is
    cdef ValueC *fields             # those of `record`, by slot; NULL without one
    cdef dict event                 # the event, if there is no `record`
    cdef str name
    cdef Customer customer          # None: it has no state yet
    cdef int64_t time               # `event_time`, ms
    cdef int64_t at                 # `now`, ms: when traits are read
    cdef list captured              # the events of the steps completed, by the index of the step; may be None
    cdef list segments              # Nodes by slot
    cdef bytearray verdicts         # by slot: VERDICT_UNKNOWN, or what it came to
    cdef bint judged                # whether a verdict is known
    cdef readonly int segment_errors    # segments that ended in an error; whoever reads it sets it back

    cdef int see(self, Event record, dict event) except -1  # one of the two
    cdef dict whole(self)                                   # the event
    cdef int adopt(self, list segments) except -1           # the segments of a program
    cdef int begin(self) except -1                          # forgets the verdicts on segments
    cdef int judge(self, int slot) except -1                # whether a segment holds: 1 or 0
    cdef dict attributes(self)                              # `customer`
    cdef dict contexts(self)                                # `context`

cdef class Node:
    cdef Fields fields              # whose slots it uses; None: none

    cdef object value(self, Frame frame)                    # a value of CEL; ABSENT: an error
    cdef int test(self, Frame frame) except -2              # 1 true, 0 false, -1 an error or no boolean
    # Whether it puts its value `into`, KIND_MISSING for an error; False: ask `value`. A text is good until
    # the customer or the event changes.
    cdef bint read(self, Frame frame, ValueC *into) except -1

cdef inline PyObject *reach(dict event, tuple path):
    """What lies at a field path of an event, NULL if nothing (keys are strings: a look-up cannot fail)."""
    cdef PyObject *value = <PyObject *> event
    for name in path:
        if type(<object> value) is not dict:
            return NULL
        value = PyDict_GetItemWithError(<object> value, name)
        if value is NULL:
            return NULL
    return value
