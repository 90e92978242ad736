"""The nodes of operators and functions: all that conditions are made of, but for names.

A node tries the types that are common, those of JSON, and leaves the others to the functions that the plain
evaluator uses (`cel.functions.apply`, `cel.values`): so it means the same for every value of CEL. Integers
have 64 bits: what needs more after an operation is an error. `operation` picks the node.

Cost: 20 to 60 ns for a node of JSON's types; about 1 us for one that asks `apply` or makes a time.
One file, though long: the nodes are as many as CEL's operators, each a dozen lines, and share `equal` and
`in_order`.
Tested by tests/matcher/test_condition_nodes.py against `expression.evaluate`.
"""

cimport cython
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.object cimport Py_EQ, Py_GE, Py_GT, Py_LE, Py_LT, PyObject, PyObject_RichCompareBool

from libc.stdint cimport int64_t
from libc.string cimport memcmp

from stream.matcher._frame cimport Frame, Node
from stream.events._value cimport (
    ABSENT,
    KIND_DOUBLE,
    KIND_INTEGER,
    KIND_MISSING,
    KIND_NESTED,
    KIND_TEXT,
    KIND_UNSIGNED,
    ValueC,
    as_double,
    is_number,
    is_same,
    value_of,
)

import operator

cdef extern from "Python.h":
    PyObject *PyTuple_GET_ITEM(tuple items, Py_ssize_t at)
    Py_ssize_t PyTuple_GET_SIZE(tuple items)

from stream.cel.functions import OVERLOADS as _OVERLOADS, apply
from stream.cel.strings import MAX_SIZE as _MAX_SIZE, pattern_of
from stream.cel.times import duration, timestamp
from stream.cel.values import ABSENT as _NOT_FOUND, Duration as _Duration, Timestamp as _Timestamp
from stream.cel.values import comparable, equals, find, in_order as any_in_order
from stream.errors import ExpressionError
from stream.expression import Call, Ident, evaluate

cdef object INT_MAX = 2**63 - 1
cdef object Timestamp = _Timestamp
cdef object Duration = _Duration
cdef Py_ssize_t MAX_SIZE = _MAX_SIZE
cdef object INDEX = Call("_[_]", (Ident("operand"), Ident("key")))
cdef dict RELATIONS = {Py_LT: operator.lt, Py_LE: operator.le, Py_GT: operator.gt, Py_GE: operator.ge}
cdef dict ORDERS = {"_<_": Py_LT, "_<=_": Py_LE, "_>_": Py_GT, "_>=_": Py_GE}
cdef dict CHAINS = {"_&&_": 0, "_||_": 1}
cdef int64_t EXACT = 1 << 53        # up to here integers and doubles are the same numbers
cdef str ARITHMETIC = "+-*/%"
cdef tuple TEXT_TESTS = ("contains", "startsWith", "endsWith")


cdef enum:
    UNDECIDED = -2
    FEW = 16            # texts that are compared one by one


# --- values ------------------------------------------------------------------------------------

cdef int equal(object left, object right) except -2:
    """CEL's equality: numbers by value, else only within one type. -1: nested too deep to tell."""
    if type(left) is str and type(right) is str:
        return left == right
    if is_number(left) and is_number(right):
        if type(left) is float and type(right) is float:
            return <double> left == <double> right
        return PyObject_RichCompareBool(left, right, Py_EQ)
    if left is None or type(left) is bool or type(left) is str:
        return left is right    # strings: the other one is none
    try:
        return equals(left, right)
    except RecursionError:
        return -1


cdef int in_order(object left, object right, int relation) except -2:
    """1 or 0 for `<`, `<=`, `>`, `>=` of two numbers, or two of one ordered type; -1 of anything else."""
    cdef double a, b
    if type(left) is float and type(right) is float:
        a, b = left, right
        if relation == Py_LT:
            return a < b
        if relation == Py_LE:
            return a <= b
        return a > b if relation == Py_GT else a >= b
    if (is_number(left) and is_number(right)) or (
        type(left) is type(right) and (type(left) is str or type(left) is bool)
    ):
        # As in `cel.values.in_order`: to CEL the double 2**63 is the largest integer.
        if type(left) is int and type(right) is float and <double> right == 9223372036854775808.0:
            right = INT_MAX
        elif type(right) is int and type(left) is float and <double> left == 9223372036854775808.0:
            left = INT_MAX
        return PyObject_RichCompareBool(left, right, relation)
    if type(left) is type(right) and (type(left) is Timestamp or type(left) is Duration):
        return PyObject_RichCompareBool(left.nanos, right.nanos, relation)
    if left is ABSENT or right is ABSENT or not comparable(left, right):
        return -1
    return any_in_order(left, right, RELATIONS[relation])


