"""How many customers each segment has at the end of a backtest, and how many any two of them share.

The engine that played the events is asked: each customer gets one more event, at the time that has been
reached, from a source that no file can name, and the rule that it fires reads the segments of that
customer. Nothing is sent. The state is of no use after it. Costs 9 µs a customer.
Tested by tests/authoring/backtest/test_segment_sizes.py, and against SQL over the same events by
test_by_sql.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations, islice

import orjson

from stream.authoring.replay import ReplayedRecord
from stream.clock import LATEST, Clock
from stream.engine import PartitionState, process
from stream.matcher._match import Match
from stream.rules.model import Channel, Rule, RuleSet, Source, Step
from stream.structs import Batch

MOST_SEGMENTS = 200  # that are counted
CHUNK = 10_000  # customers
PROBE = "\0probe"  # no source, event or rule of a file can be called so


@dataclass(slots=True)
class SegmentSizes:
    """`sizes`: customers by segment, of `names`; `shared`: by two segments, those who are in both, if any.

    `at` (ms): when they were asked. `uncounted`: segments that were too many to be counted.
    """

    at: int = 0
    names: tuple[str, ...] = ()
    sizes: Counter[str] = field(default_factory=Counter)
    shared: Counter[tuple[str, str]] = field(default_factory=Counter)
    uncounted: int = 0


def count_segments(
    rules: RuleSet, partitions: Iterable[tuple[PartitionState, Iterable[str]]], at: int
) -> SegmentSizes:
    """Ask every customer, by id, of each partition. A condition that ends in an error does not hold."""
    names = tuple(each.name for each in rules.segments[:MOST_SEGMENTS])
    found = SegmentSizes(at, names, uncounted=len(rules.segments) - len(names))
    if not names:
        return found
    probing = _probing(rules)
    held: Counter[tuple[str, ...]] = Counter()

    def note(match: Match) -> bool:
        held[tuple([name for name in names if match.segment(name)])] += 1
        return True

    ended = frozenset(source.name for source in probing.sources)
    clock = Clock(wall=lambda: LATEST, by_event_time=True)
    for state, ids in partitions:
        for records in _probes(ids, at):
            batch = Batch(0, {PROBE: records}, ended)
            process(batch, probing, state, clock, limit=len(records), take=note)
    for together, customers in held.items():
        for name in together:
            found.sizes[name] += customers
        for two in combinations(together, 2):
            found.shared[two] += customers
    return found


def _probes(ids: Iterable[str], at: int) -> Iterator[list[ReplayedRecord]]:
    """An event of each customer, some thousand at a time."""
    numbered = enumerate(ids)
    while chunk := list(islice(numbered, CHUNK)):
        yield [ReplayedRecord(offset, at, orjson.dumps({"customer": each})) for offset, each in chunk]


def _probing(rules: RuleSet) -> RuleSet:
    """The rules with their traits and segments, and with one rule, which fires at the probe alone."""
    source = Source(PROBE, PROBE, ("customer",), constant=PROBE)
    channel = Channel(PROBE, PROBE)
    rule = Rule(PROBE, PROBE, (Step((PROBE,)),), (channel,))
    return replace(
        rules, sources=(*rules.sources, source), rules=(rule,), channels=(*rules.channels, channel)
    )
