"""Why a condition has no answer, by the plain evaluator: for want of something, or for a mistake.

`missing`: each error of it comes from a path that leads nowhere, or from null. Of a macro it is not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream.expression import Call, ExpressionError, Ident, Literal, Node, Select, evaluate, terms_of

NOTHING = object()


def why(tree: Node, bindings: Mapping[str, Any]) -> str | None:
    """Of a condition that came to no boolean; None: of this one it is not told."""
    if has_macro(tree):
        return None
    return "missing" if is_missing(tree, bindings) else "value"


def has_macro(tree: Node) -> bool:
    if isinstance(tree, Select):
        return has_macro(tree.operand)
    return isinstance(tree, Call) and (
        (tree.member and tree.function in ("all", "exists", "exists_one", "map", "filter"))
        or any(map(has_macro, tree.args))
    )


def value(tree: Node, bindings: Mapping[str, Any]) -> Any:
    try:
        return evaluate(tree, bindings)
    except ExpressionError:
        return NOTHING


def is_missing(tree: Node, bindings: Mapping[str, Any]) -> bool:
    if value(tree, bindings) is not NOTHING:
        return value(tree, bindings) is None  # where a boolean is asked for
    if isinstance(tree, Ident):
        return True
    if isinstance(tree, Select):
        return value(tree.operand, bindings) is not NOTHING or is_missing(tree.operand, bindings)
    assert isinstance(tree, Call)
    if tree.function == "has":
        select = tree.args[0]
        assert isinstance(select, Select)
        return is_missing(Select(select.operand, "-- nothing --"), bindings)
    if tree.function in ("_&&_", "_||_"):
        unclear = [each for each in terms_of(tree.function, tree) if not is_boolean(each, bindings)]
        return all(is_missing(each, bindings) for each in unclear)
    if tree.function == "_?_:_":
        condition, then, other = tree.args
        if not is_boolean(condition, bindings):
            return is_missing(condition, bindings)
        return is_missing(then if value(condition, bindings) else other, bindings)
    without = [each for each in tree.args if value(each, bindings) is NOTHING]
    if without:
        return all(is_missing(each, bindings) for each in without)
    if any(value(each, bindings) is None and not isinstance(each, Literal) for each in tree.args):
        return True
    if tree.function == "_[_]":
        of, key = (value(each, bindings) for each in tree.args)
        if isinstance(of, list):
            return isinstance(key, int | float) and not isinstance(key, bool)
        # Of a field by its name it is the same whether that is written with a dot or in brackets.
        literal = isinstance(tree.args[1], Literal) and isinstance(key, str)
        return literal or (not isinstance(of, str | int | float) and isinstance(key, str | int | float))
    return False


def is_boolean(tree: Node, bindings: Mapping[str, Any]) -> bool:
    return isinstance(value(tree, bindings), bool)
