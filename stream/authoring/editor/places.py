"""What stands at a place of a YAML text that may be half-typed: below which keys, and which scalar.

A parser gives up at the first error, which is mostly the place itself; so this reads by indentation, from the
definition around the place to the place, and takes what is no YAML for what it looks like. It knows block and
flow collections, the styles of scalars, comments, and list items; no `?` keys. What stands before the
definition is not looked at, however broken: a line that is not indented deeper begins something new.
Tested by tests/authoring/editor/test_places.py.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Literal, NamedTuple

from stream.rules.files import MAX_DEPTH

Path = tuple[str | int, ...]  # keys, and numbers of items of lists
Kind = Literal["key", "value", "bare", "comment"]


@dataclass(frozen=True, slots=True)
class Spot:
    """A scalar, or where one can be written: `start` to `end`, without quotes.

    `style`: its quotes, `|` or `>`. Of a `key` and of what is `bare` the path leads to what is around it; of
    a `value` to itself. What is bare can become a key or a value. `definition`: where the lines of the
    definition around it begin and end; in it, items of lists are counted. `closing`: the brackets that would
    have to follow.
    """

    path: Path
    kind: Kind
    start: int
    end: int
    style: str = ""
    definition: tuple[int, int] = (0, 0)
    closing: str = ""

    def written(self, text: str) -> str:
        """The scalar. Of an escaped quote a blank and a quote: every place stays where it is."""
        found = text[self.start : self.end]
        if self.style == '"':
            return found.replace('\\"', ' "')
        return found.replace("''", " '") if self.style == "'" else found


class _Level(NamedTuple):
    column: int
    key: str | int


# None of these takes more than linear time, whatever a line holds.
_KEY = re.compile(
    r"""(?:"(?P<double>(?:[^"\\\n]|\\.)*+)"|'(?P<single>(?:[^'\n]|'')*+)'"""
    r"""|(?P<plain>[^\s#,\[\]{}&*!|>'"%@`:](?:[^\n#:]|:(?![ \t\r\n]|$)|(?<=\S)#)*+))[ \t]*+:(?=[ \t\r\n]|$)"""
)
_PROPERTIES = re.compile(r"[ \t]*(?:[&!][^\s,\[\]{}]*[ \t]*)*")
_PLAIN = re.compile(r"(?:[^\s#]|(?<!\s)#|[ \t\r]++(?![#\n]|$))*+")
_QUOTED = {'"': re.compile(r'(?:[^"\\]|\\.)*+', re.DOTALL), "'": re.compile(r"(?:[^']|'')*+")}
_FLOW_PLAIN = re.compile(r"(?:[^\s,\[\]{}:#]|:(?![\s,\[\]{}]|$)|(?<=\S)#|[ \t]++(?![\s,\[\]{}:#]|$))++")
_COLON = re.compile(r"\s*+:")
_SPACE = re.compile(r"[ \t\n]*+")
_INDENT = re.compile(r"[ \t]*")
_BLANK = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?=\n|$)")


def end_of(pattern: re.Pattern[str], text: str, at: int, limit: int = sys.maxsize) -> int:
    """Where that ends which begins here; it may be nothing."""
    found = pattern.match(text, at, limit)
    return at if found is None else found.end()


def place_at(text: str, offset: int) -> Spot:
    """What stands at an index of a text."""
    section, begin = _definition(text, offset)
    scan = _Scan(text, offset)
    if section < begin:
        scan.line(section)
    at = begin
    while scan.found is None and at <= offset:
        at = scan.line(at)
    column = offset - _line_start(text, offset)
    kind: Kind = "comment" if "#" in text[offset - column : offset] else "bare"
    found = scan.found or Spot(scan.path(column), kind, offset, offset)
    return Spot(
        found.path,
        found.kind,
        found.start,
        found.end,
        found.style,
        (begin, _end_of_lines(text, begin, offset)),
        found.closing,
    )


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end


def _definition(text: str, offset: int) -> tuple[int, int]:
    """Where the lines of the section, and of the definition in it, begin that a place lies in."""
    start = _line_start(text, offset)
    column = offset - start
    least, nearest = -1, start
    while True:
        blank = _BLANK.match(text, start)
        indent = end_of(_INDENT, text, start) - start
        if blank and start <= offset <= blank.end() and "#" not in blank[0]:
            indent = column  # of an empty line, the cursor says what it will be
        elif blank:
            indent = -1
        if indent == 0 and text[start : start + 1] not in ("-", "") and not blank:
            return start, nearest if least > 0 else start
        if indent >= 0 and (least < 0 or indent < least):
            least, nearest = indent, start
        if start == 0:
            return nearest, nearest
        start = _line_start(text, start - 1)


