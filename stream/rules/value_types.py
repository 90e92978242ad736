"""The types of values in conditions: which can be compared, which a function takes, what to write instead.

A type is CEL's name of it, or one of these. `dyn` can be anything. `field` is what an event, a customer or a
third party says: anything but a time, as JSON has no form for one. `number` is a field that a tracking plan
says it of, whole or not. What some functions of traits give is a type, too (`PARTS`).
Tested by tests/rules/test_scope.py, test_ranges.py and test_plan.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from stream.cel import times
from stream.cel.functions import SIGNATURES
from stream.cel.values import type_of
from stream.errors import ExpressionError
from stream.expression import Call, Ident, Literal, Node, unparse
from stream.rules.aggregates import AGGREGATES
from stream.rules.forms import DURATION
from stream.rules.ranges import OF_TIMES

Type = str

TIME, SPAN = "google.protobuf.Timestamp", "google.protobuf.Duration"
# The fields of what some trait functions give, by its type.
PARTS: Mapping[Type, Mapping[str, Type]] = {
    each.type: each.parts for each in AGGREGATES.values() if each.parts
}
IN_WORDS: Mapping[Type, str] = {
    "null_type": "null",
    "bool": "true or false",
    "int": "a number",
    "uint": "a number",
    "double": "a number",
    "string": "a text",
    "bytes": "bytes",
    "list": "a list",
    "map": "an object",
    **dict.fromkeys(PARTS, "an object"),
    "number": "a number",
    "type": "a type",
    TIME: "a time",
    SPAN: "a duration",
    "field": "a field",
}
# What no field is: JSON has no form for it. A `field` is one of which nothing else is known.
NOT_IN_JSON = frozenset((TIME, SPAN, "bytes", "type"))
# `number`: of a field that a tracking plan says it of, whole or not.
NUMBERS = frozenset(("int", "uint", "double", "number"))
UNORDERED = frozenset(("null_type", "map", "list", "type", *PARTS))
SYMBOLS = {"_?_:_": "? :", "_[_]": "[ ]", "@in": "in", "!_": "!", "-_": "-"}
ARITHMETIC = ("_+_", "_-_", "_*_", "_/_", "_%_", "-_")
IN_QUOTES = "a text is written in quotes, a number without"
OF_TEXTS = "a text that says a number is made one with `double(…)`"
# What a function gives, where that does not depend on its arguments (else: the type of the first).
RESULTS: Mapping[str, Type] = {
    **{each: each for each in ("int", "uint", "double", "bool", "string", "bytes")},
    "timestamp": TIME,
    "duration": SPAN,
    "type": "type",
    "dyn": "dyn",
    "size": "int",
    "split": "list",
    "sum": "number",
    "avg": "double",
    **dict.fromkeys(("min", "max"), "dyn"),
    **dict.fromkeys(("contains", "startsWith", "endsWith", "matches"), "bool"),
    **dict.fromkeys(("indexOf", "lastIndexOf"), "int"),
    **dict.fromkeys(("charAt", "substring", "replace", "join", "lowerAscii", "upperAscii"), "string"),
    **dict.fromkeys(("trim", "reverse", "strings.quote"), "string"),
    **{each: "int" for each in SIGNATURES if each.startswith("get")},
}


def symbol_of(function: str) -> str:
    return SYMBOLS.get(function, function.strip("_"))


def may_equal(left: Type, right: Type) -> bool:
    if "field" in (left, right):
        return not {left, right} & NOT_IN_JSON
    return "dyn" in (left, right) or left == right or {left, right} <= NUMBERS


def meant_by(kinds: set[Type], nodes: Sequence[Node]) -> str | None:
    """What to write in place of a comparison of these."""
    if Ident("event") in nodes:
        return "the name of the event is `event_name`, a field of it `event.NAME`"
    if kinds & NUMBERS and "bool" in kinds:
        return "compare a number with one, as in `x == 0` or `x > 0`"
    if "list" in kinds and kinds & {"string", *NUMBERS}:
        asked = "'a' in x, x[0] == 'a'" if "string" in kinds else "size(x) > 5, x.exists(i, i > 5)"
        return f"a list is asked by {asked}"
    if "string" not in kinds or not kinds & NUMBERS:
        return None
    for each in nodes:
        if isinstance(each, Call) and each.function in OF_TIMES:
            return f"a number: {OF_TIMES[each.function].hint}"
    if any(isinstance(each, Literal) and isinstance(each.value, str) for each in nodes):
        return "a number is written without quotes"
    texts = [each for each in nodes if not isinstance(each, Literal)]
    return f"a text is written in quotes; one that says a number is read by double({unparse(texts[0])})"


_READ_AS_TIMES = ("field", "string", "int")


def as_time(function: str, nodes: Sequence[Node], kinds: Sequence[Type]) -> str | None:
    """How a field is read, where it stands where only a time, or a span of time, can."""
    if function == "duration" and set(kinds) <= NUMBERS:
        return "write e.g. duration('7d')"
    fields = [each for each, kind in zip(nodes, kinds, strict=True) if kind in _READ_AS_TIMES]
    of_part = function in times.ACCESSORS and fields[:1] == list(nodes[:1])
    if not fields or not (of_part or {TIME, SPAN} & set(kinds)):
        return None
    said = fields[0].value if isinstance(fields[0], Literal) else None
    if isinstance(said, str) and re.fullmatch(r"[0-9]{1,2}:[0-9]{2}", said):
        return f"write e.g. now.getHours('Europe/Vienna') >= {int(said.partition(':')[0])}"
    span = SPAN in kinds or function == "_-_" if isinstance(said, int) else SPAN in kinds
    span = TIME in kinds if function == "_+_" else span
    span = span or (isinstance(said, str) and re.fullmatch(DURATION, said) is not None)
    shown = f"'{said}'" if isinstance(said, str) else unparse(fields[0])
    shown = f"'{shown}s'" if isinstance(said, int) and span else shown
    return f"write {'duration' if span else 'timestamp'}({shown})"


def of_several(function: str, nodes: Sequence[Node]) -> str:
    """What to write in place of a function of lists that is given more than one."""
    if any(
        isinstance(each, Ident) or (isinstance(each, Literal) and isinstance(each.value, str))
        for each in nodes[1:]
    ):
        return f"write e.g. {function}({unparse(nodes[0])}.map(i, i.price))"
    return f"write {function}([{', '.join(map(unparse, nodes))}])"


def no_date(node: Node) -> Iterator[ExpressionError]:
    """`2026-01-31` is arithmetic."""
    match node:
        case Call(
            "_-_", (Call("_-_", (Literal(int(year)) as first, Literal(int(month)))), Literal(int(day)))
        ):
            if 1900 < year < 2200 and 0 < month < 13 and 0 < day < 32:
                hint = f"a date is written timestamp('{year}-{month:02}-{day:02}')"
                message = f"a number: {year} minus {month} minus {day}"
                yield ExpressionError(message, offset=first.offset, hint=hint)


def fits(kinds: tuple[Type, ...], overload: tuple[str, ...]) -> bool:
    return len(kinds) == len(overload) and all(
        kind in ("dyn", wanted)
        or wanted == "*"
        or (kind == "number" and wanted in NUMBERS)
        or (kind == "field" and wanted not in NOT_IN_JSON)
        for kind, wanted in zip(kinds, overload, strict=True)
    )


def type_of_arithmetic(name: str, kinds: tuple[Type, ...]) -> Type:
    if name == "_+_" and "string" in kinds:
        return "string"  # whatever is joined to a text is one
    if "dyn" in kinds or "number" in kinds:
        return "dyn" if "dyn" in kinds else "number"
    if name == "_-_" and kinds == (TIME, TIME):
        return SPAN
    return TIME if TIME in kinds else kinds[0]


def type_of_literal(node: Literal) -> Type:
    return type_of(node.value)
