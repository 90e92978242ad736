"""CEL's functions of strings, with those of its strings extension. Positions count characters (code points).

`matches` is RE2, which takes at most the size of the pattern's program for each byte of the text: `cost`
bounds that before. Every function raises ExpressionError.
Tested by tests/conformance.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import re2  # type: ignore[import-untyped]  # it has no types

from stream.errors import ExpressionError

MAX_SIZE = 100_000  # characters, bytes or items of what an expression makes
MAX_PATTERN = 1000  # characters, of one that a rule has
MAX_FOREIGN_PATTERN = 100  # of one that comes with an event
# Bounds RE2's automata, and programs: a sixteenth of it compiles in 6 ms at most.
_PATTERN_MEMORY = 1 << 20
_FOREIGN_MEMORY = 1 << 16
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


class Pattern(NamedTuple):
    """`search` takes UTF-8 (of a str it would look for offsets, too); `size` is that of RE2's program."""

    search: Callable[[bytes], object]
    size: int


def pattern_of(source: str, written: bool) -> Pattern:
    """`written`: it stands in a rule, and does not come from an event. Raises ExpressionError."""
    most = MAX_PATTERN if written else MAX_FOREIGN_PATTERN
    if len(source) > most:
        raise ExpressionError(f"a pattern of more than {most} characters")
    found = _written(source) if written else _foreign(source)
    if found is None:
        hint = "it has neither look-around `(?=` nor references `\\1`; is each bracket closed?"
        raise ExpressionError("a pattern that RE2 cannot read", hint=hint)
    return found


@lru_cache(maxsize=1024)
def _written(source: str) -> Pattern | None:
    return _compiled(source, _PATTERN_MEMORY)


@lru_cache(maxsize=128)  # those that cannot be read among them
def _foreign(source: str) -> Pattern | None:
    return _compiled(source, _FOREIGN_MEMORY)


def _compiled(source: str, memory: int) -> Pattern | None:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = memory
    try:
        found = re2.compile(source, options)
    except (re2.error, UnicodeError):
        return None
    return Pattern(found.search, found.programsize)


def matches(text: str, pattern: str) -> bool:
    """Without a bound on what it costs: for a text and a pattern of a rule."""
    try:
        return pattern_of(pattern, True).search(text.encode()) is not None
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
    return _in_ascii(text, bytes.lower)


def upper_ascii(text: str) -> str:
    return _in_ascii(text, bytes.upper)


def _in_ascii(text: str, change: Callable[[bytes], bytes]) -> str:
    """A dict of letters would take 150 ns a character where one of them is not of ASCII."""
    return change(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def trim(text: str) -> str:
    return text.strip(_SPACE)


def reverse(text: str) -> str:
    return text[::-1]


def quote(text: str) -> str:
    return '"' + "".join(_QUOTED.get(each, each) for each in text) + '"'
