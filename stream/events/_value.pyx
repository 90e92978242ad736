"""One value of JSON, 16 bytes, borrowed: whoever made it owns the bytes of its text.

So a record's fields, literals of rules and keys in a customer's state are compared without a Python object.
An integer is of KIND_INTEGER if 64 bits with a sign hold it, else of KIND_UNSIGNED; what JSON writes beyond
that is of KIND_DOUBLE, as in orjson. A map or a list is KIND_NESTED and nothing more.
Tested by tests/events/test_event.py and tests/matcher/test_condition_nodes.py.
"""

from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL


class _Absent:
    """The value of what is not there, told apart from JSON's null."""

    def __repr__(self):
        return "ABSENT"


ABSENT = _Absent()
globals()["ABSENT"] = ABSENT      # for Python, too: a name of C is not in the module


cdef object object_of(const ValueC *value):
    """The value as Python has it."""
    if value.kind == KIND_TEXT:
        return PyUnicode_DecodeUTF8(value.of.text, value.size, NULL)
    if value.kind == KIND_INTEGER:
        return value.of.integer
    if value.kind == KIND_DOUBLE:
        return value.of.number
    if value.kind == KIND_TRUE:
        return True
    if value.kind == KIND_FALSE:
        return False
    if value.kind == KIND_NIL:
        return None
    return value.of.unsigned if value.kind == KIND_UNSIGNED else ABSENT


cdef int value_of(object value, ValueC *into) except -1:
    """Takes over a Python value; a text's bytes are those of the object, and live as long as it does.

    UnicodeEncodeError for a string with lone surrogates, which no JSON holds.
    """
    cdef Py_ssize_t size = 0
    into.size = 0
    if type(value) is str:
        into.of.text = PyUnicode_AsUTF8AndSize(value, &size)
        into.kind, into.size = KIND_TEXT, <uint32_t> size
    elif type(value) is bool:
        into.kind = KIND_TRUE if value else KIND_FALSE
    elif type(value) is int and -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        into.kind, into.of.integer = KIND_INTEGER, <int64_t> value
    elif type(value) is int and 0 <= value <= 0xFFFFFFFFFFFFFFFF:
        into.kind, into.of.unsigned = KIND_UNSIGNED, <uint64_t> value
    elif type(value) is float:
        into.kind, into.of.number = KIND_DOUBLE, <double> value
    elif value is None:
        into.kind = KIND_NIL
    else:
        into.kind = KIND_MISSING if value is ABSENT else KIND_NESTED
    return 0


cdef bint is_same(const ValueC *one, const ValueC *other) noexcept:
    """Whether two values are of one kind and equal: 1 and 1.0 are not, nor are two nested ones."""
    if one.kind != other.kind:
        return False
    if one.kind == KIND_TEXT:
        return one.size == other.size and memcmp(one.of.text, other.of.text, one.size) == 0
    if one.kind == KIND_DOUBLE:
        return one.of.number == other.of.number
    if one.kind == KIND_INTEGER or one.kind == KIND_UNSIGNED:
        return one.of.integer == other.of.integer
    return one.kind != KIND_NESTED


cdef bint as_double(const ValueC *value, double *into) noexcept:
    """A number as a double."""
    if value.kind == KIND_DOUBLE:
        into[0] = value.of.number
    elif value.kind == KIND_INTEGER:
        into[0] = <double> value.of.integer
    elif value.kind == KIND_UNSIGNED:
        into[0] = <double> value.of.unsigned
    else:
        return False
    return True
