"""A checkpoint: there and back, and a reader that believes nothing."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import StateError
from stream.runtime.checkpoint import MAX_OFFSET, Checkpoint, Incarnation, decode, encode

OFFSETS = st.dictionaries(st.text(max_size=5), st.integers(0, MAX_OFFSET), max_size=3)
INCARNATIONS = st.dictionaries(
    st.text(max_size=5), st.builds(Incarnation, st.text(max_size=8), st.integers(0, MAX_OFFSET)), max_size=3
)


@given(st.builds(Checkpoint, OFFSETS, INCARNATIONS, OFFSETS))
def test_it_is_read_back_as_it_was(checkpoint: Checkpoint) -> None:
    assert decode(encode(checkpoint)) == checkpoint


def test_there_is_none_before_the_first_checkpoint() -> None:
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
def test_what_is_not_a_checkpoint_is_an_error(value: bytes) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        decode(value)


def test_another_release_is_named() -> None:
    with pytest.raises(StateError, match="version") as caught:
        decode(b"[2,{},{},{}]")
    assert "another release" in str(caught.value.hint)
