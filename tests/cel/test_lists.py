"""`sum`, `min`, `max`, `avg`: what a list comes to."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ExpressionError
from stream.expression import evaluate, parse


def value(source: str, **bindings: Any) -> Any:
    return evaluate(parse(source), bindings)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("sum([1, 2, 3])", 6),
        ("[1, 2, 3].sum()", 6),
        ("sum([])", 0),
        ("sum([1, 2.5])", 3.5),
        ("sum([1, 2]) == 3.0", True),
        ("min([3, 1.5, 2])", 1.5),
        ("max(['a', 'c', 'b'])", "c"),
        ("max([timestamp('2026-01-01T00:00:00Z'), timestamp('2026-02-01T00:00:00Z')]).getMonth()", 1),
        ("avg([1, 2])", 1.5),
        ("sum([{'p': 2, 'q': 3}, {'p': 1, 'q': 4}].map(i, i.p * i.q))", 10),
        ("[3, 1].min() + 1", 2),
    ],
)
def test_a_list_comes_to(source: str, expected: Any) -> None:
    found = value(source)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    "source",
    [
        "sum(['1'])",
        "sum([true])",
        "sum([null])",
        "sum([9223372036854775807, 1])",
        "min([])",
        "max([])",
        "avg([])",
        "avg(['a'])",
        "min([1, 'a'])",
        "max([true, 1])",
        "max([{}, {}])",
        "max([[1], [2]])",
    ],
)
def test_what_has_no_order_or_is_no_number_is_an_error(source: str) -> None:
    with pytest.raises(ExpressionError):
        value(source)


numbers = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(st.lists(numbers, min_size=1, max_size=20))
def test_they_are_what_they_say(items: list[int | float]) -> None:
    assert math.isclose(value("sum(l)", l=items), math.fsum(items), rel_tol=1e-9, abs_tol=1e-3)
    assert value("min(l)", l=items) == min(items)
    assert value("max(l)", l=items) == max(items)
    assert value("avg(l) == double(sum(l)) / double(size(l))", l=items)
