"""Conditions: trees of `stream.expression`, compiled to nodes that evaluate without exceptions.

A value is a value of CEL as `cel.values` has them, or ABSENT for an error. Semantics are CEL's: `&&` and `||`
absorb errors on either side, so a chain of them may be judged from the left and left once it is decided;
equality of different types is false, their order an error; ints and doubles compare by value; a boolean is
not a number. A condition whose value is not a boolean does not hold, and counts as an error.

    _frame      what a condition sees, and the base of all nodes
    _operators  the nodes of operators
    _functions  those of functions, and of arithmetic
    _texts      those of tests of a text
    _macros     those of macros, and of their variables
    _fields     the nodes of the event's fields
    _condition  the nodes of other names: attributes, captured events, traits, segments, times; the compiler

What a condition may take is bounded for all conditions of an event together (`cel.cost`); beyond it a
condition ends in an error.

Cost: a comparison of a field with a constant about 10 ns, other nodes 20 to 60. See
loadtest/micro/conditions.py.
Tested by tests/matcher/test_condition_nodes.py, tests/engine/test_fastmatch.py and
tests/rules/test_scope.py against
`expression.evaluate`.
"""

cimport cython
from cpython.object cimport PyObject
from libc.math cimport floor

from stream.events._event cimport Fields
from stream.matcher._fields cimport Field, field_of, has_field
from stream.matcher._frame cimport Frame, Node, reach
from stream.state._packed cimport is_key
from stream.events._value cimport ABSENT, KIND_MISSING, ValueC, value_of
from stream.state._windows cimport (
    FUNCTION_DISTINCT, FUNCTION_GAP, FUNCTION_LIST, FUNCTION_TOP, nothing_of,
)

from stream.matcher._macros cimport Item, has_item, item_of, loop_of
from stream.matcher._operators import constant, has, operation

from stream.cel.cost import weight
from stream.cel.functions import MIXING as _MIXING
from stream.cel.tree import MACROS as _MACROS, is_closed
from stream.cel.values import TYPE_NAMES as _TYPE_NAMES, Lookup, Timestamp, TypeValue
from stream.errors import ExpressionError
from stream.expression import Call, Ident, Literal, Select, terms_of

cdef object TRAITS = Ident("traits")
cdef object SEGMENTS = Ident("segments")
cdef tuple ALWAYS = ("event", "event_name", "event_time", "now", "traits", "segments")


# --- names --------------------------------------------------------------------------------------

@cython.final
cdef class Names:
    def __cinit__(
        self, *, dict traits=None, dict segments=None, dict steps=None, bint customer=False,
        Fields fields=None,
    ):
        self.fields = Fields() if fields is None else fields
        self.traits, self.segments, self.steps = traits or {}, segments or {}, steps or {}
        self.customer = customer
        self.nodes, self.loops, self.causes = {}, {}, {}

    cdef Names inside(self, str variable, Node items):
        """Those in the body of a macro over `items`."""
        cdef Names names = Names(
            traits=self.traits, segments=self.segments, steps=self.steps, customer=self.customer,
            fields=self.fields,
        )
        names.depth = self.depth + 1
        names.loops = {**self.loops, variable: item_of(items, self.depth, ())}
        return names

    cdef bint knows(self, str variable) except -1:
        if variable in ALWAYS or variable in self.steps or variable in _TYPE_NAMES:
            return True
        return variable in ("customer", "context") and self.customer


# --- paths --------------------------------------------------------------------------------------

cdef class _Path(Node):
    """A path below a map; the empty path is the map itself."""
    cdef tuple path

    def __init__(self, tuple path):
        self.path = path

    cdef _Path below(self, str name):
        return type(self)(self.path + (name,))


@cython.final
cdef class _Attribute(_Path):
    """Of the customer's attributes."""

    cdef object value(self, Frame frame):
        cdef dict attributes = frame.attributes()
        cdef PyObject *found = reach(attributes, self.path)
        return ABSENT if found is NULL else <object> found


@cython.final
cdef class _Context(_Path):
    """Of what the sources of `kind: context` said last of the customer."""

    cdef object value(self, Frame frame):
        cdef dict contexts = frame.contexts()
        cdef PyObject *found = reach(contexts, self.path)
        return ABSENT if found is NULL else <object> found


@cython.final
cdef class _Captured(_Path):
    """Of the event of an earlier step; an error if there is none yet."""
    cdef int step

    def __init__(self, tuple path, int step):
        self.path, self.step = path, step

    cdef _Path below(self, str name):
        return _Captured(self.path + (name,), self.step)

    cdef object value(self, Frame frame):
        cdef object event = captured(frame, self.step)
        cdef PyObject *found
        if event is ABSENT:
            return ABSENT
        found = reach(event, self.path)
        return ABSENT if found is NULL else <object> found


cdef object captured(Frame frame, int step):
    if frame.captured is None or step >= len(frame.captured) or frame.captured[step] is None:
        return ABSENT
    return frame.captured[step]


# --- other names --------------------------------------------------------------------------------

