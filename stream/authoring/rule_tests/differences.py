"""What was sent in a test beside what it expects: which messages belong together, and where they differ.

A test passes if each expectation fits what was sent at its place, in any of its plays (there is one for each
variant), and nothing else was sent. Where it fails, expectations and messages are brought together as a diff
of lines does it, so that one message too many is that, and not a difference of all that come after it.
Pure. Tested by tests/authoring/rule_tests/test_differences.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stream.diagnostics import Location
from stream.rules.testcases import Expectation, RuleTest
from stream.structs import Trigger

MOST_COMPARED = 10_000  # pairs of an expectation and a message; of more, each is compared at its place

Kind = Literal["different", "missing", "extra", "record", "known", "variants"]
Candidates = Sequence[Trigger]  # one message, as the plays sent it


@dataclass(frozen=True, slots=True)
class Difference:
    """A key of an expectation (`content.NAME` of a text), with what is expected and what was sent.

    Times are in ms since 1970; None: there is none.
    """

    key: str
    expected: Any
    sent: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that does not fit, and its place: that of the expectation, of all of them, or of the test.

    `missing` was expected and not sent, `extra` sent and not expected; `record`: one of the test's own was
    put aside; `known`: a trait has two values; `variants` send differently many. `note`: what else helps.
    """

    kind: Kind
    location: Location
    message: str
    expected: Expectation | None = None
    sent: Trigger | None = None
    differences: tuple[Difference, ...] = ()
    note: str | None = None


def failures(test: RuleTest, plays: Sequence[Sequence[Trigger]]) -> Iterator[Failure]:
    """What does not fit in a test, in the order of what was expected and sent."""
    sent = [[play[place] for play in plays if place < len(play)] for place in range(len(plays[0]))]
    if len(many := sorted({len(play) for play in plays})) > 1:
        message = f"how many messages are sent depends on the variant: {' or '.join(map(str, many))}"
        yield Failure("variants", test.location, f"{message} (say by `arm` which one is meant)")
    for expected, found in _brought_together(test, sent):
        if expected is None:
            message = f"not expected: {described(test, found[0])}"
            yield Failure("extra", test.expect_location, message, sent=found[0])
        elif not found:
            message = f"expected {_expected(test, expected)}, and it was not sent"
            yield Failure("missing", expected.location, message, expected)
        elif nearest := _nearest(test, expected, found):
            trigger, differences = nearest
            words = "; ".join(_in_words(test, each) for each in differences)
            message = f"expected {_expected(test, expected)}, and got {described(test, trigger)}: {words}"
            yield Failure("different", expected.location, message, expected, trigger, differences)


def _brought_together(
    test: RuleTest, sent: Sequence[Candidates]
) -> Iterator[tuple[Expectation | None, Candidates]]:
    """Expectations with what was sent in their place: as few are left alone, and differ, as can be."""
    expect, begin = test.expect, 0
    while begin < min(len(expect), len(sent)) and _nearest(test, expect[begin], sent[begin]) is None:
        begin += 1
    yield from zip(expect[:begin], sent[:begin], strict=True)
    rest, others = expect[begin:], sent[begin:]
    if not rest or not others or len(rest) * len(others) > MOST_COMPARED:
        common = min(len(rest), len(others))
        yield from zip(rest[:common], others[:common], strict=True)
        yield from ((each, ()) for each in rest[common:])
        yield from ((None, each) for each in others[common:])
        return
    row, column = 0, 0
    costs = _costs(test, rest, others)
    while row < len(rest) or column < len(others):
        here = costs[row][column]
        both = row < len(rest) and column < len(others)
        if both and here == _cost(test, rest[row], others[column]) + costs[row + 1][column + 1]:
            yield rest[row], others[column]
            row, column = row + 1, column + 1
        elif row < len(rest) and here == _ALONE + costs[row + 1][column]:
            yield rest[row], ()
            row += 1
        else:
            yield None, others[column]
            column += 1


_ALONE = 100