cdef bint are_comparable(const ValueC *one, const ValueC *other, double *left, double *right) noexcept:
    """Whether both are numbers that doubles hold exactly, or both doubles; and those."""
    if one.kind == KIND_INTEGER and not -EXACT <= one.of.integer <= EXACT:
        return False
    if other.kind == KIND_INTEGER and not -EXACT <= other.of.integer <= EXACT:
        return False
    if one.kind == KIND_UNSIGNED or other.kind == KIND_UNSIGNED:
        return False
    return as_double(one, left) and as_double(other, right)


cdef int plain_equal(const ValueC *one, const ValueC *other) noexcept:
    """`equal` of two scalars that were read; UNDECIDED: the objects must be compared."""
    cdef double left = 0.0, right = 0.0
    if one.kind == KIND_MISSING or other.kind == KIND_MISSING:
        return -1
    if are_comparable(one, other, &left, &right):
        return left == right
    if KIND_INTEGER <= one.kind <= KIND_DOUBLE and KIND_INTEGER <= other.kind <= KIND_DOUBLE:
        return UNDECIDED
    return is_same(one, other)


cdef int plain_order(const ValueC *one, const ValueC *other, int relation) noexcept:
    """`in_order` of two scalars that were read, likewise. UTF-8 orders as code points do."""
    cdef double left = 0.0, right = 0.0
    if one.kind == KIND_MISSING or other.kind == KIND_MISSING:
        return -1
    if one.kind == KIND_TEXT and other.kind == KIND_TEXT:
        left = memcmp(one.of.text, other.of.text, min(one.size, other.size))
        if left == 0:
            left, right = one.size, other.size
    elif not are_comparable(one, other, &left, &right):
        return UNDECIDED
    if relation == Py_LT:
        return left < right
    if relation == Py_LE:
        return left <= right
    return left > right if relation == Py_GT else left >= right


cdef object applied(str function, list args):
    """A function's value as `cel.functions` has it; ABSENT where that raises."""
    try:
        return apply(function, args, 0)
    except ExpressionError:
        return ABSENT


cdef object sized(object number):
    """An int, if it has no more than 64 bits."""
    cdef int overflow = 0
    PyLong_AsLongLongAndOverflow(number, &overflow)
    return number if overflow == 0 else ABSENT


# --- constants and access ----------------------------------------------------------------------

@cython.final
cdef class Constant(Node):
    def __init__(self, constant):
        self.constant = constant
        try:
            value_of(constant, &self.plain)
        except UnicodeEncodeError:      # half a surrogate pair
            self.plain.kind = KIND_NESTED

    cdef object value(self, Frame frame):
        return self.constant

    cdef bint read(self, Frame frame, ValueC *into) except -1:
        into[0] = self.plain
        return self.plain.kind != KIND_NESTED


@cython.final
cdef class _Index(Node):
    """`operand[key]` and `operand.key`"""
    cdef Node operand, key

    def __init__(self, Node operand, Node key):
        self.operand, self.key = operand, key

    cdef object value(self, Frame frame):
        cdef object operand = self.operand.value(frame), key = self.key.value(frame)
        if operand is ABSENT or key is ABSENT:
            return ABSENT
        if type(operand) is dict and type(key) is str:
            return (<dict> operand).get(key, ABSENT)
        if type(operand) is list and is_number(key):
            return operand[int(key)] if 0 <= key < len(operand) and key == int(key) else ABSENT
        try:
            return evaluate(INDEX, {"operand": operand, "key": key})
        except ExpressionError:
            return ABSENT


