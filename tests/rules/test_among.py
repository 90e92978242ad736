"""Conditions that leave a field none of the values that the tracking plan names are warned of, no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import ExpressionError
from stream.expression import evaluate, parse
from stream.rules.among import none_left
from stream.rules.compiler.rule_set import check_rules

SHOP = """\
sources:
  shop: {event: name, customer: customer_id}
  people: {kind: profile, customer: customer_id, attributes: {level: {type: string, values: [gold, basic]}}}
channels:
  web: {topic: web, consent: none}
policy: {allow: [W501, W505]}
events:
  order:
    fields:
      note: string
      color: {type: string, values: [red, Blue]}
      size: {type: number, values: [1, 2]}
  view: {fields: {color: {type: string, values: [red, Blue, green]}}}
traits:
  last: {function: last, of: order, field: color}
rules:
  thanks:
    on: [order]
    if: >-
      has(traits.last) && CONDITION
    send: {channel: web, content: {text: Hi}}
"""


def warnings(folder: Path, condition: str) -> list[str]:
    (folder / "a.yaml").write_text(SHOP.replace("CONDITION", condition))
    return [str(each).removeprefix(f"{folder}/a.yaml:") for each in check_rules(folder).diagnostics]


@pytest.mark.parametrize(
    ("condition", "about", "code"),
    [
        ("event.color != 'red' && event.color != 'Blue'", "event.color", "W515"),
        ("!(event.color in ['red', 'Blue'])", "event.color", "W515"),
        ("event.color != 'red' && event.note == 'x' && !(event.color == 'Blue')", "event.color", "W515"),
        ("(event.note == 'x' || event.color.startsWith('g'))", "event.color", "W515"),
        ("event.color.lowerAscii() in ['green', 'white']", "event.color", "W515"),
        ("event.color.contains('RED')", "event.color", "W515"),
        ("event.color.matches('^blue')", "event.color", "W515"),
        ("size(event.color) > 4 && event.note == 'x'", "event.color", "W515"),
        ("event.size > 2 && event.note == 'x'", "event.size", "W515"),
        ("customer.level != 'gold' && customer.level != 'basic'", "customer.level", "W515"),
        ("traits.last != 'red' && traits.last != 'Blue'", "traits.last", "W515"),
        ("event_name.startsWith('Ord')", "event_name", "W504"),
        ("event.name.contains('view')", "event.name", "W504"),
    ],
)
def test_what_holds_of_none_of_the_values_of_the_plan_passed(
    tmp_path: Path, condition: str, about: str, code: str
) -> None:
    (found,) = warnings(tmp_path, condition)
    assert f"this leaves `{about}` none of the values that" in found
    assert "(there are: " in found
    assert found.endswith(f"[{code}]")


@pytest.mark.parametrize(
    "condition",
    [
        "event.color != 'red'",
        "event.color != 'red' || event.color != 'Blue'",
        "event.color.lowerAscii() == 'blue'",
        "event.color.startsWith('B') && event.size > 1",
        "!has(event.color) && event.size < 3",
        "event.size * 2 > 3 && event.size + 1 != 5",
        "event_name.startsWith('ord') && event.name != 'view'.upperAscii()",
        "[customer.level].exists(event, event.color == 'y')",
        "event.color > event.note || (event.size > 2 ? event.color == 'red' : event.color == 'Blue')",
    ],
)
def test_what_some_value_fits_is_not_warned_of(tmp_path: Path, condition: str) -> None:
    assert warnings(tmp_path, condition) == []


def test_a_value_that_the_plan_does_not_name_is_told_once(tmp_path: Path) -> None:
    (found,) = warnings(tmp_path, "event.color == 'blue'")
    assert "the tracking plan does not name the value `blue` (did you mean `Blue`?)" in found


VALUES = {"color": ("red", "Blue", ""), "size": (1, 2, 2.5), "flag": (True,)}
TERMS = st.one_of(
    st.builds(
        "event.{0} {1} {2}".format,
        st.sampled_from(sorted(VALUES)),
        st.sampled_from(["==", "!=", "<", ">="]),
        st.sampled_from(["'red'", "'Blue'", "'x'", "1", "2", "2.5", "true", "null"]),
    ),
    st.builds(
        "event.color.{0}('{1}')".format,
        st.sampled_from(["startsWith", "endsWith", "contains", "matches"]),
        st.sampled_from(["r", "B", "d", "x", ""]),
    ),
    st.builds("event.{0} in [1, 'red']".format, st.sampled_from(sorted(VALUES))),
    st.sampled_from(["has(event.color)", "size(event.color) > 3", "event.size * 2 > 4", "event.flag"]),
)  # fmt: skip
CONDITIONS = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.builds("!({0})".format, inner),
        st.builds("({0} && {1})".format, inner, inner),
        st.builds("({0} || {1})".format, inner, inner),
        st.builds("({0} ? {1} : {2})".format, inner, inner, inner),
    ),
    max_leaves=5,
)


@settings(max_examples=300)
@given(
    condition=CONDITIONS,
    event=st.fixed_dictionaries({}, optional={name: st.sampled_from(each) for name, each in VALUES.items()}),
)
def test_whatever_an_event_of_the_plan_makes_fire_is_not_warned_of_as_a_whole(
    condition: str, event: dict[str, Any]
) -> None:
    """Of each `&&` of its top, that is: a branch of an `||` may never hold, and the whole does."""
    node = parse(condition)
    try:
        holds = evaluate(node, {"event": event}) is True
    except ExpressionError:
        holds = False
    found = list(none_left(node, lambda about: VALUES.get(getattr(about, "field", ""), ())))
    if holds and "||" not in condition:
        assert found == []
