"""The nodes of functions that have no other home, and of arithmetic.

A node tries the types that are common, those of JSON, and leaves the others to the functions that the plain
evaluator uses (`cel.functions.apply`): so it means the same for every value of CEL. Integers have 64 bits:
what needs more after an operation is an error. What reads or makes a long text or list is charged for it.

Cost: 20 to 60 ns for a node of JSON's types; about 1 us for one that asks `apply` or makes a time.
Tested by tests/matcher/test_condition_nodes.py against `expression.evaluate`.
"""

cimport cython
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.stdint cimport int64_t

from stream.events._value cimport ABSENT, ValueC
from stream.events._yyjson cimport yyjson_arr_size, yyjson_val
from stream.matcher._frame cimport Frame, Node, Unary, charge, values_of

from stream.cel import cost as _cost
from stream.cel.cost import after, before
from stream.cel.functions import MIXING as _MIXING, apply
from stream.cel.strings import MAX_SIZE as _MAX_SIZE
from stream.cel.times import duration, timestamp
from stream.cel.values import Duration as _Duration, Timestamp as _Timestamp
from stream.errors import ExpressionError

cdef object MIXING = _MIXING
cdef object INT_MAX = 2**63 - 1
cdef object Timestamp = _Timestamp
cdef object Duration = _Duration
cdef Py_ssize_t MAX_SIZE = _MAX_SIZE
cdef int64_t CHARACTERS = _cost.CHARACTERS


cdef object applied(Frame frame, str function, list args):
    """A function's value as `cel.functions` has it; ABSENT where that raises."""
    if not charge(frame, before(function, args)):
        return ABSENT
    try:
        found = apply(function, args, 0)
    except ExpressionError:
        return ABSENT
    return found if charge(frame, after(found)) else ABSENT


cdef object sized(object number):
    """An int, if it has no more than 64 bits."""
    cdef int overflow = 0
    PyLong_AsLongLongAndOverflow(number, &overflow)
    return number if overflow == 0 else ABSENT


cdef bint is_number(object value) noexcept:
    """Whether it is of one of JSON's kinds of number."""
    return type(value) is int or type(value) is float


@cython.final
cdef class Function(Node):
    """A function that has no node of its own."""
    cdef str function
    cdef list args

    def __init__(self, str function, list args):
        self.function, self.args = function, args

    cdef object value(self, Frame frame):
        cdef list values = values_of(frame, self.args)
        return ABSENT if values is None else applied(frame, self.function, values)


@cython.final
cdef class Arithmetic(Node):
    """`+`, `-`, `*`, `/`, `%` of two ints, or two doubles, or strings put together.

    `mixes`: an int beside a double is taken as one (`cel.functions.mixed`).
    """
    cdef Node left, right
    cdef str function
    cdef Py_UCS4 symbol
    cdef bint mixes

    def __init__(self, Node left, Node right, str function, bint mixes):
        self.left, self.right, self.function, self.symbol = left, right, function, function[1]
        self.mixes = mixes and function in MIXING

    cdef object value(self, Frame frame):
        cdef object left = self.left.value(frame), right
        cdef int64_t size
        if left is ABSENT:
            return ABSENT
        right = self.right.value(frame)
        if right is ABSENT:
            return ABSENT
        if self.mixes and type(left) is not type(right) and is_number(left) and is_number(right):
            try:
                left, right = float(left), float(right)
            except OverflowError:
                return ABSENT
        if type(left) is float and type(right) is float:
            if self.symbol == u"/" and <double> right == 0.0 or self.symbol == u"%":
                return applied(frame, self.function, [left, right])
            return self.of_doubles(left, right)
        if type(left) is int and type(right) is int and self.symbol not in u"/%":
            if self.symbol == u"+":
                return sized(left + right)
            return sized(left - right if self.symbol == u"-" else left * right)
        if self.symbol == u"+" and type(left) is str and type(right) is str:
            size = len(<str> left) + len(<str> right)
            if size >= CHARACTERS and not charge(frame, size // CHARACTERS):
                return ABSENT
            if size > MAX_SIZE:
                return ABSENT
            return left + right if size < CHARACTERS or charge(frame, size // CHARACTERS) else ABSENT
        if type(left) is int and type(right) is int and 0 <= left <= INT_MAX and 0 < right <= INT_MAX:
            # Of what is not negative, Python's division is CEL's.
            return left // right if self.symbol == u"/" else left % right
        if type(left) is Timestamp and self.symbol in u"+-":
            return self.of_times(left, right)
        return applied(frame, self.function, [left, right])

    cdef object of_times(self, object left, object right):
        try:
            if type(right) is Duration:
                return timestamp(left.nanos + (right.nanos if self.symbol == u"+" else -right.nanos))
            if type(right) is Timestamp and self.symbol == u"-":
                return duration(left.nanos - right.nanos)
        except ExpressionError:     # out of range
            return ABSENT
        return ABSENT

    cdef double of_doubles(self, double left, double right) noexcept:
        if self.symbol == u"+":
            return left + right
        if self.symbol == u"-":
            return left - right
        return left * right if self.symbol == u"*" else left / right


@cython.final
cdef class Negative(Unary):
    cdef object value(self, Frame frame):
        cdef object operand = self.operand.value(frame)
        if type(operand) is float:
            return -<double> operand
        return sized(-operand) if type(operand) is int else ABSENT


@cython.final
cdef class Size(Unary):
    cdef object value(self, Frame frame):
        cdef ValueC nested
        cdef object operand
        if self.operand.nested(frame, &nested) and not nested.size:
            return yyjson_arr_size(<yyjson_val *> nested.of.nested)
        operand = self.operand.value(frame)
        if type(operand) is str or type(operand) is list or type(operand) is dict or type(operand) is bytes:
            return len(operand)
        return ABSENT


@cython.final
cdef class Double(Unary):
    cdef object value(self, Frame frame):
        cdef object operand = self.operand.value(frame)
        if type(operand) is float or operand is ABSENT:
            return operand
        return float(operand) if type(operand) is int else applied(frame, "double", [operand])


@cython.final
cdef class Int(Unary):
    cdef object value(self, Frame frame):
        cdef object operand = self.operand.value(frame)
        if type(operand) is int:
            return sized(operand)
        if type(operand) is float:
            in_range = -9223372036854775808.0 < <double> operand < 9223372036854775808.0
            return int(operand) if in_range else ABSENT
        return operand if operand is ABSENT else applied(frame, "int", [operand])
