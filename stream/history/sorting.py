"""Past events in order, however many: sorted by parts, which go to disk, and merged from there.

The parts are `temporary` files. So many parts are merged at once; of more, the first become one.

    a part     event after event:  order, timestamp, number, offset, rank, origin, sizes, key, value
Tested by tests/history/test_sorting.py.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from heapq import merge
from operator import attrgetter
from typing import IO

from stream.errors import EventFileError
from stream.history._past import PastEvent
from stream.history.pieces import Whence
from stream.history.temporary import nameless_file

PART_BYTES = 64 << 20  # of events in memory, about
OVERHEAD = 250  # bytes of an event's objects
MOST_PARTS = 100
BUFFER = 256 << 10
NOTHING = -1  # bytes of a key, or value, that is not there

_HEAD = struct.Struct("<qqqqiiii")
_by_order: Callable[[PastEvent], int] = attrgetter("order")


class Sorter:
    """Takes events in any order, gives them by theirs; of the same, the one that came first. A context."""

    def __init__(self) -> None:
        self._events: list[PastEvent] = []
        self._size = 0
        self._parts: list[IO[bytes]] = []
        self._origins: dict[Whence, int] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Sorter:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, events: Iterable[PastEvent]) -> None:
        for event in events:
            self._events.append(event)
            self._size += OVERHEAD + len(event.value or b"")
            if self._size >= PART_BYTES:
                self._put_away()

    def sorted(self) -> Iterator[PastEvent]:
        """All of them; once."""
        self._events.sort(key=_by_order)
        yield from merge(*map(self._read, self._parts), iter(self._events), key=_by_order)

    def _put_away(self) -> None:
        self._events.sort(key=_by_order)
        part = self._write(self._events)
        self._events, self._size = [], 0
        if len(self._parts) == MOST_PARTS:
            one = self._write(merge(*map(self._read, self._parts), key=_by_order))
            for each in self._parts:
                each.close()
            self._parts = [one]
        self._parts.append(part)

    def _write(self, events: Iterable[PastEvent]) -> IO[bytes]:
        try:
            part = self._stack.enter_context(nameless_file(BUFFER))
            for event in events:
                origin = self._origins.setdefault(event.origin, len(self._origins))
                key, value = event.key, event.value
                part.write(
                    _HEAD.pack(
                        *(event.order, event.timestamp, event.number, event.offset, event.rank, origin),
                        NOTHING if key is None else len(key),
                        NOTHING if value is None else len(value),
                    )
                )
                part.write(key or b"")
                part.write(value or b"")
            part.flush()
        except OSError as error:
            hint = "all of the input needs room in the folder that TMPDIR names, else /tmp"
            raise EventFileError(f"events cannot be sorted on disk: {error.strerror}", hint=hint) from error
        return part

    def _read(self, part: IO[bytes]) -> Iterator[PastEvent]:
        part.seek(0)
        origins = list(self._origins)
        while head := part.read(_HEAD.size):
            order, timestamp, number, offset, rank, origin, key_size, size = _HEAD.unpack(head)
            key = part.read(key_size) if key_size != NOTHING else None
            value = part.read(size) if size != NOTHING else None
            yield PastEvent(origins[origin], rank, order, number, timestamp, key, value, offset)
