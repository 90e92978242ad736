# cython: autotestdict=False
"""Conditions: trees of `stream.expression`, compiled to nodes that evaluate without exceptions.

A value is a JSON value as orjson gives it, or ERROR. Semantics are CEL's: `&&` and `||` absorb errors on
either side, so a chain of them may be judged from the left and left when settled; equality of different
types is false, their order an error; ints and doubles compare by value; a boolean is no number. A
condition whose value is no boolean does not hold, and counts as an error.

`Node.test` is what the loop calls: 1, 0, or -1 for an error; `Node.value` serves operands. A class has
one of the two.

The commonest forms have nodes of their own: fields, traits, JSON's literals, comparisons, `in` a list of
literals, `&&`, `||`, `!`. Any other is one node that asks `expression.evaluate`, and so is a comparison with
such a one inside: fast nodes see JSON values only.

Cost: a comparison of a field with a constant about 40 ns, most of it the look-up in the event's dict; a
condition by `expression.evaluate` about 10 us.
Tested by tests/unit/test_fastmatch.py and tests/unit/test_conditions.py against `expression.evaluate`.
"""

cimport cython
from cpython.object cimport Py_EQ, Py_GE, Py_GT, Py_LE, Py_LT, PyObject, PyObject_RichCompareBool
from libc.math cimport floor
from libc.stdint cimport int64_t

from stream._state cimport COUNT, LAST, Customer, key_of

from stream._state import ABSENT

from stream.cel.evaluation import FUNCTIONS as _FUNCTIONS
from stream.cel.values import TYPE_NAMES as _TYPE_NAMES, Lookup, Timestamp
from stream.errors import ExpressionError
from stream.expression import Call, Ident, Literal, Select, evaluate
from stream.cel.grammar import MACROS as _MACROS

cdef object ERROR = ABSENT
cdef object FRACTION = ABSENT       # a key that is in no map
cdef tuple JSON_TYPES = (bool, int, float, str)
cdef tuple VARIABLES = ("event", "event_name", "event_time", "now", "traits")
cdef object INT_MAX = 2**63 - 1


# --- values ------------------------------------------------------------------------------------

cdef bint equal(object left, object right) except -1:
    """CEL's equality of JSON values, never an error: numbers by value, else only within one type."""
    if type(left) is str and type(right) is str:
        return left == right
    if is_number(left) and is_number(right):
        if type(left) is float and type(right) is float:
            return <double> left == <double> right
        return PyObject_RichCompareBool(left, right, Py_EQ)
    if type(left) is not type(right):
        return False
    if type(left) is list:
        return len(left) == len(right) and all([equal(a, b) for a, b in zip(left, right)])
    if type(left) is dict:
        return left.keys() == right.keys() and all([equal(left[name], right[name]) for name in left])
    return left is right    # null, true, false


cdef int in_order(object left, object right, int relation) except -2:
    """1 or 0 for `<`, `<=`, `>`, `>=` of two numbers, strings or booleans; -1 of anything else."""
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
    return -1


# --- nodes -------------------------------------------------------------------------------------

@cython.final
@cython.auto_pickle(False)
cdef class Frame:
    pass


@cython.auto_pickle(False)
cdef class Node:
    """One node of a condition. A class overrides `value`, or `test` if it is a boolean."""

    cdef object value(self, Frame frame):
        cdef int held = self.test(frame)
        return ERROR if held < 0 else held == 1

    cdef int test(self, Frame frame) except -2:
        cdef object value = self.value(frame)
        return 1 if value is True else 0 if value is False else -1

    def evaluate(self, event, str name="", Customer customer=None, int64_t at=0):
        """The value for an event (traits as of `at`); ABSENT if it ends in an error. For tests and tools."""
        cdef Frame frame = Frame()
        frame.event, frame.name, frame.customer, frame.at = event, name, customer, at
        return self.value(frame)


@cython.final
@cython.auto_pickle(False)
cdef class _Constant(Node):
    cdef object constant

    cdef object value(self, Frame frame):
        return self.constant


@cython.final
@cython.auto_pickle(False)
cdef class _EventName(Node):
    cdef object value(self, Frame frame):
        return frame.name


@cython.final
@cython.auto_pickle(False)
cdef class _Field(Node):
    """A field of the event; the empty path is the event itself."""
    cdef tuple path

    cdef object value(self, Frame frame):
        cdef PyObject *found = reach(frame.event, self.path)
        return ERROR if found is NULL else <object> found


@cython.final
@cython.auto_pickle(False)
cdef class _Index(Node):
    """`operand[key]` and `operand.key`"""
    cdef Node operand, key

    cdef object value(self, Frame frame):
        cdef object operand = self.operand.value(frame), key = self.key.value(frame)
        if type(operand) is dict:
            return (<dict> operand).get(key, ERROR) if type(key) is str else ERROR
        if type(operand) is list and is_number(key) and 0 <= key < len(operand) and key == int(key):
            return operand[int(key)]
        return ERROR


@cython.auto_pickle(False)
cdef class _Trait(Node):
    cdef int slot, function

    cdef object value(self, Frame frame):
        return trait(frame, self.slot, self.function)