@cython.final
cdef class _EventName(Node):
    cdef object value(self, Frame frame):
        return frame.name


@cython.final
cdef class _EventTime(Node):
    cdef object value(self, Frame frame):
        return Timestamp(frame.time * NANOS_PER_MS)


@cython.final
cdef class _Now(Node):
    cdef object value(self, Frame frame):
        return Timestamp(frame.at * NANOS_PER_MS)


cdef object NANOS_PER_MS = 1_000_000    # a Python int: nanoseconds of the year 9999 have more than 64 bits


@cython.final
cdef class _Segment(Node):
    cdef int slot

    cdef int test(self, Frame frame) except -2:
        return frame.judge(self.slot)


cdef class _Trait(Node):
    cdef int slot, function

    cdef object value(self, Frame frame):
        return trait(frame, self.slot, self.function)

    cdef bint read(self, Frame frame, ValueC *into) except -1:
        return read_trait(frame, self.slot, self.function, NULL, into)


@cython.final
cdef class _TraitOfKey(_Trait):
    """A trait with `per` at a key: no key of a map is an error, an absent key reads as over nothing."""
    cdef Node key

    cdef object value(self, Frame frame):
        return trait_of_key(frame, self.slot, self.function, self.key.value(frame))

    cdef bint read(self, Frame frame, ValueC *into) except -1:
        cdef ValueC key
        if not self.key.read(frame, &key) or not is_key(&key):
            return False
        return read_trait(frame, self.slot, self.function, &key, into)


cdef bint read_trait(Frame frame, int slot, int function, const ValueC *key, ValueC *into) except -1:
    if function == FUNCTION_TOP or function == FUNCTION_GAP or function == FUNCTION_LIST:
        return False
    if frame.customer is None:
        return value_of(nothing_of(function), into) == 0
    if function == FUNCTION_DISTINCT and key is NULL:
        return value_of(trait(frame, slot, function), into) == 0
    into.kind = KIND_MISSING
    frame.customer.number(slot, key, frame.at, into)
    return True


cdef object trait(Frame frame, int slot, int function):
    if frame.customer is None:
        return nothing_of(function)
    if (
        function != FUNCTION_TOP and function != FUNCTION_GAP and function != FUNCTION_DISTINCT
        and function != FUNCTION_LIST
    ):
        return frame.customer.value(slot, NULL, frame.at)
    # It looks at up to a thousand values, and hundreds of rules may ask for it.
    if slot not in frame.made:
        frame.made[slot] = frame.customer.value(slot, NULL, frame.at)
    return frame.made[slot]


cdef object trait_of_key(Frame frame, int slot, int function, object key):
    cdef ValueC of
    if type(key) is float:
        key = int(key) if key == floor(key) and -1e18 < key < 1e18 else ABSENT    # in no map
    elif type(key) is not str and type(key) is not int and type(key) is not bool:
        if key is ABSENT or not isinstance(key, int):
            return ABSENT
        key = int(key)      # an unsigned one
    if frame.customer is None:
        return nothing_of(function)
    value_of(key, &of)
    return frame.customer.value(slot, &of, frame.at)


# --- `traits` and `segments` themselves, of which a computed name is asked -----------------------

@cython.final
cdef class _Computed(Node):
    cdef Names names
    cdef bint of_traits

    cdef object value(self, Frame frame):
        if self.of_traits:
            return _TraitLookup(frame, self.names.traits)
        return _SegmentLookup(frame, self.names.segments)


class _TraitLookup(Lookup):
    """`traits`"""

    def __init__(self, frame, traits):
        self.frame, self.traits = frame, traits

    def look_up(self, key):
        slot, function, per = present(self.traits.get(key, ABSENT) if type(key) is str else ABSENT)
        if per:
            return _KeyLookup(self.frame, slot, function)
        return present(trait(self.frame, slot, function))


class _KeyLookup(Lookup):
    """A trait with `per`."""

    def __init__(self, frame, slot, function):
        self.frame, self.slot, self.function = frame, slot, function

    def look_up(self, key):
        return present(trait_of_key(self.frame, self.slot, self.function, key))


class _SegmentLookup(Lookup):
    """`segments`"""

    def __init__(self, frame, segments):
        self.frame, self.segments = frame, segments

    def look_up(self, key):
        slot = present(self.segments.get(key, ABSENT) if type(key) is str else ABSENT)
        held = (<Frame> self.frame).judge(slot)
        return present(ABSENT if held < 0 else held == 1)


cdef object present(object value):
    if value is ABSENT:
        raise KeyError
    return value


cdef object known(dict names, str what, select):
    """What stands for `select.field` in `names`."""
    if select.field not in names:
        raise ExpressionError(f"unknown {what} `{select.field}`", offset=select.offset)
    return names[select.field]


# --- the compiler -------------------------------------------------------------------------------

def compile_condition(tree, Names names not None):
    """The node of a tree of `stream.expression`; equal trees under the same `names` are one node.

    ExpressionError for what this engine does not know: the rules' compiler has refused it before.
    """
    cdef Node node = names.nodes.get(tree)
    if node is None:
        node = names.nodes[tree] = _compile(tree, names)
        node.fields = names.fields
    return node


