"""What the functions of conditions and the filters of texts do: a signature and a sentence for each.

Tested by tests/authoring/editor/test_completion.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import NamedTuple

from stream.cel.functions import OVERLOADS, SIGNATURES
from stream.content import filters
from stream.rules.value_types import RESULTS, SPAN, TIME

ANY = "any type"
_SHORT = {TIME: "timestamp", SPAN: "duration", "*": ANY, "dyn": ANY, "map": "object"}


def shown(kind: str) -> str:
    """A type of conditions in a word."""
    return _SHORT.get(kind, kind)


_SAYS = {
    "size": "How many characters a text has, how many items a list, how many fields an object.",
    "contains": "Whether a text has another one in it.",
    "startsWith": "Whether a text begins with another one.",
    "endsWith": "Whether a text ends with another one.",
    "matches": "Whether a regular expression (RE2) is found in a text.",
    "int": "As a whole number: of a decimal what is before the point, of a time its seconds since 1970.",
    "uint": "As a whole number that is not negative.",
    "double": "As a decimal number, of a text that says one, too.",
    "bool": "As true or false, of the texts `true` and `false`.",
    "string": "As a text.",
    "bytes": "As bytes, of a text in UTF-8.",
    "timestamp": "As a time: a text in ISO 8601, with a time zone where it says none; or seconds since 1970.",
    "duration": "As a span of time, of a text such as `90s`, `1h30m` or `7d`.",
    "dyn": "As it is, and nothing is said about its type.",
    "type": "The type of a value.",
    "charAt": "The character at a place of a text, counted from 0.",
    "indexOf": "Where another text is found first, counted from 0; -1 if it is not.",
    "lastIndexOf": "Where another text is found last, counted from 0; -1 if it is not.",
    "substring": "A text from one place to before another, or to its end.",
    "replace": "A text with each of one text, or so many, in the place of another.",
    "split": "A list of what stands between another text.",
    "join": "The texts of a list in one, with another one between them.",
    "lowerAscii": "In small letters, those of a to z.",
    "upperAscii": "In capital letters, those of a to z.",
    "trim": "Without blanks at both ends.",
    "reverse": "From its end to its beginning.",
    "sum": "The numbers of a list added up; 0 of none.",
    "min": "The least of a list: of numbers, texts or times.",
    "max": "The greatest of a list: of numbers, texts or times.",
    "avg": "The mean of the numbers of a list.",
    "strings.quote": "In double quotes, with escapes.",
    "getFullYear": "The year.",
    "getMonth": "The month, 0 to 11: January is 0.",
    "getDate": "The day of the month, 1 to 31.",
    "getDayOfMonth": "The day of the month, 0 to 30.",
    "getDayOfWeek": "The day of the week, 0 to 6: Sunday is 0.",
    "getDayOfYear": "The day of the year, 0 to 365.",
    "getHours": "The hour, 0 to 23; of a span of time all its hours.",
    "getMinutes": "The minute, 0 to 59; of a span of time all its minutes.",
    "getSeconds": "The second, 0 to 59; of a span of time all its seconds.",
    "getMilliseconds": "The milliseconds, 0 to 999.",
}
_ZONE = " Without a time zone it is that of UTC."


class Help(NamedTuple):
    """`is_member`: whether it is written `x.f()`; None if either way. `takes`: the types of that `x`."""

    signature: str
    says: str
    is_member: bool | None
    takes: tuple[str, ...] = ()


MACROS: Mapping[str, Help] = {
    "has": Help("has(event.field) → bool", "Whether a field is there.", False),
    "exists": Help(
        "list.exists(x, condition) → bool", "Whether it holds of any item.", True, ("list", "object")
    ),
    "all": Help("list.all(x, condition) → bool", "Whether it holds of every item.", True, ("list", "object")),
    "exists_one": Help(
        "list.exists_one(x, condition) → bool",
        "Whether it holds of exactly one item.",
        True,
        ("list", "object"),
    ),
    "filter": Help("list.filter(x, condition) → list", "The items of which it holds.", True, ("list",)),
    "map": Help("list.map(x, expression) → list", "What the expression gives of each item.", True, ("list",)),
}


def _signature(name: str) -> Help:
    _, _, member = SIGNATURES[name]
    lines = []
    for types in OVERLOADS[name]:
        first, *rest = map(shown, types)
        result = RESULTS.get(name, first)
        taken = f"{first}.{name}({', '.join(rest)})" if member else f"{name}({', '.join((first, *rest))})"
        lines.append(f"{taken} → {shown(result)}")
    says = _SAYS[name] + (_ZONE if name.startswith("get") else "")
    return Help("\n".join(lines), says, member, tuple(shown(types[0]) for types in OVERLOADS[name]))


FUNCTIONS: Mapping[str, Help] = {**{name: _signature(name) for name in SIGNATURES}, **MACROS}


def _filter(name: str) -> Help:
    _, *taken = filters.SIGNATURES[name].parameters.values()
    shown = [each.name if each.default is each.empty else f"{each.name}?" for each in taken]
    says = (
        (inspect.getdoc(filters.BY_NAME[name]) or "").partition("\n\n")[0].replace("\n", " ").replace("_", "")
    )
    return Help(f"value | {name}{': ' if shown else ''}{', '.join(shown)}", says, None)


FILTERS: Mapping[str, Help] = {name: _filter(name) for name in filters.BY_NAME}
TAGS = (
    *("if", "elsif", "else", "endif", "unless", "endunless", "case", "when", "endcase"),
    *("for", "endfor", "assign"),
)
