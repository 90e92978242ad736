"""Records: the wire form of what the engine decides, as docs/records.md has it. Pure functions.

Triggers and decisions carry CloudEvents 1.0 attributes as headers, in the binary mode of its Kafka binding.
What does not apply is `null`; times are ISO 8601 UTC with milliseconds.

Two things that may be at hand cannot be written, and a worker must not die of them again and again. Text that
UTF-8 cannot carry (halves of surrogate pairs) never comes out of a decoded event, but a rule file's escapes
can put it into content: pairs are joined and odd halves become U+FFFD. And an address may be a JSON value
that is nested deeper than the encoder goes: what lies deeper than `MAX_DEPTH` becomes `null`.

A topic takes batches of a certain size: `fits` says whether a trigger is one; decisions have only what is
bounded (names of rule files, ids); a dead letter is cut by `cut`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from stream.rules import field_paths
from stream.rules.durations import format_duration
from stream.rules.model import Goal
from stream.structs import (
    UNREAD_HEAD,
    ConsentProof,
    DeadLetter,
    Decision,
    EventRef,
    Headers,
    OwnTopics,
    SubjectProof,
    Trigger,
    Unread,
    WireRecord,
)

DECISIONS, DEAD_LETTERS = OwnTopics().decisions, OwnTopics().dead_letters  # unless settings say otherwise
MAX_DEPTH = 64
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

_EPOCH = date(1970, 1, 1).toordinal()
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
    value = encode(trigger_body(trigger, origin.revision, sent_at))
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
    return len(encode(trigger_body(trigger, revision, 0))) + around <= most


def trigger_body(trigger: Trigger, revision: str, sent_at: int | None) -> dict[str, Any]:
    """A trigger's JSON; `sent_at` is None where nothing is sent, as in a backtest."""
    decision = trigger.decision
    return {
        "trigger_id": decision.trigger_id,
        "rule": decision.rule,
        "revision": revision,
        "customer_id": decision.customer_id,
        "channel": decision.channel,
        "address": trigger.address,
        "variant": decision.variant,
        "content": trigger.content,
        "event": _event(decision.event),
        "at": iso_time(decision.at),
        "sent_at": None if sent_at is None else iso_time(sent_at),
        "priority": trigger.priority,
        "goal": _goal(decision.goals[0]) if decision.goals else None,
        "consent": trigger.consent and _consent(trigger.consent),
        "sensitive": [_subject(each) for each in trigger.sensitive] or None,
    }


@lru_cache(maxsize=1024)  # a rule's are the same in each of its records; nobody writes to them
def _goal(goal: Goal) -> dict[str, Any]:
    return {
        "on": goal.on,
        "within": format_duration(goal.within),
        "value": field_paths.write(goal.value) if goal.value else None,
    }


def _consent(consent: ConsentProof) -> dict[str, Any]:
    return {
        "purpose": consent.purpose,
        "granted_at": iso_time(consent.granted_at),
        "basis": consent.basis,
        "expires_at": None if consent.expires_at is None else iso_time(consent.expires_at),
    }


def _subject(proof: SubjectProof) -> dict[str, Any]:
    return {"subject": proof.subject, **_consent(proof.consent)}


def decision_record(decision: Decision, origin: Origin) -> WireRecord:
    """What became of a match, for the topic of the decisions."""
    headers = _cloud_event(_DECISION, _source_of_decisions(decision.rule), decision, origin)
    value = encode(decision_body(decision, origin.revision))
    return WireRecord(origin.decisions, decision.customer_id.encode(), value, headers)


def decision_body(decision: Decision, revision: str) -> dict[str, Any]:
    """A decision's JSON."""
    return {
        "trigger_id": decision.trigger_id,
        "rule": decision.rule,
        "revision": revision,
        "customer_id": decision.customer_id,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "channel": decision.channel,
        "variant": decision.variant,
        "event": _event(decision.event),
        "at": iso_time(decision.at),
        "held_out_by": decision.held_out_by,
        "goals": [_goal(each) for each in decision.goals],
        "unwritten": None if decision.unwritten is None else decision.unwritten._asdict(),
    }


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


@lru_cache(maxsize=4096)  # the same few times stand in a trigger, in its decision and in their headers
def iso_time(ms: int) -> str:
    """`2026-03-02T10:00:00.000Z` of milliseconds since 1970; ValueError past the year 9999."""
    seconds, rest = divmod(ms, 1000)
    return "%s.%03dZ" % (_iso_second(seconds), rest)  # noqa: UP031 - nearly twice as fast as an f-string


@lru_cache(maxsize=1024)  # the events of a batch are of a few seconds
def _iso_second(time: int) -> str:
    days, seconds = divmod(time, 86_400)
    day = date.fromordinal(_EPOCH + days).isoformat()
    return f"{day}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _event(event: EventRef) -> dict[str, str]:
    return {"name": event.name, "id": event.id, "time": iso_time(event.time)}


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


def encode(body: dict[str, Any]) -> bytes:
    """The body as JSON; what JSON cannot carry is mended, see above."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return orjson.dumps(_mend(body))


def _mend(value: Any, depth: int = 0) -> Any:
    """The value with all its text valid as UTF-8, and nothing below `MAX_DEPTH`."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, Mapping | list | tuple) and depth == MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {_mend(key): _mend(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mend(item, depth + 1) for item in value]
    return value
