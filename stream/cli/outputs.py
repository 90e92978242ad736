"""The files that a command writes: none of those that it reads, and whole or not there.

Tested by tests/cli/test_outputs.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from stream.errors import StreamError

STANDARD_OUTPUT = Path("-")


def refuse_to_overwrite(
    outputs: Mapping[str, Path | None],
    read: Iterable[str],
    rules: Path | None = None,
    *,
    standard: str | None = None,
) -> None:
    """Before anything is written. `read`: files as the command line names them, perhaps as NAME=FILE.
    `rules`: a directory of which no file may be written over. `standard`: the option that takes `-`.

    Raises StreamError where an output is one of these, or another output, or can be no file.
    """
    taken = {Path(name).resolve(): "is read" for each in read for name in (each, each.partition("=")[2])}
    for option, path in outputs.items():
        if path is None or (path == STANDARD_OUTPUT and option == standard):
            continue
        if path == STANDARD_OUTPUT:
            hint = "name a file; /dev/stdout is standard output"
            raise StreamError(f"{option} -: that would be a file of this name", hint=hint)
        found = path.resolve()
        if found.is_dir():
            raise StreamError(f"{option} {path}: that is a folder", hint="name a file")
        if not found.parent.is_dir():
            raise StreamError(f"{option} {path}: there is no such folder", hint="make it first")
        if rules is not None and found.exists() and found.is_relative_to(rules.resolve()):
            raise StreamError(f"{option} {path}: that is a file of the rules", hint="name another file")
        if found in taken:
            raise StreamError(f"{option} {path}: that file {taken[found]}", hint="name another file")
        taken[found] = f"is that of {option}"


@contextmanager
def writing(option: str, path: Path | None) -> Iterator[IO[bytes] | None]:
    """A file that takes its name once all of it is written; until then, and if it never is, what had the name
    before keeps it. Devices, pipes and standard output (`-`) are written to as they are. None without a path.

    Raises StreamError where it cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        if path == STANDARD_OUTPUT:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
            return
        if path.exists() and (not path.is_file() or path.absolute().parts[1] in ("dev", "proc")):
            with path.open("wb") as file:
                yield file
            return
        found = path.resolve()
        with NamedTemporaryFile(dir=found.parent, prefix=f".{found.name}.", delete=False) as part:
            try:
                if found.exists():
                    os.fchmod(part.fileno(), found.stat().st_mode & 0o777)
                yield part.file
                part.close()
                Path(part.name).replace(found)
            finally:
                Path(part.name).unlink(missing_ok=True)
    except OSError as error:
        hint = "is there room, and may you write there?"
        raise StreamError(f"{option} {path}: cannot be written: {error.strerror}", hint=hint) from error