@cython.final
cdef class _Has(Node):
    """`has(operand.field)`, of what is a map."""
    cdef Node operand
    cdef str field

    def __init__(self, Node operand, str field):
        self.operand, self.field = operand, field

    cdef int test(self, Frame frame) except -2:
        cdef object operand = self.operand.value(frame)
        return self.field in <dict> operand if type(operand) is dict else -1


@cython.final
cdef class _Exists(Node):
    """`has` of what is computed: whether it has a value."""
    cdef Node operand

    def __init__(self, Node operand):
        self.operand = operand

    cdef int test(self, Frame frame) except -2:
        return self.operand.value(frame) is not ABSENT


@cython.final
cdef class _List(Node):
    cdef list items

    def __init__(self, list items):
        self.items = items

    cdef object value(self, Frame frame):
        cdef Node item
        cdef list values = []
        for item in self.items:
            value = item.value(frame)
            if value is ABSENT:
                return ABSENT
            values.append(value)
        return values


# --- comparisons and logic ---------------------------------------------------------------------

@cython.final
cdef class _Equal(Node):
    cdef Node left, right
    cdef bint negated

    def __init__(self, Node left, Node right, bint negated):
        self.left, self.right, self.negated = left, right, negated

    cdef int test(self, Frame frame) except -2:
        cdef object left, right
        cdef ValueC one, other
        cdef int held
        if self.left.read(frame, &one) and self.right.read(frame, &other):
            held = plain_equal(&one, &other)
            if held != UNDECIDED:
                return held if held < 0 else held != self.negated
        left = self.left.value(frame)
        if left is ABSENT:
            return -1
        right = self.right.value(frame)
        if right is ABSENT:
            return -1
        held = equal(left, right)
        return held if held < 0 else held != self.negated


@cython.final
cdef class _Order(Node):
    cdef Node left, right
    cdef int relation

    def __init__(self, Node left, Node right, int relation):
        self.left, self.right, self.relation = left, right, relation

    cdef int test(self, Frame frame) except -2:
        cdef ValueC one, other
        cdef int held
        if self.left.read(frame, &one) and self.right.read(frame, &other):
            held = plain_order(&one, &other, self.relation)
            if held != UNDECIDED:
                return held
        return in_order(self.left.value(frame), self.right.value(frame), self.relation)


@cython.final
cdef class _InLiterals(Node):
    """`operand in [literal, …]`, of any number of JSON's literals, found by hash."""
    cdef Node operand
    cdef list few                       # Constants of the texts, if they are few enough to try
    cdef frozenset texts, numbers       # to Python 1 == 1.0, as to CEL
    cdef bint null, true, false

    def __init__(self, Node operand, list items):
        self.operand = operand
        self.texts = frozenset([each for each in items if type(each) is str])
        self.few = [Constant(each) for each in self.texts] if len(self.texts) <= FEW else None
        self.numbers = frozenset([each for each in items if is_number(each)])
        self.null = any([each is None for each in items])
        self.true = any([each is True for each in items])
        self.false = any([each is False for each in items])

    cdef int test(self, Frame frame) except -2:
        cdef object value
        cdef ValueC plain
        cdef Constant each
        if self.few is not None and self.operand.read(frame, &plain) and plain.kind == KIND_TEXT:
            for each in self.few:
                if is_same(&each.plain, &plain):
                    return 1
            return 0
        value = self.operand.value(frame)
        if type(value) is str:
            return value in self.texts
        if is_number(value) or (isinstance(value, int) and type(value) is not bool):
            return value in self.numbers
        if value is ABSENT:
            return -1
        if type(value) is bool:
            return self.true if value is True else self.false
        return value is None and self.null


@cython.final
cdef class _In(Node):
    """`item in items`, a list or a map."""
    cdef Node item, items

    def __init__(self, Node item, Node items):
        self.item, self.items = item, items

    cdef int test(self, Frame frame) except -2:
        cdef object item = self.item.value(frame), items = self.items.value(frame)
        cdef int held
        if item is ABSENT or items is ABSENT:
            return -1
        if type(items) is list:
            for each in <list> items:
                held = equal(item, each)
                if held != 0:
                    return held
            return 0
        if type(items) is not dict:
            return -1
        return item in <dict> items if type(item) is str else find(items, item) is not _NOT_FOUND


