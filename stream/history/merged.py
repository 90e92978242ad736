"""Several inputs, each in order or sorted, as one: batches that follow each other in the order of all events.

Of each input that is open some events are at hand, and up to its *cut* they are complete. The input with the
least cut goes on; what all others have up to there can be given away. An input is opened when the others have
come to its first event, so that a year of monthly files is read one after the other.
Tested by tests/history/test_merged.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Protocol

from stream.history._past import END, Held, PastEvent, Reader
from stream.history.inputs import Input, ignore
from stream.history.pieces import Piece

BATCH, BYTES = 5_000, 16 << 20  # events of what was sorted that are taken at a time, at most

Taken = dict[str, list[PastEvent]]  # by source


class Ordered(Protocol):
    """Events in order. `cut`: up to which order all that there are have been read; before the first `read`
    that is below the first. END: there are no more.
    """

    cut: int

    def read(self) -> None: ...
    def take(self, cut: int) -> Taken: ...


class InputInOrder:
    """An input whose lines are as good as in order, by a new reader. `least`: no order is below it."""

    def __init__(self, source: Input, reader: Reader, least: int) -> None:
        self.cut = least - 1
        self._reader = reader
        self._pieces: Iterator[Piece] = source.pieces(ignore)

    def read(self) -> None:
        piece = next(self._pieces, None)
        self.cut = END if piece is None else max(self._reader.read(piece.values, piece.numbers), self.cut)

    def take(self, cut: int) -> Taken:
        return self._reader.held.take(cut)


class SortedEvents:
    """Events that come in order."""

    def __init__(self, events: Iterator[PastEvent], names: Sequence[str]) -> None:
        self.cut = -1
        self._events = events
        self._held = Held(tuple(sorted(names)))

    def read(self) -> None:
        self.cut = END
        size = 0
        for event in islice(self._events, BATCH):
            self._held.put(event)
            self.cut = event.order
            size += len(event.value or b"")
            if size > BYTES:
                break
        # Others of the same order may follow, of the same source and behind it.

    def take(self, cut: int) -> Taken:
        return self._held.take(cut)


def merged(inputs: Sequence[Ordered]) -> Iterator[Taken]:
    """What they hold, by source; a batch has nothing that belongs before one that was given."""
    while inputs and (last := min(inputs, key=attrgetter("cut"))).cut != END:
        last.read()
        least = min(inputs, key=attrgetter("cut"))
        batch: Taken = {}
        ahead = True  # of the input with the least cut: what is of the same order goes first
        for each in inputs:
            _join(batch, each.take(least.cut if ahead else least.cut - 1))
            ahead = ahead and each is not least
        if batch:
            yield batch


def _join(batch: Taken, more: Taken) -> None:
    for name, events in more.items():
        there = batch.get(name)
        batch[name] = events if there is None else sorted(there + events, key=attrgetter("order"))
