"""Values of JSON as the loop holds them; the essay is in `_value.pyx`."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum Kind:
    MISSING = 0         # nothing is there
    NIL = 1             # null
    FALSE = 2
    TRUE = 3
    INTEGER = 4
    UNSIGNED = 5        # an integer above 2**63 - 1
    DOUBLE = 6
    TEXT = 7
    NESTED = 8          # a map or a list

cdef union PayloadC:
    int64_t integer
    uint64_t unsigned
    double number
    const char *text    # UTF-8, `size` bytes, not ended by a 0; of a NESTED whatever its reader puts there

cdef struct ValueC:
    int kind
    uint32_t size
    PayloadC of

cdef object object_of(const ValueC *value)              # ABSENT for MISSING and NESTED
cdef int value_of(object value, ValueC *into) except -1
cdef bint is_same(const ValueC *one, const ValueC *other) noexcept
cdef bint as_double(const ValueC *value, double *into) noexcept         # False if it is no number

cdef inline bint is_number(object value) noexcept:
    return type(value) is int or type(value) is float
