"""The reference model: what a rule set means, slow and obvious, in pure Python.

It is written from the contract alone and shares nothing with the engine but the shapes that go in and out: it
has its own evaluator of conditions, its own decoding, no incremental state, no index and no heap. Every value
of a trait is worked out anew from the list of all events that were applied, so nothing here can be stale.

It answers one question: all records of one partition, each source read to its end, in one go: which
decisions, in which order? It knows no crash and no batches. The engine must say the same however its input is
cut up.

It is one file on purpose, to be read from top to bottom beside the contract. Where the contract leaves
something open, the reading taken here is marked `Reading:`.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from stream.expression import Call, Ident, Literal, Node, Select
from stream.program import FieldPath, Rule, RuleSet, Source, Trait
from stream.structs import DeadLetter, Decision, EventRef, Record, Trigger

SLICES = 60
FUTURE = 5 * 60_000  # how far ahead of the wall clock an event may be
END_OF_TIME = 253_402_300_800_000  # 10000-01-01T00:00:00Z
Key = tuple[str, Any]  # a key of a CEL map: its type and value
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """One record, understood. `time` is what counts; `stamped` is the record's own timestamp."""

    source: str
    id: str
    name: str
    customer: str
    time: int
    stamped: int
    data: dict[str, Any]
    from_the_future: bool = False


@dataclass(frozen=True)
class Instance:
    """A rule that waits for its `unless`; it fires at `deadline`."""

    rule: Rule
    event: Event
    deadline: int

    @property
    def place(self) -> tuple[int, int, str, str]:
        """Its place among the timers of a partition."""
        return (self.deadline, -self.rule.priority, self.rule.name, self.event.customer)


@dataclass
class Outcome:
    """What the history comes to. `trigger_id`s are readable: rule, customer, source and id of the event.

    `condition_errors` counts, per source, the errors of `if`: each is certainly judged. `possible_errors` are
    those of `where`, once for every place that could ask, and conditions that came to what is no bool:
    an engine that shares and skips what it need not know counts fewer of them.
    """

    decisions: list[Decision] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    future_times: Counter[str] = field(default_factory=Counter)
    condition_errors: Counter[str] = field(default_factory=Counter)
    possible_errors: Counter[str] = field(default_factory=Counter)
    watermark: int | None = None
    next_deadline: int | None = None


def run(
    rules: RuleSet,
    records: Mapping[str, Sequence[Record]],
    *,
    partition: int = 0,
    wall: int,
    by_event_time: bool = True,
) -> Outcome:
    """Apply all `records` (by source, in offset order) of one partition, and fire what is due at the end.

    `wall` is the wall clock, which stands still; it decides the watermark only without `by_event_time`.
    """
    return _Run(rules, partition, wall, by_event_time).apply(records)


