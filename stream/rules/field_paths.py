"""Field paths as rule files write them, `properties.'coupon code'`, and as the program has them: their names.

A name stands as it is, or in quotes where it has something else in it that a path is made of: a dot, a space,
a bracket. In quotes it is taken as it is, so what has one kind of quotes in it stands in the other.
Conditions and texts have their own syntax for such a field: `event.properties['coupon code']`.
Tested by tests/rules/test_field_paths.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

# A name that stands as it is. A `$` alone is no field: other languages write it for the whole event.
_PLAIN = r"(?!\$(?:\.|$))[^\s.,;|*\\(){}\[\]'\"`]+"
_NAME = f"(?:{_PLAIN}|'[^']+'|\"[^\"]+\")"
PATH = rf"{_NAME}(?:\.{_NAME})*"

EXAMPLE = "write e.g. properties.order.id, or properties.'coupon code'"

_PARTS = re.compile(_NAME)
_WHOLE = re.compile(PATH)
_ONE = re.compile(_PLAIN)
_AFTER_A_DOT = re.compile(r"(?!(?:in|true|false|null)$)[A-Za-z_][A-Za-z0-9_]*")
_ITEM = re.compile(r"\[\s*(?:-?[0-9]+|\*|)\s*\]")
# One name after another, however it is set apart.
_WRITTEN = re.compile(
    r"\[\s*'([^']+)'\s*\]|\[\s*\"([^\"]+)\"\s*\]|\.?'([^']+)'|\.?\"([^\"]+)\"|\.?`([^`]+)`|\.?([^.\[]+)|."
)


def read(text: str) -> tuple[str, ...]:
    """The names, from outside in. ValueError if it is no field path."""
    if _WHOLE.fullmatch(text) is None:
        raise ValueError("none")
    return tuple(each.strip(each[0]) if each[0] in "'\"" else each for each in _PARTS.findall(text))


def write(names: Sequence[str]) -> str:
    """The path of these names; what no path can say comes in quotes that do not fit."""
    return ".".join(map(_quoted, names))


def _quoted(name: str) -> str:
    if _ONE.fullmatch(name):
        return name
    return f'"{name}"' if "'" in name else f"'{name}'"


def in_condition(names: Sequence[str]) -> str:
    """How conditions, and the `value` of a trait, say the field of an event at a path."""
    return "event" + "".join(
        f".{name}" if _AFTER_A_DOT.fullmatch(name) else f'["{name}"]' if "'" in name else f"['{name}']"
        for name in names
    )


def value_at(body: Any, names: Sequence[str]) -> Any:
    """What lies there in an event; None if nothing does."""
    for name in names:
        body = body.get(name) if isinstance(body, dict) else None
    return body


def hint(text: str) -> str:
    """What to write in place of what is no field path."""
    if _ITEM.search(text):
        return "a path leads to no item of a list: have it sent as a field of its own, or ask in a condition"
    names = _meant(text)
    if not names or not all(names) or re.search(r"[{}(),;|*]|^\$$", text):
        return EXAMPLE
    right = write(names)
    if _WHOLE.fullmatch(right) is None:  # a name with both kinds of quotes
        return EXAMPLE
    if right[0] == '"':  # YAML takes the outer quotes away
        right = "'" + right.replace("'", "''") + "'"
    elif right[0] == "'":
        right = f'"{right}"'
    return f"write {right}"


def _meant(text: str) -> list[str]:
    """The names of a path as other languages write it: `$.a['b c']`, `a.b c`, `a.`b c``."""
    rest = re.sub(r"^\$(?=[.\[])\.?", "", text.strip())
    found = (match.groups() for match in _WRITTEN.finditer(rest))
    return [next((each for each in groups if each is not None), "").strip() for groups in found]