def _costs(test: RuleTest, rest: Sequence[Expectation], others: Sequence[Candidates]) -> list[list[int]]:
    """For each place in both: the least that it costs to bring together what comes from there on."""
    costs = [[0] * (len(others) + 1) for _ in range(len(rest) + 1)]
    for row in range(len(rest), -1, -1):
        for column in range(len(others), -1, -1):
            ways = []
            if row < len(rest):
                ways.append(_ALONE + costs[row + 1][column])
            if column < len(others):
                ways.append(_ALONE + costs[row][column + 1])
            if row < len(rest) and column < len(others):
                ways.append(_cost(test, rest[row], others[column]) + costs[row + 1][column + 1])
            costs[row][column] = min(ways, default=0)
    return costs


def _cost(test: RuleTest, expected: Expectation, found: Candidates) -> int:
    """Of taking a message for the one that is expected: less than two that are left alone, unless it is of
    another rule and differs in half of the rest.
    """
    nearest = _nearest(test, expected, found)
    if nearest is None:
        return 0
    differences = nearest[1]
    share = len(differences) * _ALONE // (len(differences) + _agreeing(test, expected, nearest[0]))
    other_rule = any(each.key == "rule" for each in differences)
    return (_ALONE * 3 // 2 if other_rule else _ALONE // 2) + share


def _agreeing(test: RuleTest, expected: Expectation, trigger: Trigger) -> int:
    return len(list(_compared(test, expected, trigger))) - len(_differences(test, expected, trigger))


def _nearest(
    test: RuleTest, expected: Expectation, found: Candidates
) -> tuple[Trigger, tuple[Difference, ...]] | None:
    """The play's message that differs least, and in what; None if one of them fits."""
    nearest: tuple[Trigger, tuple[Difference, ...]] | None = None
    for trigger in found:
        differences = _differences(test, expected, trigger)
        if not differences:
            return None
        if nearest is None or len(differences) < len(nearest[1]):
            nearest = trigger, differences
    return nearest


def _differences(test: RuleTest, expected: Expectation, trigger: Trigger) -> tuple[Difference, ...]:
    compared = _compared(test, expected, trigger)
    return tuple(each for each in compared if spaced(each.expected) != spaced(each.sent))


def _compared(test: RuleTest, expected: Expectation, trigger: Trigger) -> Iterator[Difference]:
    """What an expectation says, key by key, beside what a message has."""
    decision = trigger.decision
    at = None if expected.at is None else test.start + expected.at
    for key, wanted, got in (
        ("at", at, decision.at),
        ("rule", expected.rule, decision.rule),
        ("channel", expected.channel, decision.channel),
        ("variant", expected.variant, decision.variant),
        ("outcome", expected.outcome, decision.outcome),
    ):
        if wanted is not None:
            yield Difference(key, wanted, got)
    for name, text in (expected.content or {}).items():
        yield Difference(f"content.{name}", text, trigger.content.get(name))


def spaced(value: Any) -> Any:
    """Amounts and times have spaces in them at which no line breaks; who writes a test types another."""
    return value.replace("\xa0", " ").replace("\u202f", " ") if isinstance(value, str) else value


# ---- in words ----


def _in_words(test: RuleTest, difference: Difference) -> str:
    expected, sent = difference.expected, difference.sent
    if difference.key == "at":
        return f"at is {test.shown(sent)}, not {test.shown(expected)}"
    if difference.key.startswith("content."):
        return f"content `{difference.key.removeprefix('content.')}` is {quoted(sent)}"
    return f"{difference.key} is {sent}, not {expected}"


def quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _expected(test: RuleTest, expected: Expectation) -> str:
    parts = [
        expected.rule or "something",
        f"on {expected.channel}" if expected.channel else "",
        f"at {test.shown(test.start + expected.at)}" if expected.at is not None else "",
        f"with {quoted(dict(expected.content))}" if expected.content else "",
    ]
    return " ".join(part for part in parts if part)


def described(test: RuleTest, trigger: Trigger) -> str:
    decision = trigger.decision
    shadow = ", in shadow mode" if decision.outcome == "shadow" else ""
    return f"{decision.rule} on {decision.channel} at {test.shown(decision.at)}{shadow}"
