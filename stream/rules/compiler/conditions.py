"""Conditions and other expressions: parsed, checked against what they may name, and simplified.

Tested by tests/rules/test_compiler.py and tests/rules/test_scope.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from stream.cel import slips
from stream.diagnostics import Code, Location
from stream.errors import ExpressionError
from stream.expression import Node, parse, simplify, unparse
from stream.rules import ranges
from stream.rules.aggregates import Taken
from stream.rules.among import none_left
from stream.rules.compiler.definition import Definition, Findings
from stream.rules.compiler.taken import check_value
from stream.rules.files import Entry, Scalar
from stream.rules.odd import odd
from stream.rules.scope import Scope, check, shape_of
from stream.rules.settled import constants, pairs, settled

_SHOWN = 10  # values


def condition(read: Definition, key: str, scope: Scope) -> Node | None:
    """The checked tree of a definition's condition."""
    entry = read.entries.get(key)
    return None if entry is None else condition_of(entry, scope, read.findings)


def condition_of(entry: Entry, scope: Scope, findings: Findings) -> Node | None:
    """The checked tree, simplified, of an entry whose value is a condition."""
    what, empty = ("a condition", "event.price >= 50"), "leave it out if it should always hold"
    node, is_fine = _read(entry, what, empty, partial(check, scope=scope), findings)
    if node is None or not is_fine:
        return node
    if isinstance(scalar := entry.value, Scalar):
        for each in odd(node):
            findings.add(Code.ODD_COMPARISON, scalar.at(each.offset), each.message, each.hint)
        for about, term in none_left(node, lambda about: shape_of(about, scope).values):
            findings.add(*_of_no_value(about, scalar.at(term.offset), scope))
        for each in _settled(entry.key, node, scope):
            findings.add(Code.SETTLED_CONDITION, scalar.at(each.offset), each.message, each.hint)
    return simplify(node)


def _of_no_value(about: Node, at: Location, scope: Scope) -> tuple[Code, Location, str, str]:
    shape = shape_of(about, scope)
    what, code = "the tracking plan names for it", Code.VALUE_NOT_IN_PLAN
    if shape is scope.shapes.get("event_name"):
        what, code = "it can be", Code.SETTLED_CONDITION
    shown = ", ".join(map(str, shape.values[:_SHOWN]))
    return code, at, f"this leaves `{unparse(about)}` none of the values that {what}", f"there are: {shown}"


def value_of(entry: Entry, scope: Scope, takes: Taken | None, findings: Findings) -> Node | None:
    """The checked tree, simplified, of what a function of traits takes; None: nobody knows what that is."""
    what = ("an expression", "event.price * event.quantity")
    checked = partial(check_value, scope=scope, takes=takes)
    node, is_fine = _read(entry, what, f"write e.g. {what[1]}", checked, findings)
    return simplify(node) if node is not None and is_fine else node


def _read(
    entry: Entry,
    what: tuple[str, str],
    empty: str,
    errors_of: Callable[[Node], list[ExpressionError]],
    findings: Findings,
) -> tuple[Node | None, bool]:
    """The tree of an expression, and whether nothing is wrong with it. `what` names it, with an example."""
    key, scalar = entry.key, entry.value
    if isinstance(scalar, Scalar) and not scalar.written.strip():
        findings.add(Code.NO_CONDITION, scalar.location, f"`{key}` is empty", empty)
        return None, False
    if not isinstance(scalar, Scalar) or not isinstance(scalar.value, str):
        hint = f"{what[0]} is a text such as {what[1]}; if it begins with {{ or [, put it in quotes"
        findings.add(Code.NO_CONDITION, scalar.location, f"`{key}` must be {what[0]}", hint)
        return None, False
    errors: list[ExpressionError] = []
    node: Node | None = None
    otherwise = Code.CONDITION_SYNTAX
    try:
        node = parse(scalar.value)
        otherwise = Code.CONDITION_TYPES
        errors = errors_of(node)
    except ExpressionError as failure:
        errors = [failure]
    refused = False
    for error in errors:
        code, meant = error.code or otherwise, None
        refused = refused or code.severity == "error"
        if code is Code.UNKNOWN_VARIABLE:
            meant = slips.of_difference(scalar.value, error.offset or 0)
        findings.add(code, scalar.at(error.offset), error.message, meant or error.hint)
    if comment := _comment_in_the_way(scalar):
        findings.add(Code.COMMENT_IN_THE_WAY, scalar.at(comment), *_IN_THE_WAY)
    return node, not refused


# Texts, then a comment. In YAML lines are folded into one, but for a `|`: then a comment has no end.
_COMMENT = re.compile(r"(?:'[^'\n]*'|\"[^\"\n]*\"|[^/'\"]|/(?!/))*+(//[^\n]*)")
_QUOTIENT = re.compile(r"// *[0-9.]+ *(?:[=!]=|[<>])")
_IN_THE_WAY = (
    "`//` begins a comment: what follows is not read",
    "to divide write `/`; with a comment in several lines write the condition behind `|`",
)


def _comment_in_the_way(scalar: Scalar) -> int | None:
    """The offset of a comment that has taken more than its line, or of `//` for a division."""
    found = _COMMENT.match(scalar.written)
    if found is None:
        return None
    last = len(scalar.written.rstrip()) - 1
    folded = "\n" not in scalar.written.rstrip() and scalar.at(found.start(1)).line < scalar.at(last).line
    return found.start(1) if folded or _QUOTIENT.match(found[1]) else None


def _settled(key: str, node: Node, scope: Scope) -> Iterator[ExpressionError]:
    """What of a condition always or never holds, whatever the event and the customer are."""
    decided = list(ranges.decided(node, scope.counts, scope.tops))
    yield from decided
    settling = list(pairs(node))
    for one, two, holds in settling:
        both = f"`{unparse(one)}` and `{unparse(two)}`"
        message = f"one of {both} always holds" if holds else f"{both} never hold together"
        hint = "write `&&` if both must hold" if holds else "write `||` if one of them will do"
        if not holds and "timestamp(" in unparse(one) and "timestamp(" in unparse(two):
            hint = "is the year right?"
        yield ExpressionError(message, offset=two.offset, hint=hint)
    if decided or settling:
        return
    if (verdict := settled(node)) is None:
        for term, holds in constants(node):
            what = f"`{unparse(term)}` {'always' if holds else 'never'} holds"
            yield ExpressionError(what, offset=term.offset, hint="leave it out, or compare a field in it")
    else:
        hint = "leave it out" if verdict else "this definition is never used"
        yield ExpressionError(f"`{key}` {'always' if verdict else 'never'} holds", offset=0, hint=hint)
