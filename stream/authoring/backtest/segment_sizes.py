"""How many customers each segment has at the end of a backtest, and how many any two of them share.

The engine that played the events is asked, as of the time that has been reached; it changes nothing.
Tested by tests/authoring/backtest/test_segment_sizes.py, and against SQL over the same events by
test_by_sql.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations

from stream.engine import PartitionState
from stream.rules.model import RuleSet

MOST_SEGMENTS = 200  # that are counted


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
    held: Counter[tuple[str, ...]] = Counter()
    asked = set(names)
    for state, ids in partitions:
        held.update(tuple(asked.intersection(state.segments(each, at))) for each in ids)
    for together, customers in held.items():
        for name in together:
            found.sizes[name] += customers
        for two in combinations(sorted(together, key=names.index), 2):
            found.shared[two] += customers
    return found
