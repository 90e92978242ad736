"""Places in a text as the Language Server Protocol counts them, and as Python does.

A line ends with a line feed, a carriage return or both, and with nothing else. Within it the protocol counts
units of UTF-16, or of what was agreed on: an emoji is two, where Python has one character. A text here has
its lines ended with line feeds, as the rule files' loader has it: that moves no place.
Tested by tests/authoring/editor/test_positions.py.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Literal

Units = Literal["utf-8", "utf-16", "utf-32"]

_END = re.compile(r"\r\n|\n|\r")
_WIDTH = {"utf-16": 2, "utf-8": 1}
_CODEC = {"utf-16": "utf-16-le", "utf-8": "utf-8"}


def as_loaded(content: str) -> str:
    """A text as the loader reads it."""
    return content.removeprefix("\ufeff").replace("\r\n", "\n")


class Lines:
    """The lines of a text."""

    def __init__(self, text: str, units: Units = "utf-16") -> None:
        self.text, self.units = text, units
        self._starts = [0, *(each.end() for each in _END.finditer(text))]

    def offset(self, line: int, character: int) -> int:
        """The index of a place of the protocol; what is behind the end of a line is its end."""
        if line >= len(self._starts):
            return len(self.text)
        written = self._line(line)
        if self.units != "utf-32" and not written.isascii():
            raw = written.encode(_CODEC[self.units], "surrogatepass")[: character * _WIDTH[self.units]]
            character = len(raw.decode(_CODEC[self.units], "ignore"))
        return self._starts[line] + min(max(character, 0), len(written))

    def position(self, offset: int) -> tuple[int, int]:
        """Line and character of an index."""
        line = bisect_right(self._starts, offset) - 1
        before = self.text[self._starts[line] : offset]
        if self.units == "utf-32" or before.isascii():
            return line, len(before)
        return line, len(before.encode(_CODEC[self.units], "surrogatepass")) // _WIDTH[self.units]

    def at(self, line: int, column: int) -> int:
        """The index of a finding's place, which counts characters from 1; 0 stands for the beginning."""
        if not 0 < line <= len(self._starts):
            return 0 if line <= 0 else len(self.text)
        return self._starts[line - 1] + min(max(column - 1, 0), len(self._line(line - 1)))

    def _line(self, line: int) -> str:
        end = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
        return self.text[self._starts[line] : end].rstrip("\r\n")
