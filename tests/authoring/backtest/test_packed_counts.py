"""Counts per customer in pages of bytes are the counts of a plain dict."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.authoring.backtest.packed_counts import PackedCounts, lines, quantile


@given(st.lists(st.tuples(st.integers(0, 2_000), st.sampled_from((1, 3, 254, 255, 256, 600))), max_size=20))
def test_it_counts_as_a_dict_does(added: list[tuple[int, int]]) -> None:
    packed, plain = PackedCounts(), Counter[int]()
    for row, times in added:
        for _ in range(times):
            packed.add(row)
        plain[row] += times
    assert packed.distribution() == Counter(plain.values())
    assert packed.rows == len(plain)
    assert {row: packed[row] for row in range(2_001) if packed[row]} == plain


def test_a_million_customers_take_two_megabytes() -> None:
    tracemalloc.start()
    packed = PackedCounts()
    for row in range(1_000_000):
        packed.add(row)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 2_000_000
    assert packed.distribution() == {1: 1_000_000}


@pytest.mark.parametrize(
    ("counts", "share", "count"),
    [
        ({}, 0.99, 0),
        ({3: 1}, 0.99, 3),
        ({1: 99, 50: 1}, 0.99, 1),
        ({1: 98, 50: 2}, 0.99, 50),
        ({1: 1, 2: 1}, 0.5, 1),
        ({1: 1, 2: 1}, 1.0, 2),
    ],
)
def test_a_quantile_is_the_smallest_count_that_so_many_do_not_pass(
    counts: dict[int, int], share: float, count: int
) -> None:
    assert quantile(Counter(counts), share) == count


def test_lines_have_each_customer_once_and_are_few() -> None:
    for counts in ({}, {1: 5}, {1: 3, 15: 1}, {1: 3, 7: 2, 1_000_000: 1}):
        found = list(lines(Counter(counts), 15))
        assert sum(rows for *_, rows in found) == sum(counts.values())
        assert len(found) <= 21
        assert all(one[1] + 1 == other[0] for one, other in pairwise(found))
