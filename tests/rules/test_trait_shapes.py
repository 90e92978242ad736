"""What traits hold, as conditions and texts ask for it: by what tests, or a tracking plan, have."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.rules.compiler.rule_set import check_rules

PLAN = """\
events:
  order: {fields: {store: string, amount: number}}
  view: {fields: {category: string, brand: string, shelf: number}}
"""
SHOP = """\
sources:
  shop: {event: name, customer: customer_id}
channels:
  web: {topic: web, consent: none}
traits:
  place: {function: last, of: order, field: store}
  best: {function: top, of: view, field: brand, k: 2}
  by_shelf: {function: top, of: view, field: brand, per: shelf}
  views: {function: count, of: view, per: category}
  orders: {function: count, of: order}
rules:
  thanks:
    on: order
    if: >-
      has(traits.place) && size(traits.best) > 1 && traits.views.shoes > 1 &&
      traits.orders > 0 && CONDITION
    send: {channel: web, content: {text: "TEXT {{ traits.by_shelf[3][0] }}"}}
    limit: 1 per 1d
    goal: {on: order, within: 1d}
"""
TESTS = """\
tests:
  - name: an order
    events:
      - {at: 0m, event: view, category: shoes, brand: acme, shelf: 3}
      - {at: 1m, event: order, store: s1, amount: 9}
    expect: []
"""
RIGHT = "event.amount > 5"


def warnings(folder: Path, condition: str, text: str = "Hi", more: str = TESTS) -> list[str]:
    rules = SHOP.replace("CONDITION", condition).replace("TEXT", text)
    (folder / "a.yaml").write_text(rules + more)
    return [str(each).removeprefix(f"{folder}/a.yaml:") for each in check_rules(folder).diagnostics]


@pytest.mark.parametrize(
    "condition",
    [
        RIGHT,
        "traits.place == 's1' && traits.place != null && traits.best[1] == 'acme' && 'acme' in traits.best",
        "size(traits.best) == 2 && size(traits.by_shelf[3]) > 2 && traits.by_shelf[3][2] == 'acme'",
        "traits.views['shoes'] > 1 && traits.views[customer.likes] > 1 && traits.views[event.store] > 1",
        "traits.by_shelf[event.amount].exists(each, each == 'acme')",
        "traits.orders > 5 && customer.list.all(traits, traits[5] == 1)",  # that is the item's name
    ],
)
def test_what_traits_can_hold_is_not_warned_of(tmp_path: Path, condition: str) -> None:
    assert warnings(tmp_path, condition, "{{ traits.best[1] }} {{ traits.best[-1] }}") == []
    assert warnings(tmp_path, condition, more=PLAN) == []


SLIPS = [
    ("traits.best[2] == 'acme'", "the items 0 to 1: `[2]` is never there (give the trait `k: 3`)"),
    ("traits.by_shelf[3][10] == 'a'", "the items 0 to 2: `[10]` is never there (`k` is at most 10)"),
    ("traits.best.size() > 2", "`size(traits.best)` is 0 to 2: `> 2` never holds"),
    ("traits.place == 1", "`==` compares a text with a number"),
    ("traits.place > event.amount", "`>` compares a text with a number"),
    ("traits.best[0] == 5", "`==` compares a text with a number"),
    ("5 in traits.best", "`in` looks for a number in a list of which each item is a text"),
    ("traits.by_shelf[3].exists(each, each > 5)", "`>` compares a text with a number"),
    ("traits.views[5] > 1", "each key of the trait `views` is a text, this is a number"),
    ("traits.by_shelf['3'][0] == 'acme'", "each key of the trait `by_shelf` is a number, this is a text"),
    ("traits.views[event.amount] > 1", "a text is written in quotes, a number without"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "said"), SLIPS)
def test_what_a_trait_never_holds_passed_and_the_rule_never_fired(
    tmp_path: Path, condition: str, said: str
) -> None:
    for more in (TESTS, PLAN):
        (found,) = warnings(tmp_path, condition, more=more)
        assert found.startswith("16:"), found
        assert said in found


def test_a_test_that_says_what_a_trait_holds_is_heard(tmp_path: Path) -> None:
    known = TESTS.replace("    events:\n", "    known: {place: 5, views: {7: 1}}\n    events:\n")
    assert warnings(tmp_path, "traits.place == 1 && traits.views[5] > 1", more=known) == []


def test_a_text_that_shows_an_item_that_no_trait_gives_was_never_sent(tmp_path: Path) -> None:
    (found,) = warnings(tmp_path, RIGHT, "{{ traits.best[2] }}")
    assert "a `top` of 2 has the items 0 to 1: `[2]` is never there (give the trait `k: 3`) [W403]" in found
