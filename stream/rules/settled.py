"""Conditions that always or never hold, whatever the event and the customer are.

Sound, not complete: it knows constants, and terms of one `&&` that leave a value nothing to be.
Tested by tests/rules/test_scope.py.
"""

from __future__ import annotations

from stream.cel.tree import is_closed
from stream.errors import ExpressionError
from stream.expression import Call, Literal, Node, evaluate, terms_of

_COMPARISONS = frozenset(("_==_", "_<_", "_<=_", "_>_", "_>=_"))


def settled(node: Node) -> bool | None:
    """True for what always holds, False for what never does, None for what depends on the event."""
    if is_closed(node):
        try:
            return evaluate(node, {}) is True
        except ExpressionError:
            return False
    if isinstance(node, Call) and node.function in ("_&&_", "_||_"):
        settling = node.function == "_||_"
        terms = list(terms_of(node.function, node))
        verdicts = [settled(term) for term in terms]
        if settling in verdicts:
            return settling
        if all(verdict is not None for verdict in verdicts):
            return not settling
        return False if not settling and _contradict(terms) else None
    return None  # also of `!x`: what never holds may do so by an error, and the opposite of that is one, too


def _contradict(terms: list[Node]) -> bool:
    """Whether some `x == 1 && x > 2` among the terms cannot hold, by any value of x."""
    claims: dict[Node, list[tuple[str, Node]]] = {}
    for term in terms:
        if isinstance(term, Call) and term.function in _COMPARISONS:
            left, right = term.args
            if isinstance(right, Literal):
                claims.setdefault(left, []).append((term.function, right))
            elif isinstance(left, Literal):
                claims.setdefault(right, []).append((_MIRRORED[term.function], left))
    return any(
        _exclude(one, two)
        for found in claims.values()
        for i, one in enumerate(found)
        for two in found[i + 1 :]
    )


_MIRRORED = {"_==_": "_==_", "_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}


def _exclude(one: tuple[str, Node], two: tuple[str, Node]) -> bool:
    (first, a), (second, b) = one, two
    if first == "_==_":  # then x is a, and the other must hold of it
        return settled(Call(second, (a, b))) is False
    if second == "_==_":
        return settled(Call(first, (b, a))) is False
    upper, lower = ("_<_", "_<=_"), ("_>_", "_>=_")
    if first in lower and second in upper:
        first, a, second, b = second, b, first, a
    if first in upper and second in lower:  # x < a && x > b
        strict = first == "_<_" or second == "_>_"
        return settled(Call("_<_" if strict else "_<=_", (b, a))) is False
    return False
