"""The nodes of the event's fields, which nearly all conditions are made of.

Each reads the slot that the record's reader filled (`_event`). A frame without a record's fields (a timer's
kept event, a dict in a test) is asked for its event. So is one for a text that is large: it is made once an
event, however often it is asked for.

Cost: 2 ns to `read`; 40 ns where a Python object must be made.
Tested by tests/matcher/test_condition_nodes.py, both ways against `expression.evaluate`.
"""

cimport cython
from cpython.object cimport PyObject

from stream.events._event cimport Fields
from stream.matcher._frame cimport Frame, Node, is_large, reach
from stream.events._value cimport ABSENT, KIND_FALSE, KIND_MISSING, KIND_NESTED, KIND_TRUE, ValueC, object_of


@cython.final
cdef class Field(Node):
    """`event.path`, or `event` itself."""

    cdef Field below(self, str name):
        return field_of(self.fields, self.path + (name,))

    cdef object value(self, Frame frame):
        cdef PyObject *found
        if self.slot < 0:
            return frame.whole()
        if frame.fields is not NULL and not is_large(&frame.fields[self.slot]):
            return object_of(&frame.fields[self.slot])
        found = reach(frame.whole(), self.path)
        return ABSENT if found is NULL else <object> found

    cdef bint read(self, Frame frame, ValueC *into) except -1:
        if frame.fields is NULL or self.slot < 0 or frame.fields[self.slot].kind == KIND_NESTED:
            return False
        into[0] = frame.fields[self.slot]
        return True

    cdef bint nested(self, Frame frame, ValueC *into) noexcept:
        if frame.fields is NULL or self.slot < 0 or frame.fields[self.slot].kind != KIND_NESTED:
            return False
        into[0] = frame.fields[self.slot]
        return True

    cdef int test(self, Frame frame) except -2:
        cdef object value
        cdef int kind
        if frame.fields is not NULL and self.slot >= 0:
            kind = frame.fields[self.slot].kind
            return 1 if kind == KIND_TRUE else 0 if kind == KIND_FALSE else -1
        value = self.value(frame)
        return 1 if value is True else 0 if value is False else -1


cdef Field field_of(Fields fields, tuple path):
    cdef Field field = Field.__new__(Field)
    field.fields, field.path = fields, path
    field.slot = fields.slot(path) if path else -1
    return field


@cython.final
cdef class _HasField(Node):
    """`has(event.path)`; `above` is the path without its last name."""
    cdef Field field, above
    cdef Node slow

    cdef int test(self, Frame frame) except -2:
        cdef ValueC *above
        if frame.fields is NULL:
            return self.slow.test(frame)
        if self.above.slot >= 0:
            above = &frame.fields[self.above.slot]
            if above.kind != KIND_NESTED or not above.size:
                return -1
        return frame.fields[self.field.slot].kind != KIND_MISSING


cdef Node has_field(Field field, Node slow):
    """The node of `has` of a field, which is not the event itself; `slow` is the general one."""
    cdef _HasField node = _HasField()
    node.field, node.above, node.slow = field, field_of(field.fields, field.path[:len(field.path) - 1]), slow
    return node
