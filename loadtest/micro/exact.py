"""Whether ref300 fires on dense what it should, by an account that has no slices.

    python -m loadtest.micro.exact [--seeds 4] [--events 400000] [--model-events 25000]

Plays the generated `dense` workload to the engine alone, and to a small program with exact windows: the times
of what happened, by customer and key, all looked at each time. Prints how often the rules of each family
fired by either, over all seeds (one seed's figure for `interest` moves by half a per cent), and the
difference in per cent, which is the price of windows in 60 slices. Then compares the decisions on the first
`--model-events`, one by one and in their order, with the reference model of tests/reference. The model knows
about slices; it takes 4 ms an event, so all 400,000 are half an hour.

Exit code 1 if a family is off by 1% or more, or if a decision is not the model's.
Tested by tests/engine/test_exact_windows.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from loadtest.micro.engine import FAR, PARTITION, PER_BATCH, Read, batches, compile_rules
from loadtest.rulesets import FAMILIES, ref_rules
from loadtest.workloads import CATEGORIES, STORES, LoadEvent, dense
from stream.clock import Clock
from stream.engine import PartitionState, process
from stream.rules.model import RuleSet
from stream.structs import Decision
from tests.reference.model import Model

SIZE = 300
INTEREST, SPENDER, CHECKOUT, CART = FAMILIES[SIZE]
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MOST_OFF = 1.0  # per cent

Times = defaultdict[str, list[int]]  # when something happened, ascending, by category


@dataclass
class Customer:
    """What has happened to one customer. Of `fired`, by rule, only the last time matters: once a day."""

    views: Times = field(default_factory=lambda: defaultdict(list))
    carts: Times = field(default_factory=lambda: defaultdict(list))
    purchases: list[tuple[int, int]] = field(default_factory=list)  # time, cents
    waiting: dict[int, int] = field(default_factory=dict)  # when a rule of family cart fires
    fired: dict[tuple[str, int], int] = field(default_factory=dict)

    def apply(self, event: dict[str, Any]) -> Iterator[str]:
        """One event; gives the family of each rule that fires by it, or fell due before it."""
        at = event["ts"]
        for rule, due in sorted(self.waiting.items(), key=lambda each: each[1]):
            if due < at:
                del self.waiting[rule]
                yield from self.fire("cart", rule, due)
        match event["event"]:
            case "product_view":
                yield from self.view(at, event["category"], event["price"])
            case "purchase":
                self.waiting.clear()
                self.purchases.append((at, round(event["amount"] * 100)))
                yield from self.spend(at, event["store"])
            case "page_view" if event["page"] == "/checkout":
                for rule in range(CHECKOUT):
                    if within(self.carts[f"cat{rule % CATEGORIES}"], 30 * MINUTE, at):
                        yield from self.fire("checkout", rule, at)
            case "add_to_cart":
                self.carts[event["category"]].append(at)
                for rule in range(CART):
                    if event["category"] == f"cat{rule % CATEGORIES}":
                        self.waiting.setdefault(rule, at + 30 * MINUTE)

    def view(self, at: int, category: str, price: float) -> Iterator[str]:
        self.views[category].append(at)
        seen = within(self.views[category], HOUR, at)
        for rule in range(INTEREST):
            if category == f"cat{rule % CATEGORIES}" and price > 10 * (rule % 25) and seen >= 3 + rule % 5:
                yield from self.fire("interest", rule, at)

    def spend(self, at: int, store: str) -> Iterator[str]:
        cents = sum(amount for time, amount in self.purchases if time > at - 30 * DAY)
        for rule in range(SPENDER):
            if store == f"s{rule % STORES}" and cents > 100 * (100 + 20 * (rule % 40)):
                yield from self.fire("spender", rule, at)

    def fire(self, family: str, rule: int, at: int) -> Iterator[str]:
        """Unless it has within a day."""
        if at - self.fired.get((family, rule), at - DAY) >= DAY:
            self.fired[family, rule] = at
            yield family


def within(times: list[int], window: int, at: int) -> int:
    """How many of the times are in the exact window that ends at `at`."""
    return sum(time > at - window for time in times)


def exactly(events: Iterable[LoadEvent]) -> Counter[str]:
    """How often each family fires with exact windows."""
    customers: defaultdict[str, Customer] = defaultdict(Customer)
    fired: Counter[str] = Counter()
    for _, _, _, value, _ in events:
        event = json.loads(value)
        fired.update(customers[event["customer_id"]].apply(event))
    return fired


def by_engine(rules: RuleSet, events: Iterable[LoadEvent]) -> list[Decision]:
    """The engine's decisions, all partitions in one."""
    state, clock = PartitionState(rules), Clock(wall=lambda: FAR, by_event_time=True)
    decisions: list[Decision] = []
    for batch in batches(events):
        more = True
        while more:
            result = process(batch, rules, state, clock, limit=PER_BATCH * 10)
            decisions += result.decisions
            batch, more = replace(batch, records={}), result.more
    return decisions


def by_model(rules: RuleSet, events: Iterable[LoadEvent]) -> list[Decision]:
    """The reference model's."""
    records: defaultdict[str, list[Read]] = defaultdict(list)
    for topic, _, key, value, time_ms in events:
        records[topic].append(Read(len(records[topic]), time_ms, value, key))
    return Model(rules, PARTITION).run(records).decisions


def fired_by(decisions: Iterable[Decision]) -> Counter[str]:
    return Counter(each.rule.rpartition("-")[0] for each in decisions if each.outcome == "sent")


def first_difference(decisions: Iterable[Decision], expected: Iterable[Decision]) -> str | None:
    """Where two accounts part, in words; ids of triggers are the engine's own affair. None: nowhere."""
    for number, (given, wanted) in enumerate(zip_longest(decisions, expected)):
        if given is None or wanted is None or given._replace(trigger_id=wanted.trigger_id) != wanted:
            return f"decision {number}: {given}\nthe model says: {wanted}"
    return None


def compare_families(engine: Counter[str], exact: Counter[str]) -> bool:
    """Prints a line for each family; whether all are near enough."""
    print(f"{'family':12}{'engine':>10}{'exact':>10}{'off by, %':>12}")
    near = True
    for family in ("interest", "spender", "checkout", "cart"):
        off = 100 * (engine[family] / exact[family] - 1) if exact[family] else 100.0 * (engine[family] > 0)
        near = near and abs(off) < MOST_OFF
        print(f"{family:12}{engine[family]:10,}{exact[family]:10,}{off:+12.2f}")
    return near


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--model-events", type=int, default=25_000)
    given = parser.parse_args(arguments)
    rules = compile_rules(ref_rules(SIZE))
    fired: Counter[str] = Counter()
    exact: Counter[str] = Counter()
    for seed in range(1, given.seeds + 1):
        fired += fired_by(by_engine(rules, dense(seed, given.events)))
        exact += exactly(dense(seed, given.events))
    near = compare_families(fired, exact)
    decisions = by_engine(rules, dense(events=given.model_events))
    difference = first_difference(decisions, by_model(rules, dense(events=given.model_events)))
    if difference is None:
        print(f"{len(decisions):,} decisions on {given.model_events:,} events are the reference model's")
    else:
        print(f"the engine and the reference model differ\n{difference}")
    return 0 if near and difference is None else 1


if __name__ == "__main__":
    sys.exit(main())