@cython.final
cdef class _Not(Node):
    cdef Node operand

    def __init__(self, Node operand):
        self.operand = operand

    cdef int test(self, Frame frame) except -2:
        cdef int held = self.operand.test(frame)
        return -1 if held < 0 else 1 - held


@cython.final
cdef class _Chain(Node):
    """`&&` (decided by false) or `||` (decided by true) of any number of terms; undecided, an error wins."""
    cdef tuple terms
    cdef int decisive

    def __init__(self, list terms, int decisive):
        self.terms, self.decisive = tuple(terms), decisive

    cdef int test(self, Frame frame) except -2:
        cdef int held, outcome = 1 - self.decisive
        cdef Py_ssize_t at
        for at in range(PyTuple_GET_SIZE(self.terms)):
            # The tuple owns the node: no reference is taken.
            held = (<Node> PyTuple_GET_ITEM(self.terms, at)).test(frame)
            if held == self.decisive:
                return held
            if held < 0:
                outcome = -1
        return outcome


@cython.final
cdef class _Ternary(Node):
    cdef Node condition, then, other

    def __init__(self, Node condition, Node then, Node other):
        self.condition, self.then, self.other = condition, then, other

    cdef object value(self, Frame frame):
        cdef int held = self.condition.test(frame)
        if held < 0:
            return ABSENT
        return self.then.value(frame) if held else self.other.value(frame)


# --- functions ---------------------------------------------------------------------------------

@cython.final
cdef class _Function(Node):
    """A function that has no node of its own."""
    cdef str function
    cdef list args

    def __init__(self, str function, list args):
        self.function, self.args = function, args

    cdef object value(self, Frame frame):
        cdef Node arg
        cdef list values = []
        for arg in self.args:
            value = arg.value(frame)
            if value is ABSENT:
                return ABSENT
            values.append(value)
        return applied(self.function, values)


@cython.final
cdef class _Arithmetic(Node):
    """`+`, `-`, `*`, `/`, `%` of two ints, or two doubles, or strings put together."""
    cdef Node left, right
    cdef str function
    cdef Py_UCS4 symbol

    def __init__(self, Node left, Node right, str function):
        self.left, self.right, self.function, self.symbol = left, right, function, function[1]

    cdef object value(self, Frame frame):
        cdef object left = self.left.value(frame), right
        if left is ABSENT:
            return ABSENT
        right = self.right.value(frame)
        if right is ABSENT:
            return ABSENT
        if type(left) is float and type(right) is float:
            if self.symbol == u"/" and <double> right == 0.0 or self.symbol == u"%":
                return applied(self.function, [left, right])
            return self.of_doubles(left, right)
        if type(left) is int and type(right) is int and self.symbol not in u"/%":
            if self.symbol == u"+":
                return sized(left + right)
            return sized(left - right if self.symbol == u"-" else left * right)
        if self.symbol == u"+" and type(left) is str and type(right) is str:
            return left + right if len(<str> left) + len(<str> right) <= MAX_SIZE else ABSENT
        if type(left) is int and type(right) is int and 0 <= left <= INT_MAX and 0 < right <= INT_MAX:
            # Of what is not negative, Python's division is CEL's.
            return left // right if self.symbol == u"/" else left % right
        if type(left) is Timestamp and self.symbol in u"+-":
            return self.of_times(left, right)
        return applied(self.function, [left, right])

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
cdef class _Negative(Node):
    cdef Node operand

    def __init__(self, Node operand):
        self.operand = operand

    cdef object value(self, Frame frame):
        cdef object operand = self.operand.value(frame)
        if type(operand) is float:
            return -<double> operand
        return sized(-operand) if type(operand) is int else ABSENT


@cython.final
cdef class _Size(Node):
    cdef Node operand

    def __init__(self, Node operand):
        self.operand = operand

    cdef object value(self, Frame frame):
        cdef object operand = self.operand.value(frame)
        if type(operand) is str or type(operand) is list or type(operand) is dict or type(operand) is bytes:
            return len(operand)
        return ABSENT


@cython.final
cdef class _Double(Node):
    cdef Node operand

    def __init__(self, Node operand):
        self.operand = operand

    cdef object value(self, Frame frame):
        cdef object operand = self.operand.value(frame)
        if type(operand) is float or operand is ABSENT:
            return operand
        return float(operand) if type(operand) is int else applied("double", [operand])


