"""A test of a rule file, played to the production engine on a clock of its own.

    who the customer is ─► `history` ─► the start: `known` ─► `events` ─► `until`

What the customer's own events cause from the start on is what the test is about; what the history caused
before uses up limits and caps as it does live. Of a rule in shadow mode, what it would have sent is taken for
sent where the test is about it: it names the rule, or expects a `shadow`.
Tested by tests/authoring/rule_tests/test_plays.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from stream.authoring.replay import Replay, ReplayedRecord
from stream.authoring.rule_tests.histories import NOTHING, History
from stream.decisions.wire import iso_time
from stream.errors import InternalError
from stream.events._value import ABSENT
from stream.rules.aggregates import AGGREGATES
from stream.rules.model import FieldPath, Rule, RuleSet, Source, Variant
from stream.rules.testcases import HOLDOUT, Known, RuleTest, TestEvent
from stream.structs import DeadLetter, Decision, Judgement, Result, Trigger

PROFILE = "(test)"  # the source of the test's own customer: no name in a rule file can be this


@dataclass(frozen=True, slots=True)
class Play:
    """One run of a test: what was sent, what was held back, which records are none, and what was judged.

    `before`: what had been decided when the test began. `clashes`: what of `known` the history has
    brought to a value already. `waiting`: when it ended, of each instance that waits for its time its rule,
    when that is, and whether quiet hours put it off; clocks, which always wait, of the test's own rule only.
    """

    sent: tuple[Trigger, ...]
    held_back: tuple[Decision, ...]
    put_aside: tuple[DeadLetter, ...]
    judged: tuple[Judgement, ...]
    before: tuple[Decision, ...] = ()
    clashes: tuple[Known, ...] = ()
    waiting: tuple[tuple[str, int, bool], ...] = ()

    def used(self, by: Decision) -> list[Decision]:
        """What had used up limits and caps when a decision was made."""
        sent = [*self.before, *(each.decision for each in self.sent), *self.held_back]
        uses = [each for each in sent if each.outcome in ("sent", "holdout") and each is not by]
        return sorted((each for each in uses if each.at <= by.at), key=lambda each: each.at)


class FixedArms:
    """Everybody gets the same arm: `held_out`, or the variant of a name, or the one at a place."""

    def __init__(self, *, held_out: bool = False, variant: str | None = None, place: int = 0) -> None:
        self._held_out, self._variant, self._place = held_out, variant, place

    def is_held_out(self, customer: str, salt: str, share: int) -> bool:
        return self._held_out and share > 0

    def is_rolled_out(self, customer: str, salt: str, share: int) -> bool:
        return True

    def variant_of(self, customer: str, rule: str, variants: Sequence[Variant]) -> Variant:
        named = [each for each in variants if each.name == self._variant]
        return named[0] if named else variants[min(self._place, len(variants) - 1)]


class Bench:
    """A rule set to which tests are played: with a source for the customers that tests make up."""

    def __init__(self, rules: RuleSet) -> None:
        profile = Source(PROFILE, PROFILE, ("customer",), time=("time",), kind="profile")
        self._all = replace(rules, sources=(profile, *rules.sources))
        self._of: dict[str | None, RuleSet] = {None: self._all}

    def of(self, test: RuleTest) -> RuleSet:
        """The rules that a test judges: one object for all tests of the same, so that it is prepared once."""
        if test.rule not in self._of:
            only = tuple(each for each in self._all.rules if each.name == test.rule)
            self._of[test.rule] = replace(self._all, rules=only)
        return self._of[test.rule]


def plays(test: RuleTest, rules: RuleSet, history: History = NOTHING) -> list[Play]:
    """The test with each of the arms that count. `rules`: what a Bench says of it."""
    return [_play(test, rules, history, arms) for arms in _arms_of(test, rules.rules)]


def _arms_of(test: RuleTest, rules: Sequence[Rule]) -> list[FixedArms]:
    if test.arm is not None:
        return [FixedArms(held_out=test.arm == HOLDOUT, variant=test.arm)]
    places = max((len(rule.variants) for rule in rules), default=0)
    return [FixedArms(place=place) for place in range(max(places, 1))]


def _play(test: RuleTest, rules: RuleSet, history: History, arms: FixedArms) -> Play:
    replay = Replay(rules, arms)
    ended = frozenset(source.name for source in rules.sources)
    judged: list[Judgement] = []
    replay.state.explain(test.customer.id, judged.append)
    results = [*replay.feed(_customer(test, min(test.start, history.begin)), ended)]
    offsets = Counter({source: len(records) for source, records in history.records.items()})
    if history.records:
        results += replay.feed(history.records, ended)
        results += replay.advance(test.start)
    clashes = tuple(_know(test, rules, replay))
    for now, events in _deliveries(test):
        if now is not None:
            results += replay.advance(test.start + now)
        results += replay.feed(_records(events, test, rules, offsets), ended)
    if test.until is not None:
        results += replay.advance(test.start + test.until)
    clocks = {rule.name for rule in rules.rules if rule.occasion is not None}
    waiting = tuple(
        (each.rule, each.deadline, each.put_off)
        for each in replay.state.instances(test.customer.id)
        if each.done == each.steps and each.deadline is not None
        if each.put_off or each.rule == test.rule or each.rule not in clocks
    )
    of_customer = _of_customer(test, results, judged, clashes, _shadows_of(test, rules))
    return replace(of_customer, waiting=waiting)


def _shadows_of(test: RuleTest, rules: RuleSet) -> set[str]:
    """The rules in shadow mode that a test is about."""
    shadows = {each.name for each in rules.rules if each.mode == "shadow"}
    if any(each.outcome == "shadow" and each.rule is None for each in test.expect):
        return shadows
    return shadows & {test.rule, *(each.rule for each in test.expect)}


def _of_customer(
    test: RuleTest,
    results: Iterable[Result],
    judged: Iterable[Judgement],
    clashes: tuple[Known, ...],
    shadows: Collection[str],
) -> Play:
    """What became of the test's customer. A history may tell of others."""
    sent: list[Trigger] = []
    held_back: list[Decision] = []
    before: list[Decision] = []
    put_aside: list[DeadLetter] = []
    for result in results:
        put_aside += result.dead_letters
        own = [each for each in result.decisions if each.customer_id == test.customer.id]
        before += [each for each in own if each.at < test.start]
        messages = {id(each.decision): each for each in result.triggers}
        messages |= {id(each.decision): each for each in result.shadows if each.decision.rule in shadows}
        for each in own:
            if each.at >= test.start and (message := messages.get(id(each))) is not None:
                sent.append(message)
            elif each.at >= test.start:
                held_back.append(each)
    return Play(tuple(sent), tuple(held_back), tuple(put_aside), tuple(judged), tuple(before), clashes)


