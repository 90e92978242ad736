"""The series that tell of decisions: those of each rule within a budget, and those of each channel.

A thousand rules with the dozen combinations of outcome and reason that a decision can have would be more
series than a worker may cost a Prometheus. So

    each rule has three for certain     its matches, its decisions that were sent, and one for the rest
    the rest has a series each          by outcome and reason, from its first use on, while there is room
    beyond that                         it is counted under the rule, with outcome and reason `other`

Nothing is left out and no rule is hidden: a rule's decisions always add up. Another metric counts the
decisions of all rules together exactly, by channel. Up to LIMIT / 15 rules everything has its own series.

With hundreds of rules most decisions of a batch are of another rule each, and to look up the series of each
took as long as all other telemetry. So decisions are counted in one dictionary as they come, and are given to
their series when somebody scrapes or the rules change. Nothing of a decision is kept but that there was one.
Tested by tests/telemetry/test_metrics.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from stream.telemetry.instruments import CounterTable

LIMIT = 3900  # series in all, unless there are so many rules that three for each are more
FOR_CERTAIN = 3
OTHER = "other"

Judged = tuple[str, str, str | None, str | None]  # of a decision: rule, outcome, reason, channel


class DecisionCounts(Collector):
    """Counts decisions by rule and by channel. Recorded in one thread, scraped in others: the lock is held
    wherever a count changes.
    """

    def __init__(self, matches: CounterTable, decisions: CounterTable, channels: CounterTable) -> None:
        self._tables = matches, decisions, channels
        self._rules = RuleSeries(matches, decisions)
        self._channels = channels
        self._unsettled: Counter[Judged] = Counter()
        self._lock = Lock()

    def declare(self, rules: Iterable[str], channels: Iterable[tuple[str, str, str]]) -> None:
        """Begin the series of these rules, and of these (channel, outcome, reason), at 0."""
        with self._lock:
            self._rules.declare(rules)
            for series in channels:
                self._channels.add(0, *series)

    def retire(self, keep: Iterable[str]) -> None:
        """Drop the series of all other rules; by channel, their decisions stay counted."""
        with self._lock:
            self._settle()
            self._rules.retire(keep)

    def observe(self, judged: Mapping[Judged, int]) -> None:
        """How many decisions there were of each kind."""
        with self._lock:
            self._unsettled.update(judged)

    def describe(self) -> Iterator[CounterMetricFamily]:
        for table in self._tables:
            yield from table.describe()

    def collect(self) -> Iterator[CounterMetricFamily]:
        with self._lock:
            self._settle()
        for table in self._tables:
            yield from table.collect()

    def _settle(self) -> None:
        for (rule, outcome, reason, channel), count in self._unsettled.items():
            self._rules.count(rule, outcome, reason or "", count)
            self._channels.add(count, channel or "", outcome, reason or "")
        self._unsettled.clear()


class RuleSeries:
    """Counts matches by rule, and decisions by rule, outcome and reason."""

    def __init__(self, matches: CounterTable, decisions: CounterTable, limit: int = LIMIT) -> None:
        self._matches = matches.counts
        self._decisions = decisions.counts
        self._limit = limit
        self._rules: dict[str, set[tuple[str, str, str]]] = {}  # with what is told apart of their decisions
        self._apart = 0  # series of that, all rules together

    def declare(self, rules: Iterable[str]) -> None:
        """Begin the series of these rules at 0, so that their first increase is seen as one."""
        for rule in rules:
            if rule not in self._rules:
                self._rules[rule] = set()
                self._matches[(rule,)] = self._decisions[rule, "sent", ""] = 0

    def retire(self, keep: Iterable[str]) -> None:
        """Drop the series of all other rules: they are gone, and so is what they took of the budget."""
        for rule in self._rules.keys() - set(keep):
            apart = self._rules.pop(rule)
            self._apart -= len(apart)
            del self._matches[(rule,)]
            for series in ((rule, "sent", ""), (rule, OTHER, OTHER), *apart):
                self._decisions.pop(series, None)

    def count(self, rule: str, outcome: str, reason: str, count: int) -> None:
        """A deferred match is judged again, and is counted as a match then."""
        series = rule, outcome, reason
        if series not in self._decisions:
            series = self._begin(series)
        self._decisions[series] += count
        if outcome != "deferred":
            self._matches[(rule,)] += count

    def _begin(self, series: tuple[str, str, str]) -> tuple[str, str, str]:
        """The series that counts it from now on: a new one, or what the rule has for the rest."""
        rule = series[0]
        self.declare((rule,))
        if series in self._decisions:
            return series
        if len(self._rules) * FOR_CERTAIN + self._apart < self._limit:
            self._rules[rule].add(series)
            self._apart += 1
        else:
            series = rule, OTHER, OTHER
        self._decisions.setdefault(series, 0)
        return series