def _end_of_lines(text: str, begin: int, offset: int) -> int:
    """Where the lines end that are indented deeper than the one at `begin`, from the place on."""
    indent = end_of(_INDENT, text, begin) - begin
    at = _line_end(text, offset) + 1
    while at < len(text):
        if not _BLANK.match(text, at) and end_of(_INDENT, text, at) - at <= indent:
            return at
        at = _line_end(text, at) + 1
    return len(text)


class _Scan:
    """Reads lines, and notes what stands at `stop`."""

    def __init__(self, text: str, stop: int) -> None:
        self.text, self.stop = text, stop
        self.levels: list[_Level] = []
        self.found: Spot | None = None

    def path(self, column: int) -> Path:
        """What is around something at this column."""
        return tuple(each.key for each in self.levels if each.column < column)

    @property
    def here(self) -> Path:
        return tuple(each.key for each in self.levels)

    def note(self, path: Path, kind: Kind, start: int, end: int, style: str = "", closing: str = "") -> None:
        if (
            self.found is None
            and not style
            and kind != "key"
            and self.text[end : self.stop].strip(" \t") == ""
        ):
            end = max(end, self.stop)  # behind what is not quoted, blanks are where it goes on
        if self.found is None and start <= self.stop <= end:
            self.found = Spot(path, kind, start, end, style, closing=closing)

    def line(self, start: int) -> int:
        """Reads an entry; gives where the next line begins."""
        text = self.text
        if _BLANK.match(text, start):
            return _line_end(text, start) + 1
        at = end_of(_INDENT, text, start)
        while text.startswith(("- ", "-\n"), at) or text[at:] == "-":
            column, number = at - start, 0
            while self.levels and self.levels[-1].column >= column:
                last = self.levels[-1]
                if last.column == column and isinstance(last.key, str):
                    break  # the list is what stands below this key
                number = last.key + 1 if last.column == column and isinstance(last.key, int) else 0
                self.levels.pop()
            self.levels.append(_Level(column, number))
            at = end_of(_INDENT, text, at + 1)
        column = at - start
        key = _KEY.match(text, at)
        if key is None:
            return self._bare(at, column)
        while self.levels and self.levels[-1].column >= column:
            self.levels.pop()
        quote = text[at] if text[at] in "\"'" else ""
        name = key["double"] or key["single"] or (key["plain"] or "").rstrip()
        begin = at + len(quote)
        self.note(self.here, "key", begin, begin + len(name), quote)
        self.levels.append(_Level(column, name))
        return self._value(key.end(), column, self.here)

    def _bare(self, at: int, column: int) -> int:
        """What has no colon (yet): a key that is being typed, an item of a list, or the go-on of a text."""
        is_item = self.levels and isinstance(self.levels[-1].key, int) and self.levels[-1].column < column
        if not is_item:
            while self.levels and self.levels[-1].column >= column:
                self.levels.pop()
        if self.text[at : at + 1] and self.text[at] in "\"'[{":
            return self._value(at, column - 1, self.here)
        end = end_of(_PLAIN, self.text, at)
        self.note(self.here, "bare", at, end)
        return _line_end(self.text, end) + 1

    def _value(self, at: int, column: int, path: Path) -> int:
        """What stands behind a colon, or is an item; gives where the next line begins."""
        text = self.text
        begin = end_of(_PROPERTIES, text, at)
        first = text[begin : begin + 1]
        if _BLANK.match(text, begin):
            end = _line_end(text, begin)
            self.note(path, "value", min(self.stop, end) if self.stop > at else begin, end)
            return end + 1
        if first in ("|", ">"):
            end = self._block_end(begin, column)
            self.note(path, "value", min(_line_end(text, begin) + 1, end), end, first)
            return end + 1
        if first in ('"', "'"):
            end = self._quoted(begin, column, path)
            return _line_end(text, end) + 1
        if first in ("{", "["):
            end = _Flow(self, column, path).read(begin)
            return _line_end(text, end) + 1
        end = self._plain_end(begin, column)
        self.note(path, "value", begin, end)
        return _line_end(text, end) + 1

    def _quoted(self, begin: int, column: int, path: Path, kind: Kind = "value") -> int:
        quote = self.text[begin]
        limit = self.dedent(begin, column)  # one that is not closed ends where it cannot go on
        end = end_of(_QUOTED[quote], self.text, begin + 1, limit)
        self.note(path, kind, begin + 1, end, quote)
        return end + 1

    def dedent(self, begin: int, column: int) -> int:
        """The end of the last line, from `begin` on, before one that is not indented deeper than `column`."""
        at = self.text.find("\n", begin)
        while at >= 0:
            if not _BLANK.match(self.text, at + 1) and self._indent(at + 1) <= column:
                return at
            at = self.text.find("\n", at + 1)
        return len(self.text)

    def _indent(self, start: int) -> int:
        return end_of(_INDENT, self.text, start) - start

    def _block_end(self, begin: int, column: int) -> int:
        end = at = _line_end(self.text, begin)
        while at < len(self.text):
            empty = self.text[at + 1 : _line_end(self.text, at + 1)].strip() == ""
            if not empty and self._indent(at + 1) <= column:
                return end
            at = _line_end(self.text, at + 1)
            end = end if empty and at < self.stop else at
        return len(self.text)

    def _plain_end(self, begin: int, column: int) -> int:
        """A plain scalar goes on in lines that are indented deeper; a comment ends it."""
        while True:
            end = end_of(_PLAIN, self.text, begin)
            after = _line_end(self.text, end) + 1
            if "#" in self.text[end : after - 1] or after >= len(self.text) or _BLANK.match(self.text, after):
                return end
            begin = after + self._indent(after)
            if begin - after <= column or _KEY.match(self.text, begin):
                return end


