"""Limits and caps: which counters a send uses up, and whether one is used up. Pure functions.

Limits roll. One by the calendar counts from the beginning of the day, week or month in the zone where the
customer is by what is known when the match is judged; where no zone is known it is used up. What was sent for
a later time than the match's counts in any case: a late event finds no room that is taken.
Tested by tests/decisions/test_guards.py, and by the reference model.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from stream.decisions.calendar import began_at
from stream.rules.model import Channel, Limit, Policy, Rule


def counters(rule: Rule, channel: Channel, policy: Policy) -> list[tuple[str, Limit]]:
    """What a send, or a held-out one, uses up: the counters' names and their limits."""
    used = [(f"rule:{rule.name}", rule.limit), (f"channel:{channel.name}", channel.cap)]
    if channel.consent is not None:
        used.append(("policy", policy.cap))
    used.append(silence(rule))
    return [(name, limit) for name, limit in used if limit is not None]


def silence(rule: Rule) -> tuple[str, Limit | None]:
    """The counter of a rule that silences others: while it is used up, they are."""
    return f"silences:{rule.name}", None if rule.silences is None else Limit(1, rule.silences)


def is_used_up(limit: Limit, sent: Sequence[int], at: int, where: tzinfo | None) -> bool:
    """Whether `limit.count` sends lie after `at - limit.over`; what was sent exactly `over` ago is out.

    By the calendar: whether so many lie in the period of `at` in the zone `where`, or after it.
    `sent` ascends and holds at least the newest `limit.count` times.
    """
    if isinstance(limit.over, int):
        return len(sent) >= limit.count and sent[-limit.count] > at - limit.over
    if where is None:
        return True
    return len(sent) >= limit.count and sent[-limit.count] >= began_at(limit.over, where, at)


def is_used_up_before(
    limit: Limit, sent: Sequence[int], prior: Sequence[int], at: int, where: tzinfo | None
) -> bool:
    """The same after a crash, of which is known when else was sent (`prior`, ascending), later ones too.

    A later one counts only where it would not have been sent, had this one been.
    """
    earlier = [*sent, *(each for each in prior if each <= at)]
    if is_used_up(limit, sorted(earlier), at, where):
        return True
    earlier.append(at)
    for later in prior[len(earlier) - len(sent) - 1 :]:
        if is_used_up(limit, sorted(earlier), later, where):
            return True
        earlier.append(later)
    return False
