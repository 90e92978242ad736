"""Conditions: parsed, checked against what they may name, and simplified.

Tested by tests/rules/test_compiler.py and tests/rules/test_scope.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stream.cel import slips
from stream.diagnostics import Code
from stream.errors import ExpressionError
from stream.expression import Node, parse, simplify, unparse
from stream.rules import ranges
from stream.rules.compiler.definition import Definition, Findings
from stream.rules.files import Entry, Scalar
from stream.rules.odd import odd
from stream.rules.scope import Scope, check
from stream.rules.settled import pairs, settled


def condition(read: Definition, key: str, scope: Scope) -> Node | None:
    """The checked tree of a definition's condition."""
    entry = read.entries.get(key)
    return None if entry is None else condition_of(entry, scope, read.findings)


def condition_of(entry: Entry, scope: Scope, findings: Findings) -> Node | None:
    """The checked tree, simplified, of an entry whose value is a condition."""
    key, scalar = entry.key, entry.value
    if isinstance(scalar, Scalar) and not scalar.written.strip():
        hint = "leave it out if it should always hold"
        findings.add(Code.NO_CONDITION, scalar.location, f"`{key}` is empty", hint)
        return None
    if not isinstance(scalar, Scalar) or not isinstance(scalar.value, str):
        hint = "a condition is a text such as event.price >= 50; if it begins with { or [, put it in quotes"
        findings.add(Code.NO_CONDITION, scalar.location, f"`{key}` must be a condition", hint)
        return None
    errors: list[ExpressionError] = []
    node: Node | None = None
    otherwise = Code.CONDITION_SYNTAX
    try:
        node = parse(scalar.value)
        otherwise = Code.CONDITION_TYPES
        errors = check(node, scope)
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
    if node is not None and not refused:
        for each in odd(node):
            findings.add(Code.ODD_COMPARISON, scalar.at(each.offset), each.message, each.hint)
        for each in _settled(key, node, scope):
            findings.add(Code.SETTLED_CONDITION, scalar.at(each.offset), each.message, each.hint)
    return node if node is None or refused else simplify(node)


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
    decided = list(ranges.decided(node, scope.counts))
    yield from decided
    settling = list(pairs(node))
    for one, two, holds in settling:
        both = f"`{unparse(one)}` and `{unparse(two)}`"
        message = f"one of {both} always holds" if holds else f"{both} never hold together"
        hint = "write `&&` if both must hold" if holds else "write `||` if one of them will do"
        yield ExpressionError(message, offset=two.offset, hint=hint)
    if not decided and not settling and (verdict := settled(node)) is not None:
        hint = "leave it out" if verdict else "this definition is never used"
        yield ExpressionError(f"`{key}` {'always' if verdict else 'never'} holds", offset=0, hint=hint)
