"""The nodes of the event's fields; the essay is in `_fields.pyx`."""

from stream.events._event cimport Fields
from stream.matcher._frame cimport Node

cdef class Field(Node):
    cdef tuple path
    cdef int slot                   # -1: the event itself

    cdef Field below(self, str name)

cdef Field field_of(Fields fields, tuple path)
cdef Node has_field(Field field, Node slow)
