"""Random small worlds: rule sets and histories of events that provoke what is hard to get right.

Hypothesis draws strings of bytes and `Dice` reads a world from them: fast (a world takes a few milliseconds),
and a failing world still shrinks to a small one: an event or rule is one string that can be left out, and a
zero byte is always the plainest choice. The pools of values are small on purpose: equal times, equal names,
borders of windows must come up all the time, not once in a million events.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

from stream.expression import Call, Ident, Literal, Node, Select
from stream.program import Channel, FieldPath, Limit, Rule, RuleSet, Source, Trait, TraitFunction, Unless

T = TypeVar("T")

START = 1_772_445_600_000  # 2026-03-02T10:00:00Z
NEVER = START + 10_000 * 86_400_000  # a wall clock later than everything
MISSING = object()

FUTURE = 5 * 60_000  # how far ahead of the wall clock an event may be, in live worlds
NAMES = ("add", "buy", "view")
CUSTOMERS = ("c1", "c1", "c1", "c2", "c2", "é", 7, "c10")
CATEGORIES = ("a", "a", "a", "a", "b", "b", "b", 1, 1, True, False, MISSING, None, "é", ["a"])
PRICES = (1, 2, 1.5, 10, 1, 2, 1.5, 10, 0, -1, "a", True, None, MISSING, 2**53 + 1, 2.0**53)
# Sums of quarters are exact in whatever order they are added up.
AMOUNTS = (1, 2.5, 0.25, 10, 1, 2.5, 0.25, 10, -3, 0, True, "5", None, MISSING)
FLAGS = (True, True, True, True, False, MISSING, "x", None, {"a": 1}, {"a": True})
STEPS = (0, 0, 1, 1, 2, 5, 10, 30, 60, 61, 100, 300)
LATENESS = (0, 0, 0, 0, 0, 0, 0, 0, 1, 5, 30, 61, 600, 3000)
DURATIONS = (30, 60, 61, 119, 600)
BAD_VALUES = (None, b"", b"{", b"[1]", b'"x"', b"\xff{}", b"null", b'{"ts": NaN}')
BAD_CUSTOMERS = (MISSING, "", None, True, 1.5, ["c1"])
BAD_NAMES = (MISSING, None, 3, ["add"])
BAD_TIMES = ("yesterday", True, -5, 1e30, [START], "")


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

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis prints a failing world: as a person reads it, times counted from the start."""
        lines = [
            f"partition {self.partition}, wall {self.wall - START:+}, by_event_time={self.by_event_time}"
        ]
        for kind in ("sources", "traits", "rules"):
            lines += [f"  {kind}: {each}" for each in getattr(self.rules, kind)]
        lines += [f"  predicate {i}: {show(node)}" for i, node in enumerate(self.rules.predicates)]
        lines += [f"  if of {r.name}: {show(r.condition)}" for r in self.rules.rules if r.condition]
        for name, records in self.records.items():
            lines += [
                f"  {name}@{each.offset} stamped {each.timestamp - START:+}: {each.value!r:.300}"
                for each in records
            ]
        printer.text("\n".join(lines).replace(str(START // 1000), "START/1000 "))


def show(node: Node) -> str:
    match node:
        case Literal(value):
            return json.dumps(value)
        case Ident(name):
            return name
        case Select(operand, name):
            return f"{show(operand)}.{name}"
        case Call(function, args):
            return f"{function}({', '.join(map(show, args))})"
    raise AssertionError(node)


# -- from bytes to choices


class Dice:
    """Choices read from bytes, one each; after the last byte every choice is the first of its pool."""

    def __init__(self, faces: bytes) -> None:
        self._faces = iter(faces)

    def number(self) -> int:
        return next(self._faces, 0)

    def pick(self, pool: Sequence[T]) -> T:
        return pool[self.number() % len(pool)]

    def chance(self, one_in: int) -> bool:
        return self.number() % one_in == one_in - 1

    def some(self, pool: Sequence[T]) -> tuple[T, ...]:
        """One or two of the pool."""
        first, second = self.pick(pool), self.pick(pool)
        return (first,) if first == second or self.chance(2) else (first, second)


def strings(size: int, least: int, most: int) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.binary(min_size=size, max_size=size), min_size=least, max_size=most)


# -- conditions

Roll = Callable[[Dice], Node]
EVENT, EVENT_NAME = Ident("event"), Ident("event_name")
CATEGORY, PRICE, AMOUNT, FLAG = (Select(EVENT, name) for name in ("category", "price", "amount", "flag"))
NESTED = Select(Select(EVENT, "props"), "k")
BY_INDEX = Call("_[_]", (EVENT, Literal("category")))
NUMBERS = (Literal(1), Literal(2), Literal(1.5), Literal(0), Literal(2.0**53), Literal("a"))
CONSTANTS = (Literal("a"), Literal(1), Literal(1.0), Literal(True), Literal(None), Literal("b"))
PLACES: tuple[Node, ...] = (CATEGORY, NESTED, BY_INDEX)
FLAG_LIKES: tuple[Node, ...] = (FLAG, CATEGORY, Literal(True))
VALUES: tuple[Node, ...] = (CATEGORY, PRICE, NESTED, Literal("a"), Literal(1))
EQUALITIES = ("_==_", "_!=_")
COMPARISONS = ("_>=_", "_<_", "_<=_", "_>_", *EQUALITIES)
KEYS: tuple[Node, ...] = (CATEGORY, CATEGORY, NESTED, Literal("a"), Literal(1), Literal(True))


def event_atom(dice: Dice) -> Node:
    """A condition on the event alone."""
    match dice.number() % 7:
        case 0:
            return Call(dice.pick(COMPARISONS), (PRICE, dice.pick(NUMBERS)))
        case 1:
            return Call(dice.pick(EQUALITIES), (dice.pick(PLACES), dice.pick(CONSTANTS)))
        case 2:
            return Call(dice.pick(COMPARISONS), (PRICE, AMOUNT))
        case 3:
            return Call(dice.pick(EQUALITIES), (EVENT_NAME, Literal(dice.pick(("add", "buy")))))
        case 4:
            return Call(dice.pick(("_==_", "_<_")), (FLAG, dice.pick(FLAG_LIKES)))
        case 5:
            return FLAG
    return Call(dice.pick(COMPARISONS), (AMOUNT, Literal(dice.pick((0, 0.25, 1, 2.5, 10)))))


def trait_atom(dice: Dice, traits: Sequence[Trait]) -> Node:
    """A condition on a trait, mostly one that holds after a few events."""
    trait = dice.pick(traits)
    value: Node = Select(Ident("traits"), trait.name)
    if trait.per:
        value = Call("_[_]", (value, dice.pick(KEYS)))
    if trait.function == "last":
        return Call(dice.pick(("_==_", "_!=_", "_<_")), (value, dice.pick(VALUES)))
    return Call(
        dice.pick(("_>=_", "_>=_", *COMPARISONS)), (value, Literal(dice.pick((1, 1, 1, 2, 0, 2.5, 3))))
    )


def condition(dice: Dice, atom: Roll, depth: int = 0) -> Node:
    """A condition over some atoms, two operators deep at most."""
    shape = dice.pick(("atom", "atom", "atom", "atom", "!_", "_&&_", "_||_")) if depth < 2 else "atom"
    if shape == "atom":
        return atom(dice)
    operands = [condition(dice, atom, depth + 1) for _ in range(1 if shape == "!_" else 2)]
    return Call(shape, tuple(operands))


# -- rule sets


@dataclass
class Workshop:
    """What the definitions of one rule set share: the scale of its times and its distinct predicates."""

    scale: int
    predicates: list[Node]

    def where(self, dice: Dice) -> int | None:
        if not dice.chance(4):
            return None
        node = condition(dice, event_atom)
        known = [show(each) for each in self.predicates]  # trees compare 1 and true as Python does: equal
        if show(node) in known:
            return known.index(show(node))
        self.predicates.append(node)
        return len(self.predicates) - 1

    def over(self, dice: Dice) -> int:
        return dice.pick(DURATIONS) * self.scale

    def trait(self, number: int, dice: Dice) -> Trait:
        function, field = dice.pick(FUNCTIONS)
        return Trait(
            name=f"t{number}",
            stable_id=f"{number:016x}",
            function=function,
            of=dice.some(NAMES),
            field=field,
            where=self.where(dice),
            per=dice.pick((None, None, ("category",), ("props", "k"))),
            over=None if dice.chance(4) else self.over(dice),
        )

    def rule(self, number: int, dice: Dice, traits: Sequence[Trait]) -> Rule:
        def atom(dice: Dice) -> Node:
            return trait_atom(dice, traits) if traits and not dice.chance(4) else event_atom(dice)

        return Rule(
            name=f"r{number}",
            stable_id=f"{number + 256:016x}",
            on=dice.some(NAMES),
            channel=dice.pick(CHANNELS),
            where=self.where(dice),
            unless=self.unless(dice) if dice.chance(2) else None,
            condition=None if dice.chance(4) else condition(dice, atom),
            content={},
            limit=Limit(dice.pick((1, 1, 2, 3)), self.over(dice)) if dice.chance(2) else None,
            priority=dice.pick((0, 0, 1, -1)),
        )

    def unless(self, dice: Dice) -> Unless:
        return Unless(dice.some(NAMES), dice.pick((1, 2, 5, 10, 30, 61)) * self.scale, self.where(dice))


FUNCTIONS: tuple[tuple[TraitFunction, FieldPath | None], ...] = (
    ("count", None),
    ("sum", ("amount",)),
    ("last", ("category",)),
    ("last", ("price",)),
    ("count", None),
    ("sum", ("props", "k")),
)
CHANNELS = (Channel("web", "triggers.web"), Channel("email", "triggers.email", ("props", "k")))


@st.composite
def rule_sets(draw: st.DrawFn, *, scale: int) -> RuleSet:
    """One to six rules over at most four traits and two sources."""
    workshop = Workshop(scale, [])
    traits = [workshop.trait(n, Dice(faces)) for n, faces in enumerate(draw(strings(24, 0, 4)))]
    rules = [workshop.rule(n, Dice(faces), traits) for n, faces in enumerate(draw(strings(64, 1, 6)))]
    return RuleSet(
        revision="0" * 16,
        sources=_sources(Dice(draw(st.binary(min_size=5, max_size=5)))),
        traits=tuple(traits),
        channels=CHANNELS,
        predicates=tuple(workshop.predicates),
        rules=tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.name))),
    )


