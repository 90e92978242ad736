"""Values cut from a list, or from each other, wherever the text is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.history._splitter import Splitter

MOST = 1000
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def split(text: str, size: int, *, in_list: bool) -> list[Any]:
    splitter, data, found = Splitter(in_list, MOST), text.encode(), []
    for at in range(0, len(data), size):
        values, lines = splitter.split(data[at : at + size])
        assert len(values) == len(lines)
        found += values
    if rest := splitter.rest():
        found.append(rest)
    else:
        assert splitter.is_whole
    return [json.loads(each) for each in found]


@given(st.lists(VALUES, max_size=6), st.integers(1, 40), st.sampled_from([None, 2]))
def test_the_items_of_a_list_wherever_it_is_cut(values: list[Any], size: int, indent: int | None) -> None:
    assert split(json.dumps(values, indent=indent), size, in_list=True) == values


@given(st.lists(st.dictionaries(st.text(), VALUES, max_size=3), max_size=5), st.integers(1, 40))
def test_objects_over_several_lines_wherever_they_are_cut(values: list[Any], size: int) -> None:
    text = "\n".join(json.dumps(each, indent=2) for each in values)
    assert split(text, size, in_list=False) == values


def test_several_lists_are_one() -> None:
    assert split('[{"a": 1}]\n[{"a": 2}, {"a": 3}]\n', 7, in_list=True) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_a_list_that_does_not_end_is_not_whole() -> None:
    splitter = Splitter(True, MOST)
    splitter.split(b'[{"a": 1},')
    assert not splitter.is_whole


def test_a_value_that_does_not_end_is_not_kept_for_ever() -> None:
    splitter = Splitter(True, MOST)
    splitter.split(b'[{"a": "' + b"x" * MOST)
    assert splitter.too_long


@pytest.mark.parametrize("text", [b"]]]", b'{"a"', b"\\", b'"', b"}{", b"[[[", b"\x00\xff"])
def test_nonsense_ends_nothing(text: bytes) -> None:
    for in_list in (True, False):
        Splitter(in_list, MOST).split(text)
