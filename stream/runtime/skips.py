"""Records that an operator has put aside (`STREAM_SKIP`): said, and left out of what is fetched.

Tested by tests/runtime/test_skips.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from faust.types import TP

from stream.structs import Unread

log = structlog.get_logger("stream.intake")


class Skips:
    """`offsets` by topic and partition."""

    def __init__(self, offsets: Mapping[tuple[str, int], Sequence[range]]) -> None:
        self._offsets = offsets
        self._said: set[tuple[TP, range]] = set()

    def say(self, positions: Mapping[TP, int]) -> None:
        """Reading goes on there: say once what of it is to be skipped, and what lies behind already."""
        for tp, position in positions.items():
            for offsets in self._offsets.get((tp.topic, tp.partition), ()):
                if (tp, offsets) in self._said:
                    continue
                self._said.add((tp, offsets))
                at = written(offsets)
                if offsets.stop <= position:
                    log.warning("skip_is_behind", topic=tp.topic, partition=tp.partition, offset=at)
                else:
                    log.warning("skips", topic=tp.topic, partition=tp.partition, offset=at)

    def put_aside(self, tp: TP, records: list[Any]) -> list[Any]:
        """With an `Unread` in place of each record to be skipped."""
        for offsets in self._offsets.get((tp.topic, tp.partition), ()):
            for at, record in enumerate(records):
                if record.offset in offsets:
                    value = record.value or b""
                    records[at] = Unread(
                        *(record.offset, record.timestamp, "skipped", record.offset, record.key),
                        *(value, len(value), record.headers),
                    )
                    log.warning("skipped", topic=tp.topic, partition=tp.partition, offset=record.offset)
        return records


def written(offsets: range) -> str:
    """As in STREAM_SKIP."""
    return f"{offsets.start}" if len(offsets) == 1 else f"{offsets.start}-{offsets.stop - 1}"
