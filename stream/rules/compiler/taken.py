"""The `value` of a trait: whether what it gives can be what the trait's function takes.

What is wrong comes with what to write, as far as that can be told from the type.
Tested by tests/rules/test_compiler.py (value.bad.yaml).
"""

from __future__ import annotations

from collections.abc import Mapping

from stream.errors import ExpressionError
from stream.expression import Call, Node, unparse
from stream.rules.aggregates import Taken
from stream.rules.scope import Scope, type_in
from stream.rules.value_types import IN_WORDS, NUMBERS, SPAN, TIME, Type

# What functions of traits can take, and what makes it of something else.
_TAKEN: Mapping[Taken, tuple[str, frozenset[Type]]] = {
    "number": ("a number", NUMBERS | {"dyn"}),
    "scalar": ("a text, a number, true or false", NUMBERS | {"dyn", "string", "bool", "null_type"}),
    "key": ("a text, a whole number, true or false", NUMBERS - {"double"} | {"dyn", "string", "bool"}),
}
_MAKES: Mapping[tuple[Taken, Type], str] = {
    ("number", "bool"): "({}) ? 1 : 0",
    ("number", TIME): "int({})",
    ("number", "list"): "size({})",
    ("key", "double"): "string({})",
    **{(taken, each): "string({})" for taken in ("scalar", "key") for each in (TIME, SPAN)},
}


def check_value(node: Node, scope: Scope, takes: Taken | None) -> list[ExpressionError]:
    """Everything that is wrong with it, each with its offset. `takes` None: nobody knows what is taken."""
    kind, errors = type_in(node, scope)
    if takes is None or kind in _TAKEN[takes][1]:
        return errors
    hint = None
    if (takes, kind) == ("number", "string"):
        hint = f"write {_number_of(node)}"
    elif (takes, kind) in _MAKES:
        hint = f"write {_MAKES[takes, kind].format(unparse(node))}"
    found = "a decimal" if kind == "double" else IN_WORDS[kind]
    message = f"`value` must be {_TAKEN[takes][0]}, this is {found}"
    return [*errors, ExpressionError(message, offset=node.offset, hint=hint)]


def _number_of(text: Node) -> str:
    """What makes a number of a text; of one that is joined of several, their sum is meant."""
    if isinstance(text, Call) and text.function == "_+_":
        return " + ".join(map(_number_of, text.args))
    return f"double({unparse(text)})"
