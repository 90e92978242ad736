"""What a customer's state costs: bytes in memory, its byte form, updates and reads of traits.

    python -m loadtest.micro.state [--events 3000000] [--customers 1000000] [--rounds 5]

The generated `wide` workload is played to one partition with REF-500. Resident is the growth of the process
by all of it (blocks, table, timers); then the changelog's records are loaded under new ids until there are
`--customers`. Times are of the processor: minimum, median, maximum of the rounds. Those of updates and reads
have the cost of a call from Python in them; what a call costs that finds nothing stands beside them.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median

from loadtest.micro.engine import FAR, PER_BATCH, Read, compile_rules
from loadtest.rulesets import ref_rules
from loadtest.workloads import START_MS, wide
from stream.clock import Clock
from stream.engine import PartitionState, process
from stream.rules.model import RuleSet
from stream.state._codec import decode, encode
from stream.state._customer import Customer
from stream.state._customers import Customers
from stream.state._layout import Layout
from stream.structs import Batch, Record

SAMPLE = 5_000  # customers that are encoded and decoded
CALLS = 200_000
COUNT_BY_KEY, ABSENT_TRAIT = 0, 1


def _resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _play(rules: RuleSet, events: int) -> PartitionState:
    state, clock = PartitionState(rules), Clock(wall=lambda: FAR, by_event_time=True)
    records: dict[str, list[Record]] = {}
    offsets: dict[str, int] = {}
    for number, (topic, _, key, value, time_ms) in enumerate(wide(events=events), 1):
        offset = offsets[topic] = offsets.get(topic, -1) + 1
        records.setdefault(topic, []).append(Read(offset, time_ms, value, key))
        if number % PER_BATCH == 0 or number == events:
            batch = Batch(0, records, frozenset(("clickstream", "transactions")))
            process(batch, rules, state, clock, limit=PER_BATCH * 10)
            records = {}
    return state


def _rounds(rounds: int, per: int, action: Callable[[], object], unit: float) -> str:
    taken = []
    for _ in range(rounds):
        start = time.thread_time_ns()
        action()
        taken.append((time.thread_time_ns() - start) / per / unit)
    return f"{min(taken):8.2f}{median(taken):8.2f}{max(taken):8.2f}"


def _codec(layout: Layout, values: list[tuple[str, bytes]], rounds: int) -> None:
    customers = [decode(layout, name, value) for name, value in values]

    def encode_all() -> None:
        for each in customers:
            encode(each)

    def decode_all() -> None:
        for name, value in values:
            decode(layout, name, value)

    print(f"{'encode, us':24}{_rounds(rounds, len(values), encode_all, 1e3)}")
    print(f"{'decode, us':24}{_rounds(rounds, len(values), decode_all, 1e3)}")


def _traits(layout: Layout, rounds: int) -> None:
    """Updates and reads of the first trait of REF-500, a count over an hour by key."""
    for keys in (1, 20, 100, 1000):
        customer = Customer("c1", layout)
        names = [f"cat{n}" for n in range(keys)]
        for n in range(keys * 3):
            customer.observe(COUNT_BY_KEY, START_MS + n * 60_000 // keys, key=names[n % keys])
        _calls(customer, names, keys, rounds)


def _calls(customer: Customer, names: list[str], keys: int, rounds: int) -> None:
    at = START_MS + 180_000
    turns = range(CALLS // len(names))

    def update() -> None:
        for _ in turns:
            for name in names:
                customer.observe(COUNT_BY_KEY, at, 1.0, None, name)

    def read() -> None:
        for _ in turns:
            for name in names:
                customer.read_number(COUNT_BY_KEY, at, name)

    def nothing() -> None:
        for _ in turns:
            for name in names:
                customer.read_number(ABSENT_TRAIT, at, name)

    calls = len(names) * len(turns)
    for action in (update, read, nothing):
        print(f"{f'{action.__name__} of {keys} keys, ns':24}{_rounds(rounds, calls, action, 1.0)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    rules = compile_rules(ref_rules(500))
    layout = Layout(rules)
    _play(rules, 1000)  # what is made once
    gc.collect()
    before = _resident()
    state = _play(rules, given.events)
    gc.collect()
    print(f"{'customers, timers':24}{len(state.customers):8}{state.customers.timers:8}")
    print(f"{'resident, bytes each':24}{(_resident() - before) / len(state.customers):8.0f}")
    values = [(key.decode(), value) for key, value in state.take_changed() if key]
    print(f"{'changelog, bytes each':24}{fmean(len(value) for _, value in values):8.0f}")
    _codec(layout, values[:SAMPLE], given.rounds)
    _traits(layout, given.rounds)
    gc.collect()
    before, table = _resident(), Customers(layout)
    for n in range(given.customers):
        name, value = values[n % len(values)]
        table.load(f"{name}-{n}".encode(), value)
    table.rebuild_timers()
    grown = _resident() - before
    each = round(grown / given.customers)
    print(f"{f'{given.customers} customers':24}{grown / 2**20:8.0f} MiB, {each} bytes each")
    del state  # not before: what it had would be taken for the new ones


if __name__ == "__main__":
    main()
