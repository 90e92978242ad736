"""What an event costs the engine alone (no Kafka), by rule set: decoding, traits, rules, state.

    python -m loadtest.micro.engine [--events 100000] [--rounds 5] [--sets ref500,ref2000] [--matches-only]

Microseconds of the processor's time for one event of the generated `wide` workload, played to one
partition: minimum, median, maximum of the rounds. The rule sets take turns within a round, so their ratios
hold on a machine that is shared. `ref500+1500`: REF-500 and 1,500 rules of the same families for values
that no event has. `equal-N`: N rules on one event name, each with a value of `sku` of its own, which no
event has. With `--matches-only` matches are counted and not decided: no guards, no decisions, no texts.
"""

from __future__ import annotations

import argparse
import gc
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from loadtest.rulesets import SOURCES, ref_rules
from loadtest.workloads import CLICKSTREAM, TRANSACTIONS, LoadEvent, wide
from stream.clock import Clock
from stream.engine import PartitionState, process
from stream.matcher._match import Match
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import RuleSet
from stream.structs import Batch, Record

PARTITION = 0
PER_BATCH = 500
PER_FILE = 500  # rules: a file has no more than 20,000 values
FAR = 1 << 42  # a wall clock past every event, ms


class Read(NamedTuple):
    """A record as the engine takes it."""

    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def _equal(count: int) -> dict[str, str]:
    rules = [
        f"  sku-{i:04d}:\n    on: product_view\n    where: \"event.sku == 'none{i}'\"\n"
        f"    send: {{channel: interest, content: {{text: x}}}}\n"
        for i in range(count)
    ]
    files = {f"{at}.yaml": "rules:\n" + "".join(rules[at : at + 500]) for at in range(0, count, 500)}
    return {"sources.yaml": SOURCES, **files}


def strangers(known: int, all_: int) -> dict[str, str]:
    """REF-`known` and more rules of the same families, `all_` together, whose categories, stores and page
    no event has.
    """
    files = dict(ref_rules(known))
    for name, text in ref_rules(all_).items():
        if name != "sources.yaml":
            family, _, rules = text.partition("rules:\n")
            bodies = rules.split("\n\n")[files[name].count("\n\n") + 1 :]
            strange = re.sub(r"(event\.\w+ == ')(\w|/)", r"\1strange-\2", "\n\n".join(bodies))
            found = strange.split("\n\n")
            for at in range(0, len(found), PER_FILE):
                files[f"strange-{at}-{name}"] = f"{family}rules:\n" + "\n\n".join(found[at : at + PER_FILE])
    return files


SETS = {
    **{f"ref{size}": ref_rules(size) for size in (300, 500, 2000)},
    "ref500+1500": strangers(500, 2000),
    **{f"equal-{count}": _equal(count) for count in (20, 2000)},
}


def compile_rules(files: dict[str, str]) -> RuleSet:
    with tempfile.TemporaryDirectory() as directory:
        for name, text in files.items():
            (Path(directory) / name).write_text(text, encoding="utf-8")
        return load_rules(Path(directory))


def batches(events: Iterable[LoadEvent]) -> Iterator[Batch]:
    """Events as the records of one partition, by `PER_BATCH`; at a batch's end all that there is was read."""
    offsets: Counter[str] = Counter()
    coming = iter(events)
    while some := list(islice(coming, PER_BATCH)):
        records: dict[str, list[Record]] = {}
        for topic, _, key, value, time_ms in some:
            records.setdefault(topic, []).append(Read(offsets[topic], time_ms, value, key))
            offsets[topic] += 1
        yield Batch(PARTITION, records, frozenset((CLICKSTREAM, TRANSACTIONS)))


def play(rules: RuleSet, batches: list[Batch]) -> tuple[int, int]:
    """(ns of the processor's time, decisions) of a fresh partition."""
    state, clock, decisions = PartitionState(rules), Clock(wall=lambda: FAR, by_event_time=True), 0
    start = time.thread_time_ns()
    for batch in batches:
        result = process(batch, rules, state, clock, limit=PER_BATCH * 10)
        decisions += len(result.decisions)
    return time.thread_time_ns() - start, decisions


def play_to_matches(rules: RuleSet, batches: list[Batch]) -> tuple[int, int]:
    """The same where nothing is decided: (ns, matches)."""
    state, clock, matches = PartitionState(rules), Clock(wall=lambda: FAR, by_event_time=True), 0

    def count(match: Match) -> bool:
        nonlocal matches
        matches += 1
        return True

    start = time.thread_time_ns()
    for batch in batches:
        process(batch, rules, state, clock, limit=PER_BATCH * 10, take=count)
    return time.thread_time_ns() - start, matches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--matches-only", action="store_true")
    given = parser.parse_args()
    played = list(batches(wide(events=given.events)))
    rules = {name: compile_rules(SETS[name]) for name in given.sets.split(",")}
    measure = play_to_matches if given.matches_only else play
    gc.freeze()  # these records are not the engine's
    taken: dict[str, list[float]] = {name: [] for name in rules}
    decided = dict.fromkeys(rules, 0)
    for _ in range(given.rounds):
        for name, each in rules.items():
            spent, decided[name] = measure(each, played)
            taken[name].append(spent / 1000 / given.events)
    what = "matches" if given.matches_only else "decisions"
    print(f"{'':12}{'us per event: min':>20}{'median':>8}{'max':>8}{what:>11}")
    for name, times in taken.items():
        print(f"{name:12}{min(times):20.2f}{median(times):8.2f}{max(times):8.2f}{decided[name]:11}")
    pairs = {"ref500": "ref300", "ref500+1500": "ref500", "ref2000": "ref500", "equal-2000": "equal-20"}
    for more, fewer in pairs.items():
        if more not in taken or fewer not in taken:
            continue
        print(f"{more} / {fewer}: {median(taken[more]) / median(taken[fewer]):.2f} x")


if __name__ == "__main__":
    main()
