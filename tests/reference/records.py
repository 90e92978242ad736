"""What the model makes of a record: an event, news of a customer, or a reason why it is neither.

Reading: a record without the mapped time or id is treated as if none were mapped.
Reading: a profile update in which something is wrong is a bad record like any other and never enters the
order of events, unless it takes a consent back; its bounds are another matter, since they depend on what the
customer has already (`profiles`). If it is the customer or the time that is wrong, the record's key and its
arrival stand for them.
Reading: what is no clear grant of a purpose is a withdrawal as of its time, and counted. A clear grant is
`granted: true`, with an end that can be read, and without a word of its being taken back.
Reading: a withdrawal's time that is before the year 2000 was never set: it is its arrival. One that is a day
is the end of the day, or its arrival if that is earlier.
Reading: a record without a value, an empty one or `null`, is a tombstone, on a source of profiles or context.
Reading: a record's own time that is too far ahead is not known. It counts as now, and its place is directly
after what its source has brought before, so that nobody waits for it and nothing is early because of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from stream.rules.model import FieldPath, Source
from stream.structs import Record

FUTURE = 5 * 60_000  # how far ahead of the wall clock an event may be
LONGEST_ID = 256  # characters of an event's id; a longer one counts by its hash
END_OF_TIME = 253_402_300_800_000  # 10000-01-01T00:00:00Z
MAX_NAME = 128  # characters of an attribute's name
MAX_BASIS = 1024
MAX_PURPOSES = 100
MAX_ATTRIBUTES = 200
MAX_BYTES = 16 * 1024
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_2000 = 946_684_800_000
TAKEN_BACK = ("withdrawn", "withdrawn_at", "revoked", "revoked_at")
Key = tuple[str, Any]  # a key of a CEL map: its type and value


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()


@dataclass(frozen=True)
class Event:
    """`time` is what counts; `stamped` is when the record came.

    `placed`: the time is also its place in the order of events; `place` is filled in by who reads them.
    `whole`: nothing of `data` has been forgotten. `has_id`: it says its id itself.
    """

    source: str
    id: str
    name: str
    customer: str
    time: int
    stamped: int
    data: dict[str, Any]
    offset: int
    from_the_future: bool = False
    placed: bool = True
    place: int = -1
    whole: bool = True
    has_id: bool = True


@dataclass(frozen=True)
class Consent:
    """`doubtful`: a grant whose time was ahead of the clock."""

    granted: bool
    at: int
    basis: str | None
    expires: int | None
    doubtful: bool = False

    def holds(self, at: int) -> bool:
        """Reading: `expires` is the first moment at which a consent no longer holds."""
        return self.granted and self.at <= at and (self.expires is None or at < self.expires)


@dataclass(frozen=True)
class Statement:
    """What a record says of a purpose; `at` None: no time that can be believed. `day`: it is a day's end."""

    granted: bool
    at: int | None
    basis: str | None = None
    expires: int | None = None
    day: bool = False


@dataclass(frozen=True)
class ProfileUpdate:
    """News of a customer. `flaw`: why `record` goes to the dead letters; None: only if they are too much.

    `all_unknown`: of which purposes the consents are, nobody can tell. `unclear`: nor what they say of one.
    """

    source: str
    customer: str
    time: int
    came: int
    attributes: dict[str, Any]
    said: dict[str, Statement]
    record: Record
    from_the_future: bool = False
    placed: bool = True
    place: int = -1
    flaw: str | None = None
    all_unknown: bool = False
    unclear: bool = False

    @property
    def offset(self) -> int:
        return self.record.offset

    @property
    def takes_back(self) -> bool:
        return self.all_unknown or any(
            not each.granted or each.expires is not None for each in self.said.values()
        )


@dataclass(frozen=True)
class ContextRecord:
    """What a third party knows of a customer: all of `data`, as it came."""

    source: str
    customer: str
    time: int
    data: dict[str, Any]
    record: Record
    from_the_future: bool = False
    placed: bool = True
    place: int = -1

    @property
    def offset(self) -> int:
        return self.record.offset


