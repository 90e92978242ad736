"""The compiled rule set: one immutable program that the engine runs.

Everything that a rule file can say is resolved here: names to definitions, durations to milliseconds,
conditions to trees, templates to compiled templates. Distinct predicates stand once in `predicates`, however
many rules share them; rules and traits name them by index. Definitions have a stable id, a hash of
what they mean, under which a customer's state keeps their parts across changes of the rules.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stream.content import Template
from stream.durations import format_duration
from stream.expression import Call, Ident, Literal, Node, Select, unparse

TraitFunction = typing.Literal["count", "sum", "last"]
FieldPath = tuple[str, ...]  # ("properties", "order", "id")


@dataclass(frozen=True, slots=True)
class Source:
    """A topic that carries events. `event` is a field path, or `constant` names every event."""

    name: str
    topic: str
    customer: FieldPath
    event: FieldPath | None = None
    constant: str | None = None
    time: FieldPath | None = None
    id: FieldPath | None = None


@dataclass(frozen=True, slots=True)
class Trait:
    """A computed fact. `where` indexes `RuleSet.predicates`; `over` is in milliseconds, None for all time."""

    name: str
    stable_id: str
    function: TraitFunction
    of: tuple[str, ...]
    field: FieldPath | None = None
    where: int | None = None
    per: FieldPath | None = None
    over: int | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    topic: str
    address: FieldPath | None = None


@dataclass(frozen=True, slots=True)
class Unless:
    """The event that closes a waiting instance; without one the rule fires `within` ms after its event."""

    on: tuple[str, ...]
    within: int
    where: int | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` in any rolling window of `over` milliseconds."""

    count: int
    over: int


@dataclass(frozen=True, slots=True)
class Rule:
    """`where` indexes `RuleSet.predicates` (it sees the event only); `condition` is the rule's `if`."""

    name: str
    stable_id: str
    on: tuple[str, ...]
    channel: Channel
    where: int | None = None
    unless: Unless | None = None
    condition: Node | None = None
    content: Mapping[str, Template] = field(default_factory=dict)
    limit: Limit | None = None
    priority: int = 0
    describe: str = ""

    # The top-level fields of its event that judging and sending the rule can read; None for all of them.
    # Stored, because a reload asks for it on the event path.
    event_fields: tuple[str, ...] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fields: set[str | None] = set()
        if self.condition is not None:
            fields.update(_fields_of_event(self.condition))
        for template in self.content.values():
            for reference in template.references:
                if reference.path[0] == "event":
                    name = reference.path[1] if len(reference.path) > 1 else None
                    fields.add(name if isinstance(name, str) else None)
        if self.channel.address is not None:
            fields.add(self.channel.address[0] if self.channel.address else None)
        known = None if None in fields else tuple(sorted(each for each in fields if each is not None))
        object.__setattr__(self, "event_fields", known)


def _fields_of_event(node: Node) -> Iterator[str | None]:
    """The top-level fields of `event` that a condition reads; None where it takes the event as a whole."""
    match node:
        case Select(Ident("event"), name) | Call("_[_]", (Ident("event"), Literal(str(name)))):
            yield name
        case Ident("event"):
            yield None
        case Select(operand):
            yield from _fields_of_event(operand)
        case Call(_, args):
            for arg in args:
                yield from _fields_of_event(arg)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All files compiled together. `revision` is a hash of the content that ignores formatting and order.

    `rules` are in the order in which candidates of one event are judged: priority, highest first, then name.
    """

    revision: str
    sources: tuple[Source, ...]
    traits: tuple[Trait, ...]
    channels: tuple[Channel, ...]
    predicates: tuple[Node, ...]
    rules: tuple[Rule, ...]

    def dump(self) -> str:
        """The whole program as text for people: what was understood, in the order in which it is judged."""
        lines = [f"rule set {self.revision}"]
        lines += [_source_line(each) for each in self.sources]
        lines += [_trait_line(each) for each in self.traits]
        lines += [_channel_line(each) for each in self.channels]
        lines += [f"predicate #{index}: {unparse(node)}" for index, node in enumerate(self.predicates)]
        lines += [line for rule in self.rules for line in _rule_lines(rule)]
        return "\n".join(lines) + "\n"


def _source_line(source: Source) -> str:
    event = f"is {source.constant}" if source.constant is not None else _path(source.event)
    line = f"source {source.name}: topic {source.topic}, event {event}, customer {_path(source.customer)}"
    return line + f", time {_path(source.time)}, id {_path(source.id)}"


def _trait_line(trait: Trait) -> str:
    line = f"trait {trait.name} [{trait.stable_id}]: {trait.function} of {' | '.join(trait.of)}"
    line += f", field {_path(trait.field)}" if trait.field else ""
    line += f", where #{trait.where}" if trait.where is not None else ""
    line += f", per {_path(trait.per)}" if trait.per else ""
    return line + f", over {format_duration(trait.over) if trait.over else 'all time'}"


def _channel_line(channel: Channel) -> str:
    return f"channel {channel.name}: topic {channel.topic}, address {_path(channel.address)}"


def _rule_lines(rule: Rule) -> list[str]:
    lines = [f"rule {rule.name} [{rule.stable_id}] priority {rule.priority}", f"  on {' | '.join(rule.on)}"]
    lines[1] += f", where #{rule.where}" if rule.where is not None else ""
    if rule.unless:
        where = f", where #{rule.unless.where}" if rule.unless.where is not None else ""
        within = format_duration(rule.unless.within)
        lines.append(f"  unless {' | '.join(rule.unless.on)}{where}, within {within}")
    if rule.condition is not None:
        lines.append(f"  if {unparse(rule.condition)}")
    if rule.limit:
        lines.append(f"  limit {rule.limit.count} per {format_duration(rule.limit.over)}")
    lines.append(f"  send {rule.channel.name}")
    return lines + [f"    {name}: {template.source!r}" for name, template in rule.content.items()]


def _path(path: FieldPath | None) -> str:
    return ".".join(path) if path else "-"
