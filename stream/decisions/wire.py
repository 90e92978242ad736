"""Records: the wire form of what the engine decides, as docs/records.md has it. Pure functions.

Triggers and decisions carry CloudEvents 1.0 attributes as headers, in the binary mode of its Kafka binding.
What does not apply is `null`; times are ISO 8601 UTC with milliseconds. The JSON is `_wire`'s.

A topic takes batches of a certain size: `fits` says whether a trigger is one; decisions have only what is
bounded (names of rule files, ids); a dead letter is cut by `cut`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from stream.decisions._json import iso_time as iso_time
from stream.decisions._wire import decision_json, trigger_json
from stream.structs import (
    UNREAD_HEAD,
    DeadLetter,
    Decision,
    Headers,
    OwnTopics,
    Trigger,
    Unread,
    WireRecord,
)

DECISIONS, DEAD_LETTERS = OwnTopics().decisions, OwnTopics().dead_letters  # unless settings say otherwise
MAX_FRAME = 32 * 1024  # bytes of a trigger, its headers and its batch, without address and content
MAX_HEADERS = 1536  # bytes of headers and batch, without customer and rule
MAX_CHARACTER = 6  # bytes of one in JSON

WHOLE_LETTER = 64 << 10  # bytes of a dead letter's value; of a longer one only the beginning is written
PRODUCERS = "producer-"  # before the names of a producer's headers in a dead letter
PRODUCERS_BYTES = 8 << 10  # of all of them

# Extension attributes of CloudEvents, by which a new owner of a partition knows what was sent (`recall`).
ID = "ce_id"
APP = "ce_app"  # whose record it is
CAUSE = "ce_cause"  # topic/partition/offset of the record that it answers; absent where a timer fired

_VERSION = ("ce_specversion", b"1.0")
_TRIGGER = ("ce_type", b"trigger")
_DECISION = ("ce_type", b"decision")
_JSON = ("content-type", b"application/json")


class Origin(NamedTuple):
    """Where records come from: the app, its partition, and the rule set that judged."""

    app_id: str
    partition: int
    revision: str
    topics: Mapping[str, str]  # of the sources, by name
    decisions: str = DECISIONS  # the topic of
    dead_letters: str = DEAD_LETTERS


def trigger_record(trigger: Trigger, origin: Origin, sent_at: int) -> WireRecord:
    """The message for a channel, handed to Kafka at `sent_at` (ms)."""
    decision = trigger.decision
    headers = _cloud_event(_TRIGGER, _source_of_triggers(decision.rule), decision, origin)
    value = trigger_json(trigger, origin.revision, sent_at)
    return WireRecord(trigger.topic, decision.customer_id.encode(), value, headers)


def fits(trigger: Trigger, revision: str, most: int) -> bool:
    """Whether a batch of `most` bytes takes a trigger. Only one that might not fit is written to find out."""
    address = trigger.address
    if not trigger.sensitive and (address is None or isinstance(address, str)):
        characters = (
            len(address or "") + sum(map(len, trigger.content)) + sum(map(len, trigger.content.values()))
        )
        if MAX_FRAME + MAX_CHARACTER * characters <= most:
            return True
    decision = trigger.decision
    around = MAX_HEADERS + 2 * len(decision.customer_id.encode()) + len(_source_of_triggers(decision.rule))
    return len(trigger_json(trigger, revision, 0)) + around <= most


def decision_record(decision: Decision, origin: Origin) -> WireRecord:
    """What became of a match, for the topic of the decisions."""
    headers = _cloud_event(_DECISION, _source_of_decisions(decision.rule), decision, origin)
    value = decision_json(decision, origin.revision)
    return WireRecord(origin.decisions, decision.customer_id.encode(), value, headers)


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


def _cloud_event(kind: tuple[str, bytes], source: bytes, decision: Decision, origin: Origin) -> Headers:
    headers = (
        _VERSION,
        (ID, decision.trigger_id.encode()),
        ("ce_source", source),
        kind,
        ("ce_subject", decision.customer_id.encode()),
        ("ce_time", iso_time(decision.at).encode()),
        (APP, origin.app_id.encode()),
        _JSON,
    )
    if decision.offset < 0:
        return headers
    topic = origin.topics[decision.source]
    return (*headers, (CAUSE, f"{topic}/{origin.partition}/{decision.offset}".encode()))


@lru_cache(maxsize=4096)
def _source_of_triggers(rule: str) -> bytes:
    return f"/stream/{quote(rule, safe='', errors='replace')}".encode()


@lru_cache(maxsize=4096)
def _source_of_decisions(rule: str) -> bytes:
    # Its own source: in CloudEvents, source and id together name one event, and the id is the trigger's.
    return _source_of_triggers(rule) + b"/decisions"
