"""What the model makes of a record: an event, news of a customer, or a reason why it is neither.

Reading: a record without the mapped time or id is treated as if none were mapped.
Reading: a profile update in which something is wrong is a bad record like any other and never enters the
order of events, unless it takes a consent back; its bounds are another matter, since they depend on what the
customer has already (`profiles`). If it is the customer or the time that is wrong, the record's key and its
arrival stand for them.
Reading: what is no clear grant of a purpose is a withdrawal as of its time, and counted. A clear grant is
`granted: true`, with one end that can be read or none, and without a word that nobody knows. What is said
twice is unknown as of its arrival.
Reading: a withdrawal's time that is before the year 2000 was never set: it is its arrival. One that is a
day, or a minute, is the end of that, or its arrival if that is earlier.
Reading: a record without a value, a blank one, `null` or an empty text, is a tombstone, on a source of
profiles or context.
Reading: what stands under a key that looks like `consents` or `consent` is read, and its record put aside.
Reading: a record's own time that is too far ahead is not known. It counts as now, and its place is directly
after what its source has brought before, so that nobody waits for it and nothing is early because of it.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
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
KNOWN = {"granted", "at", "basis", "expires", "expires_at"}
# What histories put beside a grant, and with which values it says nothing else than that.
AGREEING: dict[str, list[object]] = {"withdrawn": [False], "status": ["active"], "source": ["web"]}
EVERY = "*"  # the purpose that is all of them
QUOTES = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
BOM = b"\xef\xbb\xbf"
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 24 * 3_600_000
A_DATE = "([0-9]{4}-?[0-9]{2}-?[0-9]{2}|[0-9]{4}-?W[0-9]{2}-?[0-9])"
SPANS = {  # what a time says: how long that is
    "[0-9]{4}-?W[0-9]{2}": 7 * DAY,
    A_DATE: DAY,
    A_DATE + "[T ][0-9]{2}": HOUR,
    A_DATE + "[T ][0-9]{2}:?[0-9]{2}": MINUTE,
    A_DATE + "[T ][0-9]{2}:?[0-9]{2}:?[0-9]{2}": SECOND,
    A_DATE + "[T ][0-9]{2}:?[0-9]{2}:?[0-9]{2}[.,][0-9]": 100,
    A_DATE + "[T ][0-9]{2}:?[0-9]{2}:?[0-9]{2}[.,][0-9]{2}": 10,
}
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
    """What a record says of a purpose; `at` None: no time that can be believed. `span`: how long that is."""

    granted: bool
    at: int | None
    basis: str | None = None
    expires: int | None = None
    span: int = 1


@dataclass(frozen=True)
class ProfileUpdate:
    """News of a customer. `flaw`: why `record` goes to the dead letters; None: only if they are too much.

    `unclear`: what they say of a purpose nobody can tell.
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
    unclear: bool = False

    @property
    def offset(self) -> int:
        return self.record.offset

    @property
    def takes_back(self) -> bool:
        return any(not each.granted or each.expires is not None for each in self.said.values())


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
    came: int
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
    value = (record.value or b"").removeprefix(BOM).strip()
    if source.kind != "event" and (value in (b"", b"null") or re.fullmatch(rb'"\s*"', value)):
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
    return Tombstone(source.name, source.kind, customer, times.time, times.came, record, *marks)


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
    attributes = data.get("attributes")
    said, wrong, unclear = statements(data, repeated(record.value or b""))
    wrong = wrong or not isinstance(attributes, dict | None)
    wrong = wrong or any(len(each) > MAX_NAME for each in attributes or ())
    wrong = wrong or not {"attributes", "consents"} & set(data)  # what stands beside them is not taken
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
        unclear=unclear,
    )
    if flaw is not None and (customer is None or not update.takes_back):
        return flaw
    return update


class Pairs(list[tuple[str, Any]]):
    """An object of JSON as it was written."""


def repeated(text: bytes) -> set[tuple[str, ...]]:
    """Of which keys of the record, and purposes below them, something stands there twice."""

    def twice(value: Any) -> list[str]:
        names = [name for name, _ in value] if isinstance(value, Pairs) else []
        return [name for name, count in Counter(names).items() if count > 1]

    data = json.loads(text, object_pairs_hook=Pairs)
    found: set[tuple[str, ...]] = {(key,) for key in twice(data)}
    for key, below in data:
        found |= {(key, purpose) for purpose in twice(below)}
        found |= {(key, name) for name, said in below if twice(said)} if isinstance(below, Pairs) else set()
    return found


