"""The guards, one by one: pure functions of a rule, its sends and a time."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from stream import guards
from stream.program import Limit, Rule
from tests.unit.enginekit import DAY, WEB


@dataclass(frozen=True)
class Match:
    rule: Rule
    at: int
    sent: tuple[int, ...] = ()


def a_match(limit: Limit | None, at: int, *sent: int) -> Match:
    return Match(Rule("r", "id", ("view",), WEB, content={}, limit=limit), at, sent)


@pytest.mark.parametrize(
    ("count", "sent", "at", "refused"),
    [
        (1, (), 0, False),
        (1, (0,), 0, True),
        (1, (0,), DAY - 1, True),
        (1, (0,), DAY, False),  # exactly as long ago as the limit lasts: out
        (2, (0,), 1, False),
        (2, (0, 10), 11, True),
        (2, (0, 10), DAY, False),
        (2, (0, 10), DAY - 1, True),
        (1, (500,), 100, True),  # sent for a later event, before a late one is judged
        (3, (0, 0, 0), DAY - 1, True),
        (3, (0, 0, 0), DAY, False),
    ],
)
def test_a_limit_rolls(count: int, sent: tuple[int, ...], at: int, refused: bool) -> None:
    assert guards.is_used_up(Limit(count, DAY), sent, at) is refused
    assert guards.refusal(a_match(Limit(count, DAY), at, *sent)) == ("limit" if refused else None)


def test_a_rule_without_a_limit_is_never_refused_for_it() -> None:
    assert guards.refusal(a_match(None, 5, 1, 2, 3)) is None


def test_the_guards_stand_in_the_contracts_order() -> None:
    order = ["stale", "limit", "suppressed", "consent", "address", "quiet", "group", "cap", "holdout"]
    names = [name for name, _ in guards.GUARDS]
    assert names == [name for name in order if name in names]
