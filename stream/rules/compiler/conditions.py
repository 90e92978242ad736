"""Conditions and other expressions: parsed, checked against what they may name, and simplified.

Tested by tests/rules/test_compiler.py and tests/rules/test_scope.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from stream.cel import slips
from stream.diagnostics import Code
from stream.errors import ExpressionError
from stream.expression import Node, parse, simplify
from stream.rules.aggregates import Taken
from stream.rules.compiler.definition import Definition, Findings
from stream.rules.compiler.taken import check_value
from stream.rules.files import Entry, Scalar
from stream.rules.scope import Scope, check
from stream.rules.settled import settled


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
    if isinstance(entry.value, Scalar) and (verdict := settled(node)) is not None:
        hint = "leave it out" if verdict else "this definition is never used"
        message = f"`{entry.key}` {'always' if verdict else 'never'} holds"
        findings.add(Code.SETTLED_CONDITION, entry.value.at(0), message, hint)
    return simplify(node)


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
    return node, not refused
