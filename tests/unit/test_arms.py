"""Experiment arms: the documented hash, its vectors, and who moves when shares change."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

import pytest

from stream.arms import POLICY, is_held_out, number, variant_of
from stream.program import WHOLE, Variant

CUSTOMERS = [f"c{n}" for n in range(10_000)]


def variants(**shares: int) -> list[Variant]:
    return [Variant(name, share) for name, share in shares.items()]


@pytest.mark.parametrize(
    ("customer", "salt", "expected"),
    [
        ("c1", "policy", 0x554251A16E3C2E31),
        ("c2", "policy", 0x6BD98431BFDE5F20),
        ("Zoë", "rule:cart-abandoned", 0xD66298CAB12C9475),
        ("c1", "variant:browse-then-basket:named", 0xA5A756165FDDC975),
    ],
)
def test_the_vectors(customer: str, salt: str, expected: int) -> None:
    assert number(customer, salt) == expected


def test_the_hash_is_what_is_documented() -> None:
    digest = blake2b(b"c1\x00rule:x", digest_size=8).digest()
    assert number("c1", "rule:x") == int.from_bytes(digest, "big")


@pytest.mark.parametrize("share", [1, 500, 5_000, 9_999, WHOLE])
def test_as_many_are_held_out_as_the_share_says(share: int) -> None:
    held = sum(is_held_out(each, POLICY, share) for each in CUSTOMERS)
    assert abs(held - share) <= 3 * (share * (WHOLE - share) / WHOLE) ** 0.5


def test_nobody_is_held_out_of_nothing() -> None:
    assert not any(is_held_out(each, POLICY, 0) for each in CUSTOMERS)


def test_a_larger_share_adds_customers_and_moves_none() -> None:
    small = {each for each in CUSTOMERS if is_held_out(each, "rule:r", 500)}
    large = {each for each in CUSTOMERS if is_held_out(each, "rule:r", 1_000)}
    assert small < large


def test_two_rules_hold_out_different_customers() -> None:
    one = {each for each in CUSTOMERS if is_held_out(each, "rule:one", 1_000)}
    other = {each for each in CUSTOMERS if is_held_out(each, "rule:other", 1_000)}
    assert 50 < len(one & other) < 150  # a tenth of a tenth


def test_variants_get_their_shares() -> None:
    drawn = Counter(variant_of(each, "r", variants(a=2_000, b=3_000, c=5_000)).name for each in CUSTOMERS)
    assert all(abs(drawn[name] - share) < 150 for name, share in (("a", 2_000), ("b", 3_000), ("c", 5_000)))


def test_changed_shares_move_customers_only_from_losers_to_winners() -> None:
    before, after = variants(a=3_400, b=3_300, c=3_300), variants(a=5_000, b=2_500, c=2_500)
    moves = Counter(
        (variant_of(each, "r", before).name, variant_of(each, "r", after).name) for each in CUSTOMERS
    )
    moved = {pair: count for pair, count in moves.items() if pair[0] != pair[1]}
    assert set(moved) == {("b", "a"), ("c", "a")}
    assert sum(moved.values()) < 1_800  # 1,600 had to


def test_neither_the_order_of_variants_nor_an_equal_scale_matters() -> None:
    plain, turned = variants(a=2_000, b=8_000), variants(b=8_000, a=2_000)
    assert all(variant_of(each, "r", plain) == variant_of(each, "r", turned) for each in CUSTOMERS[:500])
