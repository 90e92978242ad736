"""The nodes of operators: literals, access, comparisons and logic; and which node anything is (`operation`).

A node tries the types that are common, those of JSON, and leaves the others to the functions that the plain
evaluator uses (`cel.values`): so it means the same for every value of CEL.

Cost: 20 to 60 ns for a node of JSON's types.
Longer than 450 lines: the nodes are as many as CEL's operators, each a dozen lines, and share `equal` and
`in_order`. Those of functions are in `_functions`, tests of texts in `_texts`, macros in `_macros`.
Tested by tests/matcher/test_condition_nodes.py against `expression.evaluate`.
"""

cimport cython
from cpython.object cimport Py_EQ, Py_GE, Py_GT, Py_LE, Py_LT, PyObject, PyObject_RichCompareBool

from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcmp

from stream.matcher._frame cimport Frame, Node, Unary, charge, values_of
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

from stream.events._event cimport copy_value
from stream.events._yyjson cimport (
    yyjson_arr_iter,
    yyjson_arr_iter_init,
    yyjson_arr_iter_next,
    yyjson_arr_size,
    yyjson_val,
)
from stream.matcher._functions import Arithmetic, Double, Function, Int, Negative, Size
from stream.matcher._texts import TEXT_TESTS, match, text_test

from stream.cel import cost as _cost
from stream.cel.cost import BudgetError, comparison
from stream.cel.functions import OVERLOADS as _OVERLOADS, SIGNATURES as _SIGNATURES
from stream.cel.values import ABSENT as _NOT_FOUND, Duration as _Duration, Lookup as _Lookup
from stream.cel.values import Timestamp as _Timestamp, comparable, equals, find, in_order as any_in_order
from stream.errors import ExpressionError

cdef object INT_MAX = 2**63 - 1
cdef object Timestamp = _Timestamp
cdef object Duration = _Duration
cdef object Lookup = _Lookup
cdef int64_t CHARACTERS = _cost.CHARACTERS
cdef dict RELATIONS = {Py_LT: operator.lt, Py_LE: operator.le, Py_GT: operator.gt, Py_GE: operator.ge}
cdef dict ORDERS = {"_<_": Py_LT, "_<=_": Py_LE, "_>_": Py_GT, "_>=_": Py_GE}
cdef dict CHAINS = {"_&&_": 0, "_||_": 1}
cdef int64_t EXACT = 1 << 53        # up to here integers and doubles are the same numbers
cdef str ARITHMETIC = "+-*/%"


cdef enum:
    UNDECIDED = -2
    UNDECIDED_PAID = -3
    FEW = 16            # texts that are compared one by one


# --- values ------------------------------------------------------------------------------------

