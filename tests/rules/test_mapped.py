"""Sources that map to what is never there are warned of: tests do not show it, as they write it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.rules.compiler.rule_set import check_rules

SHOP = """\
sources:
  shop: {event: event, customer: customer_id, time: ts, id: meta.id}
  till: SOURCE
channels:
  web: {topic: web, consent: none}
policy: {allow: [W501, W505]}
rules:
  thanks:
    on: [purchase, view]
    where: CONDITION
    send: {channel: web, content: {text: Hi}}
tests:
  - name: an order
    events:
      - {at: 1m, event: purchase, amount: 5, shopper: s}
    expect: []
"""


def warnings(folder: Path, source: str, condition: str = "event.amount > 5") -> list[str]:
    text = SHOP.replace("SOURCE", source).replace("CONDITION", condition)
    (folder / "a.yaml").write_text(text)
    return [str(each).removeprefix(f"{folder}/a.yaml:") for each in check_rules(folder).diagnostics]


@pytest.mark.parametrize(
    ("source", "at", "said"),
    [
        ("{event: purchase, customer: customer_id}", 17, "write `event: {is: purchase}` if all of them"),
        ("{event: view, customer: customer_id}", 17, "`view` is the name of an event"),
        ("{event: {is: purchse}, customer: customer_id}", 22, "(did you mean `purchase`?) [W512]"),
        ("{event: event, customer: event.customer_id}", 34, "write `customer: customer_id`"),
        ("{event: event, customer: c, time: event.sent.at}", 43, "write `time: sent.at`"),
        ("{event: event, customer: c, id: event.id}", 41, "and `event` is its `event` (write `id: id`)"),
        ("{event: {is: refund}, customer: event.shopper}", 41, "has no object `event`"),
        ("{event: type, customer: event.shopper}", 33, "has no object `event` (write `customer: shopper`)"),
    ],
)  # fmt: skip
def test_a_source_whose_records_all_went_to_the_dead_letters_passed(
    tmp_path: Path, source: str, at: int, said: str
) -> None:
    (found,) = warnings(tmp_path, source)
    assert found.startswith(f"3:{at}: warning: "), found
    assert said in found


@pytest.mark.parametrize(
    "source",
    [
        "{event: {is: refund}, customer: customer_id}",
        "{event: {is: view}, customer: customer_id}",
        "{event: event.name, customer: event.shopper, time: ts}",
        "{event: type, customer: event.who, time: event.at}",
        "{kind: profile, customer: customer.id}",
    ],
)
def test_what_a_source_can_have_is_not_warned_of(tmp_path: Path, source: str) -> None:
    assert warnings(tmp_path, source) == []


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("event.event == 'Purchase'", "no event here is called `Purchase` (did you mean `purchase`?) [W504]"),
        ("event.event in ['order', 'view']", "no event here is called `order`"),
        ("event.event == 'purchase' && event_name != 'view'", None),
    ],
)
def test_the_field_with_an_events_name_is_held_against_the_names(
    tmp_path: Path, condition: str, said: str | None
) -> None:
    found = warnings(tmp_path, "{event: event, customer: other}", condition)
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_where_a_source_has_no_field_with_the_name_nothing_is_known_of_it(tmp_path: Path) -> None:
    assert warnings(tmp_path, "{event: {is: refund}, customer: other}", "event.event == 'Purchase'") == []
