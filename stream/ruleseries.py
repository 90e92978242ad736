"""The series that there are for each rule, within a budget.

A thousand rules with the dozen combinations of outcome and reason that a decision can have would be more
series than a worker may cost a Prometheus. So

    each rule has three for certain     its matches, its decisions that were sent, and one for the rest
    the rest is told apart              by outcome and reason, a series at its first use, while there is room
    beyond that                         it is counted under the rule, with outcome and reason `other`

Nothing is left out and no rule is hidden: a rule's decisions always add up. What became of the decisions of
all rules together is told exactly, by channel, in another metric. Up to LIMIT / 14 rules everything is told
apart. Tested by tests/unit/test_metrics.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Counter

LIMIT = 4000  # series in all, unless there are so many rules that three for each are more
FOR_CERTAIN = 3
OTHER = "other"


class RuleSeries:
    """Counts matches by rule, and decisions by rule, outcome and reason."""

    def __init__(self, matches: Counter, decisions: Counter, limit: int = LIMIT) -> None:
        self._matches = matches
        self._decisions = decisions
        self._limit = limit
        self._apart: dict[str, set[tuple[str, str]]] = {}  # by rule, what has a series of its own
        self._taken = 0  # of these, all rules together
        self._folded: set[str] = set()  # rules that have something under OTHER

    def declare(self, rules: Iterable[str]) -> None:
        """Begin the series of these rules at 0, so that their first increase is seen as one."""
        for rule in rules:
            if rule not in self._apart:
                self._apart[rule] = set()
                self._matches.labels(rule)
                self._decisions.labels(rule, "sent", "")

    def retire(self, keep: Iterable[str]) -> None:
        """Drop the series of all other rules: they are gone, and so is what they took of the budget."""
        for rule in self._apart.keys() - set(keep):
            # One by one: `remove_by_labels` would look at every series for every rule.
            self._matches.remove(rule)
            self._decisions.remove(rule, "sent", "")
            apart = self._apart.pop(rule)
            for outcome, reason in apart:
                self._decisions.remove(rule, outcome, reason)
            if rule in self._folded:
                self._folded.discard(rule)
                self._decisions.remove(rule, OTHER, OTHER)
            self._taken -= len(apart)

    def count(self, rule: str, outcome: str, reason: str, count: int) -> None:
        """A deferred match is judged again, and is counted as a match then."""
        self.declare((rule,))
        if outcome != "deferred":
            self._matches.labels(rule).inc(count)
        if outcome != "sent" and not self._is_apart(rule, (outcome, reason)):
            outcome = reason = OTHER
            self._folded.add(rule)
        self._decisions.labels(rule, outcome, reason).inc(count)

    def _is_apart(self, rule: str, what: tuple[str, str]) -> bool:
        apart = self._apart[rule]
        if what not in apart:
            if len(self._apart) * FOR_CERTAIN + self._taken >= self._limit:
                return False
            apart.add(what)
            self._taken += 1
        return True
