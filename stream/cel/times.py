"""Timestamps and durations of CEL: their texts, their ranges, their parts in a time zone.

A timestamp is written as RFC 3339, a duration as Go does (`1h30m`, `-1.5s`). Zones are IANA names or
`+02:00`. Every function raises ExpressionError. Tested by tests/conformance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from stream.cel.values import Duration, Timestamp
from stream.clock import LATEST, iana_zone
from stream.errors import ExpressionError

SECOND = 1_000_000_000
MAX_DURATION = 100  # characters of one that is written
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = -62_135_596_800 * SECOND  # 0001-01-01T00:00:00Z
_LAST = (LATEST + 1) * 1_000_000 - 1  # 9999-12-31T23:59:59.999999999Z
_LONGEST = 2**63 - 1  # about 292 years

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)", re.ASCII)
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86_400 * SECOND,  # these two as rule files write them
    "w": 604_800 * SECOND,
}
_OFFSET = re.compile(r"([+-]?)(\d\d?):(\d\d)", re.ASCII)


def timestamp(nanos: int) -> Timestamp:
    if not _FIRST <= nanos <= _LAST:
        raise ExpressionError("a timestamp out of range")
    return Timestamp(nanos)


def duration(nanos: int) -> Duration:
    if abs(nanos) > _LONGEST:
        raise ExpressionError("a duration out of range")
    return Duration(nanos)


def from_datetime(moment: datetime) -> Timestamp:
    """One without a time zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return timestamp((aware - _EPOCH) // timedelta(microseconds=1) * 1000)


def to_datetime(moment: Timestamp) -> datetime:
    """In UTC, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=moment.nanos // 1000)


def from_timedelta(span: timedelta) -> Duration:
    return duration(span // timedelta(microseconds=1) * 1000)


def to_timedelta(span: Duration) -> timedelta:
    """Cut to microseconds, towards zero."""
    micros = abs(span.nanos) // 1000
    return timedelta(microseconds=micros if span.nanos >= 0 else -micros)


def read_timestamp(text: str, place: str | None = None) -> Timestamp:
    """Of a text as RFC 3339 has it, or of a date: its midnight in a zone, in UTC without one."""
    if _DATE.fullmatch(text):
        return _midnight(text, place or "UTC")
    match = _RFC3339.fullmatch(text)
    if match is None:
        hint = "write e.g. '2026-11-27T10:00:00Z' or '2026-11-27'"
        raise ExpressionError("a text that is no timestamp", hint=hint)
    if place is not None:
        raise ExpressionError("a timestamp has a time zone of its own", hint="leave the second argument out")
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise ExpressionError("a timestamp out of range") from None
    nanos = (moment - _EPOCH) // timedelta(seconds=1) * SECOND + int((match[7] or "").ljust(9, "0"))
    if match[8]:
        hours, minutes = int(match[9]), int(match[10])
        if hours > 23 or minutes > 59:
            raise ExpressionError("a time zone out of range")
        away = (hours * 3600 + minutes * 60) * SECOND
        nanos -= away if match[8] == "+" else -away
    return timestamp(nanos)


def _midnight(date: str, place: str) -> Timestamp:
    try:
        return from_datetime(datetime.fromisoformat(date).replace(tzinfo=zone(place)))
    except (ValueError, OverflowError):
        raise ExpressionError("a timestamp out of range") from None


def write_timestamp(moment: Timestamp) -> str:
    seconds, nanos = divmod(moment.nanos, SECOND)
    at = _EPOCH + timedelta(seconds=seconds)
    return f"{at.replace(tzinfo=None).isoformat()}{_fraction(nanos)}Z"


def read_duration(text: str) -> Duration:
    body = text[1:] if text[:1] in ("+", "-") else text
    nanos = position = 0
    if len(body) > MAX_DURATION:
        body = ""
    if body != "0":
        while (match := _PART.match(body, position)) and len(match[1]) <= 32:
            whole, _, fraction = match[1].partition(".")
            unit = _UNITS[match[2]]
            nanos += int(whole or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
            position = match.end()
        if not body or position != len(body):
            meant = duration_of_iso(text) or "e.g. 90s, 1h30m, 7d"
            raise ExpressionError("a text that is no duration", hint=f"write {meant}")
    return duration(-nanos if text.startswith("-") else nanos)


_OF_ISO = re.compile(
    r"P(?:([0-9]{1,6})W)?(?:([0-9]{1,6})D)?(?:T(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,6})S)?)?"
)


def duration_of_iso(text: str) -> str | None:
    """A duration as ISO 8601 has it, `P1DT2H`, as it is written here: `1d2h`. None if it is none."""
    match = _OF_ISO.fullmatch(text.strip().upper())
    parts = zip(match.groups(), "wdhms", strict=True) if match else ()
    return "".join(f"{int(count)}{unit}" for count, unit in parts if count and int(count)) or None


def write_duration(span: Duration) -> str:
    seconds, nanos = divmod(abs(span.nanos), SECOND)
    return f"{'-' if span.nanos < 0 else ''}{seconds}{_fraction(nanos)}s"


def _fraction(nanos: int) -> str:
    return f".{nanos:09}".rstrip("0") if nanos else ""


def zone(name: str) -> tzinfo:
    """The time zone of an IANA name, `UTC`, or an offset such as `-02:30`."""
    if match := _OFFSET.fullmatch(name):
        away = timedelta(hours=int(match[2]), minutes=int(match[3]))
        if away >= timedelta(days=1) or int(match[3]) > 59:
            raise ExpressionError("a time zone out of range")
        return timezone(-away if match[1] == "-" else away)
    found = iana_zone(name)
    if found is None:
        raise ExpressionError("an unknown time zone", hint="write e.g. 'Europe/Vienna' or '+01:00'")
    return found


_PARTS: Mapping[str, Callable[[datetime], int]] = {
    "getFullYear": lambda at: at.year,
    "getMonth": lambda at: at.month - 1,
    "getDate": lambda at: at.day,
    "getDayOfMonth": lambda at: at.day - 1,
    "getDayOfWeek": lambda at: at.isoweekday() % 7,
    "getDayOfYear": lambda at: at.timetuple().tm_yday - 1,
    "getHours": lambda at: at.hour,
    "getMinutes": lambda at: at.minute,
    "getSeconds": lambda at: at.second,
    "getMilliseconds": lambda at: at.microsecond // 1000,
}
ACCESSORS = frozenset(_PARTS)
_OF_DURATION = {"getHours": 3600 * SECOND, "getMinutes": 60 * SECOND, "getSeconds": SECOND}


def part_of(name: str, value: Timestamp | Duration, place: str = "UTC") -> int:
    """One part of a timestamp in a zone, or a whole duration in hours, minutes or seconds."""
    if isinstance(value, Timestamp):
        try:
            return _PARTS[name](to_datetime(value).astimezone(zone(place)))
        except OverflowError:
            raise ExpressionError("a timestamp out of range") from None
    sign = -1 if value.nanos < 0 else 1
    if name == "getMilliseconds":
        return sign * (abs(value.nanos) % SECOND // 1_000_000)
    if name not in _OF_DURATION:
        raise ExpressionError(f"a duration has no `{name}`")
    return sign * (abs(value.nanos) // _OF_DURATION[name])
