"""Conditions that always or never hold, whatever the event and the customer are, and terms that are to blame.

Sound, not complete: it knows constants, terms of one `&&` that leave a value nothing to be, or of which one
says what a value is and the other does not hold of that, and terms of one `||` that leave out none.
Tested by tests/rules/test_scope.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stream.cel.tree import MACROS, is_closed
from stream.errors import ExpressionError
from stream.expression import Call, Literal, Node, Select, evaluate, terms_of
from stream.rules.value_types import ARITHMETIC


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
        return False if not settling and next(_pairs(terms), None) else None
    return None  # also of `!x`: what never holds may do so by an error, and the opposite of that is one, too


class Pair(NamedTuple):
    """Two terms of one `&&` that never hold together, or of one `||` of which one always does."""

    one: Node
    two: Node
    holds: bool


def pairs(node: Node) -> Iterator[Pair]:
    """Of each `&&` and `||` of a condition the first two terms that settle it between them."""
    rest = [node]
    while rest:
        each = rest.pop()
        if not isinstance(each, Call):
            rest += [each.operand] if isinstance(each, Select) else []
            continue
        if each.function not in ("_&&_", "_||_"):
            rest += reversed(each.args)
            continue
        terms = list(terms_of(each.function, each))
        rest += reversed(terms)
        is_or = each.function == "_||_"
        for one, two in _pairs(terms, denied=is_or):
            yield Pair(one, two, holds=is_or)
            break


def constants(node: Node) -> Iterator[tuple[Node, bool]]:
    """Of each `&&` and `||` of a condition the terms that no event has a say in, and whether they hold."""
    rest = [node]
    while rest:
        each = rest.pop()
        if isinstance(each, Call):
            if each.function in ("_&&_", "_||_"):
                found = [(term, settled(term)) for term in terms_of(each.function, each) if is_closed(term)]
                yield from ((term, verdict is True) for term, verdict in found)
            rest += reversed(each.args)
        elif isinstance(each, Select):
            rest.append(each.operand)


class _Claim(NamedTuple):
    """`term` says that something compares so with a constant."""

    function: str
    constant: Node
    term: Node


def _pairs(terms: list[Node], *, denied: bool = False) -> Iterator[tuple[Node, Node]]:
    """Terms such as `x == 1` and `x > 2` that cannot both hold, by any value of x; `denied`: that cannot both
    be false.
    """
    claims: dict[Node, list[_Claim]] = {}
    for term in terms:
        node, opposite = term, denied
        while isinstance(node, Call) and node.function == "!_":
            node, opposite = node.args[0], not opposite
        if isinstance(node, Call) and node.function in _MIRRORED:
            left, right = node.args
            function, about, constant = node.function, left, right
            if is_closed(left):
                function, about, constant = _MIRRORED[function], right, left
            function = _OPPOSITE[function] if opposite else function
            if is_closed(constant) and not is_closed(about):
                claims.setdefault(about, []).append(_Claim(function, constant, term))
    for found in claims.values():
        for i, one in enumerate(found):
            for two in found[i + 1 :]:
                if _exclude(one, two):
                    yield one.term, two.term
    if not denied:
        yield from _by_value(terms)


def _by_value(terms: list[Node]) -> Iterator[tuple[Node, Node]]:
    """Terms of which one says what something is, and the other does not hold of that, in their order."""
    for number, one in enumerate(terms):
        about, values = _left(one)
        if about is None:
            continue
        for other, two in enumerate(terms):
            instead = [with_value(two, about, each) for each in values]
            if other != number and all(each != two and settled(each) is False for each in instead):
                yield (one, two) if number < other else (two, one)


_MOST_VALUES = 50
_NOTHING = Call("_/_", (Literal(1), Literal(0)))  # an error, as what is not there


def _left(term: Node) -> tuple[Node | None, list[Node]]:
    """What a term says the value of, and which it can be; None where it says it of nothing."""
    match term:
        case Call("!_", (Call("has", (about,)),)):
            return about, [_NOTHING]
        case Call("_==_", (one, other)) if is_closed(one) != is_closed(other):
            about, values = (other, [one]) if is_closed(one) else (one, [other])
        case Call("@in", (about, Call("[]", items))) if 0 < len(items) <= _MOST_VALUES:
            values = list(items)
            if is_closed(about) or not all(map(is_closed, values)):
                return None, []
        case _:
            return None, []
    return about, values


def with_value(node: Node, about: Node, value: Node) -> Node:
    """The node with a value in place of something. Not in macros, whose variables may have its name, and not
    where it is calculated with: a whole number of an event may be a decimal, too.
    """
    if node == about:
        return value
    if isinstance(node, Select):
        return Select(with_value(node.operand, about, value), node.field, node.offset)
    if isinstance(node, Call) and node.function not in (*MACROS, *ARITHMETIC, "has"):
        args = tuple(with_value(each, about, value) for each in node.args)
        return Call(node.function, args, node.offset, node.member)
    return node


_MIRRORED = {
    **{each: each for each in ("_==_", "_!=_")},
    "_<_": "_>_",
    "_<=_": "_>=_",
    "_>_": "_<_",
    "_>=_": "_<=_",
}
_OPPOSITE = {
    "_==_": "_!=_",
    "_!=_": "_==_",
    "_<_": "_>=_",
    "_<=_": "_>_",
    "_>_": "_<=_",
    "_>=_": "_<_",
}


def _exclude(one: _Claim, two: _Claim) -> bool:
    (first, a, _), (second, b, _) = one, two
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
