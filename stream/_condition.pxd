"""What a condition is compiled to; the essay is in `_condition.pyx`."""

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from stream._state cimport Customer

cdef class Frame:
    """What a condition sees."""
    cdef dict event
    cdef str name
    cdef Customer customer          # None: it has no state yet
    cdef int64_t at                 # when traits are read

cdef class Node:
    cdef object value(self, Frame frame)                    # ERROR, or a JSON value
    cdef int test(self, Frame frame) except -2              # 1 true, 0 false, -1 an error or no boolean

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

cdef inline bint is_number(object value) noexcept:
    return type(value) is int or type(value) is float

cdef object nothing(int function)                           # the value of a trait of no events