@cython.final
@cython.auto_pickle(False)
cdef class _TraitOfKey(_Trait):
    """A trait with `per` at a key: no key of a map is an error, an absent key reads as nothing counted."""
    cdef Node key

    cdef object value(self, Frame frame):
        return trait_of_key(frame, self.slot, self.function, self.key.value(frame))


cdef object trait(Frame frame, int slot, int function):
    if frame.customer is None:
        return nothing(function)
    return frame.customer.value(slot, None, frame.at)


cdef object trait_of_key(Frame frame, int slot, int function, object key):
    if type(key) is float:
        key = int(key) if key == floor(key) and -1e18 < key < 1e18 else FRACTION
    elif type(key) is str or type(key) is int or type(key) is bool:
        key = key_of(key)
    else:
        return ERROR
    if frame.customer is None:
        return nothing(function)
    return frame.customer.value(slot, key, frame.at)


cdef object nothing(int function):
    """A trait of no events."""
    return ERROR if function == LAST else 0 if function == COUNT else 0.0


@cython.final
@cython.auto_pickle(False)
cdef class _Plain(Node):
    """Whatever has no node of its own, by the plain evaluator."""
    cdef object tree
    cdef dict traits

    cdef object value(self, Frame frame):
        cdef object at = Timestamp(frame.at * 1_000_000)
        cdef dict bindings = {
            "event": frame.event, "event_name": frame.name, "event_time": at, "now": at,
            "traits": _Traits(frame, self.traits),
        }
        try:
            return evaluate(self.tree, bindings)
        except ExpressionError:
            return ERROR


class _Traits(Lookup):
    """`traits`, to the plain evaluator."""

    def __init__(self, frame, traits):
        self.frame, self.traits = frame, traits

    def look_up(self, key):
        slot, function, per = self.traits[key]
        if per:
            return _Keys(self.frame, slot, function)
        return present(trait(self.frame, slot, function))


class _Keys(Lookup):
    """A trait with `per`."""

    def __init__(self, frame, slot, function):
        self.frame, self.slot, self.function = frame, slot, function

    def look_up(self, key):
        return present(trait_of_key(self.frame, self.slot, self.function, int(key) if is_uint(key) else key))


cdef object present(object value):
    if value is ERROR:
        raise KeyError
    return value


cdef bint is_uint(object value):
    return isinstance(value, int) and type(value) is not int and type(value) is not bool


@cython.final
@cython.auto_pickle(False)
cdef class _Equal(Node):
    cdef Node left, right
    cdef bint negated

    cdef int test(self, Frame frame) except -2:
        cdef object left = self.left.value(frame), right
        if left is ERROR:
            return -1
        right = self.right.value(frame)
        if right is ERROR:
            return -1
        return equal(left, right) != self.negated


@cython.final
@cython.auto_pickle(False)
cdef class _In(Node):
    """`operand in [literal, …]`"""
    cdef Node operand
    cdef list items

    cdef int test(self, Frame frame) except -2:
        cdef object value = self.operand.value(frame)
        if value is ERROR:
            return -1
        for item in self.items:
            if equal(value, item):
                return 1
        return 0


@cython.final
@cython.auto_pickle(False)
cdef class _Order(Node):
    cdef Node left, right
    cdef int relation

    cdef int test(self, Frame frame) except -2:
        return in_order(self.left.value(frame), self.right.value(frame), self.relation)


@cython.final
@cython.auto_pickle(False)
cdef class _Not(Node):
    cdef Node operand

    cdef int test(self, Frame frame) except -2:
        cdef int held = self.operand.test(frame)
        return -1 if held < 0 else 1 - held


@cython.final
@cython.auto_pickle(False)
cdef class _Chain(Node):
    """`&&` (settled by false) or `||` (settled by true) of any number of terms; unsettled, an error wins."""
    cdef list terms
    cdef int settled

    cdef int test(self, Frame frame) except -2:
        cdef int held, outcome = 1 - self.settled
        cdef Node term
        for term in self.terms:
            held = term.test(frame)
            if held == self.settled:
                return held
            if held < 0:
                outcome = -1
        return outcome


cdef dict ORDERS = {"_<_": Py_LT, "_<=_": Py_LE, "_>_": Py_GT, "_>=_": Py_GE}
cdef tuple EQUALITIES = ("_==_", "_!=_")
cdef dict CHAINS = {"_&&_": 0, "_||_": 1}


def compile_condition(tree, dict traits not None):
    """The node of a tree of `stream.expression`. `traits`: name → (slot, function as a number, has `per`).

    ExpressionError for what this engine does not know: the rules' compiler has refused it before.
    """
    cdef Node node
    if isinstance(tree, Literal):
        if tree.value is not None and type(tree.value) not in JSON_TYPES:
            return _plain(tree, traits)
        node = _Constant()
        (<_Constant> node).constant = tree.value
        return node
    if isinstance(tree, Ident):
        if tree.name == "event":
            node = _Field()
            (<_Field> node).path = ()
            return node
        if tree.name == "event_name":
            return _EventName()
        if tree.name in ("event_time", "now") or tree.name in _TYPE_NAMES:
            return _plain(tree, traits)
        raise ExpressionError(f"unknown variable `{tree.name}`", offset=tree.offset)
    if isinstance(tree, Select):
        if tree.operand == Ident("traits"):
            return _compile_trait(tree, tree, None, traits)
        return _compile_index(tree, tree.operand, Literal(tree.field), traits)
    if not isinstance(tree, Call):
        raise ExpressionError("a node of unknown kind")
    if tree.function == "_[_]":
        operand, key = tree.args
        if isinstance(operand, Select) and operand.operand == Ident("traits"):
            return _compile_trait(tree, operand, key, traits)
        return _compile_index(tree, operand, key, traits)
    return _compile_operator(tree, traits)