@cython.final
cdef class _Int(Node):
    cdef Node operand

    def __init__(self, Node operand):
        self.operand = operand

    cdef object value(self, Frame frame):
        cdef object operand = self.operand.value(frame)
        if type(operand) is int:
            return sized(operand)
        if type(operand) is float:
            in_range = -9223372036854775808.0 < <double> operand < 9223372036854775808.0
            return int(operand) if in_range else ABSENT
        return operand if operand is ABSENT else applied("int", [operand])


@cython.final
cdef class _TextTest(Node):
    """`text.contains(part)`, `text.startsWith(part)`, `text.endsWith(part)`"""
    cdef Node text, part
    cdef int kind       # an index of TEXT_TESTS

    def __init__(self, Node text, Node part, str function):
        self.text, self.part, self.kind = text, part, TEXT_TESTS.index(function)

    cdef int test(self, Frame frame) except -2:
        cdef object text = self.text.value(frame), part = self.part.value(frame)
        if type(text) is not str or type(part) is not str:
            return -1
        if self.kind == 0:
            return <str> part in <str> text
        return (<str> text).startswith(<str> part) if self.kind == 1 else (<str> text).endswith(<str> part)


@cython.final
cdef class _Matches(Node):
    """`text.matches("pattern")`; a pattern that is not written down goes by `_Function`."""
    cdef Node text
    cdef object search

    def __init__(self, Node text, search):
        self.text, self.search = text, search

    cdef int test(self, Frame frame) except -2:
        cdef object text = self.text.value(frame)
        if type(text) is not str:
            return -1
        try:
            return self.search((<str> text).encode()) is not None   # a str would be searched for offsets, too
        except UnicodeError:
            return -1


# --- which node it is --------------------------------------------------------------------------

def constant(value):
    """The node of a literal, or of a type's name."""
    return Constant(value)


def has(Node operand not None, str field):
    """The node of `has(operand.field)`; without `field`, of whether `operand` has a value."""
    return _Exists(operand) if field is None else _Has(operand, field)


def operation(str function not None, list args not None):
    """The node of an operator or a function of nodes; None if that is not what `function` is.

    `&&` and `||` take any number. A function of constants alone is its value, unless that is an error.
    """
    cdef Node node = _operation(function, args)
    if node is None or not all([type(arg) is Constant for arg in args]):
        return node
    value = node.value(None)
    return node if value is ABSENT else Constant(value)


cdef Node _operation(str function, list args):
    if function in CHAINS:
        return _Chain(args, CHAINS[function])
    if function in ORDERS:
        return _Order(*args, ORDERS[function])
    if function == "_==_" or function == "_!=_":
        return _Equal(*args, function == "_!=_")
    if function == "@in":
        return _membership(args[0], args[1])
    if function == "[]":
        return _List(args)
    if function[0] == "_" and function[1] in ARITHMETIC:
        return _Arithmetic(*args, function)
    if function in TEXT_TESTS:
        return _TextTest(*args, function)
    if function == "matches":
        return _match(args[0], args[1])
    kind = KINDS.get(function)
    if kind is not None:
        return kind(*args)
    return _Function(function, args) if function in _OVERLOADS else None


cdef dict KINDS = {
    "!_": _Not, "-_": _Negative, "_?_:_": _Ternary, "_[_]": _Index,
    "size": _Size, "int": _Int, "double": _Double,
}


cdef Node _membership(Node item, Node items):
    if type(items) is Constant and type((<Constant> items).constant) is list:
        literals = (<Constant> items).constant
        if all([each is None or type(each) in (bool, int, float, str) for each in literals]):
            return _InLiterals(item, literals)
    return _In(item, items)


cdef Node _match(Node text, Node pattern):
    if type(pattern) is Constant and type((<Constant> pattern).constant) is str:
        source = (<Constant> pattern).constant
        try:
            if len(source) <= 1000:
                return _Matches(text, pattern_of(source).search)
        except ExpressionError:
            pass    # an error whenever it is asked, which is how `_Function` has it
    return _Function("matches", [text, pattern])