class _Flow:
    """Reads `{…}` and `[…]`, which may not be closed yet: then they end where indentation says."""

    def __init__(self, scan: _Scan, column: int, path: Path) -> None:
        self.scan, self.column, self.around = scan, column, path
        # Brackets, each with the key, or the number of the item, that is written; None: no key yet.
        self.open: list[tuple[str, str | int | None]] = []

    @property
    def path(self) -> Path:
        """To what is written; of a mapping that waits for a key, to the mapping."""
        return (*self.around, *(key for _, key in self.open if key is not None))

    @property
    def closing(self) -> str:
        return "".join("}" if bracket == "{" else "]" for bracket, _ in reversed(self.open))

    def read(self, begin: int) -> int:
        """Gives where it ends."""
        scan, text, at = self.scan, self.scan.text, begin
        limit = scan.dedent(begin, self.column)
        while at < limit and scan.found is None and len(self.open) <= MAX_DEPTH:
            char = text[at]
            if char in "{[":
                self.open.append((char, 0 if char == "[" else None))
                at += 1
                self._empty(at)
            elif char in "}]":
                self.open.pop()
                at += 1
                if not self.open:
                    return at
            elif char == ",":
                bracket, key = self.open[-1]
                self.open[-1] = (bracket, key + 1 if isinstance(key, int) else None)
                at += 1
                self._empty(at)
            elif char == ":":
                at += 1
                self._empty(at)
            elif char == "#" and text[at - 1].isspace():
                at = _line_end(text, at)
            elif char.isspace():
                at += 1
            else:
                at = self._scalar(at)
        return min(at, limit)

    def _is_key(self) -> bool:
        bracket, key = self.open[-1]
        return bracket == "{" and key is None

    def _empty(self, at: int) -> None:
        """Between this mark and the next one there may be nothing but the place."""
        end = end_of(_SPACE, self.scan.text, at)
        after = self.scan.text[end : end + 1]
        if at <= self.scan.stop <= end and (after in ("", ",", "}", "]", "#") or self.scan.stop < end):
            kind: Kind = "bare" if self._is_key() else "value"
            self.scan.note(self.path, kind, self.scan.stop, self.scan.stop, closing=self.closing)

    def _scalar(self, at: int) -> int:
        text = self.scan.text
        quote = text[at] if text[at] in "\"'" else ""
        if quote:
            limit = self.scan.dedent(at, self.column)
            end = end_of(_QUOTED[quote], text, at + 1, limit)
            begin, after = at + 1, end + 1
        else:
            plain = _FLOW_PLAIN.match(text, at)
            begin, end = at, plain.end() if plain else at + 1
            after = end
        if self._is_key():
            kind: Kind = "key" if _COLON.match(text, after) else "bare"
            self.scan.note(self.path, kind, begin, end, quote, self.closing)
            self.open[-1] = ("{", text[begin:end])
        else:
            self.scan.note(self.path, "value", begin, end, quote, self.closing)
        return after
