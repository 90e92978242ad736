"""The compiled rule set: one immutable program that the engine runs.

Everything that a rule file can say is resolved here: names to definitions, durations to milliseconds,
conditions to trees, templates to compiled templates. Each distinct predicate is in `predicates` once, however
many rules share them; rules and traits name them by index. Definitions have a stable id, a hash of
what they mean, under which a customer's state keeps their parts across changes of the rules.
"""

from __future__ import annotations

import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from stream.content.formats import Format, in_field
from stream.content.locales import Region
from stream.expression import Call, Ident, Literal, Node, Select, unparse
from stream.rules import field_paths
from stream.rules.aggregates import AGGREGATES, DEFAULT_K, DEFAULT_MOST, TraitFunction
from stream.rules.durations import Period, format_duration, format_rate

if typing.TYPE_CHECKING:
    from stream.content.template import Template

Again = typing.Literal["restart", "keep"]
Mode = typing.Literal["live", "shadow"]
# What becomes of a message in quiet hours; a number: it waits, but no longer than so many ms.
WhenQuiet = typing.Literal["defer", "drop"] | int
Every = typing.Literal["day", "week", "month", "year"]
LAST_DAY = 31  # of a month, however many it has
AddressKind = typing.Literal["text", "object"]
Exemption = typing.Literal["suppress", "cap", "silence", "quiet"]  # what need not hold a message
FieldPath = tuple[str, ...]  # ("properties", "order", "id")
Share = int  # in hundredths of a per cent: 10% is 1,000
WHOLE = 10_000  # the share of everybody


@dataclass(frozen=True, slots=True)
class Source:
    """A topic that carries events, profile updates, or what third parties know of a customer (`kind`).

    Of events, `event` is the field path of the name, or `constant` names every event. `dedupe`: an event is
    left out whose id the customer has had so many ms before.
    """

    name: str
    topic: str
    customer: FieldPath
    event: FieldPath | None = None
    constant: str | None = None
    time: FieldPath | None = None
    id: FieldPath | None = None
    dedupe: int | None = None
    kind: typing.Literal["event", "profile", "context"] = "event"


@dataclass(frozen=True, slots=True)
class Trait:
    """A computed fact. `where` indexes `RuleSet.predicates`; `over` is in milliseconds, None for all time.

    What its function takes of an event is in a `field`, or is worked out: `value`, which sees the event only.
    `k`: how many values a function that gives several (`top`) gives. `clear`: events at which it starts anew.

    A `list` has elements of the event's `fields`, at most so many; one takes the place of that with the same
    `key`, and an event of `remove` takes it away.

    `items`: a list in the event, for each element of which the trait is applied. Its paths are then the
    element's.
    """

    name: str
    stable_id: str
    function: TraitFunction
    of: tuple[str, ...]
    field: FieldPath | None = None
    where: int | None = None
    per: FieldPath | None = None
    over: int | None = None
    k: int = DEFAULT_K
    value: Node | None = None
    clear: tuple[str, ...] = ()
    fields: tuple[FieldPath, ...] = ()
    key: FieldPath | None = None
    remove: tuple[str, ...] = ()
    most: int = DEFAULT_MOST
    items: FieldPath | None = None

    def path(self, within: FieldPath) -> tuple[str | None, ...]:
        """One of its paths as the event's; None: of whatever element."""
        return ("event", *within) if self.items is None else ("event", *self.items, None, *within)

    @property
    def events(self) -> tuple[str, ...]:
        """All that change it, each once."""
        return tuple(dict.fromkeys((*self.of, *self.remove, *self.clear)))


