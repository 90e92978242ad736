"""What it takes to give a million customers the clock of a new rule, and to send to all of them at one time.

    python -m loadtest.micro.clocks [--customers 1000000] [--events 2000]

One partition of a worker, by the wall clock, in the calls in which a worker makes them. Twice: *set*, a rule
comes that knows no customer's clock yet, and *fired*, all are due. Meanwhile there is an event for each call
until there are none left. Told are customers a second of the processor's time, the longest call, and how
many calls an event waited for at most: 1 is its own. It is right when each customer was told once.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import orjson

from loadtest.micro.engine import PARTITION, Read
from loadtest.workloads import START_MS
from stream.clock import Clock
from stream.engine import MAX_WORK, PartitionState, process
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import RuleSet
from stream.structs import Batch

DAY = 86_400_000
PER_CALL = 2000  # records of a batch
RULES = """\
sources: {clicks: {event: event, customer: customer_id, time: ts, id: event_id}}
traits: {views: {function: count, of: view}}
channels: {web: {topic: web, consent: none}}
policy: {timezone: UTC}
rules:
  any: {on: other, send: {channel: web, content: {text: Hello}}}
"""
DAILY = (
    '  tip: {every: {day: "09:00"}, send: {channel: web, content: {text: "You saw {{ traits.views }}"}}}\n'
)


class Run(NamedTuple):
    """`longest`: ms of a call; `waited`: calls that an event waited for, at most."""

    per_second: float
    longest: float
    waited: int
    told: int


def compiled(text: str) -> RuleSet:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rules.yaml").write_text(text)
        return load_rules(Path(folder))


def event(number: int, customer: int, at: int) -> Read:
    said = {"event": "view", "customer_id": f"c{customer}", "ts": at, "event_id": str(number)}
    return Read(number, at, orjson.dumps(said), f"c{customer}".encode())


def measure(customers: int, events: int) -> tuple[Run, Run]:
    """Setting the clocks, then firing them."""
    now = START_MS
    clock = Clock(wall=lambda: now)
    rules = compiled(RULES)
    state = PartitionState(rules)
    ended = frozenset({"clicks"})
    for first in range(0, customers, PER_CALL):
        known = [event(each, each, now) for each in range(first, min(first + PER_CALL, customers))]
        process(Batch(PARTITION, {"clicks": known}, ended), rules, state, clock)
    rules, offset = compiled(RULES + DAILY), customers
    runs = []
    for _ in ("set", "fired"):
        told: dict[str, int] = {}
        longest = took = 0.0
        left, more, calls, waited = events, True, 0, 0
        while more or left:
            new = [event(offset, offset % customers, now)] if left else []
            offset, left = offset + len(new), left - len(new)
            calls = calls + 1 if calls or new else 0
            begun = time.process_time()
            result = process(Batch(PARTITION, {"clicks": new}, ended), rules, state, clock, work=MAX_WORK)
            spent = time.process_time() - begun
            longest, took, more = max(longest, spent), took + spent, result.more
            if result.events:
                waited, calls = max(waited, calls), 0
            for each in result.decisions:
                told[each.customer_id] = told.get(each.customer_id, 0) + 1
        assert set(told.values()) <= {1}, "somebody was told twice"
        runs.append(Run(customers / took, longest * 1000, waited, len(told)))
        now += DAY
    return runs[0], runs[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=2000)
    arguments = parser.parse_args()
    for name, run in zip(("set", "fired"), measure(arguments.customers, arguments.events), strict=True):
        print(
            f"{name:6} {run.per_second:>10,.0f} customers/s  longest call {run.longest:6.1f} ms  "
            f"an event waited for {run.waited} call(s)  told {run.told:,}"
        )


if __name__ == "__main__":
    main()
