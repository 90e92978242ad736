"""The frame of a judgement, and the base of a condition's nodes.

A `Node` is immutable and knows no frame, so one is shared by all that use it. `Node.test` is what the loop
calls: 1, 0, or -1 for an error; `Node.value` serves operands. A class has one of the two. `Node.read` is
`value` without a Python object, for scalars that are at hand as such.

Segments are judged when a condition asks for one, at most once between two calls of `Frame.begin`: that is a
byte per segment. One that ends in an error does not hold, and is noted in `failed_segments`. So are traits
made that look at many values.
Tested by tests/matcher/test_condition_nodes.py.
"""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from stream.events._event cimport Event
from stream.state._customer cimport Customer
from stream.events._value cimport ABSENT, ValueC


from stream.cel.cost import MAX_STEPS as _MAX_STEPS, BudgetError

cdef int64_t MAX_STEPS = _MAX_STEPS
cdef dict NO_ATTRIBUTES = {}        # never written to


@cython.final
cdef class Frame:
    def __cinit__(self, segments=()):
        self.made, self.failed_segments = {}, []
        self.adopt(list(segments))
        self.items = [ABSENT] * MAX_LOOPS
        self.left = self.spare = MAX_STEPS

    def pay(self, int64_t steps):
        """`charge` for what is written in Python. BudgetError if they are not left."""
        if not charge(self, steps):
            raise BudgetError(MAX_STEPS)

    cdef int refill(self) except -1:
        self.left = self.spare = MAX_STEPS
        return 0

    cdef int see(self, Event record, dict event) except -1:
        self.record, self.event = record, event
        self.fields = NULL if record is None else record.values
        return 0

    cdef dict whole(self):
        return self.event if self.record is None else self.record.whole()

    cdef int adopt(self, list segments) except -1:
        self.segments = segments
        self.verdicts = bytearray(len(segments))
        self.judged = False
        return 0

    cdef int64_t taken(self) noexcept:
        return 2 * MAX_STEPS - self.left - self.spare

    cdef int begin(self) except -1:
        if self.made:
            self.made.clear()
        if self.judged:
            memset(<char *> self.verdicts, VERDICT_UNKNOWN, len(self.verdicts))
            self.judged = False
        return 0

    cdef int judge(self, int slot) except -2:
        cdef int held
        cdef int64_t refused = self.refused
        if self.verdicts[slot] == VERDICT_UNKNOWN:
            held = self.test_segment(self.segments[slot])
            if held < 0:
                self.failed_segments.append(slot)
            self.verdicts[slot] = VERDICT_TRUE if held == 1 else VERDICT_FALSE
            if self.refused != refused:
                self.verdicts[slot] = VERDICT_REFUSED
            self.judged = True
        if self.verdicts[slot] == VERDICT_REFUSED:
            self.refused = refused + 1
            return -1
        return self.verdicts[slot] == VERDICT_TRUE

    cdef int test_segment(self, Node segment) except -2:
        """Macros that are under way keep their items: those of the segment use the same places."""
        cdef LoopC loops[MAX_LOOPS]
        cdef list items
        cdef int held
        if not self.looping:
            return segment.test(self)
        memcpy(loops, self.loops, sizeof(loops))
        items, self.items = self.items, [ABSENT] * MAX_LOOPS
        held = segment.test(self)
        memcpy(self.loops, loops, sizeof(loops))
        self.items = items
        return held

    cdef dict attributes(self):
        if self.customer is None or self.customer.rare.attributes is None:
            return NO_ATTRIBUTES
        return self.customer.rare.attributes

    cdef dict contexts(self):
        if self.customer is None or self.customer.rare.contexts is None:
            return NO_ATTRIBUTES
        return self.customer.rare.contexts


cdef class Node:
    """One node of a condition. A class overrides `value`, or `test` if it is a boolean; some `read`, too."""

    cdef bint read(self, Frame frame, ValueC *into) except -1:
        return False

    cdef bint nested(self, Frame frame, ValueC *into) noexcept:
        return False

    cdef object value(self, Frame frame):
        cdef int held = self.test(frame)
        return ABSENT if held < 0 else held == 1

    cdef int test(self, Frame frame) except -2:
        cdef object value = self.value(frame)
        return 1 if value is True else 0 if value is False else -1

    def cost(self, *args, **given):
        """The steps that `evaluate` takes of a frame of its own, None if they are not enough. For tests."""
        cdef Frame frame = given.setdefault("frame", Frame(given.pop("segments", ())))
        self.evaluate(*args, **given)
        return None if frame.refused else MAX_STEPS - frame.left

    def evaluate(
        self, event, str name="", Customer customer=None, int64_t at=0, *,
        time=None, attributes=None, contexts=None, captured=None, segments=(), Frame frame=None,
    ):
        """The value for an event, ABSENT if it ends in an error. For tests and tools.

        The event is a dict, or the bytes of a record, of which the fields are read as the loop does. `at` is
        `now`, and `event_time` too without `time`. `attributes` and `contexts` become those of `customer`.
        A `frame` that is given is begun anew, and keeps its own segments.
        """
        cdef Event record
        if frame is None:
            frame = Frame(segments)
        frame.begin()
        frame.refill()
        frame.name, frame.customer, frame.at = name, customer, at
        if type(event) is dict:
            frame.see(None, event)
        else:
            self.fields.build()
            record = Event(self.fields)
            if not record.read(event):
                raise ValueError("no JSON object")
            frame.see(record, None)
        frame.time = at if time is None else time
        frame.captured = captured
        if attributes is not None:
            customer.own().attributes = attributes
        if contexts is not None:
            customer.own().contexts = contexts
        return self.value(frame)


cdef class Unary(Node):
    """A node over one other."""

    def __init__(self, Node operand):
        self.operand = operand


cdef list values_of(Frame frame, list nodes):
    cdef Node node
    cdef list values = []
    for node in nodes:
        value = node.value(frame)
        if value is ABSENT:
            return None
        values.append(value)
    return values
