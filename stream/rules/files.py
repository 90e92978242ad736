"""Rule files as written: every YAML file below a directory, merged, with the place of every key and value.

YAML is read as a stream of libyaml's events and put together here, not by the library: so the caps hold
before anything is built, scalars mean what YAML 1.2 says (`on` and `no` are words), and every node knows
its place.
libyaml in C reads 500 rules in 30 ms, a parser in Python takes a second (loadtest/micro/check_rules.py).
It looks only at whether each name is defined once: what the definitions say is for the `compiler`.
It is a long file because reading, the caps and the places belong together. Tested by
tests/rules/test_files.py.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

# No types are published with it. Its C parser is not optional: where it is missing, this import fails.
from yaml._yaml import CParser  # type: ignore[import-untyped]
from yaml.error import MarkedYAMLError, YAMLError  # type: ignore[import-untyped]
from yaml.events import (  # type: ignore[import-untyped]
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.reader import ReaderError  # type: ignore[import-untyped]

from stream.diagnostics import Code, Diagnostic, Location
from stream.errors import RuleFileError
from stream.hints import did_you_mean
from stream.regular_files import open_regular
from stream.rules.key_slips import meant

MAX_BYTES = 1_000_000  # of a file
MAX_DEPTH = 32
MAX_FOLDERS = 32  # within each other; Python walks a thousand
MAX_NODES = 20_000  # of a file, with what aliases stand for
MAX_ITEMS = 5_000  # of one mapping or sequence
MAX_ALIASES = 10

SECTIONS = ("sources", "events", "traits", "segments", "channels", "policy", "rules", "tests")

LOST = "lost+found"  # of a file system at its root, for root's eyes only
_TESTS = "tests"  # a list; the others are mappings

_FOLDED = " \t\r\n\x85\u2028\u2029"  # what lines are folded at; no other blank is
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SEPARATORS = re.compile("[\x85\u2028\u2029]")  # where YAML 1.1 begins a line, and no editor does
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


@dataclass(frozen=True, slots=True)
class Text:
    """A file: its name as the user knows it, and what is in it."""

    name: str
    content: str = field(repr=False)

    def location(self, index: int) -> Location:
        """The place of the character at `index`."""
        start = self.content.rfind("\n", 0, index) + 1
        return Location(self.name, self.content.count("\n", 0, index) + 1, index - start + 1)


class Scalar(NamedTuple):  # a tuple, as there are many: made in a quarter of a frozen dataclass's time
    """A value; `written` is its text, `start` where it begins in the file, `style` its kind of quotes."""

    value: bool | int | float | str | None
    written: str
    location: Location
    text: Text
    start: int = 0
    style: str = ""
    size: int = 1

    def at(self, offset: int | None) -> Location:
        """The place in the file of the character at `offset` of the text, however it was folded into lines.

        The start of the value where that cannot be told (escapes, anchors).
        """
        content, position = self.text.content, self.start
        if self.style in ("|", ">"):
            position = content.find("\n", position)
        elif self.style:
            position += 1
        found = None
        for char in self.written[: (offset or 0) + 1]:
            if char in _FOLDED:
                continue
            while position < len(content) and content[position] in _FOLDED:
                position += 1
            if content[position : position + 1] != char:
                return self.location
            found, position = position, position + 1
        past_the_end = (offset or 0) >= len(self.written.rstrip())
        return self.location if found is None else self.text.location(found + past_the_end)


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Written, ...]
    location: Location
    size: int = 1


class Entry(NamedTuple):
    """A key of a mapping, its place, and its value."""

    key: str
    location: Location
    value: Written


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping, in the order in which it is written."""

    entries: Mapping[str, Entry]
    location: Location
    size: int = 1


Written = Scalar | Sequence | Mapped


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """All files of a directory merged: per section the definitions by name, ordered by name.

    `policy` has its keys; `tests` are in the order of the files.
    """

    sources: Mapping[str, Entry] = field(default_factory=dict)
    events: Mapping[str, Entry] = field(default_factory=dict)
    traits: Mapping[str, Entry] = field(default_factory=dict)
    segments: Mapping[str, Entry] = field(default_factory=dict)
    channels: Mapping[str, Entry] = field(default_factory=dict)
    policy: Mapping[str, Entry] = field(default_factory=dict)
    rules: Mapping[str, Entry] = field(default_factory=dict)
    tests: tuple[Written, ...] = ()


