"""Latencies of `make bench`: what the histograms keep, and that a generator which is late hides nothing."""

from __future__ import annotations

import pytest

from loadtest.cases.open_loop import LARGEST_US, Latencies, latencies


def test_percentiles_are_those_of_what_was_added_to_three_figures() -> None:
    found = Latencies()
    for number in range(1, 1001):
        found.add(number * 1000)
    assert len(found) == 1000
    assert found.figures() == pytest.approx(
        {"p50_ms": 500, "p90_ms": 900, "p99_ms": 990, "p999_ms": 999}, rel=0.002
    )
    assert (found.most_ms, found.mean_ms) == pytest.approx((1000, 500.5), rel=0.002)


def test_histograms_come_back_from_a_file_and_are_added_up() -> None:
    first, second = Latencies(), Latencies()
    first.add(1_000, 99)
    second.add(5_000_000)
    first.merge(Latencies(second.encoded()))
    assert len(first) == 100
    assert (first.ms(50), first.most_ms) == pytest.approx((1, 5000), rel=0.002)


@pytest.mark.parametrize(("us", "ms"), [(-700, 0.001), (LARGEST_US * 2, LARGEST_US / 1000)])
def test_what_no_clock_can_tell_stands_at_the_ends(us: float, ms: float) -> None:
    found = Latencies()
    found.add(us)
    assert found.most_ms == pytest.approx(ms, rel=0.002)


def test_latency_counts_from_when_an_event_was_due_and_each_trigger_of_it_counts() -> None:
    appended = {"e1": [1_000_012], "e2": [1_000_510, 1_000_514], "warm": [1_000_001], "e9": []}
    found = latencies(appended, {"e1": 0.0, "e2": 0.5, "e9": 0.9}, began_ms=1_000_000.0)
    assert len(found) == 3
    assert (found.ms(1), found.most_ms) == pytest.approx((10, 14), rel=0.002)


def test_nothing_measured_is_nothing() -> None:
    assert len(Latencies()) == 0
