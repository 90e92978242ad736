"""What a file defines, as a tree: its sections, and in them rules, traits, tests and so on.

Read line by line, so that a file has its outline while it is no YAML.
Tested by tests/authoring/editor/test_uses.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from stream.rules.files import SECTIONS

_LINE = re.compile(
    r"^(?P<indent>[ ]*+)(?P<dash>-[ ]++)?(?P<quote>[\"']?)"
    r"(?P<key>[^\s#\"'{}\[\]:](?:[^\n\"'#:]|:(?![ \t\r\n]|$))*+)(?P=quote)[ ]*+:(?=[ \t\r\n]|$)",
    re.MULTILINE,
)
_NAME = re.compile(r"name:[ ]*+[\"']?([^\"'\n,}]++)")


@dataclass(slots=True)
class Symbol:
    """`start` to `end`: all of it; `name_start` to `name_end`: its name."""

    name: str
    section: str
    start: int
    end: int
    name_start: int
    name_end: int
    children: list[Symbol] = field(default_factory=list)


def symbols(text: str) -> list[Symbol]:
    """The sections of a file with what they define, in the order of the file."""
    found: list[Symbol] = []
    indent: int | None = None  # of the section's definitions
    for line in _LINE.finditer(text):
        column = len(line["indent"])
        if column == 0 and not line["dash"]:
            _close(found, line.start())
            indent = None
            if line["key"].rstrip() in SECTIONS:
                found.append(_symbol(line["key"].rstrip(), line["key"].rstrip(), line, "key"))
        elif found and found[-1].end < 0:
            indent = column if indent is None else indent
            section = found[-1]
            if (
                column == indent
                and section.name != "policy"
                and bool(line["dash"]) == (section.name == "tests")
            ):
                if section.children:
                    section.children[-1].end = line.start()
                section.children.append(_child(section.name, line, text))
    _close(found, len(text))
    return found


def _symbol(name: str, section: str, line: re.Match[str], group: str) -> Symbol:
    return Symbol(name, section, line.start(), -1, line.start(group), line.end(group))


def _child(section: str, line: re.Match[str], text: str) -> Symbol:
    if section != "tests":
        return _symbol(line["key"].rstrip(), section, line, "key")
    name = _NAME.match(text, line.start("key"))
    return _symbol(name[1].strip() if name else "a test", section, line, "key")


def _close(found: list[Symbol], end: int) -> None:
    if found and found[-1].end < 0:
        found[-1].end = end
        if found[-1].children:
            found[-1].children[-1].end = end
