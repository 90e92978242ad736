"""What a condition sees, and what it is compiled to; the essay is in `_condition.pyx`."""

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from stream.events._event cimport Event, Fields
from stream.state._customer cimport Customer
from stream.events._value cimport KIND_NESTED, KIND_TEXT, ValueC

cdef enum:
    MAX_LOOPS = 16      # macros within each other; the grammar takes fewer

cdef enum:              # on a segment
    VERDICT_UNKNOWN = 0
    VERDICT_FALSE = 1
    VERDICT_TRUE = 2
    VERDICT_REFUSED = 3

cdef struct LoopC:
    ValueC value        # the item of a list of `record`; KIND_MISSING: it is in `Frame.items`
    Py_ssize_t at

cdef class Node

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
    cdef dict made                  # by slot, values of traits that many values had to be looked at for
    cdef int64_t left               # steps that conditions may take for the event at hand: see `cel.cost`
    cdef int64_t refused            # how often they were not enough
    cdef int64_t spare              # steps that may be taken to say why conditions ended in errors
    cdef int looping                # how many macros are under way
    cdef LoopC loops[MAX_LOOPS]     # the present item of each, by depth
    cdef list items                 # the same as Python has it; ABSENT if nobody asked
    cdef readonly list failed_segments  # slots of those that ended in an error; whoever reads it clears it

    cdef int see(self, Event record, dict event) except -1  # one of the two
    cdef dict whole(self)                                   # the event
    cdef int adopt(self, list segments) except -1           # the segments of a program
    cdef int refill(self) except -1                         # another event: its steps
    cdef int64_t taken(self) noexcept                       # steps, for the event at hand
    cdef int begin(self) except -1                          # forgets verdicts on segments, and traits
    cdef int judge(self, int slot) except -2                # whether a segment holds: 1 or 0; -1: refused
    cdef int test_segment(self, Node segment) except -2
    cdef dict attributes(self)                              # `customer`
    cdef dict contexts(self)                                # `context`

cdef class Node:
    cdef Fields fields              # whose slots it uses; None: none

    cdef object value(self, Frame frame)                    # a value of CEL; ABSENT: an error
    cdef int test(self, Frame frame) except -2              # 1 true, 0 false, -1 an error or no boolean
    # Whether it puts its value `into`, KIND_MISSING for an error; False: ask `value`. A text is good until
    # the customer or the event changes.
    cdef bint read(self, Frame frame, ValueC *into) except -1

    # Whether its value is a map or list of `record`; if so, that is put `into`.
    cdef bint nested(self, Frame frame, ValueC *into) noexcept

cdef class Unary(Node):
    cdef Node operand

cdef list values_of(Frame frame, list nodes)                # None: one of them ended in an error

cdef inline bint charge(Frame frame, int64_t steps) noexcept:
    """False if that many are not left: then the condition ends in an error, which nothing absorbs."""
    if steps > frame.left:
        frame.refused += 1
        return False
    frame.left -= steps
    return True

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

cdef inline bint is_large(const ValueC *value) noexcept:
    """Whether Python's value is taken from the whole event, which is read once, and not made each time."""
    return value.kind == KIND_NESTED or (value.kind == KIND_TEXT and value.size > 1000)
