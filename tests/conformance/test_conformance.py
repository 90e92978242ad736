"""Expressions mean what CEL's published conformance cases say."""

from __future__ import annotations

import pytest

from stream.expression import ExpressionError, evaluate, parse
from tests.conformance.cases import Case, load, same

CASES = load()
RUN = [case for case in CASES if case.skip is None]
REASONS = {
    "protobuf",
    "containers of names",
    "absolute names in macros",
    "the function format",
}


@pytest.mark.parametrize("case", RUN, ids=str)
def test_case(case: Case) -> None:
    if case.error is not None:
        with pytest.raises(ExpressionError):
            evaluate(parse(case.expression), case.bindings)
    else:
        value = evaluate(parse(case.expression), case.bindings)
        assert same(value, case.value), f"{case.expression!r} gives {value!r}, not {case.value!r}"


def test_nothing_is_skipped_without_a_reason() -> None:
    assert {case.skip for case in CASES if case.skip} == REASONS
    assert len(RUN) >= 1180


def test_what_is_skipped_is_refused_and_never_wrong() -> None:
    """But for what has no name to be refused by: containers, and results that are protobuf."""
    for case in CASES:
        if case.skip in ("the function format", "absolute names in macros"):
            with pytest.raises(ExpressionError):
                evaluate(parse(case.expression), case.bindings)