class _Run:
    def __init__(self, rules: RuleSet, partition: int, wall: int, by_event_time: bool) -> None:
        self.rules = rules
        self.partition = partition
        self.wall = wall
        self.by_event_time = by_event_time
        self.applied: list[Event] = []
        self.waiting: dict[tuple[str, str], Instance] = {}  # by customer and rule
        self.sent: list[tuple[str, str, int]] = []  # customer, rule, time
        self.outcome = Outcome()

    # -- the order of things

    def apply(self, records: Mapping[str, Sequence[Record]]) -> Outcome:
        queues: dict[str, deque[Event]] = {}
        for source in self.rules.sources:
            queues[source.name] = deque(self.decode(source, records.get(source.name, ())))
        while any(queues.values()):
            # Reading: two sources at the same time go in the order of their names.
            _, name = min((queue[0].time, name) for name, queue in queues.items() if queue)
            self.step(queues[name].popleft())
        self.outcome.watermark = self.reached() if self.by_event_time else self.wall
        self.fire(self.outcome.watermark)
        self.outcome.next_deadline = min((i.deadline for i in self.waiting.values()), default=None)
        return self.outcome

    def reached(self) -> int | None:
        return max((event.time for event in self.applied), default=None)

    def step(self, event: Event) -> None:
        """One event: what is due, then traits, then waiting instances, then rules."""
        head = max(self.reached() or 0, event.time)
        self.fire(head if self.by_event_time else min(head, self.wall), event)
        self.applied.append(event)
        self.outcome.events[event.source] += 1
        self.outcome.future_times[event.source] += event.from_the_future
        self.count_where_errors(event)
        for rule in self.rules.rules:
            if rule.unless and self.fits(rule.unless.on, rule.unless.where, event):
                self.waiting.pop((event.customer, rule.name), None)
        for rule in sorted(self.rules.rules, key=lambda rule: (-rule.priority, rule.name)):
            if not self.fits(rule.on, rule.where, event):
                continue
            if rule.unless:
                deadline = event.time + rule.unless.within
                self.waiting[event.customer, rule.name] = Instance(rule, event, deadline)
            else:
                self.judge(rule, event, at=event.time, timed=False)

    def fire(self, watermark: int | None, before: Event | None = None) -> None:
        """Fire the timers that the watermark has passed, and those that the customer's own event passes."""

        def due(instance: Instance) -> bool:
            if watermark is not None and instance.deadline < watermark:
                return True
            own = before is not None and instance.event.customer == before.customer
            return own and before is not None and instance.deadline < before.time

        ready = [instance for instance in self.waiting.values() if due(instance)]
        for instance in sorted(ready, key=lambda instance: instance.place):
            del self.waiting[instance.event.customer, instance.rule.name]
            self.judge(instance.rule, instance.event, at=instance.deadline, timed=True)

    # -- judging

    def fits(self, on: tuple[str, ...], where: int | None, event: Event) -> bool:
        if event.name not in on:
            return False
        if where is None:
            return True
        return ask(self.rules.predicates[where], {"event": event.data, "event_name": event.name}) is True

    def judge(self, rule: Rule, event: Event, *, at: int, timed: bool) -> None:
        if rule.condition is not None:
            traits = {trait.name: self.value(trait, event.customer, at) for trait in self.rules.traits}
            bindings = {"event": event.data, "event_name": event.name, "traits": traits}
            answer = ask(rule.condition, bindings)
            self.outcome.condition_errors[event.source] += isinstance(answer, EvaluationError)
            self.outcome.possible_errors[event.source] += not isinstance(answer, bool | EvaluationError)
            if answer is not True:
                return
        limited = rule.limit is not None and self.sends(rule, event.customer, at) >= rule.limit.count
        decision = Decision(
            trigger_id="|".join((rule.name, event.customer, event.source, event.id)),
            rule=rule.name,
            customer_id=event.customer,
            outcome="suppressed" if limited else "sent",
            reason="limit" if limited else None,
            channel=rule.channel.name,
            variant=None,
            event=EventRef(event.name, event.id, event.time),
            at=at,
            timed=timed,
        )
        self.outcome.decisions.append(decision)
        if limited:
            return
        self.sent.append((event.customer, rule.name, at))
        address = rule.channel.address and look_up(event.data, rule.channel.address, None)
        self.outcome.triggers.append(
            Trigger(decision, rule.channel.topic, address, {}, rule.priority, event.stamped)
        )

    def sends(self, rule: Rule, customer: str, at: int) -> int:
        """How many sends the limit counts at a time: what was sent exactly its duration ago is out."""
        assert rule.limit is not None
        since = at - rule.limit.over
        return sum(c == customer and r == rule.name and time > since for c, r, time in self.sent)

    def count_where_errors(self, event: Event) -> None:
        asked: list[tuple[tuple[str, ...], int | None]] = [(t.of, t.where) for t in self.rules.traits]
        asked += [(rule.on, rule.where) for rule in self.rules.rules]
        asked += [(rule.unless.on, rule.unless.where) for rule in self.rules.rules if rule.unless]
        bindings = {"event": event.data, "event_name": event.name}
        for on, where in asked:
            if event.name in on and where is not None:
                answer = ask(self.rules.predicates[where], bindings)
                self.outcome.possible_errors[event.source] += not isinstance(answer, bool)

    # -- traits

    def value(self, trait: Trait, customer: str, at: int) -> Any:
        """A trait's value at a time; `Keyed` with `per`, `NOTHING` where there is none."""
        events = [event for event in self.applied if event.customer == customer and self.counts(trait, event)]
        if trait.over is not None:
            width = -(-trait.over // SLICES)
            last = at // width
            events = [event for event in events if last - SLICES <= event.time // width <= last]
        if trait.per is None:
            return summarise(trait, events)
        groups: dict[Key | None, list[Event]] = {}
        for event in events:
            groups.setdefault(map_key(look_up(event.data, trait.per, NOTHING)), []).append(event)
        return Keyed({key: summarise(trait, group) for key, group in groups.items()}, summarise(trait, []))

    def counts(self, trait: Trait, event: Event) -> bool:
        if not self.fits(trait.of, trait.where, event):
            return False
        if trait.per is not None and map_key(look_up(event.data, trait.per, NOTHING)) is None:
            return False
        kind = kind_of(look_up(event.data, trait.field, NOTHING)) if trait.field else "nothing"
        # Reading: an event whose field is of no use to the function is not counted.
        return {
            "count": True,
            "sum": kind == "number",
            "last": kind in ("null", "bool", "number", "string"),
        }[trait.function]

    # -- reading records

    def decode(self, source: Source, records: Iterable[Record]) -> list[Event]:
        events = []
        for record in records:
            self.outcome.positions[source.name] = record.offset + 1
            event = self.understand(source, record)
            if isinstance(event, str):
                self.outcome.dead_letters.append(DeadLetter(source.name, event, record))
            else:
                events.append(event)
        return events

    def understand(self, source: Source, record: Record) -> Event | str:
        """The event, or the reason why it is none."""
        try:
            data = json.loads((record.value or b"").decode(), parse_constant=refuse)
        except ValueError:
            return "json"
        if not isinstance(data, dict):
            return "json"
        customer = as_name(look_up(data, source.customer, NOTHING))
        if customer is None:
            return "customer"
        name = source.constant if source.constant is not None else look_up(data, source.event or (), NOTHING)
        if not isinstance(name, str):
            return "event"
        # Reading: a record without the mapped time or id is treated as if none were mapped.
        time: int | None = record.timestamp
        if source.time is not None and (written := look_up(data, source.time, NOTHING)) is not NOTHING:
            time = milliseconds(written)
        if time is None or not 0 <= time < END_OF_TIME:
            return "time"
        from_the_future = not self.by_event_time and time > self.wall + FUTURE
        if from_the_future:
            time = record.timestamp
        event_id = as_name(look_up(data, source.id, NOTHING)) if source.id is not None else None
        if event_id is None:
            event_id = f"{source.topic}/{self.partition}/{record.offset}"
        return Event(source.name, event_id, name, customer, time, record.timestamp, data, from_the_future)


# -- values


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()


@dataclass(frozen=True)
class Keyed:
    """The value of a trait with `per`: a map, and what an absent key reads as."""

    values: Mapping[Key | None, Any]
    absent: Any


def summarise(trait: Trait, events: Sequence[Event]) -> Any:
    """What a trait's function says about the events that it counts, in the order in which they came."""
    if trait.function == "count":
        return len(events)
    assert trait.field is not None
    if trait.function == "sum":
        return sum((float(look_up(event.data, trait.field, NOTHING)) for event in events), 0.0)
    if not events:
        return NOTHING
    # Reading: of events at the same time the one that came last is the last.
    latest = max(event.time for event in events)
    return look_up([event for event in events if event.time == latest][-1].data, trait.field, NOTHING)


def refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def look_up(data: Any, path: FieldPath, absent: Any) -> Any:
    for name in path:
        if not isinstance(data, dict) or name not in data:
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
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // timedelta(
            milliseconds=1
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(value * 1000 if abs(value) < 1e11 else value)


def kind_of(value: Any) -> str:
    """The CEL type, ints and doubles together since they compare with each other."""
    if isinstance(value, bool):  # before int: Python's True is one
        return "bool"
    if isinstance(value, int | float):
        return "number"
    kinds = {str: "string", list: "list", dict: "map", type(None): "null", Keyed: "keyed"}
    return kinds.get(type(value), "nothing")


def map_key(value: Any) -> Key | None:
    """A value as a key of a CEL map (strings, ints and bools can be keys); `1` and `true` are two keys."""
    kind = kind_of(value)
    return None if kind not in ("string", "bool", "number") or isinstance(value, float) else (kind, value)


# -- conditions


class EvaluationError(Exception):
    """A condition came to nothing: a missing field, types that do not go together."""


def ask(condition: Node, bindings: Mapping[str, Any]) -> Any:
    """What a condition comes to; an error is an answer, too, and is not true."""
    try:
        return evaluate(condition, bindings)
    except EvaluationError as error:
        return error


def evaluate(node: Node, bindings: Mapping[str, Any]) -> Any:
    """CEL, as far as rules can use it."""
    match node:
        case Literal(value):
            return value
        case Ident(name):
            return bindings[name]
        case Select(operand, name):
            return index(evaluate(operand, bindings), name)
        case Call("_&&_" | "_||_" as function, args):
            return logic(args, bindings, decisive=function == "_||_")
        case Call(function, args):
            return operate(function, [evaluate(arg, bindings) for arg in args])
    raise AssertionError(node)


def logic(args: Sequence[Node], bindings: Mapping[str, Any], *, decisive: bool) -> bool:
    """`&&` and `||`: one operand that decides is enough, whatever the others come to, errors too."""
    answers = [ask(arg, bindings) for arg in args]
    if any(answer is decisive for answer in answers):
        return decisive
    if all(answer is (not decisive) for answer in answers):
        return not decisive
    raise EvaluationError("an operand is no bool, or failed")


def operate(function: str, values: Sequence[Any]) -> Any:
    match function, values:
        case "!_", [bool(value)]:
            return not value
        case "_[_]", [operand, key]:
            return index(operand, key)
        case "_==_", [left, right]:
            return equal(left, right)
        case "_!=_", [left, right]:
            return not equal(left, right)
        case (("_<_" | "_<=_" | "_>_" | "_>=_"), [left, right]):
            if kind_of(left) != kind_of(right) or kind_of(left) not in ("number", "string", "bool"):
                raise EvaluationError("these have no order")
            return {
                "_<_": left < right,
                "_<=_": left <= right,
                "_>_": left > right,
                "_>=_": left >= right,
            }[function]
    raise EvaluationError(f"{function} cannot do this")


def index(operand: Any, key: Any) -> Any:
    value: Any = NOTHING
    if isinstance(operand, Keyed) and map_key(key) is not None:
        value = operand.values.get(map_key(key), operand.absent)
    elif isinstance(operand, dict) and isinstance(key, str):
        value = operand.get(key, NOTHING)
    elif isinstance(operand, list) and type(key) is int and 0 <= key < len(operand):
        value = operand[key]
    if value is NOTHING:
        raise EvaluationError("nothing there")
    return value


def equal(left: Any, right: Any) -> bool:
    """Values of different types are not equal; numbers are compared as numbers."""
    if kind_of(left) != kind_of(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return bool(left == right)
