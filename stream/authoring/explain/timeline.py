"""One customer's way through a history: each event of theirs, what it changed, what was judged and decided.

The production engine plays the customer's own records, and between them moves on to the time that the others'
have reached; these themselves change nothing for the customer, so they are only looked at. Whatever happens
without a record of the customer's, because its time has come, is a moment of its own.
Tested by tests/authoring/explain/test_timeline.py.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from stream.authoring.replay import Replay
from stream.engine import PartitionState
from stream.events._value import ABSENT
from stream.history._past import PastEvent
from stream.history.changelog import KnownBefore
from stream.history.event_files import PastEvents, Portion
from stream.history.progress import QUIET, Progress
from stream.rules.model import FieldPath, RuleSet, Trait
from stream.structs import Decision, Judgement, OpenInstance, Result, Trigger


class Change(NamedTuple):
    """A value that an event changed: a trait, with its key if it has one, or what a profile says."""

    name: str
    key: Any
    before: Any
    after: Any


class Progressed(NamedTuple):
    """An instance that began (`before` is None), moved on, or ended (`after` is None)."""

    before: OpenInstance | None
    after: OpenInstance | None


@dataclass(frozen=True, slots=True)
class TimelineMoment:
    """What happened at once. `at`: ms. `event`: the name, empty of a record that is no event, and where only
    time passed; then `source` and `place` are empty, too.

    `put_aside`: why the record counted for nothing. `fields`: the record as it was, None if it is no JSON.
    `sent`: the triggers of those decisions that were sent, or would have been but for the shadow mode of
    their rule, by trigger id.
    """

    at: int
    event: str = ""
    source: str = ""
    place: str = ""
    fields: Any = None
    put_aside: str | None = None
    changes: tuple[Change, ...] = ()
    judged: tuple[Judgement, ...] = ()
    progressed: tuple[Progressed, ...] = ()
    decisions: tuple[Decision, ...] = ()
    sent: Mapping[str, Trigger] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Before:
    """What a worker knew before the first moment. `at`: when (ms), `place`: where that is written. `values`:
    by path, also traits, those of `per` by key.
    """

    at: int
    place: str
    values: Mapping[str, Any]
    open: tuple[OpenInstance, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """`moments`: from `Between.since` on. `open`: what the customer has begun, at the end. `until`: the time
    (ms) that the history has come to; None: it has no event. `before`: None if it begins with nothing.
    `since`: from when on it is told; `partition`: of the customer, where it is known.
    """

    rules: RuleSet
    customer: str
    moments: tuple[TimelineMoment, ...]
    open: tuple[OpenInstance, ...]
    until: int | None
    attributes: Mapping[str, Any]
    before: Before | None = None
    since: int | None = None
    partition: int | None = None


def timeline(
    rules: RuleSet,
    files: PastEvents,
    customer: str,
    *,
    known: KnownBefore | None = None,
    progress: Progress = QUIET,
) -> Timeline:
    """Plays a history for one customer. At the end time moves on to `files.between.until`, if that is set.

    `known`: what they begin with; `files` have to go on from there. Raises StateError if it cannot be read.
    """
    told = _Telling(rules, files, customer)
    before = None if known is None else told.begin(known)
    moments: list[TimelineMoment] = []
    progress.begin("looking for the customer", files.lines.total())
    looked = 0
    for portion in files.batches():
        found = told.play(portion)
        moments += [] if portion.is_before else found
        looked += sum(map(len, portion.records.values()))
        progress.reach(looked)
    moments += told.end(files.between.until)
    if known is not None and (since := files.between.since) is not None:
        moments = [each for each in moments if each.at >= since]
    return Timeline(
        rules,
        customer,
        tuple(moments),
        told.open,
        told.reached,
        told.attributes,
        before,
        files.between.since,
        told.partition,
    )


class _Telling:
    """A replay of one customer's records, told moment by moment."""

    def __init__(self, rules: RuleSet, files: PastEvents, customer: str) -> None:
        self.open: tuple[OpenInstance, ...] = ()
        self._rules, self._customer = rules, customer
        self._replay, self._now = Replay(rules, now=files.now), files.now
        self._bare = replace(
            rules, rules=(), traits=(), segments=(), policy=replace(rules.policy, suppress=None)
        )
        self._ended = files.names
        self._sources = {source.name: source for source in rules.sources}
        # What a record of the customer's has somewhere, if it is not escaped.
        self._text = customer.encode()
        self._judged: list[Judgement] = []
        self.partition: int | None = None
        self._came_to: dict[int, int] = {}  # by partition, the time that its events have come to

    @property
    def reached(self) -> int | None:
        """The time that the customer's partition has come to."""
        return None if self.partition is None else self._came_to.get(self.partition)

    def begin(self, known: KnownBefore) -> Before | None:
        """Enter what is known before anything is played; None: it begins where nothing was known."""
        self.partition = known.beginning.partition
        state = self._replay.state_of(self.partition)
        known.enter(state)
        if not known.checkpoint:
            return None
        values = self._profile(state)
        for trait in self._rules.traits:
            value = state.trait(self._customer, trait.name, known.at)
            if value is not ABSENT and value not in (0, {}, []):
                values[f"traits.{trait.name}"] = value
        return Before(known.at, known.place, values, self._instances())

    def play(self, portion: Portion) -> list[TimelineMoment]:
        """The moments of a portion."""
        moments: list[TimelineMoment] = []
        for name, place in self._own(portion.records):
            self.partition = portion.partition
            event = portion.records[name][place]
            self._reach(portion, (event.order, name))
            # What is due before it goes first, as in a worker, and is a moment of its own.
            time = self._time_of(name, event)
            moments += self._advance(max(time, self._came_to.get(portion.partition, 0)))
            moments += self._record(name, event, event.timestamp if time < 0 else time)
        self._reach(portion, None)
        return moments

    def _reach(self, portion: Portion, before: tuple[int, str] | None) -> None:
        """Moves a partition's time on by what comes before a place in the order of all; None: by everything.
        A record that is no event moves none.
        """
        came_to = self._came_to.get(portion.partition, -1)
        for name, events in portion.records.items():
            end = len(events)
            if before is not None:
                side = bisect_left if name >= before[1] else bisect_right
                end = side(events, before[0], key=attrgetter("order"))
            for event in reversed(events[:end]):
                if event.order // len(self._sources) <= came_to:
                    break
                came_to = max(self._time_of(name, event), came_to)
        if came_to >= 0:
            self._came_to[portion.partition] = came_to

    def _time_of(self, name: str, event: PastEvent) -> int:
        """Of a record; -1 if it is no event. The engine says so, to which nothing is known and no rule."""
        alone = Replay(self._bare, now=self._now)
        times = [each.watermark for each in alone.feed({name: [event]}, self._ended)]
        return max((each for each in times if each is not None), default=-1)

    def end(self, until: int | None) -> list[TimelineMoment]:
        """What comes due by the end."""
        if until is not None and self.partition is not None:
            self._came_to[self.partition] = until
        moments = [] if self.reached is None else self._advance(self.reached)
        self.open = self._instances()
        return moments

    def _own(self, records: Mapping[str, Sequence[PastEvent]]) -> list[tuple[str, int]]:
        """The customer's records, in order."""
        found = [
            (event.order, name, place)
            for name, events in records.items()
            for place, event in enumerate(events)
            if self._is_own(name, event)
        ]
        return [(name, place) for _, name, place in sorted(found)]

    def _is_own(self, name: str, event: PastEvent) -> bool:
        value = event.value
        if value is None:
            return event.key == self._text
        if self._text not in value and b"\\" not in value:
            return False
        try:
            found = _at(orjson.loads(value), self._sources[name].customer)
        except orjson.JSONDecodeError:
            return False
        return isinstance(found, str | int) and not isinstance(found, bool) and str(found) == self._customer

    @property
    def _state(self) -> PartitionState | None:
        return None if self.partition is None else self._replay.state_of(self.partition)

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What is known of the customer, now."""
        customer = None if self._state is None else self._state.customers.get(self._customer)
        return {} if customer is None else customer.attributes or {}

    def _instances(self) -> tuple[OpenInstance, ...]:
        return () if self._state is None else tuple(self._state.instances(self._customer))

    def _advance(self, until: int) -> list[TimelineMoment]:
        """What is due by then."""
        if self._state is None:
            return []
        before = self._instances()
        results = self._listen(self._replay.advance(until))
        return _by_time(results, self._take_judged(), before, self._instances())

    def _record(self, name: str, event: PastEvent, at: int) -> list[TimelineMoment]:
        state, source = self._state, self._sources[name]
        if state is None:
            return []
        fields = None if event.value is None else _loads(event.value)
        event_name = source.constant or _at(fields, source.event)
        known = event_name if source.kind == "event" and isinstance(event_name, str) else ""
        traits = [each for each in self._rules.traits if known in each.events]
        had, was = self._profile(state), [self._trait(state, each, known, fields, at) for each in traits]
        before = self._instances()
        feed = self._replay.feed({name: [event]}, self._ended, self.partition or 0)
        results = self._listen(feed)
        changes = [
            Change(f"traits.{each.name}", key, old, new)
            for each, (key, old) in zip(traits, was, strict=True)
            for new in [self._trait(state, each, known, fields, at)[1]]
            if old != new
        ]
        has = self._profile(state)
        changes += [
            Change(each, None, had.get(each), has.get(each))
            for each in dict.fromkeys([*had, *has])
            if had.get(each) != has.get(each)
        ]
        decisions = [each for result in results for each in result.decisions]
        moment = TimelineMoment(
            at,
            known,
            name,
            event.place,
            fields,
            _put_aside(results),
            tuple(changes),
            self._take_judged(),
            tuple(_progressed(before, self._instances())),
            tuple(decisions),
            _sent(results),
        )
        return [moment]

    def _listen(self, results: Iterable[Result]) -> list[Result]:
        if self._state is not None:
            self._state.explain(self._customer, self._judged.append)
        return list(results)

    def _take_judged(self) -> tuple[Judgement, ...]:
        found, self._judged[:] = tuple(self._judged), []
        return found

    def _trait(
        self, state: PartitionState, trait: Trait, event: str, fields: Any, at: int
    ) -> tuple[Any, Any]:
        """The key that the event has, and what the trait is as of its time; None if it is nothing.

        All its values where the event clears it, or has several keys.
        """
        if trait.per is not None and (event in trait.clear or trait.items is not None):
            return None, state.trait(self._customer, trait.name, at) or None
        key = None if trait.per is None else _at(fields, trait.per)
        if trait.per is not None and not isinstance(key, str | int | float):
            return None, None
        value = state.trait(self._customer, trait.name, at, key)
        return key, None if value is ABSENT else value

    def _profile(self, state: PartitionState) -> dict[str, Any]:
        """What is known of the customer beside traits, by path."""
        customer = state.customers.get(self._customer)
        if customer is None:
            return {}
        found = {f"customer.{name}": value for name, value in (customer.attributes or {}).items()}
        for purpose, consent in (customer.consents or {}).items():
            found[f"consents.{purpose}"] = consent.granted
        for name, context in (customer.contexts or {}).items():
            found |= {f"context.{name}.{key}": value for key, value in context.items()}
        return found


def _by_time(
    results: Sequence[Result],
    judged: Sequence[Judgement],
    before: Sequence[OpenInstance],
    after: Sequence[OpenInstance],
) -> list[TimelineMoment]:
    """What was due, by when: each deadline is a moment."""
    decisions = [each for result in results for each in result.decisions]
    sent = _sent(results)
    ended = list(_progressed(before, after))
    times = {each.at for each in judged} | {each.at for each in decisions}
    times |= {due for each in ended if (due := _due(each)) is not None}
    return [
        TimelineMoment(
            at,
            judged=tuple(each for each in judged if each.at == at),
            progressed=tuple(each for each in ended if _due(each) == at),
            decisions=tuple(each for each in decisions if each.at == at),
            sent=sent,
        )
        for at in sorted(times)
    ]


def _due(progressed: Progressed) -> int | None:
    """When time made an instance end, or put it off."""
    return None if progressed.before is None else progressed.before.deadline


def _progressed(before: Sequence[OpenInstance], after: Sequence[OpenInstance]) -> Iterator[Progressed]:
    """Which of them are new, gone, or further: told apart by rule and key."""
    gone, new = Counter(before) - Counter(after), Counter(after) - Counter(before)
    coming = list(new.elements())
    for old in gone.elements():
        same = next((each for each in coming if (each.rule, each.key) == (old.rule, old.key)), None)
        if same is not None:
            coming.remove(same)
        yield Progressed(old, same)
    yield from (Progressed(None, each) for each in coming)


def _put_aside(results: Sequence[Result]) -> str | None:
    """Why a record counted for nothing."""
    for result in results:
        for letter in result.dead_letters:
            return f"{letter.reason}: {letter.detail}" if letter.detail else letter.reason
        for _, reason in result.errors:
            if reason != "condition":
                return None
        if result.repeats:
            return "it was read before"
        if result.left_out:
            return "dedupe: the customer has had an event of this id"
    return None


def _sent(results: Iterable[Result]) -> dict[str, Trigger]:
    return {
        each.decision.trigger_id: each for result in results for each in (*result.triggers, *result.shadows)
    }


def _loads(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def _at(value: Any, path: FieldPath | None) -> Any:
    """What is at a path; None if nothing is."""
    for name in path or ():
        value = value.get(name) if isinstance(value, dict) else None
    return None if path is None else value
