"""Records: the wire form of what the engine decides, as docs/records.md has it. Pure functions.

Triggers and decisions carry CloudEvents 1.0 attributes as headers, in the binary mode of its Kafka binding.
What does not apply is `null`; times are ISO 8601 UTC with milliseconds. Their JSON is `_wire`'s, and the
worker's `_writer` makes records of it.

A topic takes batches of a certain size: of a message too large for them `_decide` sees to it that it is not
sent; decisions have only what is bounded (names of rule files, ids); a dead letter is cut by `cut`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from stream.decisions._json import iso_time as iso_time
from stream.structs import (
    UNREAD_HEAD,
    DeadLetter,
    OwnTopics,
    Unread,
    WireRecord,
)

DECISIONS, DEAD_LETTERS = OwnTopics().decisions, OwnTopics().dead_letters  # unless settings say otherwise

WHOLE_LETTER = 64 << 10  # bytes of a dead letter's value; of a longer one only the beginning is written
PRODUCERS = "producer-"  # before the names of a producer's headers in a dead letter
PRODUCERS_BYTES = 8 << 10  # of all of them

# Extension attributes of CloudEvents, by which a new owner of a partition knows what was sent (`recall`).
ID = "ce_id"
APP = "ce_app"  # whose record it is
CAUSE = "ce_cause"  # topic/partition/offset of the record that it answers; absent where a timer fired


class Origin(NamedTuple):
    """Where records come from: the app, its partition, and the rule set that judged."""

    app_id: str
    partition: int
    revision: str
    topics: Mapping[str, str]  # of the sources, by name
    decisions: str = DECISIONS  # the topic of
    dead_letters: str = DEAD_LETTERS


def dead_letter_record(letter: DeadLetter, origin: Origin) -> WireRecord:
    """A record that is not an event, as it came; of a large one the beginning and the size.

    Our headers come first, and a producer's have a prefix: none of theirs can be taken for one of ours.
    """
    record, topic = letter.record, origin.topics[letter.source]  # a source may be called otherwise
    headers: list[tuple[str, bytes]] = [
        ("reason", letter.reason.encode()),
        ("source", letter.source.encode()),
        ("topic", topic.encode()),
        ("partition", str(origin.partition).encode()),
        ("offset", str(record.offset).encode()),
        (APP, origin.app_id.encode()),
    ]
    if letter.detail:
        headers.append(("detail", letter.detail.encode()))
    key, value, size = record.key, record.value, len(record.value or b"")
    if isinstance(record, Unread):
        value, size = record.head, record.size
        if record.first < record.offset:
            headers.append(("first_offset", str(record.first).encode()))
    if value is not None and size > WHOLE_LETTER:
        value = value[:UNREAD_HEAD]
    if value is not None and len(value) < size:
        headers.append(("size", str(size).encode()))
    if key is not None and len(key) > UNREAD_HEAD:
        headers.append(("key_size", str(len(key)).encode()))
        key = key[:UNREAD_HEAD]
    return WireRecord(origin.dead_letters, key, value, (*headers, *_producers(record.headers)))


def _producers(headers: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """A producer's headers under our prefix, as many as there is room for."""
    room = PRODUCERS_BYTES
    for name, value in headers:
        room -= len(name) + len(value or b"") + len(PRODUCERS)
        if room < 0:
            return
        yield PRODUCERS + name, value or b""


def cut(record: WireRecord, most: int) -> WireRecord:
    """A dead letter as a batch of `most` bytes takes it: where it is larger, without its producer's headers,
    and with the first bytes of its value. Header `size` has the size of the whole value.
    """
    if record.size <= most:
        return record
    ours = tuple(header for header in record.headers if not header[0].startswith(PRODUCERS))
    if "size" not in dict(ours):
        ours = (*ours, ("size", str(len(record.value or b"")).encode()))
    less = record._replace(value=None, headers=ours)
    room = max(most - less.size, 0)
    return less._replace(value=None if record.value is None else record.value[:room])


@lru_cache(maxsize=4096)
def source_of_triggers(rule: str) -> bytes:
    """`ce_source` of a rule's triggers."""
    return f"/stream/{quote(rule, safe='', errors='replace')}".encode()


@lru_cache(maxsize=4096)
def source_of_decisions(rule: str) -> bytes:
    """`ce_source` of a rule's decisions: with the id, which is the trigger's, it names one event."""
    return source_of_triggers(rule) + b"/decisions"
