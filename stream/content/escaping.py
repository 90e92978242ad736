"""What a channel's texts are, and how a value is put into one: `text` as it is, `html` and `json` escaped.

`html`: whatever is written in `{{ }}` becomes text for a reader, never markup; only what `capture` or a
filter has escaped already is not escaped again (`Markup`). That is sound for text and for quoted attributes,
so other places are refused when the rules are loaded: `html_places`.

`json`: the template is a JSON document, and stays one. Within quotes a value is escaped; elsewhere it becomes
a JSON value: a text gets its quotes, a list its brackets. `<` is escaped as well, as such a document may end
up in a page. What is rendered is read once more before it is sent.
Tested by tests/content/test_escaping.py.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
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


class JsonText(LimitedStringIO):
    """A document while it is written: `write` takes what the template says, `put` values."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit, newline=AS_IT_IS)
        self._quoted = False

    def write(self, text: str) -> int:
        self._quoted = after(text, quoted=self._quoted)
        return super().write(text)

    def put(self, value: Any, text: str) -> int:
        """`text`: what the value looks like in a text."""
        written = orjson.dumps(text if self._quoted else value).decode()
        return super().write((written[1:-1] if self._quoted else written).replace("<", "\\u003c"))


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


_SCRIPTED = re.compile(r"on|style$|srcdoc$", re.IGNORECASE)
_RAW = ("script", "style")
_NAME_END = re.compile(r"[\s/>]")
_IN_TAG = re.compile(r">|=\s*([\"']?)")
_ATTRIBUTE = re.compile(r"([^\s=/>\"']*)\s*$")


class _Html:
    """Where in a document one is. A reader of tags, not of trees: enough to know what a value would be."""

    def __init__(self) -> None:
        self.place = "text"  # name, tag, quoted, unquoted, comment, raw
        self.tag = self.quote = self.attribute = ""

    def read(self, text: str) -> None:
        at = 0
        while at < len(text):
            at = getattr(self, f"_{self.place}")(text, at)

    def complaint(self) -> str | None:
        """Why a value must not be written here."""
        if self.place == "quoted":
            return f"in `{self.attribute}`" if _SCRIPTED.match(self.attribute) else None
        where = {
            "name": "in a tag's name",
            "tag": "among a tag's attributes",
            "unquoted": "in an attribute without quotes",
            "comment": "in a comment",
            "raw": f"in <{self.tag}>",
        }
        return where.get(self.place)

    def _text(self, text: str, at: int) -> int:
        start = text.find("<", at)
        if start < 0:
            return len(text)
        if text.startswith("<!--", start):
            self.place = "comment"
            return start + 4
        rest = text[start + 1 : start + 2]
        if rest == "/" or rest.isalpha() or not rest or rest == "!":
            self.place, self.tag = "name", ""
        return start + 1

    def _name(self, text: str, at: int) -> int:
        if not self.tag and text.startswith("/", at):
            self.tag = "/"
            return at + 1
        end = _NAME_END.search(text, at)
        stop = end.start() if end else len(text)
        self.tag += text[at:stop].lower()
        if end:
            self.place = "tag"
        return stop

    def _tag(self, text: str, at: int) -> int:
        found = _IN_TAG.search(text, at)
        if found is None:
            return len(text)
        if found[0] == ">":
            self.place = "raw" if self.tag in _RAW else "text"
            return found.end()
        name = _ATTRIBUTE.search(text[at : found.start()])
        self.attribute, self.quote = name[1] if name else "", found[1]
        self.place = "quoted" if self.quote else "unquoted"
        return found.end()

    def _quoted(self, text: str, at: int) -> int:
        end = text.find(self.quote, at)
        if end < 0:
            return len(text)
        self.place = "tag"
        return end + 1

    def _unquoted(self, text: str, at: int) -> int:
        if (end := re.compile(r"[\s>]").search(text, at)) is None:
            return len(text)
        self.place = "tag"
        return end.start()

    def _comment(self, text: str, at: int) -> int:
        end = text.find("-->", at)
        self.place = "comment" if end < 0 else "text"
        return len(text) if end < 0 else end + 3

    def _raw(self, text: str, at: int) -> int:
        end = re.compile(f"</{self.tag}", re.IGNORECASE).search(text, at)
        if end is None:
            return len(text)
        self.place, self.tag = "tag", f"/{self.tag}"
        return end.end()


def html_places(pieces: Iterable[tuple[str | None, int]]) -> Iterator[tuple[str, int]]:
    """The values that escaping does not make harmless: where they are written, in words, and their places.

    `pieces`: the text of the template and its values, each with its place; all branches in order.
    """
    document = _Html()
    for text, offset in pieces:
        if text is not VALUE:
            document.read(text)
        elif where := document.complaint():
            yield where, offset
