"""Values of JSON as the loop holds them; the essay is in `_value.pyx`."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum Kind:
    KIND_MISSING = 0    # nothing is there
    KIND_NIL = 1        # null
    KIND_FALSE = 2
    KIND_TRUE = 3
    KIND_INTEGER = 4
    KIND_UNSIGNED = 5   # an integer above 2**63 - 1
    KIND_DOUBLE = 6
    KIND_TEXT = 7
    KIND_NESTED = 8     # a map or a list

cdef union PayloadC:
    int64_t integer
    uint64_t unsigned
    double number
    const char *text    # UTF-8, `size` bytes, not ended by a 0
    void *nested        # of KIND_NESTED, if `_event` has read it: its yyjson_val; `size` is 1 for a map

cdef struct ValueC:
    int kind
    uint32_t size
    PayloadC of

cdef object ABSENT                 # the value of what is not there, or ended in an error; not JSON's null

cdef object object_of(const ValueC *value)              # ABSENT for KIND_MISSING and KIND_NESTED
cdef int value_of(object value, ValueC *into) except -1
cdef bint is_same(const ValueC *one, const ValueC *other) noexcept
cdef bint as_double(const ValueC *value, double *into) noexcept         # False if it is no number

cdef inline bint is_number(object value) noexcept:
    return type(value) is int or type(value) is float
