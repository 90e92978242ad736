"""The common template as a list: text, and values by their paths with a few filters. A tenth of the time
that python-liquid takes for the same, and the same text.

What is not as usual is left to python-liquid: `render` returns None where a value is missing or null (but for
`default`), is not a scalar, is long, a filter fails, or nothing is to be seen; so errors, and all that is
odd, have one home.
`simplify` takes templates of text and `{{ }}` only, with paths of names; `size`, `first` and `last` mean more
than a name.
Tested by tests/content/test_fastpath.py, against python-liquid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import FloatLiteral, IntegerLiteral, StringLiteral
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError

from stream.content import filters
from stream.content.escaping import escape_html, written
from stream.content.formats import Format, is_blank, is_markup
from stream.content.locales import Region
from stream.content.renderer import MAX_BITS, MAX_OUTPUT, Place

_FILTERS = ("capitalize", "default", "downcase", "round", "strip", "upcase", "date", "money")
_ODD = frozenset({"size", "first", "last"})
# So that none of this comes near the budget of a rendering, which is not counted here.
_MOST_PARTS = 400
_MOST_FILTERS = 3
_MOST_PLACED = 16  # dates and amounts: each costs as much as thirty other values
_ROOM = 4096  # characters of all values
_SCALARS = frozenset({str, int, float, bool})


class _Filter(NamedTuple):
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    placed: bool  # takes the context, of which it asks the place


class _Value(NamedTuple):
    """`{{ root.key.key | … }}`; a key may be another path. `fallback`: of `default`, if that comes first; it
    is not among `filters` then.
    """

    root: str
    keys: tuple[Any, ...]
    fallback: str | int | float | None
    filters: tuple[_Filter, ...]


class _Placed(NamedTuple):
    place: Place


Simple = tuple[str | _Value, ...]


def simplify(nodes: Sequence[Node]) -> Simple | None:
    """The list for a template's nodes; None if it is not so simple."""
    found: list[str | _Value] = []
    if len(nodes) > _MOST_PARTS:
        return None
    for node in nodes:
        if isinstance(node, ContentNode):
            found.append(node.text)
        elif isinstance(node, OutputNode) and (value := _value(node.expression)):
            found.append(value)
        else:
            return None
    applied = (each for part in found if isinstance(part, _Value) for each in part.filters)
    if sum(each.placed for each in applied) > _MOST_PLACED:
        return None
    return tuple(found)


def _value(expression: Any) -> _Value | None:
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
            continue
        applied.append(_Filter(function, values, hasattr(function, "with_context")))
    return _Value(*path, fallback, tuple(applied))


def _path(expression: Any) -> tuple[str, tuple[Any, ...]] | None:
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


class _OddError(Exception):
    """Something that is not as usual."""


# What data has a filter or a path raise. Anything else is a mistake of ours, and no reason to be slow unsaid.
_FAILS = (_OddError, LiquidError, LookupError, TypeError, ValueError, ArithmeticError)


def render(simple: Simple, bindings: Mapping[str, Any], form: Format, region: Region) -> str | None:
    """The text, or None if python-liquid should look at it."""
    pieces: list[str] = []
    room, markup = _ROOM, is_markup(form)
    try:
        for part in cast(tuple[Any, ...], simple):
            if type(part) is str:
                pieces.append(part)
                continue
            root, keys, fallback, applied = part
            try:
                value = bindings[root]
                for key in keys:
                    value = value[key if type(key) is str else _key(bindings, key)]
            except (KeyError, TypeError):
                if fallback is None:
                    return None
                value = fallback
            if type(value) is str and value and not applied:  # nearly always
                text, room = value, room - 2 * len(value)
            else:
                text, size = _shown(value, part, bindings, region)
                room -= size
            pieces.append(escape_html(text) if markup else text)
    except _FAILS:  # there, too, where it is told of
        return None
    if room < 0:
        return None
    text = "".join(pieces)
    return text if len(text) * 4 <= MAX_OUTPUT and not is_blank(text) else None


def _shown(value: Any, part: _Value, bindings: Mapping[str, Any], region: Region) -> tuple[str, int]:
    """What is written of a value, and how many characters were looked at."""
    if part.fallback is not None and (value is None or value is False or value == ""):
        value = part.fallback
    size = len(value) if type(value) is str else 0
    if type(value) not in _SCALARS:
        raise _OddError
    if part.filters:
        value = _filtered(value, part.filters, bindings, region)
    if type(value) is int and value.bit_length() > MAX_BITS:
        raise _OddError
    text = written(value)
    return text, size + len(text)


def _key(bindings: Mapping[str, Any], path: tuple[str, tuple[Any, ...]]) -> str:
    """A key that the data have. One that is missing is not the same as a value that is."""
    root, keys = path
    try:
        key = bindings[root]
        for each in keys:
            key = key[each if type(each) is str else _key(bindings, each)]
    except (KeyError, TypeError):
        raise _OddError from None
    if type(key) is not str or key in _ODD:
        raise _OddError
    return key


def _filtered(value: Any, applied: tuple[_Filter, ...], bindings: Mapping[str, Any], region: Region) -> Any:
    for function, arguments, placed in applied:
        if placed:
            value = function(value, *arguments, context=_Placed(Place(bindings, region)))
        else:
            value = function(value, *arguments)
    return value
