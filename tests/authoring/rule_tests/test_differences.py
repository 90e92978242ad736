"""What was sent beside what was expected: which belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from stream.authoring.rule_tests import differences
from stream.authoring.rule_tests.differences import Failure
from stream.diagnostics import Location
from stream.rules.testcases import Expectation, RuleTest
from stream.structs import Decision, EventRef, Trigger

MINUTE = 60_000
START = 1_772_445_600_000


def sent(rule: str, at: int, channel: str = "web", **content: Any) -> Trigger:
    event = EventRef("view", "e1", START)
    decision = Decision("t", rule, "c1", "sent", None, channel, None, event, START + at * MINUTE)
    return Trigger(decision, channel, None, content, 0, 0)


def expected(at: int | None = None, *, line: int = 1, **keys: Any) -> Expectation:
    return Expectation(None if at is None else at * MINUTE, location=Location("f", line), **keys)


def compared(expect: Sequence[Expectation], *plays: Sequence[Trigger]) -> list[Failure]:
    test = RuleTest("it", Location("f"), (), tuple(expect), start=START, expect_location=Location("f", 99))
    return list(differences.failures(test, plays))


def kinds(expect: Sequence[Expectation], *plays: Sequence[Trigger]) -> list[tuple[str, int]]:
    return [(each.kind, each.location.line) for each in compared(expect, *plays)]


def test_one_message_too_many_is_that_and_nothing_else() -> None:
    expect = [expected(n, rule="a", line=n) for n in range(1, 6)]
    plays = [sent("a", n) for n in (1, 2, 3, 4, 5)]
    assert kinds(expect, plays) == []
    assert kinds(expect, [sent("x", 0), *plays]) == [("extra", 99)]
    assert kinds(expect, [*plays[:2], sent("x", 2), *plays[2:]]) == [("extra", 99)]
    assert kinds(expect, plays[1:]) == [("missing", 1)]
    assert kinds(expect, [*plays[:2], *plays[3:]]) == [("missing", 3)]
    assert kinds(expect, [*plays[:2], sent("x", 3), *plays[3:]]) == [("different", 3)]
    assert kinds(expect, []) == [("missing", n) for n in range(1, 6)]
    assert kinds([], plays[:2]) == [("extra", 99)] * 2


@pytest.mark.parametrize(
    ("expect", "trigger", "keys"),
    [
        (expected(5, rule="a"), sent("a", 6), ["at"]),
        (expected(5, rule="a", channel="mail"), sent("a", 5), ["channel"]),
        (expected(5, rule="a", channel="web"), sent("b", 5), ["rule"]),
        (expected(content={"text": "Bye"}), sent("a", 5, text="Hi"), ["content.text"]),
        (expected(content={"title": "Bye"}), sent("a", 5, text="Hi"), ["content.title"]),
        (expected(5, variant="x"), sent("a", 5), ["variant"]),
        (
            expected(5, rule="a", channel="mail", content={"text": "Bye"}),
            sent("a", 6, text="Hi"),
            ["at", "channel", "content.text"],
        ),
    ],
)
def test_a_message_that_differs_is_brought_to_the_one_expected(
    expect: Expectation, trigger: Trigger, keys: list[str]
) -> None:
    (failure,) = compared([expect], [trigger])
    assert (failure.kind, [each.key for each in failure.differences]) == ("different", keys)


def test_another_rule_at_another_time_is_another_message() -> None:
    assert kinds([expected(5, rule="a", channel="mail")], [sent("b", 0)]) == [("missing", 1), ("extra", 99)]


def test_of_several_plays_the_nearest_is_shown_and_any_counts() -> None:
    plain, named = [sent("a", 0, text="Hello")], [sent("a", 0, text="Hello you")]
    assert compared([expected(0, content={"text": "Hello you"})], plain, named) == []
    (failure,) = compared([expected(1, content={"text": "Hello you"})], plain, named)
    assert [each.key for each in failure.differences] == ["at"]


def test_very_many_are_compared_at_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "MOST_COMPARED", 3)
    expect = [expected(n, rule="a", line=n) for n in (1, 2)]
    assert kinds(expect, [sent("a", 2), sent("a", 3)]) == [("different", 1), ("different", 2)]


def test_both_ends_can_lack_of_many() -> None:
    expect = [expected(n, rule="a", line=n) for n in range(1, 91)]
    assert kinds(expect, [sent("a", n) for n in range(2, 90)]) == [("missing", 1), ("missing", 90)]
