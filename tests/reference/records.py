"""What the model makes of a record: an event, news of a customer, or a reason why it is neither.

Reading: a record without the mapped time or id is treated as if none were mapped.
Reading: a profile update whose shape is wrong is a bad record like any other and never enters the order of
events; its bounds are another matter, since they depend on what the customer has already (`profiles`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from stream.rules.model import FieldPath, Source
from stream.structs import Record

FUTURE = 5 * 60_000  # how far ahead of the wall clock an event may be
END_OF_TIME = 253_402_300_800_000  # 10000-01-01T00:00:00Z
MAX_NAME = 128  # characters of an attribute's name
MAX_BASIS = 1024
MAX_PURPOSES = 100
MAX_ATTRIBUTES = 200
MAX_BYTES = 16 * 1024
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Key = tuple[str, Any]  # a key of a CEL map: its type and value


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()


@dataclass(frozen=True)
class Event:
    """`time` is what counts; `stamped` is the record's own timestamp.

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
    whole: bool = True
    has_id: bool = True


@dataclass(frozen=True)
class Consent:
    granted: bool
    at: int
    basis: str | None
    expires: int | None

    def holds(self, at: int) -> bool:
        """Reading: `expires` is the first moment at which a consent no longer holds."""
        return self.granted and self.at <= at and (self.expires is None or at < self.expires)


@dataclass(frozen=True)
class ProfileUpdate:
    """News of a customer; `record` goes to the dead letters if they are too much."""

    source: str
    customer: str
    time: int
    attributes: dict[str, Any]
    consents: dict[str, Consent]
    record: Record
    from_the_future: bool = False

    @property
    def offset(self) -> int:
        return self.record.offset


@dataclass(frozen=True)
class ContextRecord:
    """What a third party knows of a customer: all of `data`, as it came."""

    source: str
    customer: str
    time: int
    data: dict[str, Any]
    record: Record
    from_the_future: bool = False

    @property
    def offset(self) -> int:
        return self.record.offset


News = ProfileUpdate | ContextRecord


def understand(source: Source, record: Record, partition: int, wall: int | None) -> Event | News | str:
    """The event or news, or the reason why it is none. `wall`: None if event time is the clock."""
    try:
        data = json.loads((record.value or b"").decode(), parse_constant=refuse, parse_float=finite)
    except ValueError:
        return "json"
    if not isinstance(data, dict):
        return "json"
    customer = as_name(look_up(data, source.customer))
    if customer is None:
        return "customer"
    name = source.constant if source.constant is not None else look_up(data, source.event or ())
    if source.kind == "event" and not isinstance(name, str):
        return "event"
    time: int | None = record.timestamp
    if source.time is not None and (written := look_up(data, source.time)) is not NOTHING:
        time = milliseconds(written)
    if time is None or not 0 <= time < END_OF_TIME:
        return "time"
    from_the_future = wall is not None and time > wall + FUTURE
    if from_the_future:
        time = record.timestamp
    if source.kind != "event":
        return news(source, customer, time, data, record, from_the_future)
    own_id = as_name(look_up(data, source.id)) if source.id is not None else None
    event_id = own_id
    if event_id is None:
        event_id = f"{source.topic}/{partition}/{record.offset}"
    return Event(
        source.name,
        event_id,
        name,
        customer,
        time,
        record.timestamp,
        data,
        record.offset,
        from_the_future,
        has_id=own_id is not None,
    )


def news(
    source: Source, customer: str, time: int, data: dict[str, Any], record: Record, from_the_future: bool
) -> News | str:
    """A profile update, or what a third party knows; the reason why it is neither."""
    if source.kind == "context":
        if not is_within_bounds(data) or any(len(each) > MAX_NAME for each in data):
            return "context"
        return ContextRecord(source.name, customer, time, data, record, from_the_future)
    attributes, consents = data.get("attributes"), data.get("consents")
    attributes = {} if attributes is None else attributes
    consents = understood({} if consents is None else consents)
    if not isinstance(attributes, dict) or any(len(each) > MAX_NAME for each in attributes):
        return "profile"
    if consents is None:
        return "profile"
    return ProfileUpdate(source.name, customer, time, attributes, consents, record, from_the_future)


def understood(written: Any) -> dict[str, Consent] | None:
    """The consents of a profile update; None if any of them is malformed."""
    if not isinstance(written, dict) or len(written) > MAX_PURPOSES:
        return None
    consents = {}
    for purpose, each in written.items():
        if not isinstance(each, dict) or not isinstance(each.get("granted"), bool):
            return None
        at, basis = milliseconds(each.get("at")), each.get("basis")
        if at is None or not 0 <= at < END_OF_TIME or not isinstance(basis, str | None):
            return None
        if len(purpose) > MAX_NAME or len(basis or "") > MAX_BASIS:
            return None
        expires = None if each.get("expires") is None else milliseconds(each["expires"])
        if each.get("expires") is not None and (expires is None or not 0 <= expires < END_OF_TIME):
            return None
        consents[purpose] = Consent(each["granted"], at, basis, expires)
    return consents


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
