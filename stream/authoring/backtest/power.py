"""How long until a control group can tell what a rule brings: the planning of an experiment.

Two proportions are compared, of customers sent to and customers held out, at 5 % (two-sided) with 80 % power.
With n customers of whom the share h is held out, and a base of p that reach the goal unasked, the smallest
difference that is seen is

    d = (z(1 - α/2) + z(power)) · √( p(1 - p) · (1/(n·h) + 1/(n·(1 - h))) )

(Fleiss, Levin and Paik, "Statistical Methods for Rates and Proportions", 3rd ed. 2003, chapter 4, without the
correction for continuity, and with the base's variance in both arms.) A larger variance of who is sent to is
left out: a lift of 30 % at 10 % held out is then seen with 79 % power in place of 80, one of 100 % with 76.
Tested by tests/authoring/backtest/test_power.py.
"""

from __future__ import annotations

from math import ceil, sqrt
from statistics import NormalDist

LEVEL, POWER = 0.05, 0.8
_Z = NormalDist().inv_cdf(1 - LEVEL / 2) + NormalDist().inv_cdf(POWER)


def smallest_lift(customers: float, base: float, held_out: float) -> float:
    """The smallest relative lift that is seen: 1.23 of 10,000 customers, base 0.00573, 0.1 held out."""
    variance = base * (1 - base) / (customers * held_out) + base * (1 - base) / (customers * (1 - held_out))
    return _Z * sqrt(variance) / base


def customers_needed(lift: float, base: float, held_out: float) -> int:
    """How many customers must match until a relative lift is seen; the other way round."""
    return ceil((smallest_lift(1, base, held_out) / lift) ** 2)
