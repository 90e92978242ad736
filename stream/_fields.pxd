"""The nodes of the event's fields; the essay is in `_fields.pyx`."""

from stream._event cimport Fields
from stream._frame cimport Node

cdef class Field(Node):
    cdef tuple path
    cdef int slot                   # -1: the event itself

    cdef Field below(self, str name)

cdef Field field_of(Fields fields, tuple path)
cdef Node has_field(Field field, Node slow)