def _know(test: RuleTest, rules: RuleSet, replay: Replay) -> Iterator[Known]:
    """Lets the customer have what `known` says: each occurrence is counted as one of an event at the start.

    Yields those that had a value already.
    """
    if not test.known:
        return
    customer = replay.state.customers.get(test.customer.id)
    if customer is None:
        raise InternalError("a test's customer is not there though their profile was read; this is a bug")
    slots = replay.state.customers.layout.slots()["trait"]
    traits = {each.name: each for each in rules.traits}
    for known in test.known:
        trait = traits[known.trait]
        slot, function = slots[trait.stable_id], AGGREGATES[trait.function]
        read = customer.read(slot, test.start, known.key)
        if read is not ABSENT and read != function.nothing:
            yield known
            continue
        for value in known.values:
            amount = float(value) if function.takes == "number" else 1.0
            customer.observe(slot, test.start, amount, value, known.key)


def _deliveries(test: RuleTest) -> Iterator[tuple[int | None, list[TestEvent]]]:
    """The events in the order in which they are processed: those that come in time together, each late one by
    itself, with the time that has come by then.
    """
    now, comes_at = 0, {}
    for place, each in enumerate(test.events):
        if not each.late:
            now = max(now, each.at)
        comes_at[place] = each.at + each.late if each.late else now
    in_time: list[TestEvent] = []
    for place in sorted(comes_at, key=comes_at.__getitem__):
        each = test.events[place]
        if not each.late:
            in_time.append(each)
            continue
        yield None, in_time
        yield comes_at[place], [each]
        in_time = []
    yield None, in_time


def _customer(test: RuleTest, since: int) -> dict[str, list[ReplayedRecord]]:
    body = {
        "customer": test.customer.id,
        "time": since,
        "attributes": dict(test.customer.attributes),
        "consents": {
            purpose: {"granted": True, "at": iso_time(since), **said}
            for purpose, said in test.customer.consents.items()
        },
    }
    return {PROFILE: [ReplayedRecord(0, since, orjson.dumps(body))]}


def _records(
    events: Sequence[TestEvent], test: RuleTest, rules: RuleSet, offsets: Counter[str]
) -> dict[str, list[ReplayedRecord]]:
    """The records of some events by source; `offsets`: how many each has had so far."""
    sources = {source.name: source for source in rules.sources}
    records: dict[str, list[ReplayedRecord]] = {}
    for each in events:
        source = sources[each.source or rules.first_source or ""]
        value = orjson.dumps(_as_written(each, source, test.customer.id, test.start + each.at))
        records.setdefault(source.name, []).append(
            ReplayedRecord(offsets[source.name], test.start + each.at, value)
        )
        offsets[source.name] += 1
    return records


def _as_written(event: TestEvent, source: Source, customer: str, time: int) -> Mapping[str, Any]:
    """The event, or other record, as its source writes it: name, customer and time where the mapping says."""
    value: dict[str, Any] = json.loads(json.dumps(event.fields))
    _put(value, source.customer, customer)
    if source.event is not None:
        _put(value, source.event, event.name)
    if source.time is not None:
        _put(value, source.time, iso_time(time))
    return value


def _put(value: dict[str, Any], path: FieldPath, what: str) -> None:
    *parents, last = path
    for name in parents:
        inner = value.get(name)
        value[name] = value = inner if isinstance(inner, dict) else {}
    value[last] = what
