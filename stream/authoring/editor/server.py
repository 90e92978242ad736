"""An editor's session: which files are open, which folders are checked, and what has been found in them.

Texts come whole at each change: pygls cuts lines as Python does, at a form feed and at U+2028, too, which the
protocol does not, and a change of a part would land elsewhere. A check runs in a thread of its own, once
nothing has changed for a moment, one at a time for each folder. Nothing is written, and nothing but rules'
folders is read. What goes wrong here is said on standard error, by its type and its place in this program:
never what is in a file. `features` has what an editor asks for.
Tested by tests/integration/test_language_server.py.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls import uris
from pygls.lsp.server import LanguageServer

from stream import __version__
from stream.authoring.check import WORD
from stream.authoring.editor import pages
from stream.authoring.editor.folder import FolderFindings, RulesFolder, folder_of
from stream.authoring.editor.positions import Lines, Units
from stream.authoring.editor.uses import NameUse
from stream.diagnostics import Code, Diagnostic, Location, most_urgent
from stream.rules.files import MAX_BYTES
from stream.structs import OwnTopics

QUIET_S = 0.2  # nothing has been typed for so long: a check begins


@dataclass(slots=True)
class Watched:
    """A folder with what is under way for it. `shown`: the findings that the editor has, by file.

    `is_left`: its files belong to other folders now.
    """

    rules: RulesFolder
    timer: asyncio.TimerHandle | None = None
    running: bool = False
    again: bool = False
    is_left: bool = False
    shown: dict[str, tuple[Diagnostic, ...]] = field(default_factory=dict)


class RulesServer(LanguageServer):
    """`named`: the rules' folder that a setting names; an editor's option comes before it.

    `with_keys`: whether keys and values that the JSON Schema knows are proposed, too.
    """

    def __init__(self, named: Path | None, own: OwnTopics) -> None:
        super().__init__("stream", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.own = own
        self.named = [named] if named else []
        self.with_keys = True
        self.folders: dict[Path, Watched] = {}
        self.documents: dict[Path, str] = {}  # the URIs of open files, as the editor has them

    def report_server_error(self, error: Exception, source: Any) -> None:
        """To standard error, not into the editor's window: the message may quote a file."""
        say("an error", error)

    def configure(self, options: Mapping[str, Any]) -> None:
        """What the editor says at the beginning: `rules`, a folder or several, and `keys`."""
        given = options.get("rules")
        named = given if isinstance(given, list) else [given]
        bases = self.workspaces() or [Path.cwd()]
        found = [_absolute(base / each) for each in named if isinstance(each, str) and each for base in bases]
        self.named = found or self.named
        self.with_keys = options.get("keys") is not False

    @property
    def takes_snippets(self) -> bool:
        completion = getattr(self.client_capabilities.text_document, "completion", None)
        return bool(getattr(getattr(completion, "completion_item", None), "snippet_support", False))

    def watch_files(self) -> None:
        """Ask to be told when files change that are not open."""
        workspace = self.client_capabilities.workspace
        watching = workspace.did_change_watched_files if workspace else None
        if watching is not None and watching.dynamic_registration:
            options = types.DidChangeWatchedFilesRegistrationOptions(
                [types.FileSystemWatcher("**/*.{yaml,yml}")]
            )
            method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
            self.client_register_capability(
                types.RegistrationParams([types.Registration("files", method, options)]), lambda _: None
            )

    # ---- which folder ----

    def workspaces(self) -> list[Path]:
        roots = [each.uri for each in self.workspace.folders.values()] or [self.workspace.root_uri]
        return [path for each in roots if each and (path := _path(each)) is not None]

    def watched(self, path: Path, text: str = "") -> Watched | None:
        """The folder that a file belongs to, if it is one of rules."""
        for known in self.folders.values():
            if path in known.rules.open:
                return known
        directory = folder_of(path, self.named, self.workspaces(), text)
        if directory is None:
            return None
        return self.folders.setdefault(directory, Watched(RulesFolder(directory, self.own)))

    def regroup(self) -> None:
        """Every open file to the folder that it belongs to now."""
        texts = {path: text for watched in self.folders.values() for path, text in watched.rules.open.items()}
        for watched in self.folders.values():
            for name in watched.shown:
                self.text_document_publish_diagnostics(
                    types.PublishDiagnosticsParams(self.uri(Path(name)), [])
                )
            watched.shown.clear()
            watched.is_left = True
        self.folders.clear()
        for path, text in texts.items():
            self.put(self.documents[path], text)

    # ---- documents ----

    def put(self, uri: str, text: str) -> None:
        """A file is open, or what is in it has changed."""
        path = _path(uri)
        if path is None or path.suffix not in (".yaml", ".yml"):
            return
        if (watched := self.watched(path, text)) is not None:
            self.documents[path] = uri
            watched.rules.put(path, text)
            self.soon(watched)

    def drop(self, uri: str) -> None:
        """A file is open no more."""
        path = _path(uri)
        if path is not None and path in self.documents and (watched := self.watched(path)) is not None:
            del self.documents[path]
            watched.rules.drop(path)
            self.soon(watched)

    def uri(self, path: Path) -> str:
        return self.documents.get(path) or path.as_uri()

    def again_all(self) -> None:
        """Files have changed on the disk."""
        for watched in self.folders.values():
            self.soon(watched)

    # ---- checks ----

    def soon(self, watched: Watched) -> None:
        """Check a folder once nothing has changed for a moment."""
        if watched.timer is not None:
            watched.timer.cancel()
        watched.timer = asyncio.get_running_loop().call_later(QUIET_S, self.begin, watched)

    def begin(self, watched: Watched) -> None:
        watched.timer = None
        if watched.running:
            watched.again = True
            return
        watched.running, watched.again = True, False
        loop = asyncio.get_running_loop()

        def run() -> None:
            found: FolderFindings | None = None
            try:
                found = watched.rules.check()
            except Exception as error:  # whatever it is, the next change is checked again
                say("a check failed", error)
            finally:
                loop.call_soon_threadsafe(self.done, watched, found)

        # A daemon: when the editor goes, nobody waits for what a check would have found.
        threading.Thread(target=run, name="check", daemon=True).start()

    def done(self, watched: Watched, found: FolderFindings | None) -> None:
        watched.running = False
        if watched.is_left:
            return
        if found is not None:
            self.show(watched, found)
        if watched.again:
            self.soon(watched)

    def show(self, watched: Watched, found: FolderFindings) -> None:
        """Publish what has been found. A file that has changed since waits for the check that follows."""
        now = watched.rules.open
        for name in {*watched.shown, *found.diagnostics}:
            path, findings = Path(name), found.diagnostics.get(name, ())
            if now.get(path) != found.texts.get(path):
                continue
            if path not in now and watched.shown.get(name) == findings:
                continue
            if findings:
                watched.shown[name] = findings
            else:
                watched.shown.pop(name, None)
            text = watched.rules.text(path) or ""
            lines = self.lines(text)
            published = [self.diagnostic(each, lines, watched) for each in most_urgent(findings)[0]]
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(self.uri(path), published))

    def findings(self, at: OpenPlace) -> Iterator[tuple[Diagnostic, int, int]]:
        """What has been found in a file, and from where to where each is underlined."""
        for each in at.watched.shown.get(str(at.path), ()):
            start = at.lines.at(each.location.line, each.location.column)
            yield each, start, _word_end(at.text, start)

    def diagnostic(self, finding: Diagnostic, lines: Lines, watched: Watched) -> types.Diagnostic:
        start = lines.at(finding.location.line, finding.location.column)
        severities = types.DiagnosticSeverity
        related = [
            types.DiagnosticRelatedInformation(self.place(each, watched), "here, too")
            for each in _places(finding.hint or "", watched.rules.directory)
        ]
        return types.Diagnostic(
            range=span(lines, start, _word_end(lines.text, start)),
            message=f"{finding.message}\n{finding.hint}" if finding.hint else finding.message,
            severity=severities.Error if finding.severity == "error" else severities.Warning,
            code=finding.code.value,
            code_description=types.CodeDescription(pages.address(finding.code.value)),
            source="stream",
            related_information=related or None,
            tags=[types.DiagnosticTag.Unnecessary] if finding.code is Code.NEVER_USED else None,
        )

    # ---- places ----

    def lines(self, text: str) -> Lines:
        return Lines(
            text, _UNITS[types.PositionEncodingKind(self.workspace.position_encoding or "utf-16").value]
        )

    def place(self, location: Location, watched: Watched, name: str = "") -> types.Location:
        path = Path(location.file)
        lines = self.lines(watched.rules.text(path) or "")
        start = lines.at(location.line, location.column)
        end = start + len(name) if name else _word_end(lines.text, start)
        return types.Location(self.uri(path), span(lines, start, end))

    def of_use(self, use: NameUse, watched: Watched) -> types.Location:
        lines = self.lines(watched.rules.text(Path(use.location.file)) or "")
        start, end = use.span(lines) or (lines.at(use.location.line, use.location.column),) * 2
        path = Path(use.location.file)
        return types.Location(self.uri(path), span(lines, start, end))

    def at(self, params: Any) -> OpenPlace | None:
        """What is open at a place; None where it is not a rule file."""
        path = _path(params.text_document.uri)
        watched = self.watched(path) if path in self.documents and path is not None else None
        if watched is None or path is None:
            return None
        text = watched.rules.open[path]
        if len(text) > MAX_BYTES:
            return None  # the check says that it is too large
        lines = self.lines(text)
        place = getattr(params, "position", None)
        offset = 0 if place is None else lines.offset(place.line, place.character)
        return OpenPlace(path, watched, lines, offset)


