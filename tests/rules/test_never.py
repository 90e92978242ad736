"""Whatever holds of an event that a test plays is not warned of: not by its types, values or names.

Not tried is what holds of an empty list whatever is asked: `[].all(i, i.sku > 'a')`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import ExpressionError
from stream.expression import evaluate, parse
from stream.rules.compiler.rule_set import check_rules

RULES = """
sources: {shop: {event: name, customer: customer_id}}
channels: {web: {topic: web, consent: none}}
policy: {allow: [W501, W505]}
rules:
  hi:
    on: order
    where: %s
    send: {channel: web, content: {text: Hi}}
tests:
  - {name: all, expect: [], events: [%s]}
"""
SCALARS = st.sampled_from(["s1", "S1", "s 1", "", 0, 1, 2.5, True, False])
ITEMS = st.fixed_dictionaries({}, optional={"sku": SCALARS, "skus": SCALARS, "price": SCALARS})
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "store": SCALARS,
        "stores": SCALARS,
        "order": st.one_of(
            SCALARS, st.fixed_dictionaries({}, optional={"total": SCALARS, "totals": SCALARS})
        ),
        "order.total": SCALARS,
        "tags": st.lists(SCALARS, max_size=3),
        "items": st.lists(st.one_of(ITEMS, SCALARS), max_size=3),
    },
)
PATHS = st.sampled_from(
    [
        *("event.store", "event.stores", "event.order", "event.order.total", "event.order.totals"),
        *(
            "event['order.total']",
            "event.tags[0]",
            "event.items[0]",
            "event.items[0].sku",
            "event.items[0].skus",
        ),
    ]
)
LITERALS = st.sampled_from(["'s1'", "'S1'", "'s 1'", "'s'", "0", "1", "2.5", "true", "false", "[]"])
TERMS = st.one_of(
    st.builds("{} {} {}".format, PATHS, st.sampled_from(["==", "<", ">="]), st.one_of(LITERALS, PATHS)),
    st.builds("{} in [{}, {}]".format, PATHS, LITERALS, LITERALS),
    st.builds("{} in event.{}".format, LITERALS, st.sampled_from(["tags", "items", "order"])),
    st.builds("event.tags.exists(t, t == {})".format, LITERALS),
    st.builds(
        "event.items.exists(i, i.{} == {})".format, st.sampled_from(["sku", "skus", "price"]), LITERALS
    ),
    st.builds("event.items.filter(i, has(i.sku)).exists(i, i.sku >= {})".format, LITERALS),
    st.builds("{}.startsWith({})".format, PATHS, LITERALS),
    st.builds("size({}) >= {}".format, PATHS, st.sampled_from(["0", "1", "2"])),
    st.builds("has({})".format, st.sampled_from(["event.store", "event.order.totals", "event.items"])),
)
CONDITIONS = st.lists(TERMS, min_size=1, max_size=3).map(" && ".join)


@settings(max_examples=100, deadline=None)
@given(condition=CONDITIONS, events=st.lists(EVENTS, min_size=1, max_size=3))
def test_what_holds_of_an_event_of_the_tests_is_not_warned_of(
    condition: str, events: list[dict[str, Any]]
) -> None:
    if not any(holds(condition, event) for event in events):
        return
    played = ", ".join(orjson.dumps({"at": "0m", "event": "order", **each}).decode() for each in events)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "r.yaml").write_text(RULES % (orjson.dumps(condition).decode(), played))
        found = [each for each in check_rules(Path(folder)).diagnostics if "always holds" not in each.message]
    assert found == []


def holds(condition: str, event: dict[str, Any]) -> bool:
    try:
        return evaluate(parse(condition), {"event": event}) is True
    except ExpressionError:
        return False
