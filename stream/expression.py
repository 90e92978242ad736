"""Expressions in CEL, the Common Expression Language: the language of conditions.

    Expression("event.price >= 50 && event.sku in ['a', 'b']").evaluate({"event": {…}})

The parts, in `stream.cel`: `tokens` and `grammar` read the text, `tree` is the tree and its canonical text,
`simplification` makes it simpler, `evaluation` gives the value by `functions`, `strings` and `times`, of the
kinds of `values`.
Tested by tests/cel/test_expression.py, and by CEL's published cases in tests/conformance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stream.cel import grammar, times
from stream.cel.evaluation import evaluate
from stream.cel.simplification import simplify
from stream.cel.tree import Call, Ident, Literal, Node, Scalar, Select, chain, terms_of, unparse
from stream.cel.values import Duration, Timestamp, TypeValue, UInt, equals
from stream.errors import ExpressionError

__all__ = [
    "Call",
    "Duration",
    "Expression",
    "ExpressionError",
    "Ident",
    "Literal",
    "Node",
    "Scalar",
    "Select",
    "Timestamp",
    "TypeValue",
    "UInt",
    "chain",
    "equals",
    "evaluate",
    "parse",
    "simplify",
    "terms_of",
    "unparse",
]


def parse(source: str) -> Node:
    """The tree of a condition. Raises ExpressionError with the offset of what is wrong or not supported."""
    return grammar.read(source)


@dataclass(frozen=True, init=False)
class Expression:
    """A text in CEL, parsed once, to be evaluated often.

    Raises ExpressionError with `offset` (and with line and column in the message of a text of several lines).
    """

    source: str
    tree: Node

    def __init__(self, source: str) -> None:
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "tree", self._located(lambda: parse(source)))

    def evaluate(self, bindings: Mapping[str, Any] | None = None) -> Any:
        """The value, with each variable's value in `bindings`: None, bool, int (an unsigned one: `UInt`),
        float, str, bytes, list, dict, datetime (UTC if it has no zone) and timedelta.

        Gives values of the same types, and a `TypeValue` for a type. Nanoseconds are kept within the
        expression, and cut to microseconds in what is given. Raises ExpressionError: a missing key or
        variable, types that do not fit, a number out of range, a bound of `cel.evaluation` passed.
        """
        inward = {name: _inward(value) for name, value in (bindings or {}).items()}
        return _outward(self._located(lambda: evaluate(self.tree, inward)))

    def _located(self, work: Any) -> Any:
        try:
            return work()
        except ExpressionError as error:
            if error.offset is None or "\n" not in self.source:
                raise
            before = self.source[: error.offset]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            message = f"{error.message} (line {line}, column {column})"
            raise ExpressionError(message, offset=error.offset, hint=error.hint) from None


def _inward(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _inward(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_inward(each) for each in value]
    if isinstance(value, datetime):
        return times.from_datetime(value)
    if isinstance(value, timedelta):
        return times.from_timedelta(value)
    return value


def _outward(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _outward(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_outward(each) for each in value]
    if isinstance(value, Timestamp):
        return times.to_datetime(value)
    if isinstance(value, Duration):
        return times.to_timedelta(value)
    return value
