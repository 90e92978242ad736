"""The text of a condition to tokens: words, numbers, strings, operators, each with its place.

Each pattern starts its choices with different characters: nothing is tried twice, so that no text takes more
than linear time. Tested by tests/cel/test_expression.py.
"""

from __future__ import annotations

import re
from typing import Literal as Choice
from typing import NamedTuple

from stream.cel.slips import of_place
from stream.cel.tree import Scalar
from stream.cel.values import INT_MAX, INT_MIN, UINT_MAX, UInt
from stream.errors import ExpressionError

Kind = Choice["word", "quoted", "value", "string", "number", "operator", "end"]


class Token(NamedTuple):  # a tuple, as there are many: made in a quarter of a frozen dataclass's time
    """`text` as it is written in the source; `value` that of a literal (of a number: see `number`)."""

    kind: Kind
    text: str
    start: int
    end: int
    value: Scalar = None


_TOKEN = re.compile(
    r"(?P<skip>(?://[^\n\r]*|[ \t\n\f\r])+)"
    r"|(?P<prefix>[bB]?[rR]?|[rR][bB])(?P<quote>\"\"\"|'''|\"|')"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>0[xX][0-9a-fA-F]+[uU]?|[0-9]+[uU]"
    r"|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|`(?P<quoted>[A-Za-z0-9_.\-/ ]+)`"
    r"|(?P<operator>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])",
)
_VALUES: dict[str, Scalar] = {"true": True, "false": False, "null": None}


def tokens(source: str) -> list[Token]:
    """All of a text; the last token is the `end`. Raises ExpressionError with the offset of what is none."""
    found: list[Token] = []
    position, length, match_at = 0, len(source), _TOKEN.match
    while position < length:
        match = match_at(source, position)
        if match is None:
            raise unexpected(source, position)
        start, position, kind = position, match.end(), match.lastgroup
        if kind == "operator":
            found.append(Token("operator", match[0], start, position))
        elif kind == "word":
            text = match[0]
            word: Kind = "value" if text in _VALUES else "word"
            found.append(Token(word, text, start, position, _VALUES.get(text)))
        elif kind == "quote":
            value, position = _string(source, match)
            found.append(Token("string", source[start:position], start, position, value))
        elif kind == "number":
            _check_end_of_number(source, start, position)
            found.append(Token("number", match[0], start, position))
        elif kind == "quoted":
            found.append(Token("quoted", match["quoted"], start, position))
    found.append(Token("end", "", len(source.rstrip()), length))
    return found


def _check_end_of_number(source: str, start: int, end: int) -> None:
    after = source[end : end + 1]
    if after == "." and source[end + 1 : end + 2] in ("", " "):
        raise ExpressionError("a number that ends in a dot", offset=start, hint="write e.g. 5 or 5.0")
    if after == "_" or (after.isascii() and after.isalnum()):
        raise unexpected(source, end)


def unexpected(source: str, position: int) -> ExpressionError:
    """The error about a character or word that cannot be at this place."""
    found = re.compile(r"\w+|==|!=|&&|\|\||.", re.DOTALL).match(source, position)
    if found is None:
        hint = of_place(source, len(source), "")
        return ExpressionError("the condition ends too early", offset=len(source.rstrip()), hint=hint)
    return ExpressionError(
        f"unexpected `{found[0]}`", offset=position, hint=of_place(source, position, found[0])
    )


def number(token: Token, *, negative: bool = False) -> int | float:
    """The value of a number: int, `UInt` or float. Raises ExpressionError if it is out of range."""
    digits, offset = token.text.lower(), token.start
    if len(digits) < 18 and digits.isdecimal():  # most of them
        return -int(digits) if negative else int(digits)
    hexadecimal = digits.startswith("0x")
    if digits.endswith("u"):
        unsigned = int(digits[:-1], 16 if hexadecimal else 10)
        if unsigned > UINT_MAX:
            raise ExpressionError("an unsigned integer of more than 64 bits", offset=offset)
        return UInt(unsigned)
    if not hexadecimal and re.search(r"[.e]", digits):
        real = float(digits)
        if real == float("inf"):
            raise ExpressionError("a number that is too large", offset=offset)
        return -real if negative else real
    whole = int(digits, 16 if hexadecimal else 10) * (-1 if negative else 1)
    if not INT_MIN <= whole <= INT_MAX:
        raise ExpressionError("an integer of more than 64 bits", offset=offset, hint="write it with `.0`")
    return whole


# ---- strings ----


def _body(quote: str, raw: bool) -> re.Pattern[str]:
    """The text between two quotes."""
    choices = [f"[^{quote[0]}" + ("" if raw else r"\\") + ("" if len(quote) == 3 else r"\n\r") + "]"]
    if not raw:
        choices.append(r"\\.")
    if len(quote) == 3:
        choices.append(f"{quote[0]}(?!{quote[0] * 2})")
    return re.compile(f"(?:{'|'.join(choices)})*+(?={quote})", re.DOTALL)


_BODIES = {(q, raw): _body(q, raw) for q in ('"""', "'''", '"', "'") for raw in (False, True)}
_ESCAPE = re.compile(
    r"\\(?:(?P<plain>[abfnrtv\\?\"'`])|[xX](?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})"
    r"|U(?P<U>[0-9a-fA-F]{8})|(?P<octal>[0-3][0-7]{2})|(?P<bad>.|$))",
    re.DOTALL,
)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _string(source: str, match: re.Match[str]) -> tuple[str | bytes, int]:
    """The value of the string that opens at `match`, and the offset behind it."""
    prefix, quote = match["prefix"].lower(), match["quote"]
    raw = "r" in prefix
    body = _BODIES[quote, raw].match(source, match.end())
    if body is None:
        raise ExpressionError(
            "a string that is not closed", offset=match.start(), hint=f"close it with {quote}"
        )
    end = body.end() + len(quote)
    if "b" in prefix:
        return _bytes(body[0], body.start(), raw), end
    text = body[0]
    if not raw and "\\" in text:
        text = _ESCAPE.sub(lambda each: _character(each, body.start()), text)
    if not text.isascii() and re.search("[\ud800-\udfff]", text):
        raise ExpressionError("half a character (a lone surrogate)", offset=match.start())
    return text, end


def _character(match: re.Match[str], base: int) -> str:
    if match["plain"]:
        return _PLAIN.get(match["plain"], match["plain"])
    digits = match["x"] or match["u"] or match["U"]
    code = int(digits, 16) if digits else int(match["octal"], 8) if match["octal"] else -1
    if not 0 <= code < 0x110000 or 0xD800 <= code < 0xE000:
        raise _no_escape(match, base)
    return chr(code)


def _bytes(body: str, base: int, raw: bool) -> bytes:
    out, position = bytearray(), 0
    try:
        for match in () if raw else _ESCAPE.finditer(body):
            out += body[position : match.start()].encode()
            if match["u"] or match["U"]:
                raise _no_escape(match, base)
            out += _character(match, base).encode("latin-1")  # \xff and \377 are one byte each
            position = match.end()
        return bytes(out + body[position:].encode())
    except UnicodeEncodeError:
        raise ExpressionError("half a character (a lone surrogate)", offset=base) from None


def _no_escape(match: re.Match[str], base: int) -> ExpressionError:
    return ExpressionError(
        f"`{match[0]}` is no escape sequence",
        offset=base + match.start(),
        hint="a backslash itself is `\\\\`",
    )
