"""Guards: what may keep a match from being sent. Pure functions; the first that refuses gives the reason.

The contract's order is `stale`, `limit`, `suppressed`, `consent`, `address`, `quiet`, `group`, `cap`,
`holdout`; this version has `limit`. A guard that lacks what it needs to know refuses: guards fail closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from stream.program import Limit, Rule


class Candidate(Protocol):
    """What guards see of a match: `at`, when it is judged; `sent`, when the rule was sent before."""

    @property
    def rule(self) -> Rule: ...
    @property
    def at(self) -> int: ...
    @property
    def sent(self) -> Sequence[int]: ...


def is_used_up(limit: Limit, sent: Sequence[int], at: int) -> bool:
    """Whether `limit.count` sends lie after `at - limit.over`; what was sent exactly `over` ago is out.

    `sent` ascends and holds at least the newest `limit.count` times.
    """
    return len(sent) >= limit.count and sent[-limit.count] > at - limit.over


def _limit(candidate: Candidate) -> bool:
    limit = candidate.rule.limit
    return limit is not None and is_used_up(limit, candidate.sent, candidate.at)


GUARDS: tuple[tuple[str, Callable[[Candidate], bool]], ...] = (("limit", _limit),)


def refusal(candidate: Candidate) -> str | None:
    """The reason of the first guard that refuses, None if the match may be sent."""
    for reason, refuses in GUARDS:
        if refuses(candidate):
            return reason
    return None
