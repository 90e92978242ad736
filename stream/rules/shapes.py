"""What a tracking plan says of values: of which type they are, which fields they have, and which values.

Tested by tests/rules/test_shapes.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from stream.hints import did_you_mean

FieldType = Literal["string", "number", "boolean", "list", "object", "time", "any"]
FIELD_TYPES: tuple[FieldType, ...] = get_args(FieldType)

# As conditions call them. A `number` can be whole or not; a `time` is a text that says one.
CEL_TYPES: Mapping[FieldType, str] = {
    "string": "string",
    "number": "number",
    "boolean": "bool",
    "list": "list",
    "object": "map",
    "time": "string",
    "any": "dyn",
}

Path = Sequence[str | None]  # None: whatever key


@dataclass(frozen=True, slots=True)
class Shape:
    """A value. `fields`: all that it can have, None if that is not said; `values`: all that it can be;
    `items`: what each of a list is, None if that is not said; `seen`: texts that it has been.
    """

    type: FieldType = "any"
    fields: Mapping[str, Shape] | None = None
    values: tuple[Any, ...] = field(default=())
    items: Shape | None = None
    seen: frozenset[str] = frozenset()

    def at(self, path: Path) -> Shape:
        """What lies there; anything where nothing is said of it."""
        here = self
        for part in path:
            here = ANYTHING if here.fields is None or part is None else here.fields.get(part, ANYTHING)
        return here

    def missing(self, path: Path) -> int | None:
        """The number of the first part of a path that cannot be there; None if all of it can."""
        here = self
        for number, part in enumerate(path):
            if here.fields is None or part is None:
                return None
            if part not in here.fields:
                return number
            here = here.fields[part]
        return None


ANYTHING = Shape()
_SHOWN = 10  # values, in a message
_MOST_SEEN = 1000  # texts: of more nobody knows them all


def of_paths(paths: Mapping[tuple[str, ...], Shape]) -> Shape:
    """The object that has these fields, and no others. What is around a field is an object, too."""
    inner: dict[str, dict[tuple[str, ...], Shape]] = {}
    for path, shape in paths.items():
        inner.setdefault(path[0], {})[path[1:]] = shape
    fields = {}
    for name, below in inner.items():
        own = below.pop((), None)
        fields[name] = of_paths(below) if below else own or ANYTHING
    return Shape("object", fields)


def either(shapes: Iterable[Shape]) -> Shape:
    """What is known of a value that is like one of these: it has the fields that any of them has."""
    first, *others = shapes or (ANYTHING,)
    for other in others:
        fields = None
        if first.fields is not None and other.fields is not None:
            fields = {**first.fields, **other.fields}
            for name in first.fields.keys() & other.fields.keys():
                fields[name] = either((first.fields[name], other.fields[name]))
        values = tuple(dict.fromkeys((*first.values, *other.values)))
        items = [each.items for each in (first, other) if each.items is not None]
        first = Shape(
            first.type if first.type == other.type else "any",
            fields,
            values if first.values and other.values else (),
            either(items) if items and first.type == other.type else None,  # an empty list says nothing
            first.seen | other.seen if len(first.seen) < _MOST_SEEN else first.seen,
        )
    return first


def with_items(shape: Shape, seen: Shape) -> Shape:
    """A value of which lists and texts are said, with what is seen of them."""
    if shape.type == "list" and shape.items is None:
        return replace(shape, items=seen.items)
    if shape.type == "string" and not shape.values:
        return replace(shape, seen=seen.seen)
    if shape.fields is None or seen.fields is None:
        return shape
    known = {name: with_items(each, seen.at((name,))) for name, each in shape.fields.items()}
    return replace(shape, fields=known)


def type_of(value: Any) -> FieldType:
    """Of a value of JSON; `any` of null. A text is a `string`, whatever it says."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list() | tuple():
            return "list"
        case dict():
            return "object"
    return "any"


def one_of(types: Iterable[str]) -> str:
    """In words: `a string, number or boolean`."""
    *others, last = types
    words = f"{', '.join(others)} or {last}" if others else last
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def not_among(value: Any, values: Sequence[Any]) -> tuple[str, str]:
    """The message about a value that the plan does not name, and a hint."""
    there_are = ", ".join(str(each) for each in values[:_SHOWN]) + (", …" if len(values) > _SHOWN else "")
    return f"the tracking plan does not name the value `{value}`", did_you_mean(
        str(value), map(str, values)
    ) or (f"there are: {there_are}")


def alike(what: str, value: Any, shape: Shape) -> tuple[str, str] | None:
    """The message about a text, and a hint, where another has been seen that differs from it by capitals,
    blanks, `_` and `-` only.
    """
    if not isinstance(value, str) or value in shape.seen or len(shape.seen) >= _MOST_SEEN:
        return None
    for meant in sorted(shape.seen):
        if _plain(meant) == _plain(value) != "":
            return f"`{what}` is never `{value}`, but `{meant}`", f"write '{meant}'"
    return None


def _plain(text: str) -> str:
    return " ".join(re.split(r"[\s_-]+", text.strip())).casefold()
