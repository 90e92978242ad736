"""The two data sets as events, in the order of event time, the same every time, and what goes with them.

The shop's page events become `clickstream`, CDNOW's purchases become `transactions`. They are two shops with
different customers and stay so. `data/README.md` says what was done to them: CDNOW's 18 months are
moved to end on the clickstream's last day, and its purchases, which have no time of day, are given one.
Addresses and consents are in neither: `profiles` are made up, from the customer's id. So is the `weather`
where a visitor of the shop is, as somebody else would know it.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

CLICKSTREAM = "clickstream"
TRANSACTIONS = "transactions"
PROFILES = "profiles"
WEATHER = "weather"

SHIFT_DAYS = (date(2024, 6, 29) - date(1998, 6, 30)).days
"""By how many days CDNOW's purchases are moved: their last day falls on the clickstream's last."""

_DAY_MS = 86_400_000
_OPENS = 8 * 3_600  # seconds of the day
_OPEN_SECONDS = 14 * 3_600
# Near the golden section of the day and without a common divisor with it: lines that follow each other, and
# purchases of one customer and day do, land far apart, and no second is taken twice before all are.
_STRIDE = 31_153
_EPOCH = date(1970, 1, 1).toordinal()

_PROFILED = datetime(2022, 12, 31, tzinfo=UTC)  # the day before the first purchase
_CONSENTED = "2022-11-15T12:00:00Z"
_TIMEZONES = ("Europe/London", "Europe/Athens", "Europe/Lisbon", "America/New_York")
_CHANNELS = ("email", "push")
# Of each consent: its share of the customers in per cent, and on what ground it was given.
_CONSENTS = {
    "marketing_email": (60, "double opt-in"),
    "push": (50, "app setting"),
    "marketing_post": (45, "order form"),
    "marketing_phone": (20, "order form"),
}
_DUE_DATE = "2024-08-15T00:00:00Z"  # after the last event
_EXPECTING = 8  # per cent of the customers, of whom most want to hear about it
_WANTS_TO_HEAR = 75


class DemoEvent(NamedTuple):
    """One record to produce. `key` is the customer id, `value` a JSON object, `time_ms` the event's time."""

    topic: str
    key: bytes
    value: bytes
    time_ms: int


def events() -> Iterator[DemoEvent]:
    """A profile of every customer, then all events of both data sets and the weather, by time.

    At the same time clickstream comes first, then the order is that of the file.
    """
    visits = clickstream()
    history = sorted(visits + transactions(), key=attrgetter("time_ms"))
    yield from profiles(event.key for event in history)
    yield from sorted(weather(visits) + history, key=attrgetter("time_ms"))


