"""`stream test`: the tests in rule files, played to the production engine on a clock of their own.

A test passes if exactly what it expects was sent, in that order; keys that an expectation leaves out are not
compared, nor fields of content. Nobody is held out, and where a rule has variants each of them counts, unless
the test says `arm`. Tested by tests/authoring/rule_tests/test_run.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from stream.authoring.replay import ReplayedRecord
from stream.authoring.rule_tests import differences
from stream.authoring.rule_tests.coverage import Coverage
from stream.authoring.rule_tests.differences import Failure
from stream.authoring.rule_tests.held_back import around_of, explained, guard_of, passed_over
from stream.authoring.rule_tests.histories import NOTHING, History
from stream.authoring.rule_tests.plays import PROFILE, Bench, Play, plays
from stream.authoring.rule_tests.why_not import Reason, reasons
from stream.history._past import PastEvent
from stream.history.unusable import likely_fix
from stream.rules.model import Rule, RuleSet
from stream.rules.testcases import RuleTest
from stream.structs import Decision, Judgement, Trigger

MOST_RULES = 5  # of which it is said why they did not send, where a test names none


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a test came to: `sent` as a worker would have, `held_back` with reasons, and what does not fit.

    `guards`: of each that was held back, by what, for people. `left_out`: events that `dedupe` left out.
    `waiting`: see `Play`.
    """

    test: RuleTest
    sent: tuple[Trigger, ...]
    held_back: tuple[Decision, ...]
    failures: tuple[Failure, ...]
    guards: tuple[str, ...] = ()
    why: tuple[Reason, ...] = ()  # what was expected did not come
    seconds: float = 0.0  # that it took
    left_out: tuple[Judgement, ...] = ()
    waiting: tuple[tuple[str, int, bool], ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


def run_all(
    tests: Iterable[RuleTest], rules: RuleSet, histories: Mapping[str, History], coverage: Coverage
) -> list[Outcome]:
    """Plays the tests; `coverage` takes note of what they show of the rules."""
    bench = Bench(rules)
    return [_run(test, bench, histories, coverage) for test in tests]


def run(test: RuleTest, rules: RuleSet) -> Outcome:
    """Plays one test, without a history. The rules are as they are, or the one that the test names."""
    return _run(test, Bench(rules), {}, Coverage())


def _run(test: RuleTest, bench: Bench, histories: Mapping[str, History], coverage: Coverage) -> Outcome:
    begun = perf_counter()
    rules = bench.of(test)
    played = plays(test, rules, NOTHING if test.history is None else histories[test.history.path])
    first = played[0]
    different = differences.failures(test, [each.sent for each in played])
    failures = (*_unplayed(test, rules, first), *(_noted(each, test, rules, first) for each in different))
    for play in played:
        coverage.add(play.judged, (guard_of(each, test, rules, play) for each in play.held_back))
    missing = _missing(test, rules.rules, first.sent) if failures else []
    why = [reason for rule in missing for reason in reasons(test, rule, first)]
    guards = tuple(explained(each, rules, around_of(each, test, first)) for each in first.held_back)
    took = perf_counter() - begun
    left_out = tuple(each for each in first.judged if each.left_out_of and each.at >= test.start)
    return Outcome(
        test, first.sent, first.held_back, failures, guards, tuple(why), took, left_out, first.waiting
    )


def _noted(failure: Failure, test: RuleTest, rules: RuleSet, play: Play) -> Failure:
    """With why it was another channel, if it was."""
    wanted = next((each.expected for each in failure.differences if each.key == "channel"), None)
    if wanted is None or failure.sent is None:
        return failure
    return replace(failure, note=passed_over(failure.sent.decision, wanted, test, rules, play))


def _unplayed(test: RuleTest, rules: RuleSet, play: Play) -> Iterator[Failure]:
    """What of the test's own input was not taken."""
    for each in play.put_aside:
        place = each.record.place if isinstance(each.record, PastEvent | ReplayedRecord) else ""
        where = f" ({place})" if place else ""
        of = "the test's `customer`" if each.source == PROFILE else f"a record of `{each.source}`"
        fix = likely_fix(each, next(source for source in rules.sources if source.name == each.source))
        message = f"{of} was put aside: {each.reason}{where}: {fix}"
        yield Failure("record", test.location, message)
    for known in play.clashes:
        name = known.trait if known.key is None else f"{known.trait}[{known.key}]"
        message = f"`known` says what `{name}` is, which the history has brought to a value already"
        yield Failure("known", known.location, message)


def _missing(test: RuleTest, rules: Sequence[Rule], sent: Sequence[Trigger]) -> list[Rule]:
    """The rules that were expected to send more often than they did; where none is named, the first few that
    an event of the test begins, or a clock.
    """
    expected = Counter(each.rule for each in test.expect)
    if len(sent) >= len(test.expect) and None in expected:
        del expected[None]
    expected.subtract(each.decision.rule for each in sent)
    named = [rule for rule in rules if expected[rule.name] > 0]
    if named or expected[None] <= 0:
        return named
    names = {each.name for each in test.events}
    return [rule for rule in rules if rule.occasion is not None or names & set(rule.steps[0].on)][:MOST_RULES]