@dataclass(frozen=True)
class Tombstone:
    """What a source has said of a customer is gone; `kind` is the source's."""

    source: str
    kind: str
    customer: str
    time: int
    record: Record
    from_the_future: bool = False
    placed: bool = True
    place: int = -1

    @property
    def offset(self) -> int:
        return self.record.offset


News = ProfileUpdate | ContextRecord | Tombstone


@dataclass(frozen=True)
class Times:
    """When a record was, if that can be said; when it came; and what to think of it."""

    time: int | None
    came: int
    from_the_future: bool
    placed: bool


def understand(source: Source, record: Record, partition: int, wall: int | None) -> Event | News | str:
    """The event or news, or the reason why it is none. `wall`: None if event time is the clock."""
    if source.kind != "event" and record.value in (None, b"", b"null"):
        return tombstone(source, record, wall)
    try:
        data = json.loads((record.value or b"").decode(), parse_constant=refuse, parse_float=finite)
    except ValueError:
        return "json"
    if not isinstance(data, dict):
        return "json"
    customer = as_name(look_up(data, source.customer))
    written = NOTHING if source.time is None else look_up(data, source.time)
    times = times_of(record.timestamp if written is NOTHING else readable(written), record.timestamp, wall)
    if source.kind == "profile":
        return profile_update(source, customer, times, data, record)
    if customer is None:
        return "customer"
    if source.kind == "context":
        if not is_within_bounds(data) or any(len(each) > MAX_NAME for each in data):
            return "context"
        if times.time is None:
            return "time"
        marks = (times.from_the_future, times.placed)
        return ContextRecord(source.name, customer, times.time, data, record, *marks)
    name = source.constant if source.constant is not None else look_up(data, source.event or ())
    if not isinstance(name, str):
        return "event"
    if times.time is None:
        return "time"
    own_id = as_name(look_up(data, source.id)) if source.id is not None else None
    return Event(
        source.name,
        f"{source.topic}/{partition}/{record.offset}" if own_id is None else bounded(own_id),
        name,
        customer,
        times.time,
        times.came,
        data,
        record.offset,
        times.from_the_future,
        times.placed,
        has_id=own_id is not None,
    )


def bounded(event_id: str) -> str:
    if len(event_id) <= LONGEST_ID:
        return event_id
    return "blake2b:" + blake2b(event_id.encode(), digest_size=16).hexdigest()


def times_of(written: int | None, stamped: int, wall: int | None) -> Times:
    if wall is None:
        known = written is not None and 0 <= written < END_OF_TIME
        return Times(written if known else None, max(stamped, 0), from_the_future=False, placed=True)
    believed = 0 <= stamped <= wall + FUTURE
    came = stamped if believed else wall
    if written is None or written < 0:
        return Times(None, came, from_the_future=False, placed=believed)
    ahead = written > wall + FUTURE
    return Times(came if ahead else written, came, from_the_future=ahead, placed=believed or not ahead)


def tombstone(source: Source, record: Record, wall: int | None) -> Tombstone | str:
    customer = named_by_key(source, record.key)
    times = times_of(record.timestamp, record.timestamp, wall)
    if customer is None or times.time is None:
        return "customer" if customer is None else "time"
    marks = (times.from_the_future, times.placed)
    return Tombstone(source.name, source.kind, customer, times.time, record, *marks)


def named_by_key(source: Source, key: bytes | None) -> str | None:
    """The customer whose id is the key, as plain text or as JSON."""
    try:
        text = (key or b"").decode()
        if text.startswith("{"):
            return as_name(look_up(json.loads(text), source.customer))
        return as_name(json.loads(text) if text.startswith('"') else text)
    except ValueError:
        return None


