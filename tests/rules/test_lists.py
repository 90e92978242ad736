"""Traits that are lists, and what events clear, as rules that ask for them are checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.rules.compiler.rule_set import check_rules

SHOP = """\
sources:
  shop: {event: name, customer: customer_id}
channels:
  web: {topic: web, consent: none, format: {data: json}}
policy: {allow: [W501, W505, W510]}
traits:
  cart: {function: list, of: add, fields: [product.sku, name, price], key: product.sku, clear: [order, leave]}
  views: {function: count, of: [view, order], clear: order}
rules:
  thanks: {RULE, send: {channel: web, content: {text: "TEXT"}}}
"""


def findings(folder: Path, rule: str, text: str = "Hi") -> list[str]:
    (folder / "a.yaml").write_text(SHOP.replace("RULE", rule).replace("TEXT", text))
    return [str(each).split(": ", 1)[1] for each in check_rules(folder).diagnostics]


@pytest.mark.parametrize(
    "condition",
    [
        "traits.cart.exists(i, i.prise > 10)",
        "traits.cart[0].prise > 10",
        "traits.cart.filter(i, i.name == 'x').map(i, i.prise)[0] > 1",
        "sum(traits.cart.map(i, i.prise)) > 10",
    ],
)
def test_a_misspelt_field_of_a_cart_never_held(tmp_path: Path, condition: str) -> None:
    (found,) = findings(tmp_path, f'on: view, if: "{condition}"')
    assert found == "error: an element of the list `cart` has no `prise` (did you mean `price`?) [E306]"


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in traits.cart %}{{ i.nam }}{% endfor %}",
        "{{ traits.cart[0].nam }}",
        "{{ traits.cart | sort: 'price' | map: 'nam' | join: ', ' }}",
        "{{ traits.cart | where: 'nam', 'x' | size }}",
    ],
)
def test_a_misspelt_field_of_a_cart_was_sent_as_nothing(tmp_path: Path, text: str) -> None:
    (found,) = findings(tmp_path, "on: view", text)
    assert found == "error: an element of the list `cart` has no `nam` (did you mean `name`?) [E404]"


def test_what_an_element_has_is_read(tmp_path: Path) -> None:
    condition = "traits.cart.exists(i, i.sku == 'a' && i.price > 1) && traits.cart[0].name != ''"
    text = "{{ traits.cart | map: 'sku' | join: ', ' }}{% for i in traits.cart %}{{ i.name }}{% endfor %}"
    assert findings(tmp_path, f'on: view, if: "{condition}"', text) == []


@pytest.mark.parametrize(
    "rule",
    [
        'on: order, if: "size(traits.cart) > 0"',
        'on: [order, leave], if: "size(traits.cart) > 0"',
        'steps: [{on: view, as: a}, {on: order, within: 1d}], if: "size(traits.cart) > 0"',
    ],
)
def test_a_rule_at_the_event_that_clears_the_cart_found_it_empty(tmp_path: Path, rule: str) -> None:
    (found,) = findings(tmp_path, rule)
    assert found.startswith("warning: trait `cart` is always empty in rule `thanks`: `")
    assert "`order` clears it first (ask the event itself" in found
    (found,) = findings(tmp_path, "on: order", "{{ traits.cart | map: 'name' | join: ', ' }}")
    assert "is always empty" in found


@pytest.mark.parametrize(
    "rule",
    [
        'on: [order, view], if: "size(traits.cart) > 0"',
        'on: order, wait: 1h, if: "size(traits.cart) > 0"',
        'on: order, if: "traits.views > 0"',
        'every: {day: "09:00"}, if: "size(traits.cart) > 0"',
    ],
)
def test_what_may_hold_something_by_then_is_not_warned_of(tmp_path: Path, rule: str) -> None:
    assert [each for each in findings(tmp_path, rule) if "always empty" in each] == []