def _sources(dice: Dice) -> tuple[Source, ...]:
    """One source with names in the events, possibly nested, and one where every event is a purchase."""
    nested = dice.chance(2)
    clicks = Source(
        name="clicks",
        topic=dice.pick(("clicks", "z.clicks")),
        customer=("who", "id") if nested else ("customer",),
        event=("what", "name") if nested else ("event",),
        time=None if dice.chance(4) else ("ts",),
        id=None if dice.chance(4) else ("id",),
    )
    orders = Source("orders", "orders", ("customer",), constant="buy", time=("ts",), id=("id",))
    return (orders, clicks) if dice.chance(2) else (clicks, orders)


# -- histories


@st.composite
def histories(draw: st.DrawFn, *, live: bool = False) -> History:
    """A world; with `live` the wall clock rules, and some events are ahead of it.

    An event is late by one window at most where the rules have windows (what a late event sees of older
    slices is the engine's stated limit), else by anything.
    """
    scale = draw(st.sampled_from((1, 1000)))
    rules = draw(rule_sets(scale=scale))
    windows = [trait.over for trait in rules.traits if trait.over is not None]
    windows += [rule.limit.over for rule in rules.rules if rule.limit]
    latest = min(windows, default=LATENESS[-1] * scale)
    wall = START + draw(st.sampled_from((0, 100, 1_000))) * scale if live else NEVER
    by_name = {source.name: source for source in rules.sources}
    records: dict[str, list[Rec]] = {"clicks": [], "orders": []}
    now = START
    least = draw(st.sampled_from((0, 20, 40)))
    for number, faces in enumerate(draw(strings(12, least, 60))):
        dice = Dice(faces)
        now += dice.pick(STEPS) * scale
        time = now - min(dice.pick(LATENESS) * scale, latest)
        stamped = time
        if time > wall + FUTURE:  # replaced by when the record came, if the windows allow it
            time, stamped = (time, wall) if latest >= FUTURE else (wall + FUTURE, wall + FUTURE)
        source = by_name[dice.pick(("clicks", "orders", "clicks"))]
        queue = records[source.name]
        offset = (queue[-1].offset + 1 if queue else 0) + dice.chance(16)
        queue.append(_record(source, dice, time, stamped, number, offset))
    return History(rules, draw(st.integers(0, 1)), records, wall, not live)


