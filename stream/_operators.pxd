"""The nodes of operators; the essay is in `_operators.pyx`."""

from stream._frame cimport Node

cdef class Constant(Node):
    cdef object constant
