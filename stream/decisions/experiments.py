"""Experiment arms: who is held out, and who gets which variant, by a stable hash. Reproducible outside.

    number(customer, salt) = the first 8 bytes of BLAKE2b(customer + NUL + salt), UTF-8, digest size 8, as a
                             big-endian integer

Held out from a share (in hundredths of a per cent) is who has `number % 10_000 < share`, with the salt
`policy` for the universal control group and `rule:NAME` for a rule's own. A larger share adds customers and
moves none.

A rule with `rollout` speaks to whoever has `number % 10_000 < share` with the salt `rollout:NAME`. A smaller
share is a part of a larger one, and who is inside has nothing to do with control groups and variants.

A variant is drawn by weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted distributed hash
tables", SPAA 2005, the logarithmic method): each variant scores `share / -ln u`, u = (number + 0.5) / 2^64 of
the salt `variant:RULE:NAME`; the highest score has the customer. Where shares change, customers move only to
variants whose share grew more than that of the one they had.

Nothing else enters: no clock, no chance, no other rule. docs/experiments.md says it to those who work it out
elsewhere, with vectors. Tested by tests/decisions/test_experiments.py
and tests/decisions/test_experiment_vectors.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stream.decisions._experiments import is_held_out, is_rolled_out, variant_of
from stream.decisions._hash import number
from stream.rules.model import Share, Variant

__all__ = ["POLICY", "Arms", "is_held_out", "is_rolled_out", "number", "variant_of"]

POLICY = "policy"


class Arms(Protocol):
    """Draws experiment arms in the place of this module, for tests."""

    def is_held_out(self, customer: str, salt: str, share: Share) -> bool: ...
    def is_rolled_out(self, customer: str, salt: str, share: Share) -> bool: ...
    def variant_of(self, customer: str, rule: str, variants: Sequence[Variant]) -> Variant: ...