class RefusedFile(Exception):  # noqa: N818  # carries a finding to where the file's reading ends
    def __init__(self, code: Code, location: Location, message: str, hint: str | None = None) -> None:
        self.diagnostic = Diagnostic(code, location, message, hint)


class FileReader:
    """Finds and reads the files of a directory, on the disk. An editor has another, which knows what is not
    saved yet.
    """

    def paths(self, directory: Path) -> list[Path]:
        """Raises OSError for a folder that cannot be looked into."""
        return paths_in(directory, _raise)

    def read(self, path: Path) -> Written | None:
        """What is in a file. Raises RefusedFile."""
        return _read(path)


DISK = FileReader()


def collect(directory: Path, reader: FileReader = DISK) -> tuple[RuleFiles, list[Diagnostic]]:
    """Read all rule files of a directory: what could be read, and what is wrong with the rest.

    Raises RuleFileError if a file cannot be read at all: the definitions in it would be missed elsewhere.
    Paths in locations begin with the directory as given.
    """
    found: list[Diagnostic] = []
    roots: list[Written | None] = []
    for path in _paths(directory, reader):
        try:
            roots.append(reader.read(path))
        except RefusedFile as refused:
            found.append(refused.diagnostic)
    unreadable = bool(found)
    files = merge(roots, found)
    if unreadable:
        raise RuleFileError(found)
    return files, found


def merge(roots: Iterable[Written | None], found: list[Diagnostic]) -> RuleFiles:
    """The definitions of all files together; what is wrong with them is added to `found`."""
    sections: dict[str, dict[str, Entry]] = {section: {} for section in SECTIONS if section != _TESTS}
    tests: list[Written] = []
    for root in roots:
        _merge(root, sections, tests, found)
    merged = {section: dict(sorted(entries.items())) for section, entries in sections.items()}
    return RuleFiles(**merged, tests=tuple(tests))


def read_alone(written: Path | Text) -> Written | None:
    """One file, or text, of YAML that is no rule file and is read as strictly; None if nothing is in it.

    Raises RuleFileError with its first error.
    """
    try:
        return _read(written) if isinstance(written, Path) else read_yaml(written)
    except RefusedFile as refused:
        raise RuleFileError([refused.diagnostic]) from None


def _paths(directory: Path, reader: FileReader) -> list[Path]:
    try:
        paths = reader.paths(directory)
    except OSError as error:
        place = Location(str(error.filename or directory))
        diagnostic = Diagnostic(Code.FILE_NOT_READABLE, place, f"cannot be read: {error.strerror}")
        raise RuleFileError([diagnostic]) from error
    if not paths:
        hint = "give the directory in which the rule files lie"
        what = "no rule files (*.yaml) in it" if directory.is_dir() else "no such directory"
        raise RuleFileError([Diagnostic(Code.NO_RULE_FILES, Location(str(directory)), what, hint)])
    return paths


def paths_in(directory: Path, on_error: Callable[[OSError], None] | None = None) -> list[Path]:
    """Every `*.yaml` and `*.yml` below a directory, except hidden ones: Kubernetes keeps the versions of a
    mounted ConfigMap in hidden folders. A volume's own `lost+found` is nobody's.

    What is no file, such as a pipe or a link that leads nowhere, is among them: whoever reads it says so, as
    its definitions are missing. `on_error` is told of a folder that cannot be listed, or is not looked into.
    """
    found = []
    for folder, folders, names in os.walk(directory, onerror=on_error):
        folders[:] = [each for each in folders if not each.startswith(".") and each != LOST]
        if folders and len(Path(folder).relative_to(directory).parts) == MAX_FOLDERS:
            if on_error:
                words = f"more than {MAX_FOLDERS} folders within each other"
                on_error(OSError(errno.ELOOP, words, str(Path(folder, min(folders)))))
            folders.clear()
        paths = (Path(folder, name) for name in names if not name.startswith("."))
        found += [path for path in paths if path.suffix in (".yaml", ".yml")]
    return sorted(found)


