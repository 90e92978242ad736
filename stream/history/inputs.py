"""The inputs that a command line names: files, standard input, and what is no file to seek in.

    FILE         its lines say by `source` of which source they are
    NAME=FILE    all of it is of the source NAME
    -            standard input, also NAME=-

An input is read several times. So standard input, and a pipe, is copied to disk first: to a file without a
name, which is gone when the process is. Tested by tests/history/test_inputs.py.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import IO

from stream.errors import EventFileError
from stream.hints import did_you_mean
from stream.history.formats import opened
from stream.history.pieces import Piece, Rows
from stream.history.temporary import nameless_file

STANDARD_INPUT = "-"
KAFKA = "kafka:"

Tell = Callable[[int], object]  # is told how many bytes of an input were read, in all


def ignore(read: int) -> None:
    """Nobody wants to know."""


@dataclass(eq=False, slots=True)
class Input:
    """A file as the user calls it. `source`: what all of its lines are of. `copy`: where it was copied to.
    `stamp`: what must stay as it is while it is read. `encoding`: of its text, if somebody says so.
    """

    name: str
    source: str | None = None
    copy: IO[bytes] | None = None
    rows: Rows | None = None
    partition: int = 0
    stamp: tuple[int, int, int] | None = None
    encoding: str | None = None

    def place_of(self, number: int) -> str:
        """Where one of its events is, for people."""
        if self.rows is not None and self.rows.what != "line":
            return f"{self.name}:{self.rows.what} {number}"
        return f"{self.name}:{number}"

    @property
    def size(self) -> int:
        """Bytes, as it lies there."""
        return (
            os.fstat(self.copy.fileno()).st_size if self.copy is not None else Path(self.name).stat().st_size
        )

    def pieces(self, tell: Tell, *, whole: bool = True) -> Iterator[Piece]:
        """All of it, from its beginning on. Raises EventFileError, also where it changes meanwhile. Unless it
        has to be `whole`, a last line that is cut off is a line like others.
        """
        with ExitStack() as stack:
            if self.copy is not None:
                file = self.copy
                file.seek(0)
            else:
                file = stack.enter_context(_open(self.name))
            self._check(file)
            found = stack.enter_context(opened(file, self.name, self.rows, self.encoding))
            self.rows = found.rows
            for piece in found.pieces:
                yield piece
                tell(file.tell())
            self._check(file)
            if whole and (line := found.rows.cut_off) is not None:
                self._cut_off(line)

    def _cut_off(self, line: int) -> None:
        """A file without its end would make all figures wrong. What is piped in may be written still."""
        what = f"{self.name}:{line}: the last line is cut off"
        if self.copy is None:
            hint = f"is all of the file there? If so, pipe it in: cat {self.name} | … -"
            raise EventFileError(what, hint=hint)
        if self.rows is not None and what not in self.rows.notes:
            self.rows.notes.append(what)

    def _check(self, file: IO[bytes]) -> None:
        """It is what it was before: the order of its lines was looked at, and they are read once more."""
        found = os.fstat(file.fileno())
        stamp = found.st_ino, found.st_size, found.st_mtime_ns
        self.stamp = self.stamp or stamp
        if stamp != self.stamp:
            hint = f"copy it first, or pipe it in: cat {self.name} | … -"
            raise EventFileError(f"{self.name}: changed while it was read", hint=hint)


def inputs_of(
    arguments: Sequence[str], sources: Sequence[str], stack: ExitStack, encoding: str | None = None
) -> list[Input]:
    """The inputs that arguments mean; `stack` closes their copies. Raises EventFileError."""
    found = [_named(each, sources, encoding) for each in arguments]
    seen: set[tuple[object, ...]] = set()
    standard: IO[bytes] | None = None
    for each in found:
        if each.name == STANDARD_INPUT:
            _once(each, seen)
            standard = each.copy = standard or _copied(sys.stdin.buffer, each.name, stack)
        else:
            with _open(each.name) as file:
                status = os.fstat(file.fileno())
                _once(each, seen, status.st_dev, status.st_ino)
                if not S_ISREG(status.st_mode):
                    each.copy = _copied(file, each.name, stack)
    return found


def _once(one: Input, seen: set[tuple[object, ...]], *file: int) -> None:
    """Raises EventFileError for a file that would be played twice."""
    identity = one.source, *(file or (one.name,))
    if identity in seen:
        hint = "each of its events would come twice; name it once"
        raise EventFileError(f"{one.name}: the same file is named twice", hint=hint)
    seen.add(identity)


def _named(argument: str, sources: Sequence[str], encoding: str | None) -> Input:
    source, name = None, argument
    if "=" in argument and not Path(argument).exists():
        source, _, name = argument.partition("=")
        if source not in sources:
            hint = did_you_mean(source, sources) or f"there are: {', '.join(sources)}"
            raise EventFileError(f"the rules have no source `{source}`", hint=hint)
    return Input(name, source, encoding=encoding)


def _open(name: str) -> IO[bytes]:
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise EventFileError(f"{name}: {error.strerror}", hint=_instead(name)) from error


def _instead(name: str) -> str:
    """What to give in place of what cannot be opened."""
    if Path(name).is_dir():
        return f"name the files in it: {name.rstrip('/')}/*"
    if set(name) & set("*?["):
        return "no file here has a name of this pattern, or quotes keep the shell from looking for some"
    return "give files of events, - for standard input, or kafka: for the topics"


def _copied(file: IO[bytes], name: str, stack: ExitStack) -> IO[bytes]:
    try:
        copy = stack.enter_context(nameless_file())
        shutil.copyfileobj(file, copy, 1 << 20)
        copy.flush()
    except OSError as error:
        hint = "it is copied to the folder that TMPDIR names, else /tmp: is there room?"
        raise EventFileError(f"{name}: cannot be kept: {error.strerror}", hint=hint) from error
    return copy
