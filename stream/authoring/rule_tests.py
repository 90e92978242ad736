"""`stream test`: the tests in rule files, played to the production engine on a clock of their own.

A test passes if exactly what it expects was sent, in that order; keys that an expectation leaves out are not
compared, nor fields of content. Nobody is held out, and where a rule has variants each of them counts, unless
the test says `arm`. Tested by tests/authoring/test_rule_tests.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree  # written only: nothing is parsed

import orjson
from rich.console import Console
from rich.text import Text

from stream.authoring.replay import Replay, ReplayedRecord
from stream.authoring.why_not import Play, duration, reasons
from stream.decisions.wire import iso_time
from stream.diagnostics import one_line
from stream.rules.model import FieldPath, Rule, RuleSet, Source, Variant
from stream.rules.testcases import HOLDOUT, Expectation, RuleTest, TestEvent
from stream.structs import Decision, Judgement, Trigger

MOST_RULES = 5  # of which it is said why they did not send, where a test names none
PROFILE = "(test)"  # the source of the test's own customer: no name in a rule file can be this


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a test came to: `sent` as a worker would have, `held_back` with reasons, and what does not fit."""

    test: RuleTest
    sent: tuple[Trigger, ...]
    held_back: tuple[Decision, ...]
    failures: tuple[str, ...]
    why: tuple[str, ...] = ()  # what was expected did not come

    @property
    def passed(self) -> bool:
        return not self.failures


class FixedArms:
    """Everybody gets the same arm: `held_out`, or the variant of a name, or the one at a place."""

    def __init__(self, *, held_out: bool = False, variant: str | None = None, place: int = 0) -> None:
        self._held_out, self._variant, self._place = held_out, variant, place

    def is_held_out(self, customer: str, salt: str, share: int) -> bool:
        return self._held_out and share > 0

    def variant_of(self, customer: str, rule: str, variants: Sequence[Variant]) -> Variant:
        named = [each for each in variants if each.name == self._variant]
        return named[0] if named else variants[min(self._place, len(variants) - 1)]


def run(test: RuleTest, rules: RuleSet) -> Outcome:
    """Plays one test. The rules are as they are, or the one that the test names."""
    if test.rule is not None:
        rules = replace(rules, rules=tuple(each for each in rules.rules if each.name == test.rule))
    plays = [_play(test, rules, arms) for arms in _arms_of(test, rules.rules)]
    first = plays[0]
    failures = [f"a record of `{each.source}` was put aside: {each.reason}" for each in first.put_aside]
    failures += _failures(test, [each.sent for each in plays])
    missing = _missing(test, rules.rules, first.sent)
    why = [f"{rule.name}: {line}" for rule in missing for line in reasons(test, rule, first)]
    return Outcome(test, first.sent, first.held_back, tuple(failures), tuple(why))


def _missing(test: RuleTest, rules: Sequence[Rule], sent: Sequence[Trigger]) -> list[Rule]:
    """The rules that were expected to send more often than they did; where none is named, the first few that
    an event of the test begins.
    """
    expected = Counter(each.rule for each in test.expect)
    if len(sent) >= len(test.expect) and None in expected:
        del expected[None]
    expected.subtract(each.decision.rule for each in sent)
    named = [rule for rule in rules if expected[rule.name] > 0]
    if named or expected[None] <= 0:
        return named
    names = {each.name for each in test.events}
    return [rule for rule in rules if names & set(rule.steps[0].on)][:MOST_RULES]


def _arms_of(test: RuleTest, rules: Sequence[Rule]) -> list[FixedArms]:
    if test.arm is not None:
        return [FixedArms(held_out=test.arm == HOLDOUT, variant=test.arm)]
    places = max((len(rule.variants) for rule in rules), default=0)
    return [FixedArms(place=place) for place in range(max(places, 1))]


def _play(test: RuleTest, rules: RuleSet, arms: FixedArms) -> Play:
    profile = Source(PROFILE, PROFILE, ("customer",), time=("time",), kind="profile")
    replay = Replay(replace(rules, sources=(profile, *rules.sources)), arms)
    ended = frozenset(source.name for source in replay.rules.sources)
    judged: list[Judgement] = []
    replay.state.explain(test.customer.id, judged.append)
    results = [*replay.feed(_customer(test), ended)]
    offsets: Counter[str] = Counter()
    for now, events in _deliveries(test):
        if now is not None:
            results += replay.advance(test.start + now)
        results += replay.feed(_records(events, test, rules, offsets), ended)
    if test.until is not None:
        results += replay.advance(test.start + test.until)
    decisions = [each for result in results for each in result.decisions]
    triggers = [each for result in results for each in result.triggers]
    held_back = tuple(each for each in decisions if each.outcome != "sent")
    put_aside = tuple(each for result in results for each in result.dead_letters)
    return Play(tuple(triggers), held_back, put_aside, tuple(judged))


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


def _customer(test: RuleTest) -> dict[str, list[ReplayedRecord]]:
    body = {
        "customer": test.customer.id,
        "time": test.start,
        "attributes": dict(test.customer.attributes),
        "consents": {
            purpose: {"granted": True, "at": iso_time(test.start), **said}
            for purpose, said in test.customer.consents.items()
        },
    }
    return {PROFILE: [ReplayedRecord(0, test.start, orjson.dumps(body))]}


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


def _as_written(event: TestEvent, source: Source, customer: str, time: int) -> dict[str, Any]:
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


