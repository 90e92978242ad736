"""Comparisons that are decided by what a call can give: months, days, hours, lengths, counts, small letters.

Who compares one with another number has most likely counted from 1 what begins with 0; who compares small
letters with capitals meant either.
Tested by tests/rules/test_ranges.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from stream.cel.tree import MACROS
from stream.cel.values import is_number
from stream.errors import ExpressionError
from stream.expression import Call, Ident, Literal, Node, Select


class Range(NamedTuple):
    """The whole numbers from `low` to `high` (None: no end), and what to know of them.

    `clock`: `< high + 1` is how the end of a day or of an hour is said.
    """

    low: int
    high: int | None
    hint: str
    clock: bool = False

    def __str__(self) -> str:
        return f"{self.low} to {self.high}" if self.high is not None else f"{self.low} or more"

    def decides(self, symbol: str, value: float) -> bool | None:
        """Whether a comparison with `value` never holds (False), or always does although the value is none of
        these (True). None for all that is as it should be.
        """
        below, above = value < self.low, self.high is not None and value > self.high
        if symbol in ("==", "!="):
            return None if not below and not above and value == int(value) else symbol == "!="
        if symbol in ("<", "<="):
            never, always = below or (symbol == "<" and value == self.low), above
            always = always and not (self.clock and symbol == "<" and value == (self.high or 0) + 1)
        else:
            never, always = above or (symbol == ">" and value == self.high), below
        return False if never else True if always else None


# Of times. A duration's are not bounded: it has 100 hours as a whole.
OF_TIMES: Mapping[str, Range] = {
    "getFullYear": Range(100, 9999, "write all four digits"),  # who writes 26 means 2026
    "getMonth": Range(0, 11, "January is 0, December is 11"),
    "getDate": Range(1, 31, "the first of a month is 1"),
    "getDayOfMonth": Range(0, 30, "the first of a month is 0; getDate() begins with 1"),
    "getDayOfWeek": Range(0, 6, "Sunday is 0, Saturday is 6"),
    "getDayOfYear": Range(0, 365, "January 1 is 0"),
    "getHours": Range(0, 23, "midnight is 0", clock=True),
    "getMinutes": Range(0, 59, "a new hour is 0", clock=True),
    "getSeconds": Range(0, 59, "a new minute is 0", clock=True),
    "getMilliseconds": Range(0, 999, "a new second is 0", clock=True),
}
_COUNTED = Range(0, None, "what is empty has 0")
_OF_OTHERS: Mapping[str, Range] = {
    "size": _COUNTED,
    **dict.fromkeys(("indexOf", "lastIndexOf"), Range(-1, None, "-1 where it is not found")),
}
_TIMES = ("now", "event_time")
# With the sides changed.
_MIRRORED = {"_==_": "==", "_!=_": "!=", "_<_": ">", "_<=_": ">=", "_>_": "<", "_>=_": "<="}

_Names = Collection[str]  # that macros around give


_NO_TOPS: Mapping[str, int] = {}


def decided(
    node: Node, counts: Collection[str], tops: Mapping[str, int] = _NO_TOPS
) -> Iterator[ExpressionError]:
    """The comparisons of a condition that are decided, each with its place. `counts`: traits that count;
    `tops`: those that are lists, and how many items these have at most.
    """
    rest: list[tuple[Node, frozenset[str]]] = [(node, frozenset())]
    while rest:
        each, given = rest.pop()
        if isinstance(each, Select):
            rest.append((each.operand, given))
        if not isinstance(each, Call):
            continue
        if each.function in MACROS and isinstance(variable := each.args[1], Ident):
            given |= {variable.name}
        one, other = each.args if len(each.args) == 2 else (each, each)
        yield from _of_letters(each.function, one, other)
        if each.function in _MIRRORED:
            symbols = each.function.strip("_"), _MIRRORED[each.function]
            for symbol, call, literal in zip(symbols, (one, other), (other, one), strict=True):
                yield from _said(_range(call, counts, tops, given), symbol, literal)
        elif each.function == "@in" and isinstance(other, Call) and other.function == "[]":
            for item in other.args:
                yield from _said(_range(one, counts, tops, given), "==", item, among=True)
        rest += [(arg, given) for arg in reversed(each.args) if not isinstance(arg, Literal | Ident)]


_ASKED = ("contains", "startsWith", "endsWith")
_LETTERS = {
    "lowerAscii": (str.isupper, str.lower, "capitals"),
    "upperAscii": (str.islower, str.upper, "small letters"),
}


def _of_letters(function: str, one: Node, other: Node) -> Iterator[ExpressionError]:
    """`x.lowerAscii() == 'Gold'`: what has none of these letters is compared with a text that has some."""
    if function == "@in":
        items = other.args if isinstance(other, Call) and other.function == "[]" else ()
    else:
        items = (other,) if function in ("_==_", "_!=_", *_ASKED) else ()
    if isinstance(other, Call) and other.function in _LETTERS and function in ("_==_", "_!=_"):
        one, items = other, (one,)
    if not isinstance(one, Call) or one.function not in _LETTERS:
        return
    wrong, made, which = _LETTERS[one.function]
    for each in items:
        text = each.value if isinstance(each, Literal) else None
        if isinstance(text, str) and any(letter.isascii() and wrong(letter) for letter in text):
            right = "".join(made(letter) if letter.isascii() else letter for letter in text)
            message = f"`{one.function}` leaves no {which}: `'{text}'` is never found"
            yield ExpressionError(message, offset=each.offset, hint=f"write '{right}'")


def _said(
    found: tuple[str, Range] | None, symbol: str, literal: Node, *, among: bool = False
) -> Iterator[ExpressionError]:
    """What is wrong with a comparison; `among`: with an item of a list."""
    if found is None or not isinstance(literal, Literal):
        return
    (name, given), value = found, literal.value
    if isinstance(value, int | float) and is_number(value):
        verdict = given.decides(symbol, value)
        words = f"`{symbol} {value}` {'always' if verdict else 'never'} holds"
        words = f"`{value}` is never found" if among else words
        if verdict is not None:
            yield ExpressionError(f"`{name}` is {given}: {words}", offset=literal.offset, hint=given.hint)


def _range(
    node: Node, counts: Collection[str], tops: Mapping[str, int], given: _Names
) -> tuple[str, Range] | None:
    """The numbers that a call or a trait can give, with its name; None where they can be any."""
    match node:
        case Call("_%_", (_, Literal(int(divisor)))) if divisor > 0:
            return f"% {divisor}", Range(
                1 - divisor, divisor - 1, f"what can be divided by {divisor} leaves 0"
            )
        case Call("size", (Select(Ident("traits"), name),)) if name in tops and "traits" not in given:
            return f"size(traits.{name})", Range(0, tops[name], "the trait says how many there are at most")
        case Call(name) if name in _OF_OTHERS:
            return name, _OF_OTHERS[name]
        case Call(name, (operand, *_)) if name in OF_TIMES:
            return (name, OF_TIMES[name]) if _is_time(operand, given) else None
        case Select(Ident("traits"), name) | Call("_[_]", (Select(Ident("traits"), name), _)):
            return (f"traits.{name}", _COUNTED) if name in counts and "traits" not in given else None
    return None


def _is_time(node: Node, given: _Names) -> bool:
    """Whether a value, if there is one, is certainly a time and no duration."""
    match node:
        case Ident(name):
            return name in _TIMES and name not in given
        case Call("timestamp"):
            return True
        case Call("_+_" | "_-_", (time, Call("duration"))) | Call("_+_", (Call("duration"), time)):
            return _is_time(time, given)
    return False