@dataclass(frozen=True, slots=True)
class OpenPlace:
    """A place in an open file."""

    path: Path
    watched: Watched
    lines: Lines
    offset: int

    @property
    def text(self) -> str:
        return self.lines.text


_UNITS: Mapping[str, Units] = {"utf-8": "utf-8", "utf-16": "utf-16", "utf-32": "utf-32"}
_ALSO_AT = re.compile(r"(?:first|also) at (.+?):(\d+):(\d+)$")


def _places(hint: str, directory: Path) -> Iterator[Location]:
    """The other place that a hint names."""
    found = _ALSO_AT.match(hint)
    if found and Path(found[1]).is_relative_to(directory):
        yield Location(found[1], int(found[2]), int(found[3]))


def _word_end(text: str, start: int) -> int:
    """Where the word ends that begins there, or the text in quotes: what is underlined."""
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    word = WORD.match(text, start + (text[start : start + 1] in ("'", '"')), end)
    return max(word.end() if word else 0, min(start + 1, end))


def span(lines: Lines, start: int, end: int) -> types.Range:
    return types.Range(types.Position(*lines.position(start)), types.Position(*lines.position(end)))


def _path(uri: str) -> Path | None:
    """Of a file; None of what an editor has that is none."""
    found = uris.to_fs_path(uri) if uri.startswith("file:") else None
    return None if found is None else _absolute(Path(found))


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  # links stay as they are


def say(what: str, error: BaseException | None) -> None:
    """To standard error: what went wrong and where in this program, and nothing of what it was about."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    where = " < ".join(f"{Path(each.filename).name}:{each.lineno}" for each in reversed(frames[-8:]))
    name = type(error).__name__ if error else ""
    print(f"stream lsp: {what}: {name} {where}", file=sys.stderr, flush=True)  # noqa: T201
