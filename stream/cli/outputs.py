"""The files that a command writes are none of those that it reads. Tested by tests/cli/test_outputs.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from stream.errors import StreamError


def refuse_to_overwrite(
    outputs: Mapping[str, Path | None], read: Iterable[str], rules: Path | None = None
) -> None:
    """Before anything is written. `read`: files as the command line names them, perhaps as NAME=FILE.
    `rules`: a directory of which no file may be written over.

    Raises StreamError where an output is one of these, or another output, or can be no file.
    """
    taken = {Path(name).resolve(): "is read" for each in read for name in (each, each.partition("=")[2])}
    for option, path in outputs.items():
        if path is None:
            continue
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