@dataclass(frozen=True, slots=True)
class Segment:
    """A named condition of the customer: it sees `customer`, `traits`, other segments and `now`, no event.

    Where it ends in an error, it does not hold.
    """

    name: str
    condition: Node


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` in any rolling window of `over` milliseconds, or in one calendar `over`.

    A day, a week (from Monday) or a month of the calendar is the customer's, in their time zone.
    """

    count: int
    over: Period


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which nothing is sent, in minutes of the customer's day; `start` > `end`: past midnight."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go. `consent`: the purpose that it needs, None if none.

    `address`: the path, beginning with `customer` or `event`, of where to send it; None: it needs none.
    `address_kind`: what is found there.
    `format`: how values are written into its texts; `formats` of single fields, by name, in its place.
    `suppress`: while it holds, nothing is sent here. `exempt`: what holds nothing that is sent here.
    """

    name: str
    topic: str
    consent: str | None = None
    address: FieldPath | None = None
    cap: Limit | None = None
    quiet: Quiet | None = None
    format: Format = "text"
    formats: tuple[tuple[str, Format], ...] = ()
    address_kind: AddressKind = "text"
    suppress: Node | None = None
    exempt: tuple[Exemption, ...] = ()

    def format_of(self, field_name: str) -> Format:
        """How values are written into this field of content."""
        for name, form in self.formats:
            if name == field_name:
                return form if form == "text" else in_field(name, form)
        return in_field(field_name, self.format)


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject about which nobody is written to without having consented to it: the purpose `consent`.

    Whatever reads one of `events` (names) or `fields` (paths that begin with `event`, `customer` or
    `context`) is about it.
    """

    name: str
    consent: str
    events: tuple[str, ...] = ()
    fields: tuple[FieldPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for all rules. `cap` is over all channels that need consent.

    `timezone` and `locale`, together `region`: of customers whose own are not known.
    """

    timezone: str | None = None
    locale: str | None = None
    cap: Limit | None = None
    suppress: Node | None = None
    holdout: Share = 0
    stale_after: int | None = None
    sensitive: tuple[Subject, ...] = ()
    region: Region = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "region", Region(self.timezone, self.locale))


@dataclass(frozen=True, slots=True)
class Step:
    """An event to wait for. `where` indexes `RuleSet.predicates` and sees the event only.

    One that names earlier steps is in `compares` instead. `name`: its `as`, by which later conditions see its
    event. `within`: ms since the step before, inclusive; None for the first one, or without end.
    """

    on: tuple[str, ...]
    where: int | None = None
    compares: Node | None = None
    name: str | None = None
    within: int | None = None


@dataclass(frozen=True, slots=True)
class Unless:
    """The event that closes a waiting instance, up to `within` ms after the last step; see `Step`."""

    on: tuple[str, ...]
    within: int
    where: int | None = None
    compares: Node | None = None


@dataclass(frozen=True, slots=True)
class Occasion:
    """When a clock starts a rule, where the customer is: `minute` of the day, on each day that it names.

    `every`: each day; on `days` of the week (0: Monday) or of the month (`LAST_DAY`: its last); or each year
    on the day of a date. None: once, on the day of a date, or without `minute` at the time that is there.
    `of`: the path of that date, an attribute. `before`: so many days earlier; without `minute`, ms.
    """

    every: Every | None = None
    minute: int | None = None
    days: tuple[int, ...] = ()
    of: FieldPath | None = None
    before: int = 0


@dataclass(frozen=True, slots=True)
class Goal:
    """What the message should lead to; `value` is the field of that event that says how much it was worth."""

    on: tuple[str, ...]
    within: int
    value: FieldPath | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several messages: for `share` of the customers. The shares of a rule add up to `WHOLE`."""

    name: str
    share: Share
    content: Mapping[str, Template] = field(default_factory=dict)
    plain_content: Mapping[str, str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain_content", _plain(self.content))


@dataclass(frozen=True, slots=True)
class Rule:
    """What to watch for, and what to send: a rule with `on` has one step.

    `occasion`: a clock starts it, not an event; it has one step, for which no event stands.
    `condition` is the rule's `if`. `channels`: in order of preference. Either `content` or `variants` is
    there. `key`: the field of the first step's event by which instances are told apart.
    `stable_id` is a hash of what decides which instances are open (name, steps, unless, wait, again, key,
    occasion): a change of the text or of the limit keeps what is known.
    `rollout`: to what share of the customers it speaks. `mode`: in `shadow` it decides, and sends nothing.
    `goals`: the first is the one that it is judged by. `sensitive`: the subjects that it is about.
    `discloses`: the sources of `kind: context` of which its texts may tell.
    `silences`: so many ms from its sending on other rules send nothing on channels that need consent.
    `exempt`: what holds none of its messages.
    """

    name: str
    stable_id: str
    steps: tuple[Step, ...]
    channels: tuple[Channel, ...]
    unless: Unless | None = None
    wait: int = 0
    again: Again | None = None
    key: FieldPath | None = None
    occasion: Occasion | None = None
    condition: Node | None = None
    content: Mapping[str, Template] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    limit: Limit | None = None
    priority: int = 0
    group: str | None = None
    holdout: Share = 0
    rollout: Share = WHOLE
    mode: Mode = "live"
    goals: tuple[Goal, ...] = ()
    stale_after: int | None = None  # None: the policy's
    quiet: WhenQuiet = "defer"
    describe: str = ""
    sensitive: tuple[Subject, ...] = ()
    discloses: tuple[str, ...] = ()
    silences: int | None = None
    exempt: tuple[Exemption, ...] = ()

    # For each step, the top-level fields of its event that judging and sending the rule can read; None for
    # all of them. Stored, because a reload asks for it on the event path.
    event_fields: tuple[tuple[str, ...] | None, ...] = field(init=False, repr=False, compare=False)
    # What `content` renders to where it has no variables; else None.
    plain_content: Mapping[str, str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain_content", _plain(self.content))
        object.__setattr__(self, "event_fields", tuple(map(self._fields_of, range(len(self.steps)))))

    @property
    def timed(self) -> bool:
        """Whether it fires by a timer, not at once with its last step."""
        return self.unless is not None or self.wait > 0 or self.occasion is not None

    def _fields_of(self, step: int) -> tuple[str, ...] | None:
        """What is read of a step's event: by its name, and of the last one also as `event`."""
        name, last = self.steps[step].name, step == len(self.steps) - 1
        roots = {each for each in (name, "event" if last else None) if each is not None}
        fields: set[str | None] = set()
        if self.condition is not None and roots:
            fields.update(_fields_of_event(self.condition, roots))
        if name is not None:
            compared = [each.compares for each in self.steps[step + 1 :]]
            for node in (*compared, self.unless.compares if self.unless else None):
                fields.update(_fields_of_event(node, {name}) if node is not None else ())
        for channel in self.channels if last else ():
            if channel.address and channel.address[0] == "event":
                fields.add(channel.address[1] if len(channel.address) > 1 else None)
        contents = [self.content, *(each.content for each in self.variants)]
        for template in (each for content in contents for each in content.values()):
            for reference in template.references:
                if reference.path[0] in roots:
                    field_name = reference.path[1] if len(reference.path) > 1 else None
                    fields.add(field_name if isinstance(field_name, str) else None)
        return None if None in fields else tuple(sorted(each for each in fields if each is not None))


def _plain(content: Mapping[str, Template]) -> Mapping[str, str] | None:
    if not all(template.is_plain for template in content.values()):
        return None
    return {name: template.source for name, template in content.items()}


def _fields_of_event(node: Node, roots: Collection[str]) -> Iterator[str | None]:
    """The top-level fields that a condition reads of `roots`; None where it takes all of one."""
    rest = [node]
    while rest:
        each = rest.pop()
        if isinstance(each, Ident):
            if each.name in roots:
                yield None
        elif isinstance(each, Select):
            if isinstance(each.operand, Ident) and each.operand.name in roots:
                yield each.field
            else:
                rest.append(each.operand)
        elif isinstance(each, Call):
            operand, key = each.args if each.function == "_[_]" else (None, None)
            if isinstance(operand, Ident) and operand.name in roots and isinstance(key, Literal):
                yield key.value if isinstance(key.value, str) else None
            else:
                rest += each.args


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All files compiled together. `revision` is a hash of the content that ignores formatting and order.

    `predicates` are distinct conditions that see the event only. `segments` come after those that they name.
    `rules` are in the order in which candidates of one event are judged: priority, highest first, then name.
    `first_source`: where an event of a test or of a backtest goes that names none, the first one of events as
    written; for the engine it means nothing, so it is no part of the revision.
    """

    revision: str
    sources: tuple[Source, ...]
    traits: tuple[Trait, ...]
    channels: tuple[Channel, ...]
    predicates: tuple[Node, ...]
    rules: tuple[Rule, ...]
    segments: tuple[Segment, ...] = ()
    policy: Policy = Policy()
    first_source: str | None = None

    def dump(self) -> str:
        """The whole program as text for people: what was understood, in the order in which it is judged."""
        lines = [f"rule set {self.revision}"]
        lines += [_source_line(each) for each in self.sources]
        lines += [_trait_line(each) for each in self.traits]
        lines += [f"segment {each.name}: {unparse(each.condition)}" for each in self.segments]
        lines += [_channel_line(each) for each in self.channels]
        lines += _policy_lines(self.policy)
        lines += [f"predicate #{index}: {unparse(node)}" for index, node in enumerate(self.predicates)]
        lines += [line for rule in self.rules for line in _rule_lines(rule)]
        return "\n".join(lines) + "\n"


def _source_line(source: Source) -> str:
    event = f"is {source.constant}" if source.constant is not None else _path(source.event)
    kind = f"event {event}" if source.kind == "event" else source.kind
    line = f"source {source.name}: topic {source.topic}, {kind}, customer {_path(source.customer)}"
    line += f", time {_path(source.time)}, id {_path(source.id)}"
    return line if source.dedupe is None else f"{line}, dedupe {format_duration(source.dedupe)}"


def _trait_line(trait: Trait) -> str:
    function = f"{trait.function} {trait.k}" if AGGREGATES[trait.function].takes_k else trait.function
    line = f"trait {trait.name} [{trait.stable_id}]: {function} of {' | '.join(trait.of)}"
    line += f", field {_path(trait.field)}" if trait.field else ""
    line += f", value {unparse(trait.value)}" if trait.value is not None else ""
    line += f", where #{trait.where}" if trait.where is not None else ""
    line += f", per {_path(trait.per)}" if trait.per else ""
    line += f", each of {_path(trait.items)}" if trait.items else ""
    if trait.function == "list":
        line += f", at most {trait.most} of {', '.join(map(_path, trait.fields))}"
        line += f", key {_path(trait.key)}" if trait.key else ""
        line += f", removed by {' | '.join(trait.remove)}" if trait.remove else ""
    line += f", cleared by {' | '.join(trait.clear)}" if trait.clear else ""
    return line + f", over {format_duration(trait.over) if trait.over else 'all time'}"


def _channel_line(channel: Channel) -> str:
    line = f"channel {channel.name}: topic {channel.topic}, consent {channel.consent or 'none'}"
    line += f", address {_path(channel.address)}"
    line += "" if channel.address_kind == "text" else f" ({channel.address_kind})"
    line += f", cap {_rate(channel.cap)}" if channel.cap else ""
    if quiet := channel.quiet:
        line += f", quiet {_daytime(quiet.start)}-{_daytime(quiet.end)}"
    line += f", suppress {unparse(channel.suppress)}" if channel.suppress is not None else ""
    line += f", exempt from {', '.join(channel.exempt)}" if channel.exempt else ""
    fields = "".join(f", {name} {form}" for name, form in channel.formats)
    return line if channel.format == "text" and not fields else f"{line}, format {channel.format}{fields}"


def _policy_lines(policy: Policy) -> Iterator[str]:
    if policy.timezone:
        yield f"policy timezone {policy.timezone}"
    if policy.locale:
        yield f"policy locale {policy.locale}"
    if policy.cap:
        yield f"policy cap {_rate(policy.cap)}"
    if policy.suppress is not None:
        yield f"policy suppress {unparse(policy.suppress)}"
    if policy.holdout:
        yield f"policy holdout {_share(policy.holdout)}"
    if policy.stale_after is not None:
        yield f"policy stale after {format_duration(policy.stale_after)}"
    for subject in policy.sensitive:
        marked = [*subject.events, *map(_path, subject.fields)]
        yield f"policy sensitive {subject.name}: {' | '.join(marked)}, consent {subject.consent}"


def _rule_lines(rule: Rule) -> Iterator[str]:
    yield f"rule {rule.name} [{rule.stable_id}] priority {rule.priority}"
    yield from ("  " + line for line in (*_waiting_lines(rule), *_guard_lines(rule)))
    yield f"  send {', else '.join(each.name for each in rule.channels)}"
    for name, template in rule.content.items():
        yield f"    {name}: {template.source!r}"
    for variant in rule.variants:
        yield f"    variant {variant.name}, {_share(variant.share)}"
        for name, template in variant.content.items():
            yield f"      {name}: {template.source!r}"


def _waiting_lines(rule: Rule) -> Iterator[str]:
    """What it takes for a match."""
    if rule.occasion is not None:
        yield _occasion_line(rule.occasion)
    for step in rule.steps if rule.occasion is None else ():
        within = f", within {format_duration(step.within)}" if step.within is not None else ""
        name = f", as {step.name}" if step.name else ""
        yield f"on {_event(step)}{within}{name}"
    if rule.key:
        yield f"key event.{_path(rule.key)}"
    if rule.again:
        yield f"again {rule.again}"
    if rule.unless:
        yield f"unless {_event(rule.unless)}, within {format_duration(rule.unless.within)}"
    if rule.wait:
        yield f"wait {format_duration(rule.wait)}"
    if rule.condition is not None:
        yield f"if {unparse(rule.condition)}"


def _occasion_line(occasion: Occasion) -> str:
    line = f"every {occasion.every}" if occasion.every else "once"
    days = ", ".join(map(str, occasion.days))
    line += f", on {days}" if days else ""
    line += f", on {_path(('customer', *occasion.of))}" if occasion.of else ""
    if occasion.minute is None:
        return line + (f", {format_duration(occasion.before)} before" if occasion.before else "")
    line += f", {occasion.before}d before" if occasion.before else ""
    return f"{line}, at {_daytime(occasion.minute)}"


def _guard_lines(rule: Rule) -> Iterator[str]:
    """What may keep a match from being sent, and what sending it should lead to."""
    if rule.stale_after is not None:
        yield f"stale after {format_duration(rule.stale_after)}"
    if rule.limit:
        yield f"limit {_rate(rule.limit)}"
    if rule.quiet != "defer":
        yield f"quiet {format_duration(rule.quiet) if isinstance(rule.quiet, int) else rule.quiet}"
    if rule.exempt:
        yield f"exempt from {', '.join(rule.exempt)}"
    if rule.silences is not None:
        yield f"silences others for {format_duration(rule.silences)}"
    if rule.sensitive:
        yield f"sensitive {', '.join(f'{each.name} (consent {each.consent})' for each in rule.sensitive)}"
    if rule.discloses:
        yield f"discloses {', '.join(rule.discloses)}"
    if rule.group:
        yield f"group {rule.group}"
    if rule.holdout:
        yield f"holdout {_share(rule.holdout)}"
    for goal in rule.goals:
        value = f", value {_path(goal.value)}" if goal.value else ""
        yield f"goal {' | '.join(goal.on)}, within {format_duration(goal.within)}{value}"


def _event(awaited: Step | Unless) -> str:
    where = f", where #{awaited.where}" if awaited.where is not None else ""
    where += f", where {unparse(awaited.compares)}" if awaited.compares is not None else ""
    return " | ".join(awaited.on) + where


def _rate(limit: Limit) -> str:
    return format_rate(limit.count, limit.over)


def _share(share: Share) -> str:
    return f"{share / 100:g}%"


def _daytime(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _path(path: FieldPath | None) -> str:
    return field_paths.write(path) if path else "-"
