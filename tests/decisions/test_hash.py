"""Ids and numbers: BLAKE2b as hashlib has it, over the bytes that docs/experiments.md and records.md name."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.decisions._hash import number, trigger_id

texts = st.text(st.characters(codec="utf-8"), max_size=300)


@given(st.lists(texts, min_size=4, max_size=5))
def test_a_triggers_id_is_the_hash_of_its_parts_with_their_lengths(parts: list[str]) -> None:
    hashed = b"".join(b"%d:%b" % (len(part.encode()), part.encode()) for part in parts)
    assert trigger_id(*parts) == blake2b(hashed, digest_size=16).hexdigest()


@given(texts, texts)
def test_a_customers_number_is_the_hash_of_customer_and_salt(customer: str, salt: str) -> None:
    digest = blake2b(f"{customer}\0{salt}".encode(), digest_size=8).digest()
    assert number(customer, salt) == int.from_bytes(digest, "big")


def test_half_of_a_surrogate_pair_is_an_error_and_no_id() -> None:
    with pytest.raises(UnicodeEncodeError):
        trigger_id("r", "\ud800", "s", "e")
    with pytest.raises(UnicodeEncodeError):
        number("c", "\ud800")
