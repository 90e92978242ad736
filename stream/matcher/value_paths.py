"""What plain texts read (`content.plain`), as trees: so it is compiled as conditions are, and lies in slots.

A path is `(root, keys)`, as in `root.key.key`; a key is a name, or another path whose value is the name.
Tested by tests/decisions/test_messages.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stream.expression import Call, Ident, Node, Select

ValuePath = tuple[str, tuple[Any, ...]]


def trees_of(parts: Sequence[Any]) -> Iterator[tuple[ValuePath, Node]]:
    """The paths of a plain text's values, and of their keys, each with its tree."""
    for part in parts:
        if not isinstance(part, str):
            yield from _trees(part.path)


def _trees(path: ValuePath) -> Iterator[tuple[ValuePath, Node]]:
    yield path, _tree(path)
    for key in path[1]:
        if not isinstance(key, str):
            yield from _trees(key)


def _tree(path: ValuePath) -> Node:
    root, keys = path
    tree: Node = Ident(root)
    for key in keys:
        tree = Select(tree, key) if isinstance(key, str) else Call("_[_]", (tree, _tree(key)))
    return tree