cdef bint charge_texts(Frame frame, int64_t one, int64_t other) noexcept:
    """Whether two texts of so many characters may be compared."""
    return one < CHARACTERS or other < CHARACTERS or charge(frame, min(one, other) // CHARACTERS)


cdef int64_t characters(const ValueC *text) noexcept:
    """Of a text that was read: the bytes that continue none."""
    cdef int64_t count = 0
    cdef uint32_t at
    for at in range(text.size):
        count += (text.of.text[at] & 0xC0) != 0x80
    return count


cdef bint charge_plain(Frame frame, const ValueC *one, const ValueC *other) noexcept:
    """`charge_texts` of two scalars that were read, if they are."""
    if one.kind != KIND_TEXT or one.size < CHARACTERS or other.kind != KIND_TEXT or other.size < CHARACTERS:
        return True
    return charge_texts(frame, characters(one), characters(other))


cdef int equal(Frame frame, object left, object right) except -2:
    """CEL's equality: numbers by value, else only within one type. -1: too deep to tell, or refused."""
    if type(left) is str and type(right) is str:
        return left == right if charge_texts(frame, len(<str> left), len(<str> right)) else -1
    if is_number(left) and is_number(right):
        if type(left) is float and type(right) is float:
            return <double> left == <double> right
        return PyObject_RichCompareBool(left, right, Py_EQ)
    if left is None or type(left) is bool or type(left) is str:
        return left is right    # strings: the other one is none
    try:
        return equals(left, right, frame.pay)
    except (RecursionError, BudgetError):
        return -1


cdef int in_order(Frame frame, object left, object right, int relation) except -2:
    """1 or 0 for `<`, `<=`, `>`, `>=` of two numbers, or two of one ordered type; -1 of anything else."""
    cdef double a, b
    if type(left) is str and type(right) is str:
        if not charge_texts(frame, len(<str> left), len(<str> right)):
            return -1
        return PyObject_RichCompareBool(left, right, relation)
    if type(left) is float and type(right) is float:
        a, b = left, right
        if relation == Py_LT:
            return a < b
        if relation == Py_LE:
            return a <= b
        return a > b if relation == Py_GT else a >= b
    if (is_number(left) and is_number(right)) or (
        type(left) is type(right) and type(left) is bool
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
    if not charge(frame, comparison(left, right)):
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


cdef int among(Frame frame, const ValueC *item, yyjson_val *items) noexcept:
    """Whether a scalar is in a list of the record; UNDECIDED_PAID: the objects must be compared."""
    cdef yyjson_arr_iter iterator
    cdef yyjson_val *value
    cdef ValueC each
    cdef int held
    yyjson_arr_iter_init(items, &iterator)
    while True:
        value = yyjson_arr_iter_next(&iterator)
        if value is NULL:
            return 0
        copy_value(value, &each)
        held = plain_equal(item, &each) if charge_plain(frame, item, &each) else -1
        if held == UNDECIDED:
            return UNDECIDED_PAID
        if held != 0:
            return held


cdef object indexed(Frame frame, object operand, object key):
    if type(operand) is dict:
        if type(key) is str:
            return (<dict> operand).get(key, ABSENT)
        if not charge(frame, len(<dict> operand) // 10):
            return ABSENT
        found = find(operand, key)
        return ABSENT if found is _NOT_FOUND else found
    if type(operand) is list:
        if not is_number(key) and (type(key) is bool or not isinstance(key, int)):
            return ABSENT
        return operand[int(key)] if 0 <= key < len(operand) and key == int(key) else ABSENT
    if isinstance(operand, Lookup):
        try:
            return operand.look_up(key)
        except KeyError:
            return ABSENT
    return ABSENT


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
cdef class _Failure(Node):
    """A function of constants that is an error."""

    cdef object value(self, Frame frame):
        return ABSENT


@cython.final
cdef class _Index(Node):
    """`operand[key]` and `operand.key`"""
    cdef Node operand, key

    def __init__(self, Node operand, Node key):
        self.operand, self.key = operand, key

    cdef object value(self, Frame frame):
        cdef object operand = self.operand.value(frame), key
        if operand is ABSENT:
            return ABSENT
        key = self.key.value(frame)
        return ABSENT if key is ABSENT else indexed(frame, operand, key)


@cython.final
cdef class _Has(Node):
    """`has(operand.field)`, of what is a map."""
    cdef Node operand
    cdef str field

    def __init__(self, Node operand, str field):
        self.operand, self.field = operand, field

    cdef int test(self, Frame frame) except -2:
        cdef object operand = self.operand.value(frame)
        if type(operand) is dict:
            return self.field in <dict> operand
        return indexed(frame, operand, self.field) is not ABSENT if isinstance(operand, Lookup) else -1


@cython.final
cdef class _Exists(Unary):
    """`has` of what is computed: whether it has a value."""

    cdef int test(self, Frame frame) except -2:
        cdef int64_t refused = frame.refused
        cdef bint there = self.operand.value(frame) is not ABSENT
        return there if frame.refused == refused else -1


@cython.final
cdef class _Map(Node):
    """`{key: value, …}`"""
    cdef list items     # each key before its value

    def __init__(self, list items):
        self.items = items

    cdef object value(self, Frame frame):
        cdef Py_ssize_t at
        cdef dict values = {}
        for at in range(0, len(self.items), 2):
            key = (<Node> self.items[at]).value(frame)
            value = ABSENT if key is ABSENT else (<Node> self.items[at + 1]).value(frame)
            if value is ABSENT or not isinstance(key, str | bool | int) or key in values:
                return ABSENT
            values[key] = value
        return values


@cython.final
cdef class _List(Node):
    cdef list items

    def __init__(self, list items):
        self.items = items

    cdef object value(self, Frame frame):
        cdef list values = values_of(frame, self.items)
        return ABSENT if values is None else values


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
            held = plain_equal(&one, &other) if charge_plain(frame, &one, &other) else -1
            if held != UNDECIDED:
                return held if held < 0 else held != self.negated
        left = self.left.value(frame)
        if left is ABSENT:
            return -1
        right = self.right.value(frame)
        if right is ABSENT:
            return -1
        held = equal(frame, left, right)
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
            held = plain_order(&one, &other, self.relation) if charge_plain(frame, &one, &other) else -1
            if held != UNDECIDED:
                return held
        left = self.left.value(frame)
        if left is ABSENT:
            return -1
        return in_order(frame, left, self.right.value(frame), self.relation)


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
        cdef object item, items
        cdef ValueC plain, nested
        cdef int held = UNDECIDED
        if self.item.read(frame, &plain) and self.items.nested(frame, &nested) and not nested.size:
            if plain.kind != KIND_MISSING:
                if not charge(frame, yyjson_arr_size(<yyjson_val *> nested.of.nested)):
                    return -1
                held = among(frame, &plain, <yyjson_val *> nested.of.nested)
            else:
                held = -1
            if held != UNDECIDED_PAID:
                return held
        item = self.item.value(frame)
        if item is ABSENT:
            return -1
        items = self.items.value(frame)
        if items is ABSENT:
            return -1
        if type(items) is list:
            if held != UNDECIDED_PAID and not charge(frame, len(<list> items)):
                return -1
            for each in <list> items:
                held = equal(frame, item, each)
                if held != 0:
                    return held
            return 0
        if type(items) is dict and type(item) is not str and not charge(frame, len(<dict> items) // 10):
            return -1
        if type(items) is not dict:
            return -1
        return item in <dict> items if type(item) is str else find(items, item) is not _NOT_FOUND


@cython.final
cdef class _Not(Unary):
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
        cdef int64_t refused = frame.refused
        cdef Py_ssize_t at
        for at in range(PyTuple_GET_SIZE(self.terms)):
            # The tuple owns the node: no reference is taken.
            held = (<Node> PyTuple_GET_ITEM(self.terms, at)).test(frame)
            if held == self.decisive:
                return held
            if held < 0:
                outcome = -1
                if frame.refused != refused:
                    break
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


# --- which node it is --------------------------------------------------------------------------

def constant(value):
    """The node of a literal, or of a type's name."""
    return Constant(value)


def has(Node operand not None, str field):
    """The node of `has(operand.field)`; without `field`, of whether `operand` has a value."""
    return _Exists(operand) if field is None else _Has(operand, field)


def operation(str function not None, list args not None, bint mixes=False):
    """The node of an operator or a function of nodes; None if that is not what `function` is.

    `&&` and `||` take any number. A function of constants alone is its value, or an error, made once.
    `mixes`: arithmetic takes an int beside a double as one. ExpressionError for a wrong number of nodes.
    """
    cdef Node node
    if not _takes(function, len(args)):
        raise ExpressionError(f"a wrong number of arguments of `{function}`")
    node = _operation(function, args, mixes)
    if node is None or not all([type(arg) is Constant for arg in args]):
        return node
    value = node.value(Frame())
    return _Failure() if value is ABSENT else Constant(value)


cdef bint _takes(str function, Py_ssize_t count) except -1:
    """Whether a function has so many arguments, which the nodes trust in; unknown ones have any."""
    if function in CHAINS or function == "[]":
        return True
    if function == "{}":
        return count % 2 == 0
    if function in _SIGNATURES:
        least, most, _ = _SIGNATURES[function]
        return least <= count <= most
    if function == "@in":
        return count == 2
    return "_" not in function or count == function.count("_")


cdef Node _operation(str function, list args, bint mixes):
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
        return Arithmetic(*args, function, mixes)
    if function in TEXT_TESTS:
        return text_test(function, args[0], args[1])
    if function == "matches":
        return _match(args[0], args[1])
    if function == "{}":
        return _Map(args)
    kind = KINDS.get(function)
    if kind is not None:
        return kind(*args)
    return Function(function, args) if function in _OVERLOADS else None


cdef dict KINDS = {
    "!_": _Not, "-_": Negative, "_?_:_": _Ternary, "_[_]": _Index,
    "size": Size, "int": Int, "double": Double,
}


cdef Node _membership(Node item, Node items):
    if type(items) is Constant and type((<Constant> items).constant) is list:
        literals = (<Constant> items).constant
        if all([each is None or type(each) in (bool, int, float, str) for each in literals]):
            return _InLiterals(item, literals)
    return _In(item, items)


cdef Node _match(Node text, Node pattern):
    if type(pattern) is not Constant:
        return match(text, pattern, None)
    if type((<Constant> pattern).constant) is str:
        try:
            return match(text, None, (<Constant> pattern).constant)
        except ExpressionError:
            pass    # an error whenever it is asked, which is how `Function` has it
    return Function("matches", [text, pattern])
