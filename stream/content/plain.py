"""The common template as a list: text, and values by their paths with a few filters. Who sends a message
writes it without python-liquid (`decisions/_messages`): a hundredth of the time, and the same text.

`parts_of` takes templates of text and `{{ }}` only, with paths of names; `size`, `first` and `last` mean more
than a name. Few enough parts and filters that none comes near the budget of a rendering, which nobody counts
here.
Tested by tests/content/test_plain.py, and against python-liquid by tests/decisions/test_messages.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import FloatLiteral, IntegerLiteral, StringLiteral
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError

from stream.content import filters
from stream.content.escaping import written
from stream.content.locales import Region
from stream.content.renderer import MAX_BITS, Place

_FILTERS = ("capitalize", "default", "downcase", "round", "strip", "upcase", "date", "money")
_ODD = frozenset({"size", "first", "last"})
_MOST_PARTS = 400
_MOST_FILTERS = 3
_MOST_PLACED = 16  # dates and amounts: each costs as much as thirty other values
# What data has a filter raise. Anything else is a mistake of ours, and no reason to be slow unsaid.
_FAILS = (LiquidError, LookupError, TypeError, ValueError, ArithmeticError)

# Of a value: `root.key.key`; a key may be another path.
ValuePath = tuple[str, tuple[Any, ...]]


class AppliedFilter(NamedTuple):
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    placed: bool  # takes the context, of which it asks the place


class PlainValue(NamedTuple):
    """`{{ root.key.key | … }}`. `fallback`: of `default`, if that comes first; it is not among `filters`
    then.
    """

    path: ValuePath
    fallback: str | int | float | None
    filters: tuple[AppliedFilter, ...]

    @property
    def fallback_text(self) -> str:
        """What is written of `fallback`, which is there."""
        return written(self.fallback)

    def text(self, value: str | float | bool, attributes: Mapping[str, Any], region: Region) -> str | None:
        """What is written of a value once the filters have had it, None if one cannot take it.

        `attributes` are those of the customer, who says where this is.
        """
        place = _Placed(Place({"customer": attributes}, region))
        found: Any = value
        try:
            for function, arguments, placed in self.filters:
                context = {"context": place} if placed else {}
                found = function(found, *arguments, **context)
            if type(found) is int and found.bit_length() > MAX_BITS:
                return None
            return written(found)
        except _FAILS:  # python-liquid says why
            return None


class _Placed(NamedTuple):
    place: Place


Plain = tuple[str | PlainValue, ...]


def parts_of(nodes: Sequence[Node]) -> Plain | None:
    """The list for a template's nodes; None if it is not so plain."""
    found: list[str | PlainValue] = []
    if len(nodes) > _MOST_PARTS:
        return None
    for node in nodes:
        if isinstance(node, ContentNode):
            found.append(node.text)
        elif isinstance(node, OutputNode) and (value := _value(node.expression)):
            found.append(value)
        else:
            return None
    applied = (each for part in found if isinstance(part, PlainValue) for each in part.filters)
    if sum(each.placed for each in applied) > _MOST_PLACED:
        return None
    return tuple(found)


def _value(expression: Any) -> PlainValue | None:
    if not isinstance(expression, FilteredExpression):
        return None
    path = _path(expression.left)
    if path is None or len(expression.filters or ()) > _MOST_FILTERS:
        return None
    applied = []
    fallback: Any = None
    for number, each in enumerate(expression.filters or ()):
        arguments: list[Any] = [argument.value for argument in each.args if not hasattr(argument, "name")]
        known = all(isinstance(value, StringLiteral | IntegerLiteral | FloatLiteral) for value in arguments)
        if each.name not in _FILTERS or len(arguments) != len(each.args) or not known:
            return None
        function = filters.BY_NAME[each.name]
        values = tuple(value.value for value in arguments)
        if each.name == "default" and number == 0:
            fallback = values[0] if values else ""
            if type(fallback) is int and fallback.bit_length() > MAX_BITS:
                return None
            continue
        applied.append(AppliedFilter(function, values, hasattr(function, "with_context")))
    return PlainValue(path, fallback, tuple(applied))


def _path(expression: Any) -> ValuePath | None:
    if not isinstance(expression, Path):
        return None
    root, rest = expression.path[0], expression.path[1:]
    if not isinstance(root, str):
        return None
    keys: list[Any] = []
    for each in rest:
        key = _path(each) if isinstance(each, Path) else each
        if not isinstance(key, str | tuple) or key in _ODD:
            return None
        keys.append(key)
    return root, tuple(keys)
