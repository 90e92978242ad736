"""What a record tells: when, what, of which rule, with which outcome; and of whom, hidden unless asked for.

A customer's id is shown as the hash of it with a key that is drawn for each run: within a run one sees that
two lines are of the same customer, and nobody can try ids on what was copied into a ticket. Names of events
are shown where rules or tracking plan have them. Texts, addresses and fields are personal. Tested by
tests/topics/tail/test_entries.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import orjson

from stream.rules import field_paths
from stream.rules.model import Source
from stream.structs import Record, Unread
from stream.topics.tail.topics import Followed

LARGEST_TIME = 253_402_300_799_000  # ms: the end of 9999
ANOTHER = "(another event)"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)  # of rules, channels, variants, outcomes and reasons


@dataclass(frozen=True, slots=True)
class TailEntry:
    """A record, read. `what`: of a source's record `event`, `profile`, `context`, else the kind of its topic;
    `name`: of its source or channel. `body`: all that it holds, which is personal.
    """

    at: int
    what: str
    topic: str
    partition: int
    offset: int
    name: str = ""
    customer: str | None = None
    event: str | None = None
    rule: str | None = None
    outcome: str | None = None
    reason: str | None = None
    channel: str | None = None
    variant: str | None = None
    detail: str | None = None
    body: Any = field(default=None, repr=False)


@dataclass(slots=True)
class Wanted:
    """Which records: of a rule, of a customer, of decisions only those by which nothing was sent."""

    rule: str | None = None
    customer: str | None = None
    why_not: bool = False

    def has(self, one: TailEntry) -> bool:
        if self.rule is not None and one.rule != self.rule:
            return False
        if self.customer is not None and one.customer != self.customer:
            return False
        return not self.why_not or (one.what == "decision" and one.outcome != "sent")


class EntryReader:
    """Reads records as the rules mean them. `known`: the events that they name."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known

    def is_known(self, event: str) -> bool:
        """Whether it is a name of the rules, and not whatever a producer put there."""
        return event in self._known

    def entry(self, followed: Followed, partition: int, record: Record) -> TailEntry:
        key = (record.key or b"").decode("utf-8", "replace") or None
        place = (followed.topic, partition, record.offset)
        if isinstance(record, Unread):
            return TailEntry(record.timestamp, "unread", *place, followed.name, key, reason=record.reason)
        if followed.kind == "dead letter":
            return _dead_letter(record, place, key)
        body = _object(record.value)
        if followed.source is not None:
            return _of_source(followed.source, record, place, key, body)
        return _of_rule(followed, record, place, key, body)


def _of_rule(
    followed: Followed, record: Record, place: tuple[str, int, int], key: str | None, body: Any
) -> TailEntry:
    if not isinstance(body, dict):
        return TailEntry(record.timestamp, "unread", *place, followed.name, key, reason="json")
    event = body.get("event")
    return TailEntry(
        record.timestamp,
        followed.kind,
        *place,
        followed.name,
        _text(body.get("customer_id")) or key,
        _text(event.get("name")) if isinstance(event, dict) else None,
        _name(body.get("rule")),
        _name(body.get("outcome")),
        _name(body.get("reason")),
        _name(body.get("channel")),
        _name(body.get("variant")),
        body=body,
    )


def _of_source(
    source: Source, record: Record, place: tuple[str, int, int], key: str | None, body: Any
) -> TailEntry:
    if not isinstance(body, dict):
        what = "deleted" if not record.value else "no JSON object"
        return TailEntry(record.timestamp, source.kind, *place, source.name, key, detail=what)
    customer = _text(field_paths.value_at(body, source.customer)) or key
    name: str | None = None
    if source.kind == "event":
        name = source.constant or _text(field_paths.value_at(body, source.event or ()))
    detail = _counts(body) if source.kind == "profile" else None
    return TailEntry(
        record.timestamp, source.kind, *place, source.name, customer, name, detail=detail, body=body
    )


def _dead_letter(record: Record, place: tuple[str, int, int], key: str | None) -> TailEntry:
    # Of one name, the last is ours.
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    at = "/".join(headers.get(name, "?") for name in ("topic", "partition", "offset"))
    detail = ", ".join(filter(None, (headers.get("detail"), f"was {at}")))
    return TailEntry(
        record.timestamp,
        "dead letter",
        *place,
        headers.get("source", ""),
        key,
        reason=headers.get("reason"),
        detail=detail,
        body=_object(record.value),
    )


def _counts(body: dict[str, Any]) -> str:
    sizes = {name: len(body[name]) for name in ("attributes", "consents") if isinstance(body.get(name), dict)}
    return ", ".join(f"{name} {size}" for name, size in sizes.items())


def _object(value: bytes | None) -> Any:
    try:
        return orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None


def _name(value: Any) -> str | None:
    """What our records have there is a name; in those of others it could be anything, and is not shown."""
    return value if value is None or (isinstance(value, str) and _NAME.fullmatch(value)) else "?"


def _text(value: Any) -> str | None:
    return str(value) if type(value) in (str, int) else None


# ---- shown ----


@dataclass(slots=True)
class EntryMask:
    """Makes of entries what may be seen. `personal`: all of it."""

    reading: EntryReader
    personal: bool = False
    _key: bytes = field(default_factory=lambda: os.urandom(16), repr=False)

    def customer(self, one: TailEntry) -> str | None:
        if one.customer is None or self.personal:
            return one.customer
        return "~" + blake2b(one.customer.encode(), key=self._key, digest_size=4).hexdigest()

    def event(self, one: TailEntry) -> str | None:
        if one.event is None or self.personal or self.reading.is_known(one.event):
            return one.event
        return ANOTHER

    def as_object(self, one: TailEntry) -> dict[str, Any]:
        found = {
            "time": time_of(one.at),
            "what": one.what,
            "name": one.name,
            "rule": one.rule,
            "outcome": one.outcome,
            "reason": one.reason,
            "channel": one.channel,
            "variant": one.variant,
            "event": self.event(one),
            "customer": self.customer(one),
            "detail": one.detail,
            "topic": one.topic,
            "partition": one.partition,
            "offset": one.offset,
        }
        return found | {"record": one.body} if self.personal else found


def time_of(at: int) -> str:
    if not 0 <= at <= LARGEST_TIME:
        return "-"
    moment = datetime.fromtimestamp(at // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"