def _raise(error: OSError) -> None:
    """What is not there has no rule files: it is said if there are none at all."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _read(path: Path) -> Written | None:
    try:
        with open_regular(path) as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        at = Location(str(path))
        raise RefusedFile(Code.FILE_NOT_READABLE, at, f"cannot be read: {error.strerror}") from None
    return read_content(str(path), raw)


def read_content(name: str, raw: bytes) -> Written | None:
    """What is in a file of this content. Raises RefusedFile."""
    if len(raw) > MAX_BYTES:
        raise RefusedFile(
            Code.FILE_TOO_LARGE,
            Location(name),
            f"more than {MAX_BYTES:,} bytes",
            "split the file into several",
        )
    try:
        text = Text(name, raw.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise RefusedFile(
            Code.NOT_UTF_8, Location(name, line, 1), "not UTF-8 text", "save the file as UTF-8"
        ) from None
    return read_yaml(text)


def read_yaml(text: Text) -> Written | None:
    """The one document of a YAML text, None if nothing is in it. Raises RefusedFile at its first error."""
    composer = _Composer(text)
    try:
        parser = CParser(text.content)
        get_event, take = parser.get_event, composer.take
        while (event := get_event()) is not None:
            take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # At the end libyaml gives a line that is not there.
        end = len(text.content.rstrip())
        at = text.location(min(mark.index, end) if mark else end)
        raise RefusedFile(
            Code.NOT_YAML, at, f"not YAML: {_problem(error)}", _yaml_hint(error, text)
        ) from None
    except ReaderError as error:
        at = text.location(error.position)
        raise RefusedFile(Code.NOT_UTF_8, at, "not YAML: a character that is not allowed in a text") from None
    except (YAMLError, ValueError):
        # libyaml takes some texts that Python does not, and the other way round: e.g. half a character.
        raise RefusedFile(
            Code.NOT_YAML, composer.reached, "not YAML: an escape or a tag that cannot be read"
        ) from None
    return composer.root


def _problem(error: MarkedYAMLError) -> str:
    """libyaml's own words, most of them; without the end of a long one."""
    problem = str(error.problem or error.context or "cannot be read").replace("stream", "the file")
    return problem if len(problem) < 200 else problem[:200] + "…"


# A text that begins with a quoted one, and goes on: to YAML its end is the end of that.
_AFTER_QUOTES = re.compile(r"""[:,\[{-][ ]+('[^'\n]*'|"[^"\n]*")[ ]+[^\s#,}\]:]""")


def _lines_before(text: str, index: int) -> str:
    """The line with a place, and the one before it: libyaml sometimes stops at the beginning of the next."""
    start = text.rfind("\n", 0, max(text.rfind("\n", 0, index), 0)) + 1
    return text[start : text.find("\n", index) + 1 or None]


def _yaml_hint(error: MarkedYAMLError, text: Text) -> str | None:
    problem, mark = str(error.problem), error.problem_mark
    char = text.content[mark.index : mark.index + 1] if mark else ""
    if "cannot start any token" in problem:
        return (
            "indent with spaces, not with tabs"
            if char == "\t"
            else f"a text with `{char}` in front needs quotes"
        )
    if "mapping values are not allowed" in problem:
        return "a text with `: ` in it needs quotes"
    if mark and "find expected" in problem and _AFTER_QUOTES.search(_lines_before(text.content, mark.index)):
        return "put the whole text in quotes of the other kind, as in \"'vip' in customer.tags\""
    if "expected ',' or" in problem:
        return "within `{…}` and `[…]` a text with `,`, `[`, `{` or `: ` in it needs quotes"
    return None


@dataclass(slots=True)
class _Open:
    """A mapping or a sequence whose end has not come yet."""

    location: Location
    is_mapping: bool
    anchor: str | None
    items: list[Written] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: tuple[str, Location] | None = None
    size: int = 1


