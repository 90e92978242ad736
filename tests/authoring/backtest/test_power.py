"""How long an experiment takes: the published table, and what a statistician gets who does not simplify."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import pytest

from stream.authoring.backtest.power import customers_needed, smallest_lift

BASE = 0.00573  # who buys unasked, of a shop's control group


@pytest.mark.parametrize(
    ("customers", "lifts"),
    [
        (10_000, (169, 123, 92, 74)),
        (50_000, (76, 55, 41, 33)),
        (200_000, (38, 28, 21, 17)),
        (1_000_000, (17, 12, 9, 7)),
    ],
)
def test_the_smallest_lift_that_is_seen(customers: int, lifts: tuple[int, ...]) -> None:
    found = (100 * smallest_lift(customers, BASE, share) for share in (0.05, 0.1, 0.2, 0.5))
    assert tuple(map(round, found)) == lifts


@pytest.mark.parametrize("lift", [0.1, 0.3, 1.2])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_both_ways_round_agree(lift: float, share: float) -> None:
    needed = customers_needed(lift, BASE, share)
    assert smallest_lift(needed, BASE, share) <= lift < smallest_lift(needed - 1, BASE, share)


def power(customers: int, base: float, lift: float, held_out: float) -> float:
    """Of a two-sided test at 5 %, each arm with its own variance."""
    sent = base * (1 + lift)
    variance = base * (1 - base) / (customers * held_out) + sent * (1 - sent) / (customers * (1 - held_out))
    return 1 - NormalDist(sent - base, sqrt(variance)).cdf(NormalDist().inv_cdf(0.975) * sqrt(variance))


@pytest.mark.parametrize(
    ("lift", "held_out", "reached"), [(0.3, 0.1, 0.79), (1.0, 0.1, 0.76), (0.1, 0.05, 0.8)]
)
def test_the_power_is_what_the_docstring_says(lift: float, held_out: float, reached: float) -> None:
    needed = customers_needed(lift, BASE, held_out)
    assert power(needed, BASE, lift, held_out) == pytest.approx(reached, abs=0.006)
