"""The nodes of operators; the essay is in `_operators.pyx`."""

from stream.matcher._frame cimport Frame, Node
from stream.events._value cimport ValueC

cdef class Constant(Node):
    cdef object constant            # owns the text of `plain`
    cdef ValueC plain               # KIND_NESTED: it is no scalar of JSON

cdef object indexed(Frame frame, object operand, object key)    # `operand[key]`; ABSENT: an error
