"""What a condition names: its variables, and what it selects from them.

Tested by tests/rules/test_scope.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from stream.expression import Call, Ident, Node, Select


def variables_of(node: Node) -> Iterator[str]:
    """The variables that a condition names; a macro's own among them."""
    if isinstance(node, Ident):
        yield node.name
    elif isinstance(node, Select):
        yield from variables_of(node.operand)
    elif isinstance(node, Call):
        for arg in node.args:
            yield from variables_of(arg)


def names_of(node: Node, namespace: str) -> Iterator[str]:
    """The names that a condition selects from a namespace: `segments.NAME`."""
    return (name for root, name in selections_of(node) if root == namespace)


def selections_of(node: Node) -> Iterator[tuple[str, str]]:
    """(variable, field) of what a condition selects from a variable."""
    rest = [node]
    while rest:
        each = rest.pop()
        if isinstance(each, Select):
            if isinstance(each.operand, Ident):
                yield each.operand.name, each.field
            else:
                rest.append(each.operand)
        elif isinstance(each, Call):
            rest += each.args
