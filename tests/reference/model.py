"""The reference model: what a rule set means, slow and obvious, in pure Python.

It is written from the contract alone and shares nothing with the engine but the shapes that go in and out:
its own decoding, no incremental state, no index and no heap. Every value of a trait is worked out anew from
the list of all events that it counts, so nothing here can be stale. Conditions are the exception: they are
asked of `stream.expression.evaluate`, which is judged by CEL's published cases and is not what the engine
runs for the forms it compiles; a third evaluator would only add its own mistakes. Likewise content is
rendered by `Template`; how traits and times look in a text is left to the engine's own tests.

It answers one question: all records of one partition, each source read to its end, in one go: which
decisions, in which order? It knows no crash and no batches; rules may change between two events. The engine
must say the same however its input is cut up.

To be read from top to bottom beside the contract; `records`, `profiles`, `traits`, `instances`, `guards` and
`changes` are parts of it. Where the contract leaves something open, the reading taken is marked `Reading:`.

Reading: two sources at the same time go in the order of their names.
Reading: a profile update, or what a third party knows, moves the time on and fires timers as an event does,
then is merged or put in place of the former, and nothing else.
Reading: the candidates of one event, those that complete their last step and those of a single one, are
judged together: by priority, then by name, then in the order in which they were opened.
Reading: an event without a key, in a rule with `key`, opens nothing, and matches nothing.
Reading: keys are what can be a key of a map: a string, a bool or an int.
Reading: an id that was had exactly `dedupe` ago still leaves out; one that is out of order does, however
much later the other was. What is left out is no event, but moves the time on. Ids are remembered of events
that fit the `on` and `where` of a trait, a step or an `unless`: others do nothing however often they come.
Reading: an instance that replaces another is the newest.
Reading: an event that clears a trait forgets what came before it, whatever its time: the order is that in
which events come. It is forgotten before the event is counted, and before rules are judged by it.
Reading: late events advance and close as they come; a time before that of the step before fits any
`within`.
Reading: a match that was deferred is no open instance any more: no step replaces it. What its `unless` waits
for closes it, however late that comes: it is suppressed (`unless`) as of that event, since each match has its
decision. Those that one event closes are decided before its candidates are, in the same order.
Of one customer and rule 16 wait at most: a further one is suppressed (`quiet`).
It is judged by the guards again, not by its `if`; what it then reads is as of that time.
Reading: content is rendered when all guards have passed, also for who is held out: what they would have got
must be what the others get. What fails on its content counts for no limit, cap or group.
Reading: the profile is the one at the moment of judging, also for a timer whose deadline lies before its
news; so is what third parties know. But whether a consent has expired is asked as of the deadline.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from stream.cel.values import Lookup, Timestamp
from stream.errors import ContentError, ExpressionError
from stream.expression import Node, evaluate
from stream.rules.model import Channel, Rule, RuleSet, Source, Step, Trait, Unless
from stream.structs import DeadLetter, DeadLetterReason, Decision, DecisionReason, EventRef, Record, Unwritten
from stream.structs import Outcome as Outcomes

from . import guards as policing
from .changes import Change, Definitions, carried_over
from .clocks import next_time
from .failures import why
from .instances import Instance, cause_of
from .profiles import Profile
from .records import NOTHING, Consent, Event, News, ProfileUpdate, Tombstone, look_up, map_key, understand
from .traits import facts_of, is_of_use, occurrences, unless_missing, value_of, whys_not, wrong_items

MAX_KEYS = 16
MAX_IDS = 128


@dataclass(frozen=True)
class Message:
    """A trigger, as far as the contract settles what is in it."""

    decision: Decision
    topic: str
    address: Any
    content: Mapping[str, str]
    priority: int
    appended_at: int
    consent: Mapping[str, Any] | None
    sensitive: Sequence[Mapping[str, Any]]


@dataclass
class Outcome:
    """What the history comes to. `trigger_id`s are readable: rule, customer, source, id of the event, key.

    `condition_errors` counts, per source, the errors of `if`, and of what traits take and rules are keyed by:
    each is certainly judged. `possible_errors` are those of `where`, of segments and of `suppress`,
    once for every place that could ask, and conditions that came to what is no bool: an engine that shares
    and skips counts fewer of them.
    `failures`: why an `if` came to no bool, by rule, and why a trait could not take what it takes, or a rule
    its `key`; None where that is not told.
    `looks_back`: an instance that a restart did not know is known again after its time, and there are
    windows. What it sees of older slices is the engine's stated limit.
    """

    decisions: list[Decision] = field(default_factory=list)
    triggers: list[Message] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    future_times: Counter[str] = field(default_factory=Counter)
    oddities: Counter[tuple[str, str]] = field(default_factory=Counter)  # of profiles
    condition_errors: Counter[str] = field(default_factory=Counter)
    possible_errors: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str, str | None]] = field(default_factory=Counter)
    watermark: int | None = None
    next_deadline: int | None = None
    timers: int = 0
    looks_back: bool = False


@dataclass
class Model:
    """One partition. `wall` is the wall clock, which stands still, and is not read with `by_event_time`.

    `guards`: those that are on; without `consent`, `address` and `cap` a rule's first channel is taken.
    `changes`: of the rules, ascending; all have the same sources. `off`: the rules that are switched off, and
    until when.
    """

    rules: RuleSet
    partition: int = 0
    wall: int = 0
    by_event_time: bool = True
    guards: Collection[str] = policing.ALL
    changes: Sequence[Change] = ()
    off: Mapping[str, int] = field(default_factory=dict)

    def run(self, records: Mapping[str, Sequence[Record]]) -> Outcome:
        """Apply all `records` (by source, in offset order), and fire what is due at the end."""
        return _Run(self).apply(records)

    def order(self, records: Mapping[str, Sequence[Record]]) -> list[tuple[str, int]]:
        """Source and offset of the records that are applied, in the order in which they are."""
        return [(each.source, each.offset) for each in _Run(self).merged(records)]


class _Run:
    def __init__(self, model: Model) -> None:
        self.rules = model.rules
        self.partition = model.partition
        self.wall = None if model.by_event_time else model.wall
        self.guards = policing.Guards(model.rules, model.guards, model.off)
        self.definitions = Definitions(model.rules)
        self.changes = deque(model.changes)
        self.newest: int | None = None  # event time
        self.applied = 0
        self.is_changed = False  # the rules, since clocks were set
        self.counted: dict[tuple[str, str], list[Event]] = {}  # by trait's definition and customer
        self.profiles: dict[str, Profile] = {}
        self.known: set[str] = set()  # of whom anything is
        self.open: list[Instance] = []  # in the order in which they were opened
        self.deferred: list[Instance] = []
        self.had: dict[tuple[str, str], dict[str, int]] = {}  # by source and customer: ids, and when
        self.fired: dict[tuple[str, str], str] = {}  # by rule's definition and customer: a clock's last day
        self.unknown: list[tuple[str, Instance]] = []  # of definitions that a restart did not find
        self.outcome = Outcome()

    # -- the order of things

    def apply(self, records: Mapping[str, Sequence[Record]]) -> Outcome:
        for event in self.merged(records):
            while self.changes and self.changes[0].after <= self.applied:
                self.change(self.changes.popleft())
            self.step(event)
        while self.changes:
            self.change(self.changes.popleft())
        self.outcome.watermark = self.newest if self.wall is None else self.wall
        self.set_all_clocks(self.outcome.watermark)
        self.fire(self.outcome.watermark)
        waiting = [each.deadline for each in self.open + self.deferred if each.deadline is not None]
        self.outcome.next_deadline = min(waiting, default=None)
        self.outcome.timers = len(waiting)
        return self.outcome

    def merged(self, records: Mapping[str, Sequence[Record]]) -> Iterator[Event | News]:
        queues: dict[str, deque[Event | News]] = {}
        for source in self.rules.sources:
            queues[source.name] = deque(self.read(source, records.get(source.name, ())))
        while any(queues.values()):
            _, name = min((queue[0].place, name) for name, queue in queues.items() if queue)
            yield queues[name].popleft()

    def read(self, source: Source, records: Iterable[Record]) -> Iterable[Event | News]:
        reached = -1
        for record in records:
            self.outcome.positions[source.name] = record.offset + 1
            understood = understand(source, record, self.partition, self.wall)
            if isinstance(understood, str):
                self.outcome.dead_letters.append(
                    DeadLetter(source.name, cast("DeadLetterReason", understood), record)
                )
            else:
                place = understood.time if understood.placed else reached
                reached = max(reached, place if self.wall is None else min(place, self.wall))
                yield replace(understood, place=place)

    def change(self, change: Change) -> None:
        """Go over to other rules."""
        self.is_changed = True
        waiting = [(self.definitions.rules[each.rule.name], each) for each in self.open + self.deferred]
        waiting += self.unknown
        self.rules, self.definitions = change.rules, Definitions(change.rules)
        rules = {self.definitions.rules[each.name]: each for each in self.rules.rules}
        if any(trait.over is not None for trait in self.rules.traits):
            again = [each.deadline for words, each in self.unknown if words in rules]
            self.outcome.looks_back |= any(at is not None and at < (self.newest or 0) for at in again)
        known = [carried_over(each, rules[words]) for words, each in waiting if words in rules]
        self.open = [each for each in known if each.first is None]
        self.deferred = [each for each in known if each.first is not None]
        self.unknown = [(words, each) for words, each in waiting if change.restart and words not in rules]
        traits = self.definitions.traits.values()
        self.counted = {
            key: events for key, events in self.counted.items() if change.restart or key[0] in traits
        }
        self.fired = {key: day for key, day in self.fired.items() if change.restart or key[0] in rules}
        self.guards.change(self.rules, keeps_all=change.restart)
        if change.off is not None:
            self.guards.off = change.off

    def step(self, event: Event | News) -> None:
        """One event: what is due, then traits, then waiting instances, then rules."""
        head = max(self.newest or 0, event.place)
        now = head if self.wall is None else min(head, self.wall)
        self.set_all_clocks(now)
        self.fire(head if self.wall is None else min(head, self.wall), event)
        self.newest = head
        self.applied += 1
        if isinstance(event, Event) and self.is_repeat(event):
            self.outcome.left_out[event.source] += 1
            return
        self.outcome.events[event.source] += 1
        self.outcome.future_times[event.source] += event.from_the_future
        if not isinstance(event, Event):
            self.update(event)
            self.set_clocks(event.customer, now)
            return
        if self.is_awaited(event):
            self.known.add(event.customer)
            self.set_clocks(event.customer, now)
        self.count(event)
        self.ask_around(event)
        candidates = self.advance(event) + self.begin(event)
        for instance in sorted(candidates, key=lambda each: each.place):
            self.judge(instance, at=event.time, timed=False)

    def is_repeat(self, event: Event) -> bool:
        """Whether the customer has had its id; if not, it is had now, if anything can come of the event."""
        [source] = [each for each in self.rules.sources if each.name == event.source]
        if source.dedupe is None or not event.has_id:
            return False
        had = self.had.setdefault((event.source, event.customer), {})
        if event.id in had and event.time - had[event.id] <= source.dedupe:
            return self.is_named(event)  # what nothing asks for is not looked at: it does nothing either way
        if self.is_awaited(event):
            had.pop(event.id, None)
            had[event.id] = event.time
            for oldest in list(had)[:-MAX_IDS]:
                del had[oldest]
        return False

    def is_named(self, event: Event) -> bool:
        """Whether a rule or a trait names such events."""
        steps = [each for rule in self.rules.rules for each in (*rule.steps, rule.unless) if each is not None]
        return (
            any(event.name in each.on for each in steps)
            or any(event.name in (*each.of, *each.clear, *each.remove) for each in self.rules.traits)
            or self.is_goal(event)
        )

    def is_goal(self, event: Event) -> bool:
        """Reading: where a clock starts rules, who reaches a goal is known, too."""
        goals = [goal for rule in self.rules.rules for goal in rule.goals]
        clocks = any(rule.occasion is not None for rule in self.rules.rules)
        return clocks and any(event.name in goal.on for goal in goals)

    def is_awaited(self, event: Event) -> bool:
        """Whether it fits the `on` and `where` of anything, whoever waits for it or not."""
        if self.is_goal(event):
            return True
        steps = [each for rule in self.rules.rules for each in (*rule.steps, rule.unless) if each is not None]
        return any(
            event.name in each.on and (each.where is None or self.fits(each, event, {})) for each in steps
        ) or any(
            event.name in each.clear
            or (self.concerns(each, event) and any(is_of_use(each, one) for one in occurrences(each, event)))
            for each in self.rules.traits
        )

    def update(self, update: News) -> None:
        now = self.wall if self.wall is not None else self.newest or 0
        bounded = self.wall is not None
        self.profiles[update.customer], flaw = self.profile(update.customer).after(
            update, now, bounded=bounded, known=update.customer in self.known
        )
        if not isinstance(update, Tombstone):
            self.known.add(update.customer)
        if flaw is not None:
            self.outcome.dead_letters.append(
                DeadLetter(update.source, cast("DeadLetterReason", flaw), update.record)
            )
        if isinstance(update, ProfileUpdate):
            zone = update.attributes.get("timezone")
            nowhere = zone is not None and policing.zone_named(zone) is None
            self.outcome.oddities[update.source, "unknown_consent"] += update.unclear
            self.outcome.oddities[update.source, "timezone"] += nowhere and flaw is None

    def fire(self, watermark: int | None, before: Event | News | None = None) -> None:
        """Fire the timers that the watermark has passed, and those that the customer's own event passes."""

        def due(instance: Instance) -> bool:
            if instance.deadline is None:
                return False
            if watermark is not None and instance.deadline < watermark:
                return True
            own = before is not None and instance.customer == before.customer
            return own and before is not None and instance.deadline < before.place

        def order(instance: Instance) -> tuple[Any, ...]:
            return (
                instance.deadline,
                -instance.rule.priority,
                instance.rule.name,
                instance.customer,
                instance.opened,
            )

        while ready := [each for each in self.open + self.deferred if due(each)]:
            first = min(ready, key=order)
            (self.open if first in self.open else self.deferred).remove(first)
            if first.complete:  # else its next step did not come in time
                assert first.deadline is not None
                if first.rule.occasion is not None and first.first is None:
                    self.fired[self.definitions.rules[first.rule.name], first.customer] = first.last.id
                    self.set_clock(first.rule, first.customer, max(first.deadline, self.too_late(first)))
                late = first.late or self.is_overdue(first)
                self.judge(replace(first, late=late), at=first.deadline, timed=True)

    # -- clocks

    def set_all_clocks(self, now: int | None) -> None:
        """After a change of rules, once."""
        for customer in sorted(self.known) if now is not None and self.is_changed else ():
            self.set_clocks(customer, cast("int", now))
        self.is_changed = False

    def set_clocks(self, customer: str, now: int) -> None:
        for rule in self.rules.rules if customer in self.known else ():
            if rule.occasion is not None:
                self.set_clock(rule, customer, now)

    def set_clock(self, rule: Rule, customer: str, after: int) -> None:
        """Have the rule judged at its next time, unless what is set is that still."""
        held = next((each for each in self.open if each.rule is rule and each.customer == customer), None)
        fired = self.fired.get((self.definitions.rules[rule.name], customer), "")
        attributes = self.profile(customer).attributes
        own = attributes.get("timezone")
        zone = policing.zone_named(self.rules.policy.timezone if own is None else own)
        assert rule.occasion is not None
        due = None
        if zone is not None:
            due = next_time(rule.occasion, attributes, zone, after, fired)
            if held is not None and held.deadline is not None:
                still = next_time(rule.occasion, attributes, zone, held.deadline - 1, fired)
                due = still if still == (held.last.id, held.deadline) else due
        if held is not None and due == (held.last.id, held.deadline):
            return
        if held is not None:
            self.open.remove(held)
        if due is not None:
            tick = Event("", due.day, "", customer, due.at, due.at, {}, -1)
            self.open.append(
                Instance(rule, customer, None, self.applied, (tick,), late=False, deadline=due.at)
            )

    def too_late(self, instance: Instance) -> int:
        """The last deadline that is too late by now; before all time without a wall clock."""
        if self.wall is None:
            return -1
        return self.wall - max(policing.DAY, self.stale_after(instance.rule) or 0) - 1

    # -- instances

    def advance(self, event: Event) -> list[Instance]:
        """Close, or take one step further, what is open; gives what is to be judged now."""
        complete = []
        for instance in [each for each in self.open if each.customer == event.customer]:
            if instance.complete:
                if self.closes(instance, event) and self.is_in_time(instance, event):
                    self.open.remove(instance)
                continue
            step = instance.rule.steps[len(instance.events)]
            fits = self.fits(step, event, instance.names())
            if fits and (step.within is None or event.time - instance.last.time <= step.within):
                advanced = self.with_event(instance, event)
                place = self.open.index(instance)
                if advanced.complete and not advanced.rule.timed:
                    del self.open[place]
                    complete.append(advanced)
                else:
                    self.open[place] = advanced
        mine = [each for each in self.deferred if each.customer == event.customer]
        for instance in sorted(mine, key=lambda each: each.place):
            if self.closes(instance, event):
                self.deferred.remove(instance)
                self.judge(instance, at=event.time, timed=False, closed_by=event)
        return complete

    def closes(self, instance: Instance, event: Event) -> bool:
        unless = instance.rule.unless
        return unless is not None and self.fits(unless, event, instance.names())

    def is_in_time(self, instance: Instance, event: Event) -> bool:
        unless = instance.rule.unless
        return unless is not None and event.time <= instance.last.time + unless.within

    def begin(self, event: Event) -> list[Instance]:
        """Open what the event is the first step of; gives what is to be judged now."""
        complete = []
        for rule in self.rules.rules:
            if not self.fits(rule.steps[0], event, {}):
                continue
            said = NOTHING if rule.key is None else look_up(event.data, rule.key)
            key = None if said is NOTHING else map_key(said)
            if rule.key is not None and key is None:
                self.fail(rule.name, event, unless_missing("key", said))
                continue
            new = Instance(rule, event.customer, key, self.applied, (), late=False)
            new = self.with_event(new, event)
            if new.complete and not rule.timed:
                complete.append(new)
            else:
                self.hold(new)
        return complete

    def hold(self, new: Instance) -> None:
        """Keep a new instance open, in place of the one of its key, or not at all."""
        mine = [each for each in self.open if each.rule is new.rule and each.customer == new.customer]
        same = [each for each in mine if each.key == new.key]
        for held in same:
            advanced = len(held.events) > 1
            if new.rule.again == "keep" or (advanced and new.rule.again != "restart"):
                return
            self.open.remove(held)
        if not same and len(mine) == MAX_KEYS:
            self.open.remove(mine[0])
        self.open.append(new)

    def may_wait(self, instance: Instance) -> bool:
        """Whether not too many of its rule and customer are deferred."""
        mine = (instance.customer, instance.rule.name)
        return sum((each.customer, each.rule.name) == mine for each in self.deferred) < MAX_KEYS

    def with_event(self, instance: Instance, event: Event) -> Instance:
        """It after one more step; late, if it would have had to fire longer ago than `stale_after`."""
        after = instance.with_event(event)
        due = event.time if after.deadline is None else after.deadline
        stale_after, now = self.stale_after(after.rule), self.newest if self.wall is None else self.wall
        assert now is not None
        late = after.complete and stale_after is not None and now - due > stale_after
        return replace(after, late=late)

    def stale_after(self, rule: Rule) -> int | None:
        return self.rules.policy.stale_after if rule.stale_after is None else rule.stale_after

    def is_overdue(self, instance: Instance) -> bool:
        """Reading: only the wall clock knows of an outage; it was one, however the timer came to be late."""
        if self.wall is None or instance.deadline is None:
            return False
        return self.wall - instance.deadline > max(policing.DAY, self.stale_after(instance.rule) or 0)

    # -- conditions

    def ask_around(self, event: Event) -> None:
        """Note the errors of what an engine may ask though nobody waits for it: whether the event fits."""
        for rule in self.rules.rules:
            for step in (*rule.steps[1:], rule.unless):
                if step is not None and step.where is not None:
                    self.fits(step, event, {})

    def fits(self, step: Step | Unless, event: Event, names: Mapping[str, Any]) -> bool:
        if event.name not in step.on:
            return False
        condition = step.compares if step.where is None else self.rules.predicates[step.where]
        if condition is None:
            return True
        return self.ask(condition, {**names, **facts_of(event)}, self.outcome.possible_errors, event) is True

    def ask(
        self, condition: Node, bindings: Mapping[str, Any], errors: Counter[str], event: Event
    ) -> bool | None:
        """Whether a condition holds; None for an error, counted in `errors`, or for what is no bool."""
        try:
            answer = evaluate(condition, bindings)
        except ExpressionError:
            errors[event.source] += 1
            return None
        if not isinstance(answer, bool):
            self.outcome.possible_errors[event.source] += 1
            return None
        return answer

    def facts_of_customer(self, instance: Instance, at: int) -> dict[str, Any]:
        """What segments and `suppress` see at a time."""
        facts: dict[str, Any] = {
            "customer": self.profile(instance.customer).attributes,
            "context": self.profile(instance.customer).contexts,
            "traits": Traits(
                {
                    trait.name: partial(value_of, trait, self.counted_by(trait.name, instance.customer), at)
                    for trait in self.rules.traits
                }
            ),
            "now": Timestamp(at * 1_000_000),
        }
        segments: dict[str, bool] = {}
        for segment in self.rules.segments:  # each after those that it names
            bindings = {**facts, "segments": segments}
            answer = self.ask(segment.condition, bindings, self.outcome.possible_errors, instance.last)
            segments[segment.name] = answer is True
        return {**facts, "segments": segments}

    def profile(self, customer: str) -> Profile:
        return self.profiles.get(customer, Profile())

    # -- traits

    def count(self, event: Event) -> None:
        for trait in self.rules.traits:
            if event.name in trait.clear:
                self.counted_by(trait.name, event.customer).clear()
            if not self.concerns(trait, event):
                continue
            failures = wrong_items(trait, event)
            for each in occurrences(trait, event):
                if is_of_use(trait, each):
                    self.counted_by(trait.name, event.customer).append(each)
                failures += whys_not(trait, each)
            for failed in failures:
                self.fail(f"traits.{trait.name}", event, failed)

    def concerns(self, trait: Trait, event: Event) -> bool:
        """Whether it counts for a trait, or removes of it, if it is of use."""
        return event.name in trait.remove or self.fits(Step(trait.of, trait.where), event, {})

    def fail(self, definition: str, event: Event, failed: tuple[str, str | None] | None) -> None:
        if failed is not None:
            part, reason = failed
            self.outcome.condition_errors[event.source] += 1
            self.outcome.failures[definition, part, reason] += 1

    def counted_by(self, trait: str, customer: str) -> list[Event]:
        return self.counted.setdefault((self.definitions.traits[trait], customer), [])

    # -- judging

    def judge(self, instance: Instance, *, at: int, timed: bool, closed_by: Event | None = None) -> None:
        rule, event = instance.rule, instance.last
        cause = event if closed_by is None else closed_by
        customer = self.facts_of_customer(instance, at)
        facts = {**customer, **instance.names(), **(facts_of(event) if rule.occasion is None else {})}
        if rule.condition is not None and instance.first is None:
            answer = self.ask(rule.condition, facts, self.outcome.condition_errors, event)
            if answer is None:
                self.outcome.failures[rule.name, "if", why(rule.condition, facts)] += 1
            if answer is not True:
                return
        suppress = self.rules.policy.suppress
        match = policing.Match(
            rule=rule,
            customer=instance.customer,
            profile=self.profile(instance.customer),
            event=event.data,
            at=at,
            first=instance.first,
            late=instance.late,
            closed=closed_by is not None,
            # An error suppresses, too: what cannot be said to be allowed is not.
            suppressing=closed_by is None
            and suppress is not None
            and self.ask(suppress, customer, self.outcome.possible_errors, event) is not False,
            suppressed_on=frozenset(
                channel.name
                for channel in rule.channels
                if closed_by is None
                and channel.suppress is not None
                and self.ask(channel.suppress, customer, self.outcome.possible_errors, event) is not False
            ),
            cause=(instance.customer, at) if timed else self.applied,
        )
        channel, refused = self.guards.verdict(match)
        reason = cast("DecisionReason | None", refused)
        decision = Decision(
            trigger_id=repr(cause_of(instance, self.definitions.rules[rule.name])),
            rule=rule.name,
            customer_id=instance.customer,
            outcome="sent",
            reason=None,
            channel=channel.name,
            variant=None,
            event=EventRef(event.name, event.id, event.time),
            at=at,
            timed=timed,
            source=cause.source,
            offset=-1 if timed else cause.offset,
            goals=rule.goals,
        )
        end = (
            self.guards.deferred_to(match, channel) if reason == "quiet" and self.may_wait(instance) else None
        )
        if end is not None:
            first = at if instance.first is None else instance.first
            self.deferred.append(replace(instance, deadline=end, first=first))
            decision = decision._replace(outcome="deferred", reason=reason)
        elif reason not in (None, "holdout"):
            by = self.guards.silenced_by(match) if reason == "silenced" else None
            decision = decision._replace(outcome="suppressed", reason=reason, silenced_by=by)
        else:
            variant = self.guards.variant(match)
            outcome: Outcomes = "sent" if reason is None else "holdout"
            decision = decision._replace(
                outcome=outcome,
                reason=reason,
                variant=variant.name if variant else None,
                held_out_by=self.guards.held_out_by(match) if reason else (),
            )
            content, unwritten = {}, None
            for name, template in (variant.content if variant else rule.content).items():
                try:
                    content[name] = template.render({**facts, "rule": rule.name}, channel.format_of(name))
                except ContentError as error:
                    unwritten = Unwritten(name, error.variable, error.filter)
                    break
            if unwritten is not None:
                decision = decision._replace(outcome="suppressed", reason="content", unwritten=unwritten)
            elif reason is None and rule.mode == "live":
                self.outcome.triggers.append(self.message(decision, match, channel, content, event))
        if rule.mode == "live" and decision.outcome != "suppressed":
            self.guards.take(match, channel, decision.outcome)
        if rule.mode == "shadow" and decision.outcome != "deferred":
            # It says what would have become of it, and nobody was compared with anybody.
            decision = decision._replace(outcome="shadow", held_out_by=())
        self.outcome.decisions.append(decision)

    def message(
        self,
        decision: Decision,
        match: policing.Match,
        channel: Channel,
        content: Mapping[str, str],
        event: Event,
    ) -> Message:
        consent = None
        if channel.consent is not None and (held := match.profile.consents.get(channel.consent)):
            consent = proof(channel.consent, held)
        sensitive = [
            {"subject": each.name, "consent": proof(each.consent, match.profile.consents[each.consent])}
            for each in match.rule.sensitive
        ]
        return Message(
            decision,
            channel.topic,
            policing.address_of(match, channel) if channel.address else None,
            content,
            match.rule.priority,
            event.stamped,
            consent,
            sensitive,
        )


def proof(purpose: str, held: Consent) -> dict[str, Any]:
    return {"purpose": purpose, "granted_at": held.at, "basis": held.basis, "expires_at": held.expires}


class Traits(Lookup):
    """The traits of a customer, each worked out when it is asked for."""

    def __init__(self, values: Mapping[str, partial[Any]]) -> None:
        self.values = values

    def look_up(self, key: Any) -> Any:
        value = self.values[key]()
        if value is NOTHING:
            raise KeyError
        return value