cdef Node _compile(tree, Names names):
    cdef list args
    if isinstance(tree, Literal):
        return constant(tree.value)
    if isinstance(tree, Ident):
        return _compile_variable(tree, names)
    if isinstance(tree, Select):
        if is_root(tree.operand, TRAITS, names):
            return _compile_trait(tree, None, names)
        if is_root(tree.operand, SEGMENTS, names):
            return _compile_segment(tree, names)
        if is_keyed(tree.operand, names):
            return _compile_trait(tree.operand, Literal(tree.field), names)
        return _compile_index(tree.operand, Literal(tree.field), names)
    if not isinstance(tree, Call):
        raise ExpressionError("a node of unknown kind")
    if tree.function == "has":
        return _compile_has(tree, names)
    if tree.function == "_[_]":
        operand, key = tree.args
        if is_keyed(operand, names):
            return _compile_trait(operand, key, names)
        return _compile_index(operand, key, names)
    if tree.function in _MACROS and tree.member:
        return _compile_macro(tree, names)
    if tree.function in ("_&&_", "_||_"):
        args = [compile_condition(term, names) for term in terms_of(tree.function, tree)]
    else:
        args = [compile_condition(arg, names) for arg in tree.args]
    node = operation(tree.function, args, tree.function in _MIXING and not is_closed(tree))
    if node is None:
        raise ExpressionError(f"unknown function `{tree.function}`", offset=tree.offset)
    return node


cdef Node _compile_macro(tree, Names names):
    items, variable, *steps = tree.args
    cdef Node gone_through = compile_condition(items, names)
    cdef Names inner = names.inside(variable.name, gone_through)
    cdef list body = [compile_condition(step, inner) for step in steps]
    return loop_of(tree.function, gone_through, names.depth, weight(tuple(steps)), body)


cdef Node _compile_variable(tree, Names names):
    cdef _Computed node
    name = tree.name
    if name in names.loops:
        return names.loops[name]
    if name in names.steps:
        return _Captured((), names.steps[name])
    if not names.knows(name):
        raise ExpressionError(f"unknown variable `{name}`", offset=tree.offset)
    if name == "event":
        return field_of(names.fields, ())
    if name == "customer":
        return _Attribute(())
    if name == "context":
        return _Context(())
    if name == "event_name":
        return _EventName()
    if name == "event_time":
        return _EventTime()
    if name == "now":
        return _Now()
    if name in _TYPE_NAMES:
        return constant(TypeValue(name))
    node = _Computed()
    node.names, node.of_traits = names, name == "traits"
    return node


cdef Node _compile_index(operand, key, Names names):
    cdef Node inner = compile_condition(operand, names)
    if isinstance(key, Literal) and type(key.value) is str:
        if type(inner) is Field:
            return (<Field> inner).below(key.value)
        if isinstance(inner, _Path):
            return (<_Path> inner).below(key.value)
        if type(inner) is Item:
            return (<Item> inner).below(key.value)
    return operation("_[_]", [inner, compile_condition(key, names)])


cdef bint is_root(tree, root, Names names) except -1:
    """Whether a tree is `traits`, or `segments`, and no macro's variable."""
    return tree == root and root.name not in names.loops


cdef bint is_keyed(tree, Names names) except -1:
    """Whether a tree is `traits.NAME` of a trait with `per`."""
    return (
        isinstance(tree, Select)
        and is_root(tree.operand, TRAITS, names)
        and known(names.traits, "trait", tree)[2]
    )


cdef Node _compile_trait(select, key, Names names):
    cdef _Trait node
    slot, function, per = known(names.traits, "trait", select)
    if per and key is None:
        hint = "a trait with `per` is read with a key, and no other"
        raise ExpressionError(f"wrong use of the trait `{select.field}`", offset=select.offset, hint=hint)
    if per:
        node = _TraitOfKey()
        (<_TraitOfKey> node).key = compile_condition(key, names)
    else:
        node = _Trait()
    node.slot, node.function = slot, function
    return node


cdef Node _compile_segment(select, Names names):
    cdef _Segment node = _Segment()
    node.slot = known(names.segments, "segment", select)
    return node


cdef Node _compile_has(tree, Names names):
    select, = tree.args
    if not isinstance(select, Select):
        raise ExpressionError("`has` needs a field", offset=tree.offset)
    if is_root(select.operand, SEGMENTS, names):
        return has(_compile_segment(select, names), None)
    if is_keyed(select.operand, names):
        return has(compile_condition(select, names), None)
    if not is_root(select.operand, TRAITS, names):
        operand = compile_condition(select.operand, names)
        node = has(operand, select.field)
        if type(operand) is Item:
            return has_item((<Item> operand).below(select.field), node)
        return has_field((<Field> operand).below(select.field), node) if type(operand) is Field else node
    if known(names.traits, "trait", select)[2]:
        return constant(True)       # a map, with whatever keys
    return has(compile_condition(select, names), None)
