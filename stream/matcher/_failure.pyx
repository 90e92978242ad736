"""Why a condition ended in an error: something was not there, did not fit, or was too dear to be judged.

Who looks for a rule that never fires must tell what is normal (a third of the customers have no such
attribute) from a mistake (a text where the rule compares a number). The loop does not: to it an error is an
error, so what holds or does not hold costs nothing for this. When one has come out, the tree is gone through
once more, from the top to where the error came up, by the nodes that are compiled already:

    customer.age > 30 && event.price > '5'       missing   there is no `age`
                                                 value     it is there: a number, and no order with a text
    └ error            └ error                   value     a mistake is told before what is only missing

`missing`: each error of it came from a path that leads nowhere, or from JSON's null, which says the same;
it is told with the first of these, `customer.age`. `value`: something else did; it is told with what that has
read, `event.price`. Both are words of the rule, and nothing of what an event says. `cost`: too few steps were
left, for the condition or for looking into it. These steps
are apart from those that conditions have (`Frame.spare`): what is told changes nothing of the loop.

Cost: 1 to 3 µs for an error, which count as work; nothing without one. What is looked into is kept by tree.
Tested by tests/matcher/test_failure.py, and by tests/reference against a plain one.
"""

cimport cython
from libc.stdint cimport int64_t

from stream.events._value cimport ABSENT, KIND_MISSING
from stream.matcher._condition cimport Names, is_keyed
from stream.matcher._frame cimport Frame, Node, charge

from stream.matcher._condition import compile_condition
from stream.cel.cost import weight
from stream.cel.tree import MACROS, paths_of
from stream.cel.values import Lookup
from stream.expression import Call, Ident, Literal, Select, terms_of, unparse

cdef dict _MACROS = MACROS
cdef int64_t LOOK = 20      # steps that are taken of `Frame.spare` for an error
cdef Py_ssize_t MOST_PATHS = 3, MOST_SHOWN = 120    # characters


cdef enum:
    PATH            # a variable, or what lies below one
    BELOW           # a field of what is computed, or `has`
    CHAIN           # of `&&`, of `||`: booleans
    CHOICE
    AT_KEY
    MACRO
    OPERATION       # of the values of its parts


@cython.final
cdef class _Cause:
    """A tree as it is looked into: its node, and the causes of its parts."""
    cdef Node node              # None: a trait with `per`, which has no value of its own
    cdef int kind
    cdef list parts
    cdef bint literal
    cdef int depth              # of a macro
    cdef int64_t round          # what it is charged
    cdef bint goes_on           # after a round that failed
    cdef bint maps
    cdef object tree
    cdef str lacked, read       # what is told of it, once it was to blame: itself, and what it reads


cdef _Cause cause_of(object tree, Names names):
    cdef _Cause cause = names.causes.get(tree)
    if cause is None:
        cause = names.causes[tree] = _Cause()
        cause.tree = tree
        if not is_keyed(tree, names):
            cause.node = compile_condition(tree, names)
        cause.literal = isinstance(tree, Literal)
        cause.kind, parts = kind_of(tree)
        if cause.kind == MACRO:
            items, variable, *parts = tree.args
            inner = names.inside(variable.name, compile_condition(items, names))
            cause.parts = [cause_of(items, names), *[cause_of(part, inner) for part in parts]]
            cause.depth, cause.round = names.depth, weight(tuple(parts))
            cause.goes_on, cause.maps = tree.function in ("all", "exists"), tree.function == "map"
        else:
            cause.parts = [cause_of(part, names) for part in parts]
    return cause


cdef tuple kind_of(object tree):
    """The kind of a tree, and the parts that are looked at."""
    if is_path(tree):
        return PATH, ()
    if isinstance(tree, Literal):
        return OPERATION, ()
    if isinstance(tree, Select):
        return BELOW, (tree.operand,)
    if tree.function == "has":
        return BELOW, (tree.args[0].operand,)
    if tree.function in _MACROS and tree.member:
        return MACRO, ()
    if tree.function == "_&&_" or tree.function == "_||_":
        return CHAIN, tuple(terms_of(tree.function, tree))
    return {"_?_:_": CHOICE, "_[_]": AT_KEY}.get(tree.function, OPERATION), tree.args


cdef bint is_path(object tree) except -1:
    """Whether it is one node: a variable, or names below one."""
    while True:
        if isinstance(tree, Select):
            tree = tree.operand
        elif isinstance(tree, Call) and tree.function == "_[_]" and is_text(tree.args[1]):
            tree = tree.args[0]
        else:
            return isinstance(tree, Ident)


cdef bint is_text(object tree) except -1:
    return isinstance(tree, Literal) and type(tree.value) is str


