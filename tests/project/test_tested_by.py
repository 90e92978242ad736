"""The tests that the code and the guides name exist.

A module's docstring says `Tested by` and names files, perhaps with prose between them, perhaps shortened to
the file's name where the folder is the same as that of the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for suffix in ("py", "pyx", "pxd", "pyi")
    for path in sorted((ROOT / "stream").rglob(f"*.{suffix}"))
}
GUIDES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for name in ("*.md", "Makefile", "pyproject.toml", "docs/**/*.md", "*/README.md", "tests/*/README.md")
    for path in sorted(ROOT.glob(name))
    if path.name != "CHANGELOG.md"  # what was true of an earlier release
}
PATH = r"(?<![\w/])tests(?:/[\w-]+)*/[\w-]+(?:\.\w+)?"
ELSEWHERE = {"tests/simple/testdata"}  # in the repository of CEL's specification
NAMED = re.compile(rf"(?P<path>{PATH})|\b(?P<short>test_\w+\.py)\b")


def claims(text: str) -> Iterator[str]:
    """What stands after each `Tested by`, up to the end of its paragraph."""
    for claim in re.finditer(r"Tested\s+by\s+(.*?)(?=\n[ #]*\n|\"\"\"|\Z)", text, re.DOTALL):
        yield claim[1]


def named(claim: str) -> list[str]:
    """The paths that a claim names; a file's name alone lies beside the file before it."""
    found: list[str] = []
    for match in NAMED.finditer(claim):
        folder = PurePosixPath(found[-1]).parent if found else PurePosixPath()
        found.append(match["path"] or str(folder / match["short"]))
    return found


def missing(text: str) -> list[str]:
    """Of all claims of a text: the paths that do not exist, and the claims that name none."""
    lost = []
    for claim in claims(text):
        paths = named(claim)
        lost += [path for path in paths if not (ROOT / path).exists()]
        lost += [] if paths or "reference model" in claim else [claim]
    return lost


@pytest.mark.parametrize("name", [name for name, text in SOURCES.items() if "Tested by" in text])
def test_what_a_module_says_it_is_tested_by_exists(name: str) -> None:
    assert missing(SOURCES[name]) == []


@pytest.mark.parametrize("name", GUIDES)
def test_the_tests_that_a_guide_names_exist(name: str) -> None:
    paths = set(re.findall(PATH, GUIDES[name])) - ELSEWHERE
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("Tested by tests/project/test_tested_by.py and the reference model.", []),
        ("Tested by the reference model.", []),
        ("Tested\nby tests/none.", ["tests/none"]),
        ("Tested by\ntests/project/test_layers.py, and test_guides.py.", []),
        ("Tested by tests/project/test_layers.py,\nand test_none.py", ["tests/project/test_none.py"]),
        ("Tested by tests/unit/test_value.py.", ["tests/unit/test_value.py"]),
        ("Tested by tests/conformance, and tests/none.", ["tests/none"]),
        ("Tested by hand.", ["hand."]),
        ("Tested by tests/project.\n\nOf old: tests/unit/test_value.py", []),
    ],
)
def test_what_is_seen(text: str, lost: list[str]) -> None:
    assert missing(text) == lost
