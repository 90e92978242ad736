"""Experiment arms: the documented hash, its vectors, and who moves when shares change."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.decisions.experiments import POLICY, is_held_out, is_rolled_out, number, variant_of
from stream.rules.model import WHOLE, Variant

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


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
TABLES = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, WHOLE), min_size=2, max_size=6)
SOME = CUSTOMERS[:60]


def drawn(customers: list[str], rule: str, table: dict[str, int]) -> dict[str, str]:
    return {each: variant_of(each, rule, variants(**table)).name for each in customers}


@given(NAMES, NAMES, st.integers(0, WHOLE), st.integers(0, WHOLE))
def test_whoever_is_held_out_stays_so_with_a_larger_share(
    customer: str, salt: str, one: int, other: int
) -> None:
    small, large = sorted((one, other))
    assert is_held_out(customer, salt, small) <= is_held_out(customer, salt, large)


@given(NAMES, NAMES, st.integers(0, WHOLE), st.integers(0, WHOLE))
def test_whoever_a_rule_is_rolled_out_to_stays_inside_with_a_larger_share(
    customer: str, rule: str, one: int, other: int
) -> None:
    small, large = sorted((one, other))
    assert is_rolled_out(customer, f"rollout:{rule}", small) <= is_rolled_out(
        customer, f"rollout:{rule}", large
    )
    assert is_rolled_out(customer, f"rollout:{rule}", WHOLE)


@given(NAMES, TABLES, st.data())
def test_nobody_moves_who_need_not(rule: str, before: dict[str, int], data: st.DataObject) -> None:
    """Whoever moves goes to a variant whose share grew by a larger factor."""
    after = {name: data.draw(st.integers(1, WHOLE), name) for name in before}
    old, new = drawn(SOME, rule, before), drawn(SOME, rule, after)
    for customer in SOME:
        had, got = old[customer], new[customer]
        if had != got:
            assert after[got] * before[had] > after[had] * before[got]


@given(NAMES, TABLES, st.integers(1, WHOLE))
def test_a_new_variant_takes_customers_and_moves_nobody_else(
    rule: str, before: dict[str, int], share: int
) -> None:
    old, new = drawn(SOME, rule, before), drawn(SOME, rule, {**before, "new": share})
    assert all(got in (old[customer], "new") for customer, got in new.items())


@given(NAMES, TABLES, st.integers(2, 9))
def test_as_many_times_the_share_for_all_moves_nobody(rule: str, before: dict[str, int], times: int) -> None:
    scaled = {name: share * times for name, share in before.items()}
    assert drawn(SOME, rule, before) == drawn(SOME, rule, scaled)


def test_arms_of_different_experiments_have_nothing_to_do_with_each_other() -> None:
    """Chi squared over who is held out of everything, of a rule, to whom it is rolled out, and who gets which
    variant of two rules.
    """
    halves = variants(a=5_000, b=5_000)
    cells = Counter(
        (
            is_held_out(each, POLICY, 5_000),
            is_held_out(each, "rule:r", 5_000),
            is_rolled_out(each, "rollout:r", 5_000),
            variant_of(each, "r", halves).name,
            variant_of(each, "s", halves).name,
        )
        for each in CUSTOMERS
    )
    expected = len(CUSTOMERS) / 32
    found = [cells[cell] for cell in product(*[(True, False)] * 3, "ab", "ab")]
    assert sum((count - expected) ** 2 / expected for count in found) < 61.1  # one in a thousand, of 31


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
