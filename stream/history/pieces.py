"""What readers of files give: events as JSON, some at a time. Tested by tests/history/test_formats.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from stream.errors import EventFileError

MAX_LINE = 1 << 20  # bytes of one event, as of a record of Kafka


class Piece(NamedTuple):
    """Events as JSON, and the number of the first, if each is the next, or of each: lines, rows."""

    values: list[bytes]
    numbers: int | Sequence[int]


class Whence(Protocol):
    """What an event was read from. `partition`: of its customers."""

    @property
    def partition(self) -> int: ...
    def place_of(self, number: int) -> str: ...


class Rows(Protocol):
    """How the events of a file are cut from each other. `kind`: for people; `what`: one of them is.
    `notes`: what is to be said of the file. `cut_off`: on which line it ends amid an object,
    None if it does not.
    """

    kind: str
    what: str
    notes: list[str]
    cut_off: int | None


class TextRows(Rows, Protocol):
    """Those of a text."""

    def pieces(self, blocks: Iterator[bytes], name: str) -> Iterator[Piece]: ...


def too_long(name: str, what: str, number: int) -> EventFileError:
    return EventFileError(
        f"{name}:{number}: {'a' if what in ('line', 'row') else 'an'} {what} of more than {MAX_LINE:,} bytes",
        hint="a record of Kafka has at most so many, too; is each event by itself?",
    )