def _record(source: Source, dice: Dice, time: int, stamped: int, number: int, offset: int) -> Rec:
    """One record; now and then a bad one, or one written in another of the ways that are allowed."""
    odd, which = dice.number(), dice.number()
    ids = (f"e{number}", f"e{number}", f"e{number}", f"e{number}", "same", number, MISSING)
    fields: dict[FieldPath, Any] = {
        source.customer: dice.pick(CUSTOMERS),
        ("category",): dice.pick(CATEGORIES),
        ("price",): dice.pick(PRICES),
        ("amount",): dice.pick(AMOUNTS),
        ("flag",): dice.pick(FLAGS),
        ("props", "k"): dice.pick(CATEGORIES),
        ("id",): ids[which % len(ids)],
        ("ts",): time,
    }
    if source.event:
        fields[source.event] = dice.pick(NAMES)
    match odd:
        case 255:
            return Rec(offset, stamped, None, BAD_VALUES[which % len(BAD_VALUES)])
        case 254:
            fields[source.customer] = BAD_CUSTOMERS[which % len(BAD_CUSTOMERS)]
        case 253 if source.event:
            fields[source.event] = BAD_NAMES[which % len(BAD_NAMES)]
        case 252:
            fields["ts",] = BAD_TIMES[which % len(BAD_TIMES)]
        case _ if odd > 200:
            fields["ts",] = _written(time, which)
    return Rec(offset, stamped, None, _encoded(fields))


def _written(time: int, how: int) -> Any:
    """A time in one of the ways in which it may stand in an event."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time)
    ways = (
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        moment.astimezone(timezone(timedelta(hours=2))).isoformat(timespec="milliseconds"),
        moment.replace(tzinfo=None).isoformat(timespec="milliseconds"),
        time / 1000 if time % 250 == 0 else time,
        float(time),
        MISSING,
    )
    return ways[how % len(ways)]


def _encoded(fields: Mapping[FieldPath, Any]) -> bytes:
    data: dict[str, Any] = {}
    for path, value in fields.items():
        if value is MISSING:
            continue
        inner = data
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value
    return json.dumps(data, ensure_ascii=False).encode()
