"""Random small worlds: rule sets and histories of events that provoke what is hard to get right.

Hypothesis draws strings of bytes and `Dice` reads a world from them: fast (a world takes a few milliseconds),
and a failing world still shrinks to a small one: an event or rule is one string that can be left out, and a
zero byte is always the plainest choice. The pools of values are small on purpose: equal times, equal names,
borders of windows must come up all the time, not once in a million events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

from hypothesis import strategies as st

from stream.clock import LATEST
from stream.content.template import Template
from stream.expression import Call, Ident, Literal, Select, unparse
from stream.rules.model import FieldPath, RuleSet, Source

from .changes import Change
from .edits import edited
from .rulesets import NAMES, PURPOSES, Dice, rule_sets, strings

START = 1_772_445_600_000  # 2026-03-02T10:00:00Z
NEVER = START + 10_000 * 86_400_000  # a wall clock later than everything
MISSING = object()
FAR = START + 7_000 * 365 * 86_400_000  # in the year 8991, where some producers live

FUTURE = 5 * 60_000  # how far ahead of the wall clock an event may be, in live worlds
CUSTOMERS = ("c1", "c1", "c1", "c1", "c1", "c2", "c2", "é", 7, "c10")
CATEGORIES = ("a", "a", "a", "a", "b", "b", "b", 1, 1, True, False, MISSING, None, "é", ["a"])
PRICES = (1, 2, 1.5, 10, 1, 2, 1.5, 10, 0, -1, "a", True, None, MISSING, 2**53 + 1, 2.0**53)
# Sums of quarters are exact in whatever order they are added up.
AMOUNTS = (1, 2.5, 0.25, 10, 1, 2.5, 0.25, 10, -3, 0, True, "5", "96.00", [1], None, MISSING)
FLAGS = (True, True, True, True, False, MISSING, "x", None, {"a": 1}, {"a": True})
PACES = ((0, 0, 1, 1, 2, 5, 10, 30, 60, 61, 100, 300), (0, 1, 1, 0, 2, 3, 5, 5, 10))  # between two events
LATENESS = (0, 0, 0, 0, 0, 0, 0, 0, 1, 5, 30, 61, 600, 3000)
BAD_VALUES = (None, b"", b"{", b"[1]", b'"x"', b"\xff{}", b"null", b'{"ts": NaN}', b" null", b'""')
BAD_CUSTOMERS = (MISSING, "", None, True, 1.5, ["c1"])
BAD_NAMES = (MISSING, None, 3, ["add"])
BAD_TIMES = ("yesterday", True, -5, 1e30, [START], "")

ATTRIBUTES: Mapping[str, Sequence[Any]] = {
    "email": (*["a@b.example"] * 3, "", None, {"city": "x"}, "a@b\r\nBcc: c@d", 7),
    "tier": ("gold", "silver", "gold", None, 3),
    "name": ("Ann", "Ann", "Éva", None, ["Ann"]),
    "age": (18, 17, 18.0, None, "18"),
    "timezone": (
        *("UTC", "Europe/Berlin", "UTC", "Asia/Kolkata", "Pacific/Honolulu", "Pacific/Chatham"),
        *("America/New_York", "Mars/Base", None, 3, "+05:30", "utc-3", "europe/berlin", ""),
    ),
    "born": ("1990-03-02", "1990-03-09", "--03-02", "2026-03-02", "1990-03-02T23:30:00Z", None, "soon", 3),
    "ends": (
        *("2026-03-02", "2026-03-04", "2026-03-02T10:01:30Z", "2026-03-02T11:02", 1_772_445_720, None),
        *("soon", True, "2026-03-02T23:00:00-10:00"),
    ),
    "preferred_channel": ("email", "push", "web", "fax", None, 1),
}
BAD_PROFILES: Sequence[tuple[str, Any]] = (
    ("attributes", ["tier"]),
    ("attributes", {"n" * 129: 1}),
    ("consents", ["mail"]),
    ("consents", []),
    ("consents", "none"),
    ("consents", {"mail": True}),
    ("consents", {"mail": None, "phone": {"granted": False, "at": START + 5}}),
    ("consents", {"mail": {"granted": False}}),
    ("consents", {"mail": {"granted": False, "at": "2026-03-02"}}),
    ("consents", {"mail": {"granted": False, "at": 0}}),
    ("consents", {" MAIL": {"granted": False, "at": START + 30}}),
    (
        "consents",
        {"mail": {"granted": False, "at": START + 10, "basis": 3, "expires": START + 20}, "phone": 1},
    ),
    ("consents", {"mail": {"granted": True, "at": START, "withdrawn": True}}),
    ("consents", {"mail": {"granted": True, "at": START, "withdrawn": False, "source": "web"}}),
    ("consents", {"mail": {"granted": True, "at": START, "status": "active"}, "phone": {"status": "active"}}),
    ("consents", {"mail": {"granted": True, "at": START, "status": "closed"}}),
    ("consents", {"mail": {"granted": True, "at": START, "revokedAt": None, "expires_at": START + 90}}),
    ("consents", {"mail": {"granted": True, "at": START, "expires": START + 60, "expires_at": START}}),
    ("consents", {"mail\u200b": {"granted": False, "at": START // 1000}, "phone": {"granted": False}}),
    ("consents", {'"\uff4dail"': {"granted": False, "at": "2026-03-02T10:00Z"}}),
    ("consents", {"*": {"granted": False, "at": START + 20}}),
    ("consents", {"ALL": {"granted": False}, "*": "no"}),
    ("consents", {"*": {"granted": True, "at": START}}),
    ("Consents", {"mail": {"granted": False, "at": "20260302T10"}}),
    ("consent", {"phone": {"granted": True, "at": START + 70}}),
    ("consent", []),
    ("consent", False),
    ("consents", {"mail": {"granted": True, "at": START + 40, "expires": START + 60}, "phone": {}}),
    ("consents", {"mail": {"granted": True, "expires": START + 60}}),
    ("consents", {"mail": {"granted": True}}),
    ("consents", {"mail": {"granted": "yes", "at": START}}),
    ("consents", {"mail": {"granted": True, "at": "soon"}}),
    ("consents", {"mail": {"granted": True, "at": START, "basis": 3}}),
    ("consents", {"mail": {"granted": True, "at": START, "expires": "never"}}),
    ("consents", {"mail": {"granted": True, "at": START, "expires": True}}),
)

TWICE = (  # stands at the end of a record that may have consents already
    b', "consents": {}',
    b', "consents": {"mail": {"granted": true, "at": 1772445600}, "mail": {"granted": false}}',
    b', "Consents": {"mail": {"granted": false, "granted": true, "at": 1772445600}}',
    b', "attributes": {}, "attributes": {"tier": "gold", "tier": "silver"}',
)


# From which source the next record comes.
CARRIERS = ("clicks", "orders", "clicks", "clicks", "profiles", "orders", "clicks", "weather", "clicks")


class Rec(NamedTuple):
    """A record of Kafka, as far as the engine reads it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class History:
    rules: RuleSet
    partition: int
    records: Mapping[str, Sequence[Rec]]
    wall: int = NEVER
    by_event_time: bool = True
    changes: tuple[Change, ...] = ()
    off: Mapping[str, int] = field(default_factory=dict)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis prints a failing world: as a person reads it, times counted from the start."""
        lines = [
            f"partition {self.partition}, wall {self.wall - START:+}, by_event_time={self.by_event_time}"
        ]
        lines += [f"  {line}" for line in definitions(self.rules)]
        lines += [f"  off: {self.off}"]
        former = self.rules
        for change in self.changes:
            lines += [
                f"  after {change.after} events and updates, by a restart: {change.restart}",
                f"    off: {change.off}",
            ]
            lines += [
                f"    - {each}" for each in definitions(former) if each not in definitions(change.rules)
            ]
            lines += [
                f"    + {each}" for each in definitions(change.rules) if each not in definitions(former)
            ]
            former = change.rules
        for name, records in self.records.items():
            lines += [
                f"  {name}@{each.offset} stamped {each.timestamp - START:+}: {each.value!r:.300}"
                for each in records
            ]
        printer.text("\n".join(lines).replace(str(START // 1000), "START/1000 "))


def definitions(rules: RuleSet) -> list[str]:
    kinds = (rules.sources, rules.channels, rules.traits, rules.segments, rules.rules, [rules.policy])
    predicates = [f"predicate {number}: {unparse(node)}" for number, node in enumerate(rules.predicates)]
    return [*(show(each) for kind in kinds for each in kind), *predicates]


def show(value: Any) -> str:
    """A definition without what it does not say; conditions as texts."""
    if isinstance(value, Literal | Ident | Select | Call):
        return f"`{unparse(value)}`"
    if isinstance(value, Template):
        return repr(value.source)
    if isinstance(value, tuple):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {show(each)}' for name, each in value.items())}}}"
    if not hasattr(value, "__dataclass_fields__"):
        return repr(value)
    said = [
        f"{each.name}={show(getattr(value, each.name))}"
        for each in fields(value)
        if each.init and (each.default is NO_DEFAULT or getattr(value, each.name) != each.default)
    ]
    return f"{type(value).__name__}({', '.join(said)})"


# -- histories


@st.composite
def histories(draw: st.DrawFn, *, live: bool = False, changes: Sequence[int] = (0, 0, 1, 2)) -> History:
    """A world; with `live` the wall clock rules, and some events are ahead of it.

    `changes`: how often its rules may change.

    An event is late by one window at most where the rules have windows (what a late event sees of older
    slices is the engine's stated limit), else by anything.
    """
    scale = draw(st.sampled_from((1, 1000)))
    sets = [draw(rule_sets(scale=scale))]
    for _ in range(draw(st.sampled_from(changes))):
        sets.append(edited(sets, draw(strings(104, 1, 4)), scale))
    rules = sets[0]
    windows = [trait.over for each in sets for trait in each.traits if trait.over is not None]
    latest = min(windows, default=LATENESS[-1] * scale)
    # The last one is a day and some minutes on: what was due early comes too late.
    wall = START + draw(st.sampled_from((0, 100, 1_000, 87_000))) * scale if live else NEVER
    by_name = {source.name: source for source in rules.sources}
    records: dict[str, list[Rec]] = {"clicks": [], "orders": [], "profiles": [], "weather": []}
    if draw(st.booleans()):
        records["profiles"] = [_introduction(n, who) for n, who in enumerate(dict.fromkeys(CUSTOMERS))]
    # Quiet hours are told by the minute: some worlds begin just before one ends.
    now = START + draw(st.sampled_from((0, 60_000 - 50)))
    pace = draw(st.sampled_from(PACES))
    least = draw(st.sampled_from((0, 20, 40)))
    for number, faces in enumerate(draw(strings(24, least, 60))):
        dice = Dice(faces)
        now += dice.pick(pace) * scale
        time = now - min(dice.pick(LATENESS) * scale, latest)
        stamped = time
        if time > wall + FUTURE:  # replaced by when the record came, if the windows allow it
            time, stamped = (time, wall) if latest >= FUTURE else (wall + FUTURE, wall + FUTURE)
        source = by_name[dice.pick(CARRIERS)]
        if live and dice.chance(12) and (source.kind != "event" or not windows):
            time, stamped = FAR, dice.pick((FAR, FAR, wall, -1, 1 << 60))
        queue = records[source.name]
        offset = (queue[-1].offset + 1 if queue else 0) + dice.chance(16)
        queue.append(_record(source, dice, time, stamped, number, offset, scale))
    count = sum(map(len, records.values()))
    points = sorted(draw(st.integers(0, count)) for _ in sets[1:])
    changed = tuple(
        Change(after, each, off=draw(st.none() | switched_off(scale)))
        for after, each in zip(points, sets[1:], strict=True)
    )
    off = draw(st.just({}) | switched_off(scale))
    return History(rules, draw(st.integers(0, 1)), records, wall, not live, changed, off)


def switched_off(scale: int) -> st.SearchStrategy[dict[str, int]]:
    """Rules that are off, for good or until some time in the world."""
    until = st.sampled_from((LATEST, START + 30 * scale, START + 300 * scale))
    return st.dictionaries(st.sampled_from(("r0", "r1", "r2")), until, max_size=2)


def _introduction(offset: int, customer: Any) -> Rec:
    """A customer who may be written to."""
    consents = {purpose: {"granted": True, "at": START - 60_000} for purpose in PURPOSES}
    data = {"customer": customer, "ts": START, "attributes": {"email": "a@b.example"}, "consents": consents}
    return Rec(offset, START, None, json.dumps(data).encode())


def _record(source: Source, dice: Dice, time: int, stamped: int, number: int, offset: int, scale: int) -> Rec:
    """One record; now and then a bad one, or one written in another of the ways that are allowed."""
    odd, which = dice.number(), dice.number()
    data: dict[FieldPath, Any] = {source.customer: dice.pick(CUSTOMERS), ("ts",): time}
    key = f"{data[source.customer]}".encode() if which & 1 else None
    match source.kind:
        case "profile":
            data |= _profile(dice, time, scale)
        case "context":
            data |= _weather(dice)
        case "event":
            data |= _event(source, dice, number, which)
    match odd:
        case 255:
            return Rec(offset, stamped, key, BAD_VALUES[which % len(BAD_VALUES)])
        case 251 | 250 if source.kind != "event":
            return Rec(offset, stamped, key, None)
        case 254:
            data[source.customer] = BAD_CUSTOMERS[which % len(BAD_CUSTOMERS)]
        case 253 if source.event:
            data[source.event] = BAD_NAMES[which % len(BAD_NAMES)]
        case 253 if source.kind == "profile":
            name, value = BAD_PROFILES[which % len(BAD_PROFILES)]
            data[name,] = value
        case 253 if source.kind == "context":
            data["n" * 129,] = 1
        case 252:
            data["ts",] = BAD_TIMES[which % len(BAD_TIMES)]
        case _ if odd > 200:
            data["ts",] = _written(time, which)
    end = TWICE[which % len(TWICE)] if odd == 249 and source.kind == "profile" else b""
    return Rec(offset, stamped, key, _encoded(data)[:-1] + end + b"}")


def _event(source: Source, dice: Dice, number: int, which: int) -> dict[FieldPath, Any]:
    ids = (f"e{number}", f"e{number}", f"e{number}", f"e{number}", "same", number, MISSING)
    event: dict[FieldPath, Any] = {
        ("category",): dice.pick(CATEGORIES),
        ("price",): dice.pick(PRICES),
        ("amount",): dice.pick(AMOUNTS),
        ("flag",): dice.pick(FLAGS),
        ("props", "k"): dice.pick(CATEGORIES),
        ("items",): _items(dice),
        ("id",): ids[which % len(ids)],
    }
    if source.event:
        event[source.event] = dice.pick(NAMES)
    return event


def _items(dice: Dice) -> Any:
    """A list in an event, mostly of objects that have what events have."""
    if dice.chance(10):
        return dice.pick((None, 5, {"category": "a"}, [], [None, "a", ["a"], {}]))
    return [
        {
            **{name: value for name, value in _element(dice).items() if value is not MISSING},
            "props": {"k": dice.pick(("a", "b", 1))},
        }
        for _ in range(dice.number() % 4)
    ]


def _element(dice: Dice) -> dict[str, Any]:
    return {"category": dice.pick(CATEGORIES), "amount": dice.pick(AMOUNTS), "price": dice.pick(PRICES)}


def _profile(dice: Dice, time: int, scale: int) -> dict[FieldPath, Any]:
    """Some attributes and consents: given, withdrawn, or dated in the past or the future."""
    names = dice.some(tuple(ATTRIBUTES))
    attributes = {name: dice.pick(ATTRIBUTES[name]) for name in names}
    consents = {}
    for purpose in dice.some(PURPOSES):
        at = time + dice.pick((0, 0, -1, 1, -60_000, 60_000))
        consents[purpose] = {"granted": not dice.chance(4), "at": _written(at, dice.pick((0, 4, 1)))}
        if dice.chance(3):
            consents[purpose]["basis"] = "double opt-in"
        if dice.chance(2):
            expires = time + dice.pick((1, 2, 3, 5, 10, 1, 2, 30, 61, 600, 0, -1)) * scale
            consents[purpose]["expires"] = _written(expires, dice.pick((0, 1, 4)))
    parts = {("attributes",): attributes, ("consents",): consents}
    kept = dice.pick((("attributes", "consents"), ("attributes",), ("consents",), ()))
    return {path: part for path, part in parts.items() if path[0] in kept}


def _weather(dice: Dice) -> dict[FieldPath, Any]:
    """What somebody else knows: some of it, which replaces all that was known."""
    return {
        ("temperature",): dice.pick((30, 3, 20.5, "30", None, MISSING)),
        ("rain",): dice.pick((True, False, MISSING)),
        ("place", "city"): dice.pick(("Rome", "Oslo", MISSING)),
    }


def _written(time: int, how: int) -> Any:
    """A time in one of the ways in which it may stand in an event."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time)
    ways = (
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        moment.astimezone(timezone(timedelta(hours=2))).isoformat(timespec="milliseconds"),
        moment.replace(tzinfo=None).isoformat(timespec="milliseconds"),
        time / 1000 if time % 250 == 0 else time,
        float(time),
        moment.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", " UTC"),
        moment.strftime("%a, %d %b %Y %H:%M:%S +0000") if time % 1000 == 0 else time * 1000,
        str(time),
        MISSING,
    )
    return ways[how % len(ways)]


def _encoded(parts: Mapping[FieldPath, Any]) -> bytes:
    data: dict[str, Any] = {}
    for path, value in parts.items():
        if value is MISSING:
            continue
        inner = data
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value
    return json.dumps(data, ensure_ascii=False).encode()