cdef int refuse_unknown(tree, dict traits, list loops) except -1:
    """ExpressionError for names that the plain evaluator would not find; `loops`: the macros' variables."""
    if isinstance(tree, Ident):
        if tree.name not in VARIABLES and tree.name not in _TYPE_NAMES and tree.name not in loops:
            raise ExpressionError(f"unknown variable `{tree.name}`", offset=tree.offset)
    elif isinstance(tree, Select):
        if tree.operand == Ident("traits") and "traits" not in loops and tree.field not in traits:
            raise ExpressionError(f"unknown trait `{tree.field}`", offset=tree.offset)
        refuse_unknown(tree.operand, traits, loops)
    elif isinstance(tree, Call):
        if tree.function not in _FUNCTIONS:
            raise ExpressionError(f"unknown function `{tree.function}`", offset=tree.offset)
        if tree.function in _MACROS:
            refuse_unknown(tree.args[0], traits, loops)
            loops = [*loops, tree.args[1].name]
            for arg in tree.args[1:]:
                refuse_unknown(arg, traits, loops)
        else:
            for arg in tree.args:
                refuse_unknown(arg, traits, loops)
    return 0


cdef Node _plain(tree, dict traits):
    cdef _Plain node = _Plain()
    refuse_unknown(tree, traits, [])
    node.tree, node.traits = tree, traits
    return node


cdef Node _compile_index(tree, operand, key, dict traits):
    cdef Node inner = compile_condition(operand, traits), at
    cdef _Field field
    cdef _Index index
    if type(inner) is _Field and isinstance(key, Literal) and type(key.value) is str:
        field = _Field()
        field.path = (<_Field> inner).path + (key.value,)
        return field
    at = compile_condition(key, traits)
    if type(inner) is _Plain or type(at) is _Plain:
        return _plain(tree, traits)
    index = _Index()
    index.operand, index.key = inner, at
    return index


cdef Node _compile_trait(tree, select, key, dict traits):
    cdef _Trait node
    cdef Node at
    if select.field not in traits:
        raise ExpressionError(f"unknown trait `{select.field}`", offset=select.offset)
    slot, function, per = traits[select.field]
    if per != (key is not None):
        hint = "a trait with `per` is read with a key, and no other"
        raise ExpressionError(f"wrong use of the trait `{select.field}`", offset=select.offset, hint=hint)
    if per:
        at = compile_condition(key, traits)
        if type(at) is _Plain:
            return _plain(tree, traits)
        node = _TraitOfKey()
        (<_TraitOfKey> node).key = at
    else:
        node = _Trait()
    node.slot, node.function = slot, function
    return node


cdef list _terms(tree, str function):
    """The terms of a chain, however it is bracketed."""
    if isinstance(tree, Call) and tree.function == function:
        return [term for arg in tree.args for term in _terms(arg, function)]
    return [tree]


cdef bint is_list_of_literals(tree):
    return isinstance(tree, Call) and tree.function == "[]" and all([
        isinstance(each, Literal) and (each.value is None or type(each.value) in JSON_TYPES)
        for each in tree.args
    ])


cdef Node _compile_in(tree, dict traits):
    cdef Node operand = compile_condition(tree.args[0], traits)
    cdef _In node
    if type(operand) is _Plain:
        return _plain(tree, traits)
    node = _In()
    node.operand, node.items = operand, [each.value for each in tree.args[1].args]
    return node


cdef Node _compile_operator(tree, dict traits):
    cdef _Chain chain
    cdef _Not negation
    cdef _Equal equality
    cdef _Order order
    function = tree.function
    if function in CHAINS:
        chain = _Chain()
        chain.settled = CHAINS[function]
        chain.terms = [compile_condition(term, traits) for term in _terms(tree, function)]
        return chain
    if function == "@in" and is_list_of_literals(tree.args[1]):
        return _compile_in(tree, traits)
    if function != "!_" and function not in EQUALITIES and function not in ORDERS:
        return _plain(tree, traits)
    args = [compile_condition(arg, traits) for arg in tree.args]
    if function == "!_":
        negation = _Not()
        negation.operand, = args
        return negation
    if any([type(each) is _Plain for each in args]):
        return _plain(tree, traits)
    if function in EQUALITIES:
        equality = _Equal()
        equality.negated = function == "_!=_"
        equality.left, equality.right = args
        return equality
    order = _Order()
    order.relation = ORDERS[function]
    order.left, order.right = args
    return order
