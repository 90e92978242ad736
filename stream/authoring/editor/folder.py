"""A folder of rule files as an editor has it: what is open and not saved stands in the place of the files.

A check is that of `stream check`, with a reader of its own. What a file said when it could last be read is
kept: what is half-typed in one must not lose the names of the others. Files are read anew only where they
have changed. It may be used by two threads at once, the one that checks and the one that answers.
Tested by tests/authoring/editor/test_folder.py.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stream.authoring.check import check
from stream.authoring.editor.names import KnownNames
from stream.authoring.editor.positions import as_loaded
from stream.authoring.rule_tests.histories import with_histories
from stream.diagnostics import Diagnostic
from stream.regular_files import open_regular
from stream.rules.compiler.rule_set import NOBODYS
from stream.rules.files import (
    MAX_BYTES,
    SECTIONS,
    FileReader,
    RefusedFile,
    Written,
    merge,
    paths_in,
    read_content,
)
from stream.structs import OwnTopics


@dataclass(frozen=True, slots=True)
class FolderFindings:
    """What a check found, by file. `texts`: what the open files were when it looked."""

    diagnostics: Mapping[str, tuple[Diagnostic, ...]]
    texts: Mapping[Path, str]


@dataclass(slots=True)
class _ReadFile:
    """What came of reading a file; `version`: of what. `good`: what it said when it could last be read."""

    version: object
    root: Written | None = None
    refused: RefusedFile | None = None
    good: Written | None = None


@dataclass(slots=True)
class _ReadFiles:
    """What has been read, by path."""

    files: dict[Path, _ReadFile] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Overlay(FileReader):
    """Reads what is open from the editor, and the rest from the disk, each once."""

    def __init__(self, open_files: Mapping[Path, str], read: _ReadFiles) -> None:
        self.open, self._read = open_files, read

    def paths(self, directory: Path) -> list[Path]:
        return sorted({*super().paths(directory), *self.open})

    def read(self, path: Path) -> Written | None:
        found = self.look(path)
        if found.refused is not None:
            raise found.refused.with_traceback(None)
        return found.root

    def look(self, path: Path) -> _ReadFile:
        content = self.open.get(path)
        version = content if content is not None else _version(path)
        with self._read.lock:
            known = self._read.files.get(path)
            if known is None or known.version != version or version is None:
                known = self._anew(path, content, version, known)
                self._read.files[path] = known
        return known

    def _anew(self, path: Path, content: str | None, version: object, before: _ReadFile | None) -> _ReadFile:
        try:
            if content is None:
                root = super().read(path)
            else:
                root = read_content(str(path), content.encode("utf-8", "surrogatepass"))
        except RefusedFile as refused:
            return _ReadFile(version, refused=refused, good=before.good if before else None)
        return _ReadFile(version, root, good=root)

    def keep_only(self, paths: Iterable[Path]) -> None:
        """Forgets what has been read of files that are gone."""
        with self._read.lock:
            for gone in self._read.files.keys() - set(paths):
                del self._read.files[gone]


def _version(path: Path) -> object:
    """What tells that a file on the disk has changed; None if nothing does."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@dataclass(slots=True)
class RulesFolder:
    """`directory` and everything below it. `own`: the topics of the program itself."""

    directory: Path
    own: OwnTopics = NOBODYS
    open: Mapping[Path, str] = field(default_factory=dict)  # what is in open files; replaced, never changed
    _read: _ReadFiles = field(default_factory=_ReadFiles)
    _names: KnownNames | None = None

    def put(self, path: Path, content: str) -> None:
        """A file is open, or what is in it has changed."""
        self.open = {**self.open, path: as_loaded(content)}

    def drop(self, path: Path) -> None:
        """A file is open no more: what is on the disk counts."""
        self.open = {each: text for each, text in self.open.items() if each != path}

    def check(self) -> FolderFindings:
        """Everything that `stream check` would find if all were saved."""
        overlay = _Overlay(self.open, self._read)
        checked = check(self.directory, self.own, reader=overlay)
        checked, _ = with_histories(checked, self.directory)
        self._names = self._named(overlay)
        by_file: dict[str, list[Diagnostic]] = {}
        for each in checked.diagnostics:
            by_file.setdefault(each.location.file, []).append(each)
        return FolderFindings({name: tuple(found) for name, found in by_file.items()}, overlay.open)

    @property
    def names(self) -> KnownNames:
        """The names of the last check; what could not be read then is as it was before."""
        if self._names is None:
            self._names = self._named(_Overlay(self.open, self._read))
        return self._names

    def _named(self, overlay: _Overlay) -> KnownNames:
        return KnownNames(merge((each.good for each in self._look(overlay).values()), []))

    def _look(self, overlay: _Overlay) -> dict[Path, _ReadFile]:
        paths = sorted({*paths_in(self.directory), *overlay.open})
        overlay.keep_only(paths)
        return {path: overlay.look(path) for path in paths}

    def roots(self) -> tuple[dict[Path, Written | None], list[Path]]:
        """Every file as it is now, or as it could last be read; and those that cannot be read now."""
        found = self._look(_Overlay(self.open, self._read))
        return {path: each.good for path, each in found.items()}, [
            path for path, each in found.items() if each.refused is not None
        ]

    def text(self, path: Path) -> str | None:
        """What is in a file now; None if it cannot be read."""
        if (content := self.open.get(path)) is not None:
            return content
        try:
            with open_regular(path) as file:
                return as_loaded(file.read(MAX_BYTES).decode("utf-8", "replace"))
        except OSError:
            return None


def folder_of(path: Path, named: Iterable[Path], workspaces: Iterable[Path], text: str) -> Path | None:
    """The rules' folder that a file belongs to: the nearest one that is named, else a workspace's own.

    A workspace has its rules in `rules`, or is such a folder itself if a rule file lies at its top. A file in
    none of these is one of rules if it looks like it: then its own folder is theirs.
    """
    around = [each for each in named if path.is_relative_to(each)]
    around = around or [each / "rules" for each in workspaces if path.is_relative_to(each / "rules")]
    around = around or [each for each in workspaces if path.is_relative_to(each) and _has_rules(each)]
    if around:
        return max(around, key=lambda each: len(each.parts))
    return path.parent if looks_like_rules(text) and path.parent not in _TOO_WIDE else None


_TOO_WIDE = (Path.home(), *Path.home().parents, Path(tempfile.gettempdir()))  # everything lies below them
_PEEKED = 20_000  # bytes of a file
_FILES = 50  # of a folder that are looked into
_AT_THE_LEFT = re.compile(r"^([A-Za-z_][\w-]*)[ \t]*:(?=\s|$)", re.MULTILINE)


def _has_rules(directory: Path) -> bool:
    """Whether a rule file lies in it, not in a folder of it."""
    try:
        with os.scandir(directory) as found:
            names = sorted(each.name for each in found if each.name.endswith((".yaml", ".yml")))
    except OSError:
        return False
    return any(looks_like_rules(_beginning(directory / name), empty=False) for name in names[:_FILES])


def _beginning(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return file.read(_PEEKED).decode("utf-8", "replace")
    except OSError:
        return ""


def looks_like_rules(text: str, *, empty: bool = True) -> bool:
    """Whether most keys at the left are sections of rule files. `empty`: what is said of a file without any,
    which may become one.
    """
    keys = _AT_THE_LEFT.findall(text[:_PEEKED])
    ours = sum(key in SECTIONS for key in keys)
    return 2 * ours > len(keys) if keys else empty
