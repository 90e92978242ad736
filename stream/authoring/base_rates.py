"""How many customers reach a rule's goal unasked: what a backtest knows of an experiment before it begins.

What a rule would have sent was not sent, so those who matched and reached the goal in time show the rate
that a control group will show. They are counted as an experiment counts them: a customer enters with the
first match that is sent, or held out by the rule itself; another event must reach the goal within its time
after that; and who entered too late for that time to be over counts for nothing.

The engine says when a goal's event has come. `watched` adds a rule for each set of events that are a goal,
which is judged like any other, after all others; `take_goals` takes its decisions out again. That costs 5
µs for each such event. For each customer and rule whose time still runs 170 bytes are kept.
Tested by tests/authoring/test_base_rates.py, and against SQL over the same events by test_report_by_sql.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

from stream.rules.model import Channel, Rule, RuleSet, Step
from stream.structs import Decision, Result

WATCH = "\0goal:"  # no rule of a file can be called so
SWEEP = 100_000  # open windows before those that are over are looked for


def watched(rules: RuleSet) -> RuleSet:
    """The rules, and behind them those that fire at goals; the same where there are no goals."""
    goals = _goals(rules)
    if not goals:
        return rules
    channel = Channel(WATCH, WATCH)
    watching = [
        Rule(f"{WATCH}{number}", f"{WATCH}{number}", (Step(on),), (channel,))
        for number, on in enumerate(goals)
    ]
    return replace(rules, rules=(*rules.rules, *watching), channels=(*rules.channels, channel))


def _goals(rules: RuleSet) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(rule.goals[0].on for rule in rules.rules if rule.goals))


def take_goals(result: Result) -> list[Decision]:
    """Those of the result's decisions that say that a goal's event has come; they leave the result."""
    found = [each for each in result.decisions if each.rule.startswith(WATCH)]
    if found:
        result.decisions = [each for each in result.decisions if not each.rule.startswith(WATCH)]
        result.triggers = [each for each in result.triggers if not each.decision.rule.startswith(WATCH)]
    return found


class BaseRates:
    """`ended`: customers whose time was over; `reached`: those of them who reached the goal; by rule."""

    def __init__(self, rules: RuleSet) -> None:
        self.ended: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()
        self._names = [rule.name for rule in rules.rules if rule.goals]
        self._number = {name: number for number, name in enumerate(self._names)}
        self._within = [rule.goals[0].within for rule in rules.rules if rule.goals]
        watchers = {on: f"{WATCH}{number}" for number, on in enumerate(_goals(rules))}
        self._rules_of: defaultdict[str, list[int]] = defaultdict(list)
        for rule in rules.rules:
            if rule.goals:
                self._rules_of[watchers[rule.goals[0].on]].append(self._number[rule.name])
        # By row and rule: the last ms of the window, and of those who have reached the goal minus that.
        self._open: dict[int, int] = {}
        self._sweep = SWEEP

    def enter(self, rule: str, row: int, at: int) -> None:
        """A customer's window begins, after `at`."""
        number = self._number.get(rule)
        if number is not None:
            self._open[row * len(self._names) + number] = at + self._within[number]

    def reach(self, watcher: str, row: int, at: int) -> None:
        """A customer's event that is a goal of some rules."""
        for number in self._rules_of[watcher]:
            key = row * len(self._names) + number
            end = self._open.get(key, -1)
            if end - self._within[number] < at <= end:
                self._open[key] = -end

    def close(self, watermark: int | None, *, at_end: bool = False) -> None:
        """Count the windows that are over, if there are many open ones, or at the end."""
        if watermark is None or not (at_end or len(self._open) > self._sweep):
            return
        for key, end in self._open.items():
            if abs(end) <= watermark:
                name = self._names[key % len(self._names)]
                self.ended[name] += 1
                self.reached[name] += end < 0
        self._open = {key: end for key, end in self._open.items() if abs(end) > watermark}
        self._sweep = max(SWEEP, 2 * len(self._open))
