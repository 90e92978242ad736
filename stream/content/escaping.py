"""What a channel's texts are, and how a value is put into one: `text` as it is, `html` and `json` escaped.

`html`: whatever is written in `{{ }}` becomes text for a reader, never markup; only what `capture` or a
filter has escaped already is not escaped again (`Markup`). That is sound for text and for some quoted
attributes, so other places are refused when the rules are loaded: `markup`.

`json`: the template is a JSON document, and stays one. Within quotes a value is escaped; elsewhere it becomes
a JSON value: a text gets its quotes, a list its brackets, null is null. `<` is escaped as well, as such a
document may end up in a page. What is rendered is read once more before it is sent.

What has no text stops the message: null, an object, and what else Python would put in words of its own
(`written`).
Tested by tests/content/test_escaping.py.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

import orjson
from liquid.exceptions import LiquidValueError
from liquid.output import LimitedStringIO

AS_IT_IS = "\n"  # to StringIO: line ends are not touched
VALUE = None  # in place of a value that is not known yet, among pieces of text

_QUOTING = re.compile(r'\\.|"|\\$', re.DOTALL)


class Markup(str):
    """Text that is escaped for HTML already. Every method gives a plain text again, and so does `+`."""

    __slots__ = ()


def escape_html(text: str) -> str:
    return text if type(text) is Markup else html.escape(text)


class NothingError(LiquidValueError):
    """There is nothing to write. Its text names the kind of nothing, and no value."""


class NestedError(NothingError):
    """What is there is an object, or has one in it."""


def written(value: object) -> str:
    """What a text, a number, true, false, or a list of these looks like in a text.

    Raises NothingError for null and NestedError for all else.
    """
    if isinstance(value, str):
        return value
    kind = type(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is float:
        return str(value)
    if isinstance(value, list):
        return "".join(map(written, value))
    if value is None:
        raise NothingError("a value is null", token=None)
    raise NestedError("no text, number, true or false", token=None)


class JsonText(LimitedStringIO):
    """A document while it is written: `write` takes the template's text, `put` what is `shown` of a value."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit, newline=AS_IT_IS)
        self._quoted = False

    def write(self, text: str) -> int:
        self._quoted = after(text, quoted=self._quoted)
        return super().write(text)

    def shown(self, value: Any) -> str:
        """What a value looks like here: within quotes as in a text, else as JSON."""
        text = orjson.dumps(written(value) if self._quoted else value).decode()
        return (text[1:-1] if self._quoted else text).replace("<", "\\u003c")

    def put(self, shown: str) -> int:
        return super().write(shown)


def after(text: str, *, quoted: bool) -> bool:
    """Whether quotes are open after a piece of a document. LiquidValueError if it ends amid an escape."""
    for each in _QUOTING.finditer(text):
        if each[0] == '"':
            quoted = not quoted
        elif each[0] == "\\" and quoted:
            raise LiquidValueError("a backslash before a value", token=None)
    return quoted


def is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def looks_like_json(pieces: Iterable[str | None]) -> bool:
    """Whether pieces of text are a document once values are put between them."""
    quoted, written = False, []
    for piece in pieces:
        if piece is VALUE:
            written.append("x" if quoted else "0")
        else:
            try:
                quoted = after(piece, quoted=quoted)
            except LiquidValueError:
                return False
            written.append(piece)
    return is_json("".join(written))
