"""The nodes of macros; the essay is in `_macros.pyx`."""

from stream.events._value cimport ValueC
from stream.events._yyjson cimport yyjson_arr_iter
from stream.matcher._frame cimport Frame, Node

cdef class Item(Node):
    cdef Node items             # what the macro goes over
    cdef int depth              # of the macro
    cdef tuple path
    cdef list names             # the path, in UTF-8

    cdef Item below(self, str name)
    cdef bint is_native(self, Frame frame) noexcept
    cdef int walk(self, Frame frame, ValueC *into) noexcept     # WALKED, NOWHERE, or TOO_WIDE

cdef Item item_of(Node items, int depth, tuple path)

cdef class Loop(Node):
    cdef Node items, step
    cdef int depth
    cdef Py_ssize_t cost        # of a round

    cdef object begin(self, Frame frame, yyjson_arr_iter *iterator)
    cdef int advance(self, Frame frame, list values, Py_ssize_t at, yyjson_arr_iter *iterator) except -2
    cdef int end(self, Frame frame, int outcome) except -2

cdef Node loop_of(str function, Node items, int depth, Py_ssize_t cost, list steps)
cdef Node has_item(Item item, Node slow)
