"""What a backtest's decisions come to: who gets how much, when, what keeps it from them, and rules in each
other's way.

Fed with the engine's results. An event that fires nothing costs nothing here; a decision costs 8 µs. A
customer of whom a rule matched costs about 150 bytes, and a byte or two for each rule and channel that
reaches them (`packed_counts`); with the windows of `base_rates`, 270 MB for a million customers with two
messages each. Days and hours are those of the policy's time zone, UTC without one.
Tested by tests/authoring/backtest/test_figures.py, and against SQL over the same events by test_by_sql.py.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from stream.authoring.backtest.base_rates import BaseRates
from stream.authoring.backtest.packed_counts import PackedCounts
from stream.clock import time_zone
from stream.rules.model import RuleSet
from stream.structs import Decision, Result, Trigger

QUARTER_MS = 900_000  # clocks differ by whole quarters of an hour
MOST_QUARTERS = 10_000  # that are remembered
NOBODY = -1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Example(NamedTuple):
    """A message that would have been sent, were it not a backtest, or its rule in shadow mode."""

    at: int
    customer: str
    channel: str
    variant: str | None
    event: str
    content: Mapping[str, str]


class Collision(NamedTuple):
    """`rule` was not sent (`reason`), as `other` had been: in its group, or last before a cap was full."""

    rule: str
    other: str
    reason: str


@dataclass(slots=True)
class RuleFigures:
    """Of one rule. `sent`: messages per customer's row. `compared`: of those whom an experiment compares, as
    they were sent to, or held out by the rule itself, or would have been sent to but for its shadow mode.
    `days`: messages by day (an ordinal) and channel; `hours`: by hour of day and channel. `put_off`: how
    often quiet hours did; `waiting`: ids of what they still put off.
    """

    matches: int = 0
    first: int | None = None
    sent: PackedCounts = field(default_factory=PackedCounts)
    compared: PackedCounts = field(default_factory=PackedCounts)
    removed: Counter[str] = field(default_factory=Counter)
    days: Counter[tuple[int, str]] = field(default_factory=Counter)
    hours: Counter[tuple[int, str]] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)
    put_off: int = 0
    waiting: set[str] = field(default_factory=set)


class BacktestFigures:
    """Added up result by result. `examples`: how many messages of each rule are kept."""

    def __init__(self, rules: RuleSet, examples: int = 3) -> None:
        self.rules: defaultdict[str, RuleFigures] = defaultdict(RuleFigures)
        self.collisions: Counter[Collision] = Counter()
        self.per_channel: defaultdict[str, PackedCounts] = defaultdict(PackedCounts)
        self.per_customer = PackedCounts()
        self.base_rates = BaseRates(rules)
        self.rows: dict[str, int] = {}
        self.zone: tzinfo = time_zone(rules.policy.timezone) or UTC
        self._keep = examples
        self._shadows = {rule.name for rule in rules.rules if rule.mode == "shadow"}
        self._groups = {rule.name: rule.group for rule in rules.rules if rule.group is not None}
        self._claims: dict[str, tuple[str, int, str]] = {}  # by group: customer, time, rule
        capped = rules.policy.cap is not None
        self._counted = {
            each.name for each in rules.channels if each.cap or (capped and each.consent is not None)
        }
        self._names = [rule.name for rule in rules.rules]
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._last = array("i")  # by row: the rule that last used up a cap
        self._quarters: dict[int, tuple[int, int]] = {}

    def add(self, result: Result) -> None:
        """Take what one call of the engine did."""
        triggers = iter(result.triggers)  # one for each decision that is `sent`, in the same order
        shadows = iter(result.shadows)  # one for each `shadow` without a reason
        for decision in result.decisions:
            rule = self.rules[decision.rule]
            row = self.row_of(decision.customer_id)
            if rule.first is None:
                rule.first = decision.at
            if self._is_new(decision, rule):
                rule.matches += 1
            match decision.outcome:
                case "sent":
                    self._sent(decision, rule, row)
                    self._keep_example(rule, next(triggers))
                case "shadow" if decision.reason is None:
                    rule.removed["shadow"] += 1
                    self._compare(decision, rule, row)
                    self._keep_example(rule, next(shadows))
                case "suppressed" | "shadow":
                    rule.removed[str(decision.reason)] += 1
                    self._collide(decision, row)
                case "holdout":
                    rule.removed["holdout"] += 1
                    if "policy" not in decision.held_out_by:
                        self._compare(decision, rule, row)
            self._claim(decision, row)
        self.base_rates.reach(self.rows)

    def _keep_example(self, rule: RuleFigures, message: Trigger) -> None:
        if len(rule.examples) < self._keep:
            rule.examples.append(_example(message.decision, message.content))

    def row_of(self, customer: str) -> int:
        row = self.rows.get(customer)
        if row is None:
            row = self.rows[customer] = len(self.rows)
            self._last.append(NOBODY)
        return row

    def _is_new(self, decision: Decision, rule: RuleFigures) -> bool:
        """Whether it is a match's first decision: one that is put off has another when its time comes."""
        id_, before = decision.trigger_id, decision.trigger_id in rule.waiting
        if decision.outcome == "deferred":
            rule.put_off += 1
            rule.waiting.add(id_)
        elif before:
            rule.waiting.discard(id_)
        return not before

    def _sent(self, decision: Decision, rule: RuleFigures, row: int) -> None:
        channel = str(decision.channel)
        day, hour = self.day_and_hour(decision.at)
        rule.sent.add(row)
        self._compare(decision, rule, row)
        rule.days[day, channel] += 1
        rule.hours[hour, channel] += 1
        self.per_channel[channel].add(row)
        self.per_customer.add(row)

    def _compare(self, decision: Decision, rule: RuleFigures, row: int) -> None:
        if not rule.compared[row]:
            self.base_rates.enter(decision.rule, row, decision.at)
        rule.compared.add(row)

    def _claim(self, decision: Decision, row: int) -> None:
        """What is not suppressed keeps others of its group from firing, and counts for caps once it goes."""
        if decision.outcome == "suppressed" or decision.rule in self._shadows:
            return
        group = self._groups.get(decision.rule)
        if group is not None:
            self._claims[group] = (decision.customer_id, decision.at, decision.rule)
        if decision.outcome != "deferred" and decision.channel in self._counted:
            self._last[row] = self._numbers[decision.rule]

    def _collide(self, decision: Decision, row: int) -> None:
        if decision.reason == "group":
            customer, at, other = self._claims.get(self._groups[decision.rule], ("", -1, ""))
            if (customer, at) == (decision.customer_id, decision.at):
                self.collisions[Collision(decision.rule, other, "group")] += 1
        elif decision.reason == "cap" and self._last[row] != NOBODY:
            self.collisions[Collision(decision.rule, self._names[self._last[row]], "cap")] += 1

    def day_and_hour(self, at: int) -> tuple[int, int]:
        """The day, as an ordinal, and the hour by the clocks of `zone`."""
        quarter = at // QUARTER_MS
        found = self._quarters.get(quarter)
        if found is None:
            if len(self._quarters) == MOST_QUARTERS:
                self._quarters.clear()
            moment = (_EPOCH + timedelta(milliseconds=quarter * QUARTER_MS)).astimezone(self.zone)
            found = self._quarters[quarter] = (moment.toordinal(), moment.hour)
        return found


def _example(decision: Decision, content: Mapping[str, str]) -> Example:
    return Example(
        decision.at,
        decision.customer_id,
        str(decision.channel),
        decision.variant,
        decision.event.name,
        content,
    )