def weather(visits: Iterable[DemoEvent]) -> list[DemoEvent]:
    """The weather where a visitor is, for each day of a visit, from the day's first second on: `customer_id`,
    `ts`, `temperature` in degrees Celsius, `rain`.
    """
    made = []
    for key, day in dict.fromkeys((event.key, event.time_ms // _DAY_MS) for event in visits):
        drawn = blake2b(b"%b %d" % (key, day), digest_size=2).digest()
        season = (day - date(2024, 1, 20).toordinal() + _EPOCH) / 180  # 0: the coldest days, 1: the hottest
        value = {
            "customer_id": key.decode(),
            "ts": f"{date.fromordinal(_EPOCH + day).isoformat()}T00:00:00Z",
            "temperature": round(2 + 20 * season) + drawn[0] % 11 - 3,
            "rain": drawn[1] % 3 == 0,
        }
        made.append(DemoEvent(WEATHER, key, orjson.dumps(value), day * _DAY_MS))
    return made


def profiles(customers: Iterable[bytes]) -> list[DemoEvent]:
    """A made-up profile of each customer: `customer_id`, `ts`, `attributes`, `consents`; see `profile`."""
    ts, time_ms = _PROFILED.isoformat().replace("+00:00", "Z"), int(_PROFILED.timestamp()) * 1000
    return [
        DemoEvent(
            PROFILES, key, orjson.dumps({"customer_id": key.decode(), "ts": ts} | profile(key)), time_ms
        )
        for key in dict.fromkeys(customers)
    ]


def profile(customer: bytes) -> dict[str, dict[str, Any]]:
    """What the demo makes up of a customer, drawn from a hash of the id: the same every time.

    Addresses are of names and numbers that are reserved for examples and reach nobody.
    """
    drawn = iter(blake2b(customer, digest_size=32).digest())

    def is_among(share: int) -> bool:
        """Whether the customer is among about `share` per cent."""
        return next(drawn) * 100 < share * 256

    name, number = customer.decode(), next(drawn)
    wanted = {
        "email": (95, f"{name}@mail.example"),
        "push_token": (80, f"device-of-{name}"),
        "postal_address": (85, {"street": f"{number + 1} Example Street", "city": "Exampletown"}),
        "phone": (90, f"+1 202 555 01{number % 100:02}"),
        "timezone": (30, _TIMEZONES[number % len(_TIMEZONES)]),
        "preferred_channel": (20, _CHANNELS[number // 128]),
        "do_not_contact": (1, True),
    }
    attributes = {key: value for key, (share, value) in wanted.items() if is_among(share)}
    consents = {
        purpose: {"granted": True, "at": _CONSENTED, "basis": basis}
        if is_among(share)
        else {"granted": False, "at": _CONSENTED}
        for purpose, (share, basis) in _CONSENTS.items()
        if is_among(95)
    }
    if is_among(_EXPECTING):
        attributes["due_date"] = _DUE_DATE
        if is_among(_WANTS_TO_HEAR):
            basis = "newsletter for parents"
            consents["pregnancy"] = {"granted": True, "at": _CONSENTED, "basis": basis, "expires": _DUE_DATE}
    return {"attributes": attributes, "consents": consents}


def clickstream() -> list[DemoEvent]:
    """The shop's page events: `event`, `customer_id`, `ts`, `event_id` and what is known of the visit."""
    made = []
    for line, row in enumerate(csv.DictReader(io.StringIO(_unpacked("shop_clickstream.csv.gz"))), start=1):
        at = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)
        value = {
            "event": row["event"],
            "customer_id": row["user_id"],
            "ts": row["timestamp"].replace(" ", "T") + "Z",
            "event_id": f"click-{line:05}",
            "session": row["session_id"],
            "platform": row["platform"],
            "acquisition_channel": row["acquisition_channel"],
            "cohort": row["user_cohort"],
            "lifecycle": row["user_lifecycle"],
        }
        time_ms = int(at.timestamp()) * 1000
        made.append(DemoEvent(CLICKSTREAM, row["user_id"].encode(), orjson.dumps(value), time_ms))
    made.sort(key=attrgetter("time_ms"))  # stable: what one visitor did within a second keeps its order
    return made


def transactions() -> list[DemoEvent]:
    """CDNOW's purchases, moved in time: `customer_id`, `ts`, `event_id`, `amount`, `items`, `currency`."""
    made = []
    lines = _unpacked("cdnow_transactions.txt.gz").splitlines()[1:]  # without the header
    for line, (number, day, items, amount) in enumerate(map(str.split, lines), start=1):
        customer = f"cdnow-{number}"
        moved_day, midnight = _moved(day)
        second = _OPENS + line * _STRIDE % _OPEN_SECONDS
        value = {
            "customer_id": customer,
            "ts": f"{moved_day}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z",
            "event_id": f"order-{line:05}",
            "amount": float(amount),
            "items": int(items),
            "currency": "USD",
        }
        time_ms = (midnight + second) * 1000
        made.append(DemoEvent(TRANSACTIONS, customer.encode(), orjson.dumps(value), time_ms))
    made.sort(key=attrgetter("time_ms"))
    return made


@cache
def _moved(day: str) -> tuple[str, int]:
    """`19970101` as the moved day, `2023-01-01`, and its first second. Cached: there are 546 days."""
    moved = date(int(day[:4]), int(day[4:6]), int(day[6:])).toordinal() + SHIFT_DAYS
    return date.fromordinal(moved).isoformat(), (moved - _EPOCH) * 86_400


def _unpacked(name: str) -> str:
    return gzip.decompress(files("stream.demo").joinpath("data", name).read_bytes()).decode("ascii")
