"""Two texts that differ, so that a person sees where: line by line, and of a long line the part that matters.

Pure. Tested by tests/authoring/rule_tests/test_text_differences.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice

from rich.cells import cell_len

WIDTH = 90  # characters of a line that are shown
BEFORE = 30  # of them before the first difference
MOST_LINES = 20
MOST_COMPARED = 2_000  # lines of a text that are compared; difflib takes the square


def differences(expected: str, sent: str) -> Iterator[str]:
    """Lines that begin with `-` (expected), `+` (sent), `^` (where it begins) or nothing."""
    if "\n" not in expected and "\n" not in sent:
        yield from _of_line(expected, sent)
        return
    lines = _of_lines(expected.split("\n")[:MOST_COMPARED], sent.split("\n")[:MOST_COMPARED])
    yield from islice(lines, MOST_LINES)
    if next(lines, None) is not None:
        yield "  …"


def _of_lines(expected: Sequence[str], sent: Sequence[str]) -> Iterator[str]:
    for kind, begin, end, first, last in SequenceMatcher(None, expected, sent, autojunk=False).get_opcodes():
        if kind == "equal":
            yield f"  … {end - begin} line{'s' if end - begin > 1 else ''} the same"
            continue
        gone, come = expected[begin:end], sent[first:last]
        common = min(len(gone), len(come))
        for one, other in zip(gone[:common], come[:common], strict=True):
            yield from _of_line(one, other)
        for each in gone[common:]:
            yield f"- {_shortened(_quoted(each), 0)}"
        for each in come[common:]:
            yield f"+ {_shortened(_quoted(each), 0)}"


def _of_line(expected: str, sent: str) -> Iterator[str]:
    one, other = _quoted(expected), _quoted(sent)
    place = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    begin = max(place - BEFORE, 0) if max(len(one), len(other)) > WIDTH else 0
    shown = _shortened(one, begin)
    yield f"- {shown}"
    yield f"+ {_shortened(other, begin)}"
    yield "^ " + " " * cell_len(shown[: place - begin + (begin > 0)]) + "^"


def _quoted(text: str) -> str:
    """In quotes, so that blanks at the ends are seen; what moves a terminal's cursor is escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isprintable():
        return quoted
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in quoted)


def _shortened(text: str, begin: int) -> str:
    end = begin + WIDTH
    return ("…" if begin else "") + text[begin:end] + ("…" if len(text) > end else "")
