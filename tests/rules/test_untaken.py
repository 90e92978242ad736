"""A field that is of another type wherever the tests have it is warned of, where a definition takes one."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.rules.compiler.rule_set import check_rules

SHOP = """\
sources:
  shop: {event: name, customer: customer_id}
  people: {kind: profile, customer: customer_id}
channels:
  push: {topic: push, consent: none, address: event.device}
traits:
  spent: {function: sum, of: [order, refund], field: totals.'in EUR'}
  places: {function: distinct, of: order, field: place}
rules:
  thanks:
    on: order
    if: traits.spent > 1 && traits.places > 1
    send: {channel: push, content: {text: Thank you}}
    limit: 1 per 1d
    goal: {on: order, within: 1d, value: amount}
tests:
  - name: an order
    events:
      - {at: 0m, source: people, attributes: {totals: {in EUR: "9"}}}
      - {at: 0m, event: view, totals: {in EUR: "9"}, amount: "9"}
      - {at: 0m, event: order, amount: 9, device: d, totals: {in EUR: 96.5}, place: Rome}
    expect: []
"""


def warnings(folder: Path, text: str) -> list[str]:
    (folder / "a.yaml").write_text(text)
    checked = check_rules(folder)
    assert checked.rules is not None
    return [str(each).removeprefix(f"{folder}/a.yaml:") for each in checked.diagnostics]


def test_what_the_tests_have_as_it_is_taken_is_not_warned_of(tmp_path: Path) -> None:
    assert warnings(tmp_path, SHOP) == []


@pytest.mark.parametrize(
    ("right", "other", "warning"),
    [
        (
            "in EUR: 96.5",
            "in EUR: '96.50'",
            "7:54: warning: `field` takes a number, and in the tests `totals.in EUR` is a string (write "
            "`value: double(event.totals['in EUR'])` in place of `field`) [W518]",
        ),
        (
            "in EUR: 96.5",
            "in EUR: [96.5]",
            "7:54: warning: `field` takes a number, and in the tests `totals.in EUR` is a list [W518]",
        ),
        (
            "amount: 9,",
            "amount: '9',",
            "15:42: warning: `value` takes a number, and in the tests `amount` is a string [W518]",
        ),
        (
            "place: Rome",
            "place: {city: Rome}",
            "8:50: warning: `field` takes a string, number, boolean or time, and in the tests `place` is an "
            "object [W518]",
        ),
        (
            "place: Rome",
            "place: 1.5",
            "8:50: warning: `field` takes no decimals, and in the tests `place` is one (write "
            "`value: string(event.place)` in place of `field`) [W518]",
        ),
        (
            "device: d",
            "device: 5",
            "5:47: warning: `address` takes a string, and in the tests `device` is a number [W518]",
        ),
    ],
)
def test_a_shops_amounts_that_are_texts_are_told_with_what_to_write(
    tmp_path: Path, right: str, other: str, warning: str
) -> None:
    """`"total_price": "96.00"`: the sum stayed 0.0, and every check was fine."""
    assert SHOP.count(right) == 1
    assert warnings(tmp_path, SHOP.replace(right, other)) == [warning]


@pytest.mark.parametrize(
    "events",
    [
        "      - {at: 1m, event: refund, totals: {in EUR: '5'}}\n",  # one of two
        "      - {at: 1m, event: refund, totals: {in EUR: null}}\n",
        "      - {at: 1m, event: refund, totals: none}\n",
    ],
)
def test_what_only_some_tests_have_otherwise_is_not_warned_of(tmp_path: Path, events: str) -> None:
    assert warnings(tmp_path, SHOP.replace("    expect: []\n", f"{events}    expect: []\n")) == []


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("field: place", "field: event.place", "8:50: warning: `field` is a path within the event, which has "
         "no object `event` (write `field: place`) [W508]"),
        ("field: place", "field: place, per: event.shop", "8:62: warning: `per` is a path within the "
         "event, which has no object `event` (write `per: shop`) [W508]"),
        ("value: amount", "value: event.amount", "15:42: warning: `value` is a path within the event, which "
         "has no object `event` (write `value: amount`) [W508]"),
    ],
)  # fmt: skip
def test_a_trait_counted_nothing_as_its_field_was_written_as_in_a_condition(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    text = SHOP.replace(right, wrong).replace("traits.places > 1", "has(traits.places)")
    assert said in warnings(tmp_path, text)
    enveloped = text.replace("event: name, customer: customer_id", "event: event.name, customer: event.who")
    assert not any("is a path within" in each for each in warnings(tmp_path, enveloped))


PEOPLE = "    customer: {attributes: {age: 33, mail: a@b.example, home: {zip: '1010'}}}\n    events:\n"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("customer.age", "`address` takes a string, and in the tests `age` is a number"),
        ("customer.home", "`address` takes a string, and in the tests `home` is an object"),
        ("{of: customer.mail, kind: object}", "takes an object, and in the tests `mail` is a string"),
        ("customer.mail", None),
        ("{of: customer.home, kind: object}", None),
    ],
)
def test_an_address_that_is_none_reached_nobody(tmp_path: Path, address: str, said: str | None) -> None:
    text = SHOP.replace("event.device", address).replace("    events:\n", PEOPLE)
    found = warnings(tmp_path, text)
    assert len(found) == (said is not None), found
    assert said is None or said in found[0]


@pytest.mark.parametrize(
    ("per", "said"),
    [
        ("amount", None),
        ("rate", "`per` takes no decimals, and in the tests `rate` is one"),
        ("totals", "`per` takes a string, number, boolean or time, and in the tests `totals` is an object"),
    ],
)
def test_what_cannot_be_a_key_counted_nothing(tmp_path: Path, per: str, said: str | None) -> None:
    text = SHOP.replace("field: place", f"field: place, per: {per}").replace(
        "device: d,", "device: d, rate: 0.5,"
    )
    found = warnings(tmp_path, text.replace("traits.places > 1", "traits.places[event.key] > 1"))
    assert len(found) == (said is not None), found
    assert said is None or said in found[0]
