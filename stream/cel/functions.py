"""CEL's operators and functions: what each does with which types.

`apply` picks the overload by the types of the arguments; none that fits is an error, as CEL says. Integers
have 64 bits and never wrap. Tested by tests/conformance.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from stream.cel import lists, strings, times
from stream.cel.strings import within
from stream.cel.values import (
    INT_MAX,
    INT_MIN,
    UINT_MAX,
    Duration,
    Timestamp,
    TypeValue,
    UInt,
    type_of,
)
from stream.errors import ExpressionError

Operation = Callable[..., Any]

MAX_WRITTEN = 100  # characters of a value that is shown
_TIME, _SPAN = "google.protobuf.Timestamp", "google.protobuf.Duration"


def _int(value: int) -> int:
    if not INT_MIN <= value <= INT_MAX:
        raise ExpressionError("an integer of more than 64 bits (overflow)")
    return int(value)


def _uint(value: int) -> UInt:
    if not 0 <= value <= UINT_MAX:
        raise ExpressionError("an unsigned integer out of range (overflow)")
    return UInt(value)


# ---- arithmetic ----


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise ExpressionError("division by zero")
    whole = abs(left) // abs(right)  # towards zero
    return whole if (left < 0) == (right < 0) else -whole


def _remainder(left: int, right: int) -> int:
    if right == 0:
        raise ExpressionError("modulus by zero")
    rest = abs(left) % abs(right)  # the sign of the dividend
    return -rest if left < 0 else rest


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _joined(left: Any, right: Any) -> Any:
    within(len(left) + len(right))
    return left + right


# ---- conversions ----


def _int_of_double(value: float) -> int:
    if not -(2.0**63) < value < 2.0**63:
        raise ExpressionError("a number out of the range of integers")
    return int(value)


def _uint_of_double(value: float) -> UInt:
    if not 0 <= value < 2.0**64:
        raise ExpressionError("a number out of the range of unsigned integers")
    return UInt(int(value))


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,40}", text):
        raise ExpressionError("a text that is no whole number")
    return int(text)


_REAL = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf(?:inity)?|nan)", re.IGNORECASE | re.ASCII
)


def _double_of_text(text: str) -> float:
    if len(text) > 400 or not _REAL.fullmatch(text):
        raise ExpressionError("a text that is no number")
    return float(text)


_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


def _bool_of_text(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise ExpressionError("a text that is neither true nor false")
    return text in _TRUE


def _text_of_double(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value).removesuffix(".0")


def _text_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ExpressionError("bytes that are no UTF-8") from None


def _bytes_of_text(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise ExpressionError("a text that is no Unicode") from None


def _same(value: Any) -> Any:
    return value


# ---- the table: function, then the types of its arguments, `*` for any ----

OVERLOADS: dict[str, dict[tuple[str, ...], Operation]] = {
    "!_": {("bool",): lambda a: not a},
    "-_": {("int",): lambda a: _int(-a), ("double",): lambda a: -a},
    "_+_": {
        ("int", "int"): lambda a, b: _int(a + b),
        ("uint", "uint"): lambda a, b: _uint(int(a) + int(b)),
        ("double", "double"): lambda a, b: a + b,
        ("string", "string"): _joined,
        ("bytes", "bytes"): _joined,
        ("list", "list"): _joined,
        (_TIME, _SPAN): lambda a, b: times.timestamp(a.nanos + b.nanos),
        (_SPAN, _TIME): lambda a, b: times.timestamp(a.nanos + b.nanos),
        (_SPAN, _SPAN): lambda a, b: times.duration(a.nanos + b.nanos),
    },
    "_-_": {
        ("int", "int"): lambda a, b: _int(a - b),
        ("uint", "uint"): lambda a, b: _uint(int(a) - int(b)),
        ("double", "double"): lambda a, b: a - b,
        (_TIME, _SPAN): lambda a, b: times.timestamp(a.nanos - b.nanos),
        (_TIME, _TIME): lambda a, b: times.duration(a.nanos - b.nanos),
        (_SPAN, _SPAN): lambda a, b: times.duration(a.nanos - b.nanos),
    },
    "_*_": {
        ("int", "int"): lambda a, b: _int(a * b),
        ("uint", "uint"): lambda a, b: _uint(int(a) * int(b)),
        ("double", "double"): lambda a, b: a * b,
    },
    "_/_": {
        ("int", "int"): lambda a, b: _int(_quotient(a, b)),
        ("uint", "uint"): lambda a, b: _uint(_quotient(int(a), int(b))),
        ("double", "double"): _divide,
    },
    "_%_": {
        ("int", "int"): lambda a, b: _int(_remainder(a, b)),
        ("uint", "uint"): lambda a, b: _uint(_remainder(int(a), int(b))),
    },
    "size": {
        **{(each,): len for each in ("string", "bytes", "list", "map")},
    },
    "sum": {("list",): lists.sum_of},
    "min": {("list",): lists.least_of},
    "max": {("list",): lists.greatest_of},
    "avg": {("list",): lists.mean_of},
    "contains": {("string", "string"): lambda a, b: b in a},
    "startsWith": {("string", "string"): lambda a, b: a.startswith(b)},
    "endsWith": {("string", "string"): lambda a, b: a.endswith(b)},
    "matches": {("string", "string"): strings.matches},
    "int": {
        ("int",): _int,
        ("uint",): _int,
        ("double",): _int_of_double,
        ("string",): lambda a: _int(_whole(a)),
        (_TIME,): lambda a: a.nanos // times.SECOND,
    },
    "uint": {
        ("uint",): _same,
        ("int",): _uint,
        ("double",): _uint_of_double,
        ("string",): lambda a: _uint(_whole(a)),
    },
    "double": {
        ("double",): _same,
        ("int",): float,
        ("uint",): float,
        ("string",): _double_of_text,
    },
    "bool": {("bool",): _same, ("string",): _bool_of_text},
    "string": {
        ("string",): _same,
        ("bool",): lambda a: "true" if a else "false",
        ("int",): str,
        ("uint",): lambda a: str(int(a)),
        ("double",): _text_of_double,
        ("bytes",): _text_of_bytes,
        (_TIME,): times.write_timestamp,
        (_SPAN,): times.write_duration,
    },
    "bytes": {("bytes",): _same, ("string",): _bytes_of_text},
    "timestamp": {
        (_TIME,): _same,
        ("string",): times.read_timestamp,
        ("string", "string"): times.read_timestamp,
        ("int",): lambda a: times.timestamp(a * times.SECOND),
    },
    "duration": {(_SPAN,): _same, ("string",): times.read_duration},
    "dyn": {("*",): _same},
    "type": {("*",): lambda a: TypeValue(type_of(a))},
    "charAt": {("string", "int"): strings.char_at},
    "indexOf": {
        ("string", "string"): strings.index_of,
        ("string", "string", "int"): strings.index_of,
    },
    "lastIndexOf": {
        ("string", "string"): strings.last_index_of,
        ("string", "string", "int"): strings.last_index_of,
    },
    "substring": {
        ("string", "int"): strings.substring,
        ("string", "int", "int"): strings.substring,
    },
    "replace": {
        ("string", "string", "string"): strings.replace,
        ("string", "string", "string", "int"): strings.replace,
    },
    "split": {("string", "string"): strings.split, ("string", "string", "int"): strings.split},
    "join": {("list",): strings.join, ("list", "string"): strings.join},
    "lowerAscii": {("string",): strings.lower_ascii},
    "upperAscii": {("string",): strings.upper_ascii},
    "trim": {("string",): strings.trim},
    "reverse": {("string",): strings.reverse},
    "strings.quote": {("string",): strings.quote},
}


def _accessor(name: str) -> dict[tuple[str, ...], Operation]:
    def of_time(value: Timestamp | Duration, place: str = "UTC") -> int:
        return times.part_of(name, value, place)

    overloads: dict[tuple[str, ...], Operation] = {(_TIME,): of_time, (_TIME, "string"): of_time}
    if name in ("getHours", "getMinutes", "getSeconds", "getMilliseconds"):
        overloads[(_SPAN,)] = of_time
    return overloads


OVERLOADS.update({name: _accessor(name) for name in times.ACCESSORS})

OF_LISTS = ("sum", "min", "max", "avg")
_EITHER = {"size", "matches", *OF_LISTS}
_GLOBAL = {"int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration", "dyn", "type"}


def _style(name: str) -> bool | None:
    if name in _EITHER:
        return None
    return name not in _GLOBAL and name != "strings.quote"


# Of each function: how many arguments at least and at most, the `x` of `x.f()` counted, and whether it is
# written x.f() (True), f(x) (False) or either way (None).
SIGNATURES: dict[str, tuple[int, int, bool | None]] = {
    name: (min(map(len, overloads)), max(map(len, overloads)), _style(name))
    for name, overloads in OVERLOADS.items()
    if name[-1] != "_"
}


# Where an operand is an event's, a whole number beside a decimal is taken as a decimal: JSON has one kind of
# number, and a price is 90 now and 90.5 then. Literals among themselves do as CEL says.
MIXING = frozenset(("_+_", "_-_", "_*_", "_/_"))


def mixed(args: list[Any], offset: int) -> list[Any]:
    """The operands of arithmetic that mixes: an int beside a double as one. Raises ExpressionError."""
    if sorted(map(type_of, args)) != ["double", "int"]:
        return args
    try:
        return list(map(float, args))
    except OverflowError:  # an int of a caller's that has more than 64 bits
        raise ExpressionError("a number out of range", offset=offset) from None


def apply(function: str, args: list[Any], offset: int) -> Any:
    """The value of a function of its arguments. Raises ExpressionError, also if no overload fits."""
    overloads = OVERLOADS.get(function)
    if overloads is None:
        raise ExpressionError(f"unknown function `{function}`", offset=offset)
    operation = overloads.get(tuple(map(type_of, args))) or overloads.get(("*",))
    if operation is None:
        symbol = function.strip("_")
        raise ExpressionError(f"`{symbol}` of values of types that do not fit", offset=offset)
    try:
        return operation(*args)
    except ExpressionError as error:
        raise ExpressionError(error.message, offset=offset, hint=error.hint) from None
    except (OverflowError, ValueError):  # an int of a caller's that has more than 64 bits
        raise ExpressionError("a number out of range", offset=offset) from None


def _written_within(value: Any) -> Any:
    """What JSON has no form for."""
    if isinstance(value, Mapping):
        return dict(value)
    return written(value) if isinstance(value, Timestamp | Duration | TypeValue) else "…"


def written(value: Any) -> str:
    """A value as a person reads it, in a line: as JSON or as CEL writes it, its beginning if it is long."""
    if isinstance(value, Timestamp | Duration):
        text: str = apply("string", [value], 0)
    elif isinstance(value, TypeValue):
        text = value.name
    else:
        text = json.dumps(value, ensure_ascii=False, default=_written_within)
    return text if len(text) <= MAX_WRITTEN else f"{text[:MAX_WRITTEN]}…"
