"""Comparisons with a value that was probably meant otherwise: numbers in quotes, wildcards, lists.

They are right as they stand, and hold of hardly anything. Tested by tests/rules/test_odd.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stream.cel.tree import is_closed
from stream.errors import ExpressionError
from stream.expression import Call, Ident, Literal, Node, Select, unparse
from stream.hints import foreign, unseen
from stream.rules.selections import variables_of

_ORDERS = ("_<_", "_<=_", "_>_", "_>=_")
_EQUALITIES = ("_==_", "_!=_")
_WILDCARDS_IN = {
    "startsWith": re.compile(r".*[^0-9% ]%|.+\*"),
    "endsWith": re.compile(r"%.+|\*.+"),
    "contains": re.compile(r"%.+%|\*.+\*"),
}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:[.,][0-9]+)?")  # not 007, which is a number in no language
_VARIABLE = "a text is compared as it stands: write the variable, without quotes"
_TEXTS = (
    (
        re.compile(r"\{\{.*\}\}|\$\{.*\}"),
        _VARIABLE,
    ),
    (
        re.compile(r"(?:event|customer|traits|segments|context)\.\w+(?:\.\w+)*"),
        _VARIABLE,
    ),
    (
        re.compile(r"%.+|.*[^0-9% ]%|\*.+|.+\*"),
        "there are no wildcards: write x.startsWith('…'), x.endsWith('…') or x.contains('…')",
    ),
    (re.compile("null|None|nil|undefined"), "without quotes `null` is one: is that meant?"),
    (re.compile(r".*(?:\|\||&&).*"), "for one of several write `event.x in ['a', 'b']`"),
)


def odd(node: Node) -> Iterator[ExpressionError]:
    """The odd comparisons of a condition, each with its place."""
    rest = [node]
    while rest:
        each = rest.pop()
        if isinstance(each, Select):
            rest.append(each.operand)
        if not isinstance(each, Call):
            continue
        rest += [arg for arg in reversed(each.args) if not isinstance(arg, Literal | Ident)]
        if each.function in _WILDCARDS_IN and isinstance(text := each.args[-1], Literal):
            yield from _wildcards(each.function, text)
            if isinstance(text.value, str):
                yield from _unseen(text.value, text.offset, each.function)
        if each.function in _EQUALITIES:
            yield from _moments(*each.args)
        if each.function in (*_ORDERS, *_EQUALITIES):
            one, other = each.args
            yield from _ranged(each.function, one, other)
            yield from _compared(each.function, one, other)
            yield from _compared(each.function, other, one)
        elif each.function == "@in" and isinstance(items := each.args[1], Call) and items.function == "[]":
            for item in items.args:
                yield from _compared("_==_", each.args[0], item)
                yield from _no_range(each.args[0], item)


def _wildcards(function: str, text: Literal) -> Iterator[ExpressionError]:
    if isinstance(text.value, str) and _WILDCARDS_IN[function].fullmatch(text.value):
        hint = f"there are no wildcards: write '{text.value.strip('%*')}'"
        yield ExpressionError(f"`'{text.value}'` is a text like any other", offset=text.offset, hint=hint)


def _unseen(text: str, offset: int, function: str) -> Iterator[ExpressionError]:
    """What nobody sees in a text that something is compared with; a part may have blanks at its ends."""
    plain = text.strip()
    if odd := unseen(text, blanks=False) or foreign(text):
        message = f"`'{text}'` has a {odd} in it"
        yield ExpressionError(message, offset=offset, hint="type it anew")
    elif function in _EQUALITIES and plain and plain != text:
        blank = unseen(text[0] + text[-1]) or ("tab" if "\t" in text[0] + text[-1] else "space")
        where = "begins" if text[0].isspace() else "ends"
        yield ExpressionError(f"`'{text}'` {where} with a {blank}", offset=offset, hint=f"write '{plain}'")


def _moments(one: Node, other: Node) -> Iterator[ExpressionError]:
    """`now == timestamp('2026-12-24')`: a day is meant, and a millisecond is said."""
    for each, against in ((one, other), (other, one)):
        if each == Ident("now") or (each == Ident("event_time") and is_closed(against)):
            message = f"`{unparse(each)}` is the same as another time for a millisecond only"
            hint = f"write {unparse(each)}.getDate('Europe/Vienna') == 24 and so on, or `>=` and `<`"
            yield ExpressionError(message, offset=each.offset, hint=hint)
            return


def _ranged(function: str, one: Node, other: Node) -> Iterator[ExpressionError]:
    """`1 <= x <= y`, `x == y == z`: the first half is true or false."""
    if not isinstance(one, Call):
        return
    alike = function == one.function == "_==_" and not is_closed(other)
    if alike or (function in _ORDERS and one.function in _ORDERS):
        half = unparse(one)
        hint = f"write `{half} && {unparse(one.args[1])} {function.strip('_')} {unparse(other)}`"
        yield ExpressionError(f"`{half}` is true or false", offset=one.offset, hint=hint)


def _no_range(about: Node, item: Node) -> Iterator[ExpressionError]:
    """`[1-5]` is arithmetic."""
    match item:
        case Call("_-_", (Literal(int(low)) as first, Literal(int(high)))) if low < high:
            hint = f"write `{unparse(about)} >= {low} && {unparse(about)} <= {high}`"
            message = f"a number: {low} minus {high}"
            yield ExpressionError(message, offset=first.offset, hint=hint)


def _compared(function: str, about: Node, value: Node) -> Iterator[ExpressionError]:
    """What is odd about a comparison with a literal, or with a list of literals."""
    if isinstance(about, Literal):
        return
    several = isinstance(value, Call) and value.function == "[]" and len(value.args) > 1
    if several and function in _EQUALITIES and "traits" not in variables_of(about):  # of which some are lists
        shown = unparse(value)
        negated = f"!({unparse(about)} in …)" if function == "_!=_" else f"{unparse(about)} in …"
        message = f"`{unparse(about)}` is compared with all of `{shown[:40]}`"
        yield ExpressionError(message, offset=value.offset, hint=f"for one of them write `{negated}`")
    if not isinstance(value, Literal) or not isinstance(value.value, str):
        return
    yield from _unseen(value.value, value.offset, function)
    text = value.value
    if function in _ORDERS and _NUMBER.fullmatch(text):
        message = (
            f"`'{text}'` is compared letter by letter: '9' comes after '10', and no number is like a text"
        )
        number = text.replace(",", ".")
        decimal = number if "." in number else f"{number}.0"
        hint = f"write {number}; for a text that says a number double({unparse(about)}) and {decimal}"
        yield ExpressionError(message, offset=value.offset, hint=hint)
    if function in _EQUALITIES:
        for pattern, hint in _TEXTS:
            if pattern.fullmatch(text):
                yield ExpressionError(f"`'{text}'` is a text like any other", offset=value.offset, hint=hint)
                return