def profile_update(
    source: Source, customer: str | None, times: Times, data: dict[str, Any], record: Record
) -> ProfileUpdate | str:
    """News of a customer; the reason why it is none, where it takes nothing back either."""
    attributes, consents = data.get("attributes"), data.get("consents")
    said, wrong, unclear = statements(consents if isinstance(consents, dict) else {})
    all_unknown = not isinstance(consents, dict | None) and consents != []
    wrong = wrong or not isinstance(consents, dict | None) or not isinstance(attributes, dict | None)
    wrong = wrong or any(len(each) > MAX_NAME for each in attributes or ())
    flaw = "profile" if wrong else None
    if times.time is None:
        flaw = "time"
    if customer is None:
        flaw, customer = "customer", named_by_key(source, record.key)
    update = ProfileUpdate(
        source=source.name,
        customer=customer or "",
        time=times.came if times.time is None else times.time,
        came=times.came,
        attributes=attributes if isinstance(attributes, dict) else {},
        said=said,
        record=record,
        from_the_future=times.from_the_future,
        placed=times.placed,
        flaw=flaw,
        all_unknown=all_unknown,
        unclear=unclear or all_unknown,
    )
    if flaw is not None and (customer is None or not update.takes_back):
        return flaw
    return update


def statements(consents: dict[str, Any]) -> tuple[dict[str, Statement], bool, bool]:
    """What is said of the purposes; whether anything is wrong with it; whether anything is not clear."""
    said = {}
    wrong, unclear = len(consents) > MAX_PURPOSES, False
    for purpose, each in consents.items():
        wrong = wrong or len(purpose) > MAX_NAME
        parts = each if isinstance(each, dict) else {}
        at, basis, end = readable(parts.get("at")), parts.get("basis"), readable(parts.get("expires"))
        has_basis = isinstance(basis, str | None) and len(basis or "") <= MAX_BASIS
        has_end = end is not None or parts.get("expires") is None
        fine = at is not None and has_basis and has_end
        taken_back = any(parts.get(word) not in (None, False) for word in TAKEN_BACK)
        granted = parts.get("granted")
        day = isinstance(parts.get("at"), str) and len(parts["at"]) == len("2026-03-02")
        since = at if at is None or at >= YEAR_2000 else None
        if since is not None and day:
            since += 24 * 3_600_000 - 1
        if granted is False:
            said[purpose] = Statement(False, since, basis if has_basis else None, end, day)
        elif granted is True and fine and not taken_back:
            said[purpose] = Statement(True, at, basis, end)
        elif granted is True and not taken_back and parts.get("expires") is None:
            wrong = True  # a grant that cannot be taken takes nothing away
        else:
            said[purpose] = Statement(False, since, day=day)
            unclear = True
        wrong = wrong or not fine
    return said, wrong or unclear, unclear


def is_within_bounds(values: dict[str, Any]) -> bool:
    """Reading: values are measured as compact JSON in UTF-8."""
    size = len(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode())
    return len(values) <= MAX_ATTRIBUTES and size <= MAX_BYTES


def refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def finite(text: str) -> float:
    """Reading: a number too large for a double makes the record bad."""
    return float(text) if math.isfinite(float(text)) else refuse(text)


def look_up(data: Any, path: FieldPath, absent: Any = NOTHING) -> Any:
    for name in path:
        if not isinstance(data, Mapping) or name not in data:
            return absent
        data = data[name]
    return data


def as_name(value: Any) -> str | None:
    """A customer or id as text: a string that is not empty, or a whole number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return str(value)


def milliseconds(value: Any) -> int | None:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(value * 1000 if abs(value) < 1e11 else value)


def readable(value: Any) -> int | None:
    """A time as it may stand in a record; None if it is none, or outside of 1970 to 9999."""
    time = milliseconds(value)
    return time if time is not None and 0 <= time < END_OF_TIME else None


def kind_of(value: Any) -> str:
    """The JSON type, ints and doubles together."""
    if isinstance(value, bool):  # before int: Python's True is one
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return {str: "string", list: "list", dict: "map", type(None): "null"}.get(type(value), "nothing")


def map_key(value: Any) -> Key | None:
    """A value as a key of a CEL map (strings, ints and bools can be keys); `1` and `true` are two keys."""
    kind = kind_of(value)
    return None if kind not in ("string", "bool", "number") or isinstance(value, float) else (kind, value)