# ---- comparing ----


def _failures(test: RuleTest, plays: Sequence[Sequence[Trigger]]) -> Iterator[str]:
    """What does not fit, in words; each place fits if it does in any of the plays (one for each variant)."""
    sent = plays[0]
    for place, expected in enumerate(test.expect):
        found = [triggers[place] for triggers in plays if place < len(triggers)]
        if not found:
            yield f"expected {_expected(expected)}, and nothing more was sent"
        elif all(list(_differences(expected, each, test.start)) for each in found):
            differences = "; ".join(_differences(expected, found[0], test.start))
            yield f"expected {_expected(expected)}, and got {_sent(found[0], test.start)}: {differences}"
    for each in sent[len(test.expect) :]:
        yield f"not expected: {_sent(each, test.start)}"


def _differences(expected: Expectation, trigger: Trigger, start: int) -> Iterator[str]:
    decision = trigger.decision
    compared = (
        ("at", expected.at, decision.at - start),
        ("rule", expected.rule, decision.rule),
        ("channel", expected.channel, decision.channel),
        ("variant", expected.variant, decision.variant),
    )
    for key, wanted, got in compared:
        if wanted is not None and wanted != got:
            shown = (duration(int(wanted)), duration(int(got or 0))) if key == "at" else (wanted, got)
            yield f"{key} is {shown[1]}, not {shown[0]}"
    for name, text in (expected.content or {}).items():
        if _spaced(trigger.content.get(name)) != _spaced(text):
            yield f"content `{name}` is {json.dumps(trigger.content.get(name), ensure_ascii=False)}"


def _spaced(text: str | None) -> str | None:
    """Amounts and times have spaces in them at which no line breaks; who writes a test types another."""
    return text and text.replace("\xa0", " ").replace("\u202f", " ")


def _expected(expected: Expectation) -> str:
    parts = [
        expected.rule or "something",
        f"on {expected.channel}" if expected.channel else "",
        f"at {duration(expected.at)}" if expected.at is not None else "",
        f"with {json.dumps(dict(expected.content), ensure_ascii=False)}" if expected.content else "",
    ]
    return " ".join(part for part in parts if part)


def _sent(trigger: Trigger, start: int) -> str:
    decision = trigger.decision
    return f"{decision.rule} on {decision.channel} at {duration(decision.at - start)}"


# ---- what is shown ----


def report(outcomes: Sequence[Outcome], console: Console, *, as_json: bool) -> None:
    """Write the outcomes: one line each, below a failed one what does not fit and what was held back."""
    if as_json:
        text = json.dumps([_as_object(each) for each in outcomes], ensure_ascii=False, indent=2)
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        return
    for each in outcomes:
        word = Text("ok    ", "green") if each.passed else Text("FAILED", "bold red")
        where = "" if each.passed else f"  {each.test.location}"
        console.print(word, one_line(each.test.name) + where, markup=False, highlight=False, soft_wrap=True)
        for line in () if each.passed else _details(each):
            console.print(f"         {line}", markup=False, highlight=False, soft_wrap=True)
    failed = sum(not each.passed for each in outcomes)
    summary = f"{len(outcomes) - failed} passed" + (f", {failed} failed" if failed else "")
    console.print(summary, markup=False, highlight=False)


def _details(outcome: Outcome) -> Iterator[str]:
    for failure in outcome.failures:
        yield one_line(failure)
    for line in outcome.why:
        yield one_line(f"why not {line}")
    for each in outcome.held_back:
        when = duration(each.at - outcome.test.start)
        yield f"held back: {each.rule} at {when}: {each.outcome}, {each.reason}{_why(each)}"


def _why(decision: Decision) -> str:
    """Of a message that could not be written."""
    if (failed := decision.unwritten) is None:
        return ""
    what = "it could not be written" if failed.variable is None else f"there is no `{failed.variable}`"
    return f" (`{failed.field}`: {what})"


def _as_object(outcome: Outcome) -> dict[str, Any]:
    start = outcome.test.start
    return {
        "name": outcome.test.name,
        "location": str(outcome.test.location),
        "passed": outcome.passed,
        "failures": list(outcome.failures),
        "why": list(outcome.why),
        "sent": [
            {
                "at": each.decision.at - start,
                "rule": each.decision.rule,
                "channel": each.decision.channel,
                "variant": each.decision.variant,
                "content": dict(each.content),
            }
            for each in outcome.sent
        ],
        "held_back": [
            {
                "at": each.at - start,
                "rule": each.rule,
                "outcome": each.outcome,
                "reason": each.reason,
                "unwritten": each.unwritten and each.unwritten._asdict(),
            }
            for each in outcome.held_back
        ],
    }


def write_junit(outcomes: Sequence[Outcome], path: Path) -> None:
    """The outcomes as JUnit XML, as CI systems show them."""
    failed = sum(not each.passed for each in outcomes)
    suite = ElementTree.Element("testsuite", name="rules", tests=str(len(outcomes)), failures=str(failed))
    for each in outcomes:
        at = each.test.location
        properties: Mapping[str, str] = {"name": each.test.name, "classname": at.file, "line": str(at.line)}
        case = ElementTree.SubElement(suite, "testcase", dict(properties))
        if not each.passed:
            failure = ElementTree.SubElement(case, "failure", message=each.failures[0])
            failure.text = "\n".join(_details(each))
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
