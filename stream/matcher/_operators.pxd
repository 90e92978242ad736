"""The nodes of operators; the essay is in `_operators.pyx`."""

from stream.matcher._frame cimport Node
from stream.events._value cimport ValueC

cdef class Constant(Node):
    cdef object constant            # owns the text of `plain`
    cdef ValueC plain               # KIND_NESTED: it is no scalar of JSON
