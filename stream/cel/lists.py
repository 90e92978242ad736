"""What a list comes to: `sum`, `min`, `max`, as Kubernetes has them beside CEL, and `avg`.

Their numbers are an event's, so whole ones and decimals mix: the sum of both is a decimal. All else that is
added up is an error, also a text that says a number. Nothing has a sum of 0, and no least, greatest or mean.
Tested by tests/cel/test_lists.py.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from stream.cel.values import INT_MAX, INT_MIN, comparable, in_order, is_number
from stream.errors import ExpressionError


def sum_of(items: Sequence[Any]) -> int | float:
    """An int if all are. Decimals are added up from the left, so that a sum is the same everywhere."""
    found: int | float = 0
    for each in items:
        if not is_number(each):
            raise ExpressionError("`sum` of what is no number")
        found += float(each) if isinstance(each, float) else int(each)
        if isinstance(found, int) and not INT_MIN <= found <= INT_MAX:
            raise ExpressionError("an integer of more than 64 bits (overflow)")
    return found


def mean_of(items: Sequence[Any]) -> float:
    if not items:
        raise ExpressionError("`avg` of an empty list")
    return float(sum_of(items)) / len(items)


def least_of(items: Sequence[Any]) -> Any:
    return _first("min", items, operator.lt)


def greatest_of(items: Sequence[Any]) -> Any:
    return _first("max", items, operator.gt)


def _first(name: str, items: Sequence[Any], relation: Callable[[Any, Any], Any]) -> Any:
    """The first of those that none goes before. All have to be of one order: numbers, texts, times."""
    if not items:
        raise ExpressionError(f"`{name}` of an empty list")
    found = items[0]
    for each in items:
        if not comparable(found, each):
            raise ExpressionError(f"`{name}` of values of types that do not fit")
        found = each if in_order(each, found, relation) else found
    return found
