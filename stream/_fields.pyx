# cython: autotestdict=False
"""The nodes of the event's fields, and of their comparison with literals: what nearly all conditions are
made of.

A comparison reads the slot that the record's reader filled (`_event`), without a Python object. It knows
the plain cases: a text with a text, numbers that a double holds, one kind with another. All else it leaves
to the general node of the same comparison, `slow`; so does a frame without a record's fields (a timer's
kept event).

Cost: 5 ns for a comparison, 40 ns where a Python object must be made.
Tested by tests/unit/test_condition_nodes.py, both ways against `expression.evaluate`.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.string cimport memcmp

from stream._event cimport Fields
from stream._frame cimport Frame, Node, reach
from stream._value cimport (
    DOUBLE,
    FALSE,
    INTEGER,
    MISSING,
    NESTED,
    TEXT,
    TRUE,
    ValueC,
    object_of,
    value_of,
)

from stream._value import ABSENT

cdef object ERROR = ABSENT
cdef int64_t EXACT = 1 << 53        # up to here integers and doubles are the same numbers

cdef enum:
    FEW = 16                        # literals that are compared one by one

cdef enum Relation:
    EQUAL
    UNEQUAL
    LESS
    AT_MOST
    MORE
    AT_LEAST

cdef dict RELATIONS = {
    "_==_": EQUAL, "_!=_": UNEQUAL, "_<_": LESS, "_<=_": AT_MOST, "_>_": MORE, "_>=_": AT_LEAST,
}
cdef dict FLIPPED = {
    EQUAL: EQUAL, UNEQUAL: UNEQUAL, LESS: MORE, AT_MOST: AT_LEAST, MORE: LESS, AT_LEAST: AT_MOST,
}


@cython.final
@cython.auto_pickle(False)
cdef class Field(Node):
    """`event.path`, or `event` itself."""

    cdef Field below(self, str name):
        return field_of(self.fields, self.path + (name,))

    cdef object value(self, Frame frame):
        cdef PyObject *found
        if self.slot < 0:
            return frame.whole()
        if frame.fields is not NULL and frame.fields[self.slot].kind != NESTED:
            return object_of(&frame.fields[self.slot])
        found = reach(frame.whole(), self.path)
        return ERROR if found is NULL else <object> found

    cdef int test(self, Frame frame) except -2:
        cdef object value
        cdef int kind
        if frame.fields is not NULL and self.slot >= 0:
            kind = frame.fields[self.slot].kind
            return 1 if kind == TRUE else 0 if kind == FALSE else -1
        value = self.value(frame)
        return 1 if value is True else 0 if value is False else -1


cdef Field field_of(Fields fields, tuple path):
    cdef Field field = Field.__new__(Field)
    field.fields, field.path = fields, path
    field.slot = fields.slot(path) if path else -1
    return field


@cython.final
@cython.auto_pickle(False)
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
            if above.kind != NESTED or not above.of.integer:
                return -1
        return frame.fields[self.field.slot].kind != MISSING


cdef Node has_field(Field field, Node slow):
    """The node of `has` of a field, which is not the event itself; `slow` is the general one."""
    cdef _HasField node = _HasField()
    node.field, node.above, node.slow = field, field_of(field.fields, field.path[:len(field.path) - 1]), slow
    return node


@cython.final
@cython.auto_pickle(False)
cdef class _Compared(Node):
    """`event.path == literal` and so on, of a text, a number, a boolean or null."""
    cdef int slot, relation
    cdef ValueC literal
    cdef double number          # the literal, if it is a number
    cdef object owner           # of the literal's text
    cdef Node slow

    cdef int test(self, Frame frame) except -2:
        cdef ValueC *value
        cdef double number
        if frame.fields is NULL:
            return self.slow.test(frame)
        value = &frame.fields[self.slot]
        if value.kind == MISSING:
            return -1
        if self.literal.kind == TEXT:
            if self.relation > UNEQUAL:
                return self.slow.test(frame)
            return (self.relation == UNEQUAL) != (
                value.kind == TEXT and value.size == self.literal.size
                and memcmp(value.of.text, self.literal.of.text, value.size) == 0
            )
        if self.literal.kind != DOUBLE:     # null or a boolean
            if self.relation > UNEQUAL:
                return self.slow.test(frame)
            return (self.relation == UNEQUAL) != (value.kind == self.literal.kind)
        if value.kind == DOUBLE:
            number = value.of.number
        elif value.kind == INTEGER and -EXACT <= value.of.integer <= EXACT:
            number = <double> value.of.integer
        else:
            return self.slow.test(frame)
        if self.relation == EQUAL:
            return number == self.number
        if self.relation == UNEQUAL:
            return number != self.number
        if self.relation == LESS:
            return number < self.number
        if self.relation == AT_MOST:
            return number <= self.number
        return number > self.number if self.relation == MORE else number >= self.number


@cython.final
@cython.auto_pickle(False)
cdef class _OneOf(Node):
    """`event.path in [texts]`, of a few."""
    cdef int slot, count
    cdef ValueC *literals
    cdef list owners
    cdef Node slow

    def __dealloc__(self):
        PyMem_Free(self.literals)

    cdef int test(self, Frame frame) except -2:
        cdef ValueC *value
        cdef int at
        if frame.fields is NULL or frame.fields[self.slot].kind != TEXT:
            return self.slow.test(frame)
        value = &frame.fields[self.slot]
        for at in range(self.count):
            if self.literals[at].size == value.size and (
                memcmp(self.literals[at].of.text, value.of.text, value.size) == 0
            ):
                return 1
        return 0


cdef Node compared(str function, Field field, object literal, bint flipped, Node slow):
    """The node of a field compared with a literal; `flipped`: the literal stands on the left."""
    cdef _Compared node
    if field.slot < 0:
        return None
    if function == "@in":
        return one_of(field, literal, slow) if not flipped and type(literal) is list else None
    if function not in RELATIONS or not is_simple(literal):
        return None
    node = _Compared()
    node.slot, node.slow, node.owner = field.slot, slow, literal
    node.relation = FLIPPED[RELATIONS[function]] if flipped else RELATIONS[function]
    value_of(literal, &node.literal)
    if node.literal.kind == INTEGER:
        node.number, node.literal.kind = <double> node.literal.of.integer, DOUBLE
    elif node.literal.kind == DOUBLE:
        node.number = node.literal.of.number
    return node


cdef Node one_of(Field field, list literals, Node slow):
    cdef _OneOf node
    cdef int at
    if not 1 <= len(literals) <= FEW or not all([type(each) is str and is_simple(each) for each in literals]):
        return None
    node = _OneOf()
    node.slot, node.slow, node.owners, node.count = field.slot, slow, literals, len(literals)
    node.literals = <ValueC *> PyMem_Malloc(node.count * sizeof(ValueC))
    if node.literals is NULL:
        raise MemoryError
    for at in range(node.count):
        value_of(literals[at], &node.literals[at])
    return node


cdef bint is_simple(object literal) except -1:
    if type(literal) is str:
        try:
            literal.encode()
        except UnicodeEncodeError:      # half a surrogate pair
            return False
        return True
    if type(literal) is int:
        return -EXACT <= literal <= EXACT
    return literal is None or type(literal) is bool or type(literal) is float
