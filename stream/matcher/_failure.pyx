"""Why a condition ended in an error: something was not there, did not fit, or was too dear to be judged.

Who looks for a rule that never fires must tell what is normal (a third of the customers have no such
attribute) from a mistake (a text where the rule compares a number). The loop does not: to it an error is an
error, so what holds or does not hold costs nothing for this. When one has come out, the tree is gone through
once more, from the top to where the error came up, by the nodes that are compiled already:

    customer.age > 30 && event.price > '5'       missing   there is no `age`
                                                 value     it is there: a number, and no order with a text
    └ error            └ error                   value     a mistake is told before what is only missing

`missing`: each error of it came from a path that leads nowhere, or from JSON's null, which says the same.
`value`: something else did. `cost`: too few steps were left, for the condition or for looking into it. These
steps are apart from those that conditions have (`Frame.spare`): what is told changes nothing of the loop.

Cost: 1 to 2 µs for an error; nothing without one.
Tested by tests/matcher/test_failure.py, and by tests/reference against a plain one.
"""

from libc.stdint cimport int64_t

from stream.events._value cimport ABSENT, KIND_MISSING
from stream.matcher._condition cimport Names, is_keyed
from stream.matcher._frame cimport Frame, Node, charge

from stream.matcher._condition import compile_condition
from stream.cel.cost import weight
from stream.cel.tree import MACROS
from stream.cel.values import Lookup
from stream.expression import Call, Ident, Literal, Select, terms_of

cdef dict _MACROS = MACROS


cdef str why_failed(object tree, Names names, Frame frame):
    cdef int64_t left = frame.left, refused = frame.refused
    cdef bint failed, missing = False
    cdef Py_ssize_t segments = len(frame.failed_segments)
    frame.left = frame.spare
    failed = (<Node> compile_condition(tree, names)).test(frame) < 0
    if failed and frame.refused == refused:
        missing = is_missing(tree, names, frame)
    frame.spare, frame.left = frame.left, left
    del frame.failed_segments[segments:]
    if not failed or frame.refused != refused:
        frame.refused = refused
        return "cost"
    return "missing" if missing else "value"


cdef object value_of(object tree, Names names, Frame frame):
    return (<Node> compile_condition(tree, names)).value(frame)


cdef bint is_missing(object tree, Names names, Frame frame) except -1:
    """Whether a tree has no value, or none of the kind that is asked for, only for want of something."""
    cdef object value = value_of(tree, names, frame)
    cdef list operands
    if value is not ABSENT:
        return value is None
    if is_path(tree):
        return True
    if isinstance(tree, Select):
        return is_missing_below(tree.operand, names, frame)
    if tree.function == "has":
        return is_missing_below(tree.args[0].operand, names, frame)
    if tree.function in _MACROS and tree.member:
        return is_missing_in_macro(tree, names, frame)
    if tree.function == "_?_:_":
        value = value_of(tree.args[0], names, frame)
        return is_missing(tree.args[0 if type(value) is not bool else 1 if value else 2], names, frame)
    if tree.function == "_&&_" or tree.function == "_||_":
        operands = [
            term for term in terms_of(tree.function, tree)
            if type(value_of(term, names, frame)) is not bool
        ]
        return all([is_missing(term, names, frame) for term in operands])
    if tree.function == "_[_]":
        return is_missing_at_key(tree.args[0], tree.args[1], names, frame)
    return is_missing_of(list(tree.args), names, frame)


cdef bint is_path(object tree) except -1:
    """Whether it is a variable, or a path below one, which is one node."""
    while True:
        if isinstance(tree, Select):
            tree = tree.operand
        elif isinstance(tree, Call) and tree.function == "_[_]" and is_text(tree.args[1]):
            tree = tree.args[0]
        else:
            return isinstance(tree, Ident)


cdef bint is_text(object tree) except -1:
    return isinstance(tree, Literal) and type(tree.value) is str


cdef bint is_missing_of(list operands, Names names, Frame frame) except -1:
    """Of an operation that failed: of its operands without a value, else for one that is null."""
    cdef list values = [value_of(each, names, frame) for each in operands]
    cdef list failed = [each for each, value in zip(operands, values, strict=True) if value is ABSENT]
    if failed:
        return all([is_missing(each, names, frame) for each in failed])
    return any([
        value is None and not isinstance(each, Literal)
        for each, value in zip(operands, values, strict=True)
    ])


cdef bint is_missing_below(object operand, Names names, Frame frame) except -1:
    """Of a field that is not there: for want of what it is a field of, or of itself."""
    if is_keyed(operand, names):
        return False    # it was refused: such a trait is a map of whatever keys
    return value_of(operand, names, frame) is not ABSENT or is_missing(operand, names, frame)


cdef bint is_missing_at_key(object operand, object key, Names names, Frame frame) except -1:
    """Of `operand[key]`."""
    cdef object of = None, at = value_of(key, names, frame)
    if not is_keyed(operand, names):
        of = value_of(operand, names, frame)
        if of is ABSENT or of is None or at is ABSENT or at is None:
            return is_missing_of([operand, key], names, frame)
    elif at is ABSENT or at is None:
        return is_missing(key, names, frame)
    if type(of) is list:
        return isinstance(at, int | float) and type(at) is not bool
    return (of is None or type(of) is dict or isinstance(of, Lookup)) and isinstance(at, str | int | float)


cdef bint is_missing_in_macro(object tree, Names names, Frame frame) except -1:
    """Of a macro: for want of what it goes through, or in each of its rounds that failed."""
    cdef Names inner = names.bodies.get(tree)
    cdef object item, failed, items = tree.args[0], values = value_of(items, names, frame)
    cdef tuple steps = tree.args[2:]
    cdef bint missing = False
    if type(values) is not list and type(values) is not dict:
        return is_missing(items, names, frame)
    if inner is None:
        inner = names.bodies[tree] = names.inside(tree.args[1].name, compile_condition(items, names))
    frame.looping += 1
    for item in list(values):
        if not charge(frame, weight(steps)):
            break
        frame.loops[names.depth].value.kind, frame.items[names.depth] = KIND_MISSING, item
        failed = failed_step(steps, tree.function == "map", inner, frame)
        missing = missing if failed is None else is_missing(failed, inner, frame)
        if failed is not None and not (missing and tree.function in ("all", "exists")):
            break       # it is what the macro ended in; those two go on
    frame.looping -= 1
    frame.items[names.depth] = ABSENT
    return missing


cdef object failed_step(tuple steps, bint maps, Names names, Frame frame):
    """The part of a macro's body that failed in a round; None: none did."""
    cdef object step, value
    for step in steps:
        value = value_of(step, names, frame)
        if value is ABSENT or (type(value) is not bool and not (maps and step is steps[len(steps) - 1])):
            return step
        if value is False:
            break
    return None