class _Composer:
    """Puts nodes together from events, and refuses what is too much or not ours before it is built."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.has_separators = _SEPARATORS.search(text.content) is not None
        self.root: Written | None = None
        self.event: Any = None  # the newest one
        self.open: list[_Open] = []
        self.anchors: dict[str, Written | None] = {}
        self.nodes = self.aliases = self.documents = 0
        self.steps: dict[type, Callable[[Any], None]] = {
            ScalarEvent: self.value,
            MappingStartEvent: self.begin,
            MappingEndEvent: self.end,
            SequenceStartEvent: self.begin,
            SequenceEndEvent: self.end,
            AliasEvent: self.alias,
            DocumentStartEvent: self.document,
        }

    @property
    def reached(self) -> Location:
        """Where the newest event begins."""
        if self.event is None:
            return Location(self.text.name, 1, 1)
        mark = self.event.start_mark
        if self.has_separators:
            return self.text.location(mark.index)
        return Location(self.text.name, mark.line + 1, mark.column + 1)

    def take(self, event: Any) -> None:
        self.event = event
        if step := self.steps.get(type(event)):
            step(event)

    def document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            self.refuse(
                Code.SECOND_DOCUMENT, "a second document in one file", "put it into a file of its own"
            )

    def value(self, event: Any) -> None:
        if event.tag is not None:
            self.tagged(event)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.count(0)
        parent = self.open[-1] if self.open else None
        if parent and parent.is_mapping and parent.key is None and not event.anchor:
            parent.size += 1
            self.key(parent, event.value, self.reached)  # half of all scalars: no node is built for them
            return
        scalar = self.scalar(event)
        if event.anchor:
            self.anchors[event.anchor] = scalar
        self.add(scalar)

    def refuse(self, code: Code, message: str, hint: str | None = None) -> None:
        raise RefusedFile(code, self.reached, message, hint)

    def refuse_items(self, what: str) -> None:
        self.refuse(Code.FILE_TOO_LARGE, f"more than {MAX_ITEMS:,} {what}", "split the file into several")

    def tagged(self, event: Any) -> None:
        if event.tag is not None:
            self.refuse(Code.YAML_TAG, "tags (`!…`) are not supported", "a text is written in quotes")

    def count(self, size: int) -> None:
        self.nodes += size
        if self.nodes > MAX_NODES:
            self.refuse(
                Code.FILE_TOO_LARGE,
                f"more than {MAX_NODES:,} values in one file",
                "split the file into several",
            )

    def begin(self, event: Any) -> None:
        self.tagged(event)
        self.count(1)
        if len(self.open) >= MAX_DEPTH:
            self.refuse(Code.FILE_TOO_LARGE, f"nested more than {MAX_DEPTH} levels deep")
        if self.open and self.open[-1].is_mapping and self.open[-1].key is None:
            self.refuse(
                Code.KEY_IS_NO_WORD,
                "a key must be a word",
                "an unquoted `{{ … }}` or `[ … ]` is no text: put it in quotes",
            )
        if event.anchor:
            self.anchors[event.anchor] = None  # until its end comes
        self.open.append(_Open(self.reached, isinstance(event, MappingStartEvent), event.anchor))

    def end(self, event: Any) -> None:
        done = self.open.pop()
        node: Written
        if done.is_mapping:
            node = Mapped(done.entries, done.location, done.size)
        else:
            node = Sequence(tuple(done.items), done.location, done.size)
        if done.anchor:
            self.anchors[done.anchor] = node
        self.add(node)

    def alias(self, event: Any) -> None:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            self.refuse(
                Code.WRONG_ALIAS,
                f"more than {MAX_ALIASES} aliases (`*…`) in one file",
                "write the values out",
            )
        if event.anchor not in self.anchors:
            self.refuse(
                Code.WRONG_ALIAS,
                f"`*{event.anchor}` stands for nothing",
                did_you_mean(event.anchor, self.anchors),
            )
        node = self.anchors[event.anchor]
        if node is None:
            self.refuse(Code.WRONG_ALIAS, f"`*{event.anchor}` contains itself")
        else:
            self.count(node.size)
            self.add(node)

    def add(self, node: Written) -> None:
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        parent.size += node.size
        if not parent.is_mapping:
            if len(parent.items) >= MAX_ITEMS:
                self.refuse_items("items in one list")
            parent.items.append(node)
        elif parent.key is None:
            if isinstance(node, Scalar):
                self.key(parent, node.written, node.location)
            else:
                self.refuse(Code.KEY_IS_NO_WORD, "a key must be a word")
        else:
            key, location = parent.key
            parent.entries[key] = Entry(key, location, node)
            parent.key = None

    def key(self, parent: _Open, written: str, location: Location) -> None:
        if (first := parent.entries.get(written)) is not None:
            self.refuse(
                Code.KEY_TWICE, f"`{written}` stands twice in one mapping", f"first at {first.location}"
            )
        if len(parent.entries) >= MAX_ITEMS:
            self.refuse_items("keys in one mapping")
        parent.key = (written, location)

    def scalar(self, event: Any) -> Scalar:
        style = event.style or ""
        value = event.value if style else plain_value(event.value)
        at = self.reached
        if value is None and self.open and self.open[-1].key:
            at = self.open[-1].key[1]  # of nothing, the library gives the place of what comes next
        return Scalar(value, event.value, at, self.text, event.start_mark.index, style)


def plain_value(written: str) -> bool | int | float | str | None:
    """What an unquoted scalar means in YAML 1.2's core schema."""
    if written in _CONSTANTS:
        return _CONSTANTS[written]
    if len(written) > 64 or written[0] not in "+-.0123456789":  # no number is as long as that
        return written
    if _INTEGER.fullmatch(written):
        base = 8 if written.startswith("0o") else 16 if written.startswith("0x") else 10
        return int(written, base)
    if _FLOAT.fullmatch(written):
        return float(written.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return written


def _merge(
    root: Written | None,
    sections: dict[str, dict[str, Entry]],
    tests: list[Written],
    found: list[Diagnostic],
) -> None:
    """Add one file's definitions to those of the others."""
    if root is None or (isinstance(root, Scalar) and root.value is None):
        return
    if not isinstance(root, Mapped):
        hint = f"a file holds the keys {', '.join(SECTIONS)}"
        found.append(Diagnostic(Code.WRONG_TYPE, root.location, "a rule file must be a mapping", hint))
        return
    for section in root.entries.values():
        if section.key not in SECTIONS:
            hint = meant(section.key, SECTIONS) or f"there are: {', '.join(SECTIONS)}"
            found.append(Diagnostic(Code.UNKNOWN_KEY, section.location, f"unknown key `{section.key}`", hint))
        elif section.key == _TESTS and isinstance(section.value, Sequence):
            tests += section.value.items
        elif section.key == _TESTS or not isinstance(section.value, Mapped):
            hint, what = "write `NAME: {…}` below it", "map names to definitions"
            if section.key == _TESTS:
                hint, what = "write `- name: …` below it", "be a list"
            at = section.value.location
            found.append(Diagnostic(Code.WRONG_TYPE, at, f"`{section.key}` must {what}", hint))
        else:
            _merge_section(section.key, section.value, sections[section.key], found)


def _merge_section(kind: str, body: Mapped, known: dict[str, Entry], found: list[Diagnostic]) -> None:
    for entry in body.entries.values():
        first = known.setdefault(entry.key, entry)
        if first is not entry:
            what = f"{kind} `{entry.key}`" if kind == "policy" else f"{kind.removesuffix('s')} `{entry.key}`"
            found.append(
                Diagnostic(
                    Code.DEFINED_TWICE,
                    entry.location,
                    f"{what} is defined twice",
                    f"also at {first.location}",
                )
            )
            found.append(
                Diagnostic(
                    Code.DEFINED_TWICE,
                    first.location,
                    f"{what} is defined twice",
                    f"also at {entry.location}",
                )
            )
