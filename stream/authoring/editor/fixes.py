"""What a finding's hint says to write instead, where it can be written at once.

Only a word that the finding names, and that stands at its place, is replaced: by what the hint has in
backquotes. Tested by tests/authoring/editor/test_fixes.py.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from stream.authoring.editor.positions import Lines
from stream.diagnostics import Diagnostic

_MEANT = re.compile(r"did you mean `([^`\n]+)`\?|^write `([^`\n]+)`(?=$|[.,])")
_NAMED = re.compile(r"`([^`\n]+)`")
_WRITTEN_FOR = re.compile(
    r"unknown |unexpected |there is no |two letters"
)  # what `write …` is in the place of
_NO_TEXT = re.compile(r"…|\b[A-Z]{2,}\b|: ")  # to be filled in by the author, or more than a word


class Fix(NamedTuple):
    """`start` to `end` of the file's text become `new`."""

    title: str
    start: int
    end: int
    new: str


def fix_of(finding: Diagnostic, lines: Lines) -> Fix | None:
    """What can be replaced, in the text that the finding is about."""
    meant = _MEANT.search(finding.hint or "")
    named = _NAMED.search(finding.message)
    if meant is None or named is None:
        return None
    new, old = meant[1] or meant[2], named[1]
    if new == old or (meant[2] and (not _WRITTEN_FOR.match(finding.message) or _NO_TEXT.search(new))):
        return None
    start = _where(old, lines, finding)
    if start is None:
        return None
    return Fix(f"Replace `{old}` by `{new}`", start, start + len(old), new)


def _where(old: str, lines: Lines, finding: Diagnostic) -> int | None:
    """Where the word stands: at the place, behind its quotes, or once further on in the line."""
    text, at = lines.text, lines.at(finding.location.line, finding.location.column)
    for start in (at, at + 1):
        before = text[start - 1 : start] if start > at else "'"
        if text.startswith(old, start) and before in ("'", '"') and _ends(old, text, start):
            return start
    end = text.find("\n", at)
    line = text[at : len(text) if end < 0 else end]
    found = [each.start() for each in re.finditer(rf"(?<![\w-]){re.escape(old)}(?![\w-])", line)]
    return at + found[0] if len(found) == 1 else None


def _ends(old: str, text: str, start: int) -> bool:
    after = text[start + len(old) : start + len(old) + 1]
    return not (old[-1].isalnum() and (after.isalnum() or after in ("_", "-")) and after != "")
