"""How many customers reach a rule's goal unasked: what a backtest knows of an experiment before it begins.

What a rule would have sent was not sent, so those who matched and reached the goal in time show the rate
that a control group will show. They are counted as an experiment counts them: a customer enters with the
first match that is sent, or held out by the rule itself; another event must reach the goal within its time
after that; and who entered too late for that time to be over counts for nothing.

The engine says when a goal's event has come: `watched` adds a rule for all of them, judged like any other,
after all others, and `BaseRates.take` takes its matches for a note.
For each customer and rule whose time still runs 170 bytes are kept.
Tested by tests/authoring/backtest/test_base_rates.py, and against SQL over the same events by
test_by_sql.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

from stream.authoring.replay import First
from stream.matcher._match import Match
from stream.rules import field_paths
from stream.rules.model import Channel, FieldPath, Rule, RuleSet, Step

WATCH = "\0goals"  # no rule of a file can be called so
SWEEP = 100_000  # open windows before those that are over are looked for


def watched(rules: RuleSet) -> RuleSet:
    """The rules, and behind them one that fires at goals; the same where there are no goals."""
    judged = (goal for rule in rules.rules for at, goal in enumerate(rule.goals) if at == 0 or goal.value)
    goals = tuple(dict.fromkeys(name for goal in judged for name in goal.on))
    if not goals:
        return rules
    channel = Channel(WATCH, WATCH)
    watch = Rule(WATCH, WATCH, (Step(goals),), (channel,))
    return replace(rules, rules=(*rules.rules, watch), channels=(*rules.channels, channel))


class BaseRates:
    """`ended`: customers whose time was over; `reached`: those of them who reached the goal; by rule.

    `no_numbers`: how many events have something else where a goal's `value` is; by rule and path.
    """

    def __init__(self, rules: RuleSet) -> None:
        self.ended: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()
        self.no_numbers: Counter[tuple[str, FieldPath]] = Counter()
        self.firsts: dict[tuple[object, ...], First] = {}  # of these
        self._values: defaultdict[str, set[tuple[str, FieldPath]]] = defaultdict(set)  # by the goal's event
        for rule in rules.rules:
            for goal in rule.goals:
                if goal.value is not None:
                    for name in goal.on:
                        self._values[name].add((rule.name, goal.value))
        judged = [rule for rule in rules.rules if rule.goals]
        self._names = [rule.name for rule in judged]
        self._number = {name: number for number, name in enumerate(self._names)}
        self._within = [rule.goals[0].within for rule in judged]
        self._rules_of: defaultdict[str, list[int]] = defaultdict(list)  # by the goal's event
        for number, rule in enumerate(judged):
            for event in rule.goals[0].on:
                self._rules_of[event].append(number)
        self._noted: list[tuple[str, str, int]] = []  # customer, event, time
        # By row and rule: the last ms of the window, and of those who have reached the goal minus that.
        self._open: dict[int, int] = {}
        self._sweep = SWEEP

    def take(self, match: Match) -> bool:
        """Notes the matches of `WATCH`, of which nothing is decided."""
        if match.rule.name != WATCH:
            return False
        self._noted.append((match.customer_id, match.event_name, match.event_time))
        if match.event_name in self._values:
            event = match.event
            for rule, path in self._values[match.event_name]:
                value = field_paths.value_at(event, path)
                if value is not None and type(value) not in (int, float):
                    self.no_numbers[rule, path] += 1
                    self.firsts.setdefault((rule, path), First(match.source, match.offset, match.at))
        return True

    def enter(self, rule: str, row: int, at: int) -> None:
        """A customer's window begins, after `at`."""
        number = self._number.get(rule)
        if number is not None:
            self._open[row * len(self._names) + number] = at + self._within[number]

    def reach(self, rows: Mapping[str, int]) -> None:
        """Take what was noted to the windows that are open by now. `rows`: those of the customers, by id."""
        for customer, event, at in self._noted:
            row = rows.get(customer)
            if row is None:
                continue
            for number in self._rules_of[event]:
                key = row * len(self._names) + number
                end = self._open.get(key, -1)
                if end - self._within[number] < at <= end:
                    self._open[key] = -end
        self._noted.clear()

    def close(self, watermark: int | None, *, at_end: bool = False) -> None:
        """Count the windows that are over, if there are many open ones, or at the end."""
        if watermark is None or not (at_end or len(self._open) > self._sweep):
            return
        for key, end in self._open.items():
            if abs(end) <= watermark:
                name = self._names[key % len(self._names)]
                self.ended[name] += 1
                self.reached[name] += end < 0
        if at_end:
            self._open.clear()  # hundreds of megabytes, before the segments are counted
            return
        self._open = {key: end for key, end in self._open.items() if abs(end) > watermark}
        self._sweep = max(SWEEP, 2 * len(self._open))
