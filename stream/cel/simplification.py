"""A tree to a simpler one of the same meaning: what is settled while rules are read is not asked of events.

Exact, errors included: `evaluate(simplify(tree), b)` gives the value of `evaluate(tree, b)`, or an error
where that gives one. The one difference: a tree whose evaluation takes too many steps may have fewer now.

CEL's variables have no types, so a rewriting that drops a test for "is it a boolean" is done only where
that test is made elsewhere (`judged`: a term of a chain, a ternary's condition, …) or cannot fail
(`_is_boolean`). Negated orders stay: `!(a < b)` is no `a >= b`, for NaN and for values without an order.
Tested by tests/cel/test_expression.py.
"""

from __future__ import annotations

import math
from typing import Any

from stream.cel.evaluation import evaluate
from stream.cel.grammar import MAX_LENGTH
from stream.cel.tree import MACROS, Call, Ident, Literal, Node, Select, chain, is_closed, terms_of
from stream.errors import ExpressionError

FOLD_STEPS = 200  # of evaluation, for one closed subtree: so that no condition is slow to simplify
_OPPOSITE = {"_==_": "_!=_", "_!=_": "_==_"}
_CHAINS = ("_&&_", "_||_")
# Of these the value is a boolean, whatever the arguments, or there is none.
# fmt: off
_PREDICATES = frozenset((
    *_CHAINS, *_OPPOSITE, "!_", "_<_", "_<=_", "_>_", "_>=_", "@in", "has", "all", "exists", "exists_one",
    "bool", "contains", "startsWith", "endsWith", "matches",
))
# fmt: on
_JUDGING = frozenset(("all", "exists", "exists_one", "filter"))  # macros whose step must be a boolean


def simplify(node: Node) -> Node:
    """The simplest tree of the same meaning that is known here. Nodes that are kept keep their offsets.

    Simplifying twice changes nothing more.
    """
    return _simpler(node, judged=False)


def _simpler(node: Node, *, judged: bool) -> Node:
    """`judged`: whoever asks for the value takes a boolean only, and ends in an error without one."""
    if isinstance(node, Literal | Ident):
        return node
    if isinstance(node, Select):
        if _is_path(node):
            return node
        return _folded(_with_operand(node))
    if node.function in _CHAINS:
        return _simpler_chain(node, judged=judged)
    if node.function == "_?_:_":
        return _simpler_ternary(node, judged=judged)
    simpler = _with_args(node, _simpler_args(node))
    if node.function == "!_":
        return _negation(simpler, judged=judged)
    if node.function == "@in":
        item, items = simpler.args
        if isinstance(items, Call) and items.function == "[]" and len(items.args) == 1:
            simpler = Call("_==_", (item, items.args[0]), node.offset)
    return _folded(simpler)


def _with_operand(node: Select) -> Select:
    """With a simpler operand, unless that would make a variable's qualified name of what was none."""
    operand = _simpler(node.operand, judged=False)
    if operand is node.operand or _is_path(operand):
        return node
    return Select(operand, node.field, node.offset)


def _simpler_args(node: Call) -> tuple[Node, ...]:
    if node.function == "has":
        select = node.args[0]
        if not isinstance(select, Select):
            return node.args
        return (_with_operand(select),)  # the selection itself is asked about, not made
    if node.function in MACROS and node.member:
        items, variable, *steps = node.args
        last = len(steps) - 1
        return (
            _simpler(items, judged=False),
            variable,
            *(
                _simpler(step, judged=node.function in _JUDGING or number < last)
                for number, step in enumerate(steps)
            ),
        )
    return tuple(_simpler(arg, judged=node.function == "!_") for arg in node.args)


def _with_args(node: Call, args: tuple[Node, ...]) -> Call:
    if all(new is old for new, old in zip(args, node.args, strict=True)):
        return node
    return Call(node.function, args, node.offset, node.member)


def _simpler_chain(node: Call, *, judged: bool) -> Node:
    function, settling = node.function, node.function == "_||_"
    terms: dict[Node, None] = {}  # in order, each once
    for term in terms_of(function, node):
        simpler = _simpler(term, judged=True)
        if isinstance(simpler, Literal) and simpler.value is settling:
            return simpler  # it settles the matter even if all others are errors
        if isinstance(simpler, Literal) and simpler.value is (not settling):
            continue
        terms.update(dict.fromkeys(terms_of(function, simpler)))
    kept = list(terms)
    if not kept:
        return Literal(not settling, node.offset)
    if len(kept) == 1:
        if judged or _is_boolean(kept[0]):
            return kept[0]
        kept.insert(0, Literal(not settling, node.offset))  # keeps the test for a boolean
    rebuilt = chain(function, kept)
    return node if rebuilt == node else rebuilt


def _simpler_ternary(node: Call, *, judged: bool) -> Node:
    condition = _simpler(node.args[0], judged=True)
    then, other = (_simpler(arg, judged=judged) for arg in node.args[1:])
    if isinstance(condition, Literal) and isinstance(condition.value, bool):
        return then if condition.value else other
    return _with_args(node, (condition, then, other))


def _negation(node: Call, *, judged: bool) -> Node:
    inner = node.args[0]
    if isinstance(inner, Call) and inner.function in _OPPOSITE:
        return Call(_OPPOSITE[inner.function], inner.args, inner.offset)
    if isinstance(inner, Call) and inner.function == "!_" and (judged or _is_boolean(inner.args[0])):
        return inner.args[0]
    return _folded(node)


def _is_boolean(node: Node) -> bool:
    """Whether a node's value, if it has one, is certainly a boolean."""
    if isinstance(node, Literal):
        return isinstance(node.value, bool)
    if not isinstance(node, Call):
        return False
    if node.function == "_?_:_":
        return all(map(_is_boolean, node.args[1:]))
    return node.function in _PREDICATES


def _folded(node: Select | Call) -> Node:
    """The literal that a node without variables comes to; the node itself if that is none, or an error."""
    if isinstance(node, Call) and node.function not in MACROS and any(map(_is_path, node.args)):
        return node
    if not is_closed(node):
        return node
    try:
        value = evaluate(node, {}, FOLD_STEPS)
    except ExpressionError:
        return node
    return Literal(value, node.offset) if _is_literal(value) else node


def _is_path(node: Node) -> bool:
    """Whether it is a variable or a field of one, as most operands are: there is nothing to simplify."""
    while isinstance(node, Select):
        node = node.operand
    return isinstance(node, Ident)


def _is_literal(value: Any) -> bool:
    """Whether a literal can be written for a value, and is no longer than a condition may be."""
    if isinstance(value, str | bytes):
        return len(value) <= MAX_LENGTH
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int)
