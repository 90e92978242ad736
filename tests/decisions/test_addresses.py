"""What may be written to, and what costs nobody anything to refuse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.decisions.addresses import MAX_DEPTH, MAX_OBJECT, MAX_PARTS, MAX_TEXT, is_address

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("a" * MAX_TEXT, True),
        ("a" * (MAX_TEXT + 1), False),
        ("\u00a0", False),  # a space, too
        ("a\u00a0b", True),
        ("\ud800", False),
        (None, False),
    ],
)
def test_texts(value: Any, *, fits: bool) -> None:
    assert is_address(value, "text") == fits


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"a": "x" * (MAX_OBJECT - 1)}, True),
        ({"a": "x" * MAX_OBJECT}, False),
        ({"a": ["x"] * (MAX_PARTS - 1)}, True),
        ({"a": ["x"] * MAX_PARTS}, False),
        (nested(MAX_DEPTH), True),
        (nested(MAX_DEPTH + 1), False),
        ({"x" * MAX_OBJECT: "x"}, False),
        ({"a": 1, "b": True}, False),
        (["x"], False),
    ],
)
def test_objects(value: Any, *, fits: bool) -> None:
    assert is_address(value, "object") == fits


@given(JSON)
def test_any_value_is_an_address_or_is_none(value: Any) -> None:
    assert not (is_address(value, "text") and is_address(value, "object"))