def statements(data: dict[str, Any], twice: set[tuple[str, ...]]) -> tuple[dict[str, Statement], bool, bool]:
    """What is said of the purposes; whether anything is wrong with it; whether anything is not clear."""
    said: dict[str, Statement] = {}
    wrong = unclear = False
    for key, consents in data.items():
        if key != "consents":
            if plainly(key) not in ("consents", "consent") or (
                consents in (None, {}, [], "", 0) and consents is not False and (key,) not in twice
            ):
                continue
            wrong = True
        if (key,) in twice or not isinstance(consents, dict | None):
            wrong = True
            if (key,) in twice or consents != []:
                said[EVERY], unclear = Statement(False, None), True
            continue
        wrong = wrong or len(consents or ()) > MAX_PURPOSES
        for purpose, each in (consents or {}).items():
            statement, fine, clear = statement_of({} if (key, purpose) in twice else each)
            wrong = wrong or not fine or not clear or len(purpose) > MAX_NAME
            unclear = unclear or not clear
            name = purpose
            if statement is not None and statement.granted and plainly(purpose) == EVERY:
                wrong = True
                continue
            if statement is not None and not statement.granted and plainly(purpose) in (EVERY, "all"):
                name = EVERY
            if statement is not None and name in said:
                statement, unclear, wrong = Statement(False, None), True, True
            if statement is not None:
                said[name] = statement
    return said, wrong, unclear


def statement_of(said: Any) -> tuple[Statement | None, bool, bool]:
    """What is said of a purpose, None if that is nothing; whether it is well-formed; whether it is clear."""
    parts = said if isinstance(said, dict) else {}
    ends = [parts[name] for name in ("expires", "expires_at") if parts.get(name) is not None]
    at, basis, end = readable(parts.get("at")), parts.get("basis"), readable(ends[0]) if ends else None
    has_basis = isinstance(basis, str | None) and len(basis or "") <= MAX_BASIS
    fine = at is not None and has_basis and (end is not None or not ends)
    since = at if at is None or at >= YEAR_2000 else None
    span = 1 if since is None else span_of(parts["at"])
    unknown = any(
        value is not None and value not in AGREEING.get(name, [])
        for name, value in parts.items()
        if name not in KNOWN
    )
    match parts.get("granted"):
        case False:
            return Statement(False, since, basis if has_basis else None, end, span), fine, True
        case True if fine and not unknown and len(ends) < 2:
            return Statement(True, at, basis, end), True, True
        case True if not ends and not unknown:
            return None, False, True  # a grant that cannot be taken takes nothing away
    return Statement(False, since, span=span), False, False


def span_of(written: Any) -> int:
    """How many milliseconds a time is that can be read: all of a day, of a minute."""
    digits = str(int(written)) if not isinstance(written, str) and written == int(written) else written
    if isinstance(digits, str) and digits.isdecimal():
        if of_calendar(digits) is not None:
            return {8: DAY, 12: MINUTE, 14: SECOND}[len(digits)]
        return SECOND if int(digits) < 1e11 else 1
    if not isinstance(written, str):
        return 1
    if mail := re.fullmatch("[^:]* [0-9]{4} [0-9]{2}:[0-9]{2}(:[0-9]{2})? .*", written):
        return SECOND if mail[1] else MINUTE
    for form, span in SPANS.items():
        if re.fullmatch(form + "( ?(Z|z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?", written):
            return span
    return 1


def plainly(name: str) -> str:
    """What a human sees of a name."""
    letters = unicodedata.normalize("NFKC", name).casefold()
    return "".join(
        each for each in letters if unicodedata.category(each)[0] not in "CZ" and each not in QUOTES
    )


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
    """Reading: a number is by its digits seconds (up to 11), milliseconds (up to 15), microseconds (16) or
    nanoseconds (19); of 8, 12 or 14 digits that a calendar has between 1970 and 2099 it is that day or time.
    """
    if isinstance(value, str) and len(value) <= 64:
        if value.isdecimal() and value.isascii() and len(value) == 8:
            return of_calendar(value)
        if re.fullmatch(r"[0-9]{8,19}([.][0-9]{1,9})?", value, re.ASCII) and float(value) >= 1e8:
            return milliseconds(float(value) if "." in value else int(value))
        return of_words(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value >= 2**63:
        return None
    if value == int(value) and (read := of_calendar(str(int(value)))) is not None:
        return read
    if value > 253402300799999:
        return {16: int(value) // 10**3, 19: int(value) // 10**6}.get(len(str(int(value))))
    return round(value * 1000 if value < 1e11 else value)


def of_calendar(digits: str) -> int | None:
    if len(digits) not in (8, 12, 14) or not 1970 <= int(digits[:4]) < 2100:
        return None
    pairs = [int(digits[at : at + 2]) for at in range(4, len(digits), 2)]
    try:
        moment = datetime(int(digits[:4]), *pairs, tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError:
        return None
    return (moment - EPOCH) // timedelta(milliseconds=1)


def of_words(text: str) -> int | None:
    """ISO 8601, with a zone as word or with a blank before it, or as mails have it."""
    mail = re.fullmatch("(?:[A-Z][a-z]{2}, ?)?([0-9]{1,2} [A-Z][a-z]{2} .*)", text)
    try:
        if mail and re.search(" ([+-][0-9]{4}|GMT|UTC)$", text):
            moment = parsedate_to_datetime(text)
        else:
            iso = re.sub(" ?(UTC|GMT|[Zz])$", "+00:00", text) if len(text) > 12 else text
            moment = datetime.fromisoformat(re.sub("(:[0-9.]+) ([+-])", "\\1\\2", iso))
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(milliseconds=1)


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
