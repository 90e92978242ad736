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
import tempfile
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

STANDARD_INPUT = "-"
KAFKA = "kafka:"

Tell = Callable[[int], object]  # is told how many bytes of an input were read, in all


def ignore(read: int) -> None:
    """Nobody wants to know."""


@dataclass(eq=False, slots=True)
class Input:
    """A file as the user calls it. `source`: what all of its lines are of. `copy`: where it was copied to."""

    name: str
    source: str | None = None
    copy: IO[bytes] | None = None
    rows: Rows | None = None
    partition: int = 0

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

    def pieces(self, tell: Tell) -> Iterator[Piece]:
        """All of it, from its beginning on."""
        with ExitStack() as stack:
            if self.copy is not None:
                file = self.copy
                file.seek(0)
            else:
                file = stack.enter_context(_open(self.name))
            found = stack.enter_context(opened(file, self.name, self.rows))
            self.rows = found.rows
            for piece in found.pieces:
                yield piece
                tell(file.tell())


def inputs_of(arguments: Sequence[str], sources: Sequence[str], stack: ExitStack) -> list[Input]:
    """The inputs that arguments mean; `stack` closes their copies. Raises EventFileError."""
    found = [_named(each, sources) for each in arguments]
    standard: IO[bytes] | None = None
    for each in found:
        if each.name == STANDARD_INPUT:
            standard = each.copy = standard or _copied(sys.stdin.buffer, each.name, stack)
        else:
            with _open(each.name) as file:
                if not S_ISREG(os.fstat(file.fileno()).st_mode):
                    each.copy = _copied(file, each.name, stack)
    return found


def _named(argument: str, sources: Sequence[str]) -> Input:
    source, name = None, argument
    if "=" in argument and not Path(argument).exists():
        source, _, name = argument.partition("=")
        if source not in sources:
            hint = did_you_mean(source, sources) or f"there are: {', '.join(sources)}"
            raise EventFileError(f"the rules have no source `{source}`", hint=hint)
    return Input(name, source)


def _open(name: str) -> IO[bytes]:
    try:
        return Path(name).open("rb")
    except OSError as error:
        hint = "give files of events, - for standard input, or kafka: for the topics"
        raise EventFileError(f"{name}: {error.strerror}", hint=hint) from error


def _copied(file: IO[bytes], name: str, stack: ExitStack) -> IO[bytes]:
    try:
        copy = stack.enter_context(tempfile.TemporaryFile(prefix="stream-"))  # noqa: SIM115
        shutil.copyfileobj(file, copy, 1 << 20)
        copy.flush()
    except OSError as error:
        hint = f"it is copied to {tempfile.gettempdir()}; TMPDIR names another place"
        raise EventFileError(f"{name}: cannot be kept: {error.strerror}", hint=hint) from error
    return copy
