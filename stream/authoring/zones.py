"""Time zones of customers that cannot be read, with what was probably meant: for people who write rules.

A worker counts them and says no value. Here the profiles are at hand, and who asks may see them.
Tested by tests/authoring/test_zones.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from stream.clock import time_zone
from stream.hints import did_you_mean_zone
from stream.structs import Record

MOST = 100  # different ones that are counted; of more the first
_SHOWN = 40  # characters


def unreadable_zone(attributes: Mapping[str, Any]) -> str | None:
    """What the attribute `timezone` says, where that is no time zone."""
    written = attributes.get("timezone")
    if written is None or time_zone(written) is not None:
        return None
    return str(written)[:_SHOWN]


class UnreadableZones:
    """How often each was said in profiles, by source and value."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def look(self, source: str, records: Iterable[Record]) -> None:
        for each in records:
            zone = unreadable_zone(_attributes(each))
            if zone is not None and (len(self.counts) < MOST or (source, zone) in self.counts):
                self.counts[source, zone] += 1

    def described(self) -> Iterator[dict[str, Any]]:
        """The most frequent first; `meant`: for people, None if nothing is near."""
        for (source, zone), count in self.counts.most_common():
            yield {"source": source, "value": zone, "count": count, "meant": did_you_mean_zone(zone)}


def _attributes(record: Record) -> Mapping[str, Any]:
    try:
        said = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return {}  # it is put aside, and that is said
    attributes = said.get("attributes") if isinstance(said, dict) else None
    return attributes if isinstance(attributes, dict) else {}
