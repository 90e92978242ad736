"""CEL's functions of strings, with those of its strings extension. Positions count characters (code points).

`matches` is RE2: linear in the text, whatever the pattern. Every function raises ExpressionError.
Tested by tests/conformance.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]  # it has no types

from stream.errors import ExpressionError

MAX_SIZE = 100_000  # characters, bytes or items of what an expression makes
_PATTERN_MEMORY = 1 << 20
_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_ASCII_UPPER = {code + 32: code for code in _ASCII_LOWER}
# Unicode's White_Space, as CEL has it; Python's own set has four control characters more.
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)
_QUOTED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


@lru_cache(maxsize=1024)
def pattern_of(source: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY
    try:
        return re2.compile(source, options)
    except (re2.error, UnicodeError):
        raise ExpressionError("a pattern that RE2 cannot read") from None


def matches(text: str, pattern: str) -> bool:
    if len(pattern) > 1000:
        raise ExpressionError("a pattern of more than 1000 characters")
    try:
        return pattern_of(pattern).search(text) is not None
    except UnicodeError:
        raise ExpressionError("a text that is no Unicode") from None


def within(size: int) -> int:
    """`size`, if an expression may make something as large."""
    if size > MAX_SIZE:
        raise ExpressionError(f"a value of more than {MAX_SIZE} characters or items")
    return size


def _index(position: int, text: str) -> int:
    if not 0 <= position <= len(text):
        raise ExpressionError("an index out of range")
    return position


def char_at(text: str, position: int) -> str:
    return text[_index(position, text) :][:1]


def index_of(text: str, part: str, start: int = 0) -> int:
    return text.find(part, _index(start, text))


def last_index_of(text: str, part: str, last: int | None = None) -> int:
    if last is None:
        return text.rfind(part)
    return text.rfind(part, 0, _index(last, text) + len(part))


def substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else _index(end, text)
    if _index(start, text) > end:
        raise ExpressionError("an index out of range")
    return text[start:end]


def replace(text: str, old: str, new: str, limit: int = -1) -> str:
    count = text.count(old) if limit < 0 else min(limit, text.count(old))
    within(len(text) + count * max(0, len(new) - len(old)))
    return text.replace(old, new, count)


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    within(text.count(separator))
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    characters = list(text)
    if 0 < limit < len(characters):
        characters[limit - 1 :] = ["".join(characters[limit - 1 :])]
    return characters


def join(items: list[Any], separator: str = "") -> str:
    if not all(type(each) is str for each in items):
        raise ExpressionError("`join` of what is not a list of strings")
    within(sum(map(len, items)) + len(separator) * len(items))
    return separator.join(items)


def lower_ascii(text: str) -> str:
    return text.translate(_ASCII_LOWER)


def upper_ascii(text: str) -> str:
    return text.translate(_ASCII_UPPER)


def trim(text: str) -> str:
    return text.strip(_SPACE)


def reverse(text: str) -> str:
    return text[::-1]


def quote(text: str) -> str:
    return '"' + "".join(_QUOTED.get(each, each) for each in text) + '"'