cdef tuple why_failed(object tree, Names names, Frame frame):
    cdef _Cause cause = cause_of(tree, names)
    cdef int64_t left = frame.left, refused = frame.refused
    cdef bint failed, missing = False
    cdef Py_ssize_t segments = len(frame.failed_segments)
    frame.left = frame.spare - LOOK
    failed = cause.node.test(frame) < 0
    if failed and frame.refused == refused:
        cause = culprit(cause, frame, &missing)
    frame.spare, frame.left = frame.left, left
    del frame.failed_segments[segments:]
    if not failed or frame.refused != refused:
        frame.refused = refused
        return "cost", ""
    if cause.lacked is None:
        cause.lacked, cause.read = shown([cause.tree]), read_by(cause.tree)
    return ("missing", cause.lacked) if missing else ("value", cause.read)


cdef str read_by(object tree):
    return shown(list(dict.fromkeys(paths_of(tree))))


cdef str shown(list trees):
    """As the rule has them, of many the first."""
    cdef str text = ", ".join([unparse(tree) for tree in trees[:MOST_PATHS]])
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN - 1] + "…"


cdef _Cause culprit(_Cause cause, Frame frame, bint *missing):
    """The part by which it has no value, or none that is a boolean where one must be: the first that is a
    mistake; the first that is not there, if there is no mistake (`missing`).
    """
    cdef object value = cause.node.value(frame)
    cdef _Cause part, found, first = None
    missing[0] = value is None or (value is ABSENT and cause.kind == PATH)
    if value is not ABSENT or cause.kind == PATH:
        return cause
    if cause.kind == CHAIN:
        for part in cause.parts:
            if type(part.node.value(frame)) is not bool:
                found = culprit(part, frame, missing)
                if not missing[0]:
                    return found
                first = found if first is None else first
        return cause if first is None else first
    if cause.kind == BELOW:
        part = cause.parts[0]
        if part.node is None:
            return cause    # it was refused: such a trait is a map of whatever keys
        missing[0] = part.node.value(frame) is not ABSENT
        return cause if missing[0] else culprit(part, frame, missing)
    if cause.kind == CHOICE:
        value = (<_Cause> cause.parts[0]).node.value(frame)
        return culprit(cause.parts[0 if type(value) is not bool else 1 if value else 2], frame, missing)
    if cause.kind == AT_KEY:
        return culprit_at_key(cause, frame, missing)
    if cause.kind == MACRO:
        return culprit_in_macro(cause, frame, missing)
    return culprit_of(cause, frame, missing)


cdef _Cause culprit_of(_Cause cause, Frame frame, bint *missing):
    """Of an operation: of its parts without a value, else one that is null."""
    cdef _Cause part, found, first = None, null = None
    cdef object value
    for part in cause.parts:
        value = part.node.value(frame)
        if value is ABSENT:
            found = culprit(part, frame, missing)
            if not missing[0]:
                return found
            first = found if first is None else first
        elif value is None and not part.literal and null is None:
            null = part
    first = null if first is None else first
    missing[0] = first is not None
    return cause if first is None else first


cdef _Cause culprit_at_key(_Cause cause, Frame frame, bint *missing):
    """Of `operand[key]`."""
    cdef _Cause operand = cause.parts[0], key = cause.parts[1]
    cdef object of = None, at = key.node.value(frame)
    if operand.node is not None:
        of = operand.node.value(frame)
        if of is ABSENT or of is None or at is ABSENT or at is None:
            return culprit_of(cause, frame, missing)
    elif at is ABSENT or at is None:
        return culprit(key, frame, missing)
    if type(of) is list:
        missing[0] = isinstance(at, int | float) and type(at) is not bool
    else:
        missing[0] = (of is None or type(of) is dict or isinstance(of, Lookup)) and isinstance(
            at, str | int | float
        )
    return cause


cdef _Cause culprit_in_macro(_Cause cause, Frame frame, bint *missing):
    """What it goes through, or what failed in its rounds."""
    cdef _Cause items = cause.parts[0], failed, found, first = None
    cdef object item, values = items.node.value(frame)
    if type(values) is not list and type(values) is not dict:
        return culprit(items, frame, missing)
    frame.looping += 1
    for item in list(values):
        if not charge(frame, cause.round):
            break
        frame.loops[cause.depth].value.kind, frame.items[cause.depth] = KIND_MISSING, item
        failed = failed_step(cause, frame)
        if failed is not None:
            found = culprit(failed, frame, missing)
            first = found if first is None or not missing[0] else first
            if not (missing[0] and cause.goes_on):
                break
    frame.looping -= 1
    frame.items[cause.depth] = ABSENT
    return cause if first is None else first


cdef _Cause failed_step(_Cause cause, Frame frame):
    """The part of a macro's body that failed in a round; None: none did."""
    cdef _Cause step
    cdef Py_ssize_t at
    for at in range(1, len(cause.parts)):
        step = cause.parts[at]
        value = step.node.value(frame)
        if value is ABSENT or (type(value) is not bool and not (cause.maps and at == len(cause.parts) - 1)):
            return step
        if value is False:
            break
    return None
