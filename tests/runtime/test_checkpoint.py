"""Marks: there and back, and a reader that believes nothing."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import StateError
from stream.runtime.checkpoint import MAX_OFFSET, Making, Marks, decode, encode

OFFSETS = st.dictionaries(st.text(max_size=5), st.integers(0, MAX_OFFSET), max_size=3)
MAKINGS = st.dictionaries(
    st.text(max_size=5), st.builds(Making, st.text(max_size=8), st.integers(0, MAX_OFFSET)), max_size=3
)


@given(st.builds(Marks, OFFSETS, MAKINGS, OFFSETS))
def test_they_are_read_back_as_they_were(marks: Marks) -> None:
    assert decode(encode(marks)) == marks


def test_there_are_none_before_the_first_checkpoint() -> None:
    assert decode(b"") is None


@pytest.mark.parametrize(
    "value",
    [
        *(b"{", b"[]", b"[1]", b"7", b"null", b"[1,{},{}]", b"\xff"),
        b'[1,{"a":-1},{},{}]',
        b'[1,{"a":true},{},{}]',
        b'[1,{"a":"1"},{},{}]',
        b'[1,{},{"a":[1,2]},{}]',
        b'[1,{},{"a":["x"]},{}]',
        b"[1,{},{},[]]",
        orjson.dumps([1, {}, {}, {str(number): 0 for number in range(10_001)}]),
    ],
)
def test_what_is_no_mark_is_an_error(value: bytes) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        decode(value)


def test_another_release_is_named() -> None:
    with pytest.raises(StateError, match="version") as caught:
        decode(b"[2,{},{},{}]")
    assert "another release" in str(caught.value.hint)
