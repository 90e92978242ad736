"""Types in conditions are held against those that the tests have, in every place."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.rules.compiler.rule_set import check_rules

SHOP = """\
sources:
  clicks: {event: name, customer: customer_id}
  people: {kind: profile, customer: customer_id}
  weather: {kind: context, customer: customer_id}

traits:
  viewed: {function: count, of: product_view, where: event.price > 5}

segments:
  vips: customer.status == 'gold'

channels:
  web: {topic: web, consent: none}

policy:
  suppress: customer.points < 0

rules:
  cart:
    steps:
      - {on: product_view, where: event.price > 10, as: seen}
      - {on: add_to_cart, where: event.sku == seen.sku, within: 1h}
    unless: {on: purchase, where: event.total > 5, within: 1h}
    if: >-
      traits.viewed > 1 && segments.vips && event.vip && size(event.line_items) > 1
      && context.weather.wind > 3
    send: {channel: web, content: {text: Hi}}
    limit: 1 per 1d
    goal: {on: purchase, within: 1d}
  other:
    on: [product_view, untested]
    where: event.price != 3
    send: {channel: web, content: {text: Hello}}
    limit: 1 per 1d
    goal: {on: purchase, within: 1d}

tests:
  - name: all of it
    customer: {attributes: {status: gold, points: 5, born: "1990-12-24", either: 1}}
    events:
      - {at: 0m, source: people, attributes: {either: one}}
      - {at: 0m, source: weather, wind: 4, sky: clear, days: [{rain: 2}], mixed: 1}
      - {at: 0m, source: weather, wind: 4.5, mixed: one}
      - {at: 0m, event: product_view, price: 20, sku: s, mixed: 1, some: null}
      - {at: 0m, event: product_view, price: 20.5, sku: s, mixed: one, some: 1}
      - at: 1m
        event: add_to_cart
        sku: s
        vip: true
        tags: [t]
        bag: []
        line_items: [{sku: s}]
        shop: {city: Graz}
      - {at: 2m, event: purchase, total: 9}
    expect: []
"""


def warnings(folder: Path, text: str) -> list[str]:
    (folder / "a.yaml").write_text(text)
    checked = check_rules(folder)
    assert checked.rules is not None, checked.diagnostics
    return [str(each).removeprefix(f"{folder / 'a.yaml'}:") for each in checked.diagnostics]


IF = "size(event.line_items) > 1"


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("where: event.price > 5}", "where: event.price == '5'}", "`==` compares a number with a text"),
        ("where: event.price > 10,", "where: event.price.amount > 10,", "a number has no field `amount`"),
        ("event.sku == seen.sku", "event.sku == seen.price", "`==` compares a text with a number"),
        ("event.total > 5", "event.total == 'nine'", "a number is written without quotes"),
        ("customer.status == 'gold'", "customer.status == 1", "double(customer.status)"),
        ("customer.points < 0", "customer.points == '0'", "`==` compares a number with a text"),
        (IF, "!(event.vip == 'true')", "`==` compares true or false with a text"),
        (IF, "event.line_items.sku == 's'", "event.line_items.exists(item, item.sku == 'x')"),
        (IF, "event.line_items.length > 1", "write `size(event.x)`"),
        (IF, "event.line_items == 's'", "`==` compares a list with a text"),
        (IF, "event.shop == 'Graz'", "`==` compares an object with a text"),
        (IF, "event.shop.city == 8010", "`==` compares a text with a number"),
        (IF, "event.line_items['sku'] == 's'", "event.line_items.exists(item, item.sku == 'x')"),
        (IF, "event.line_items[0].sku == 5", "`==` compares a text with a number"),
        (IF, "'s' in event.line_items", 'write event.line_items.exists(item, item.sku == "s")'),
        (IF, "event.line_items.exists(i, i == 's')", "`==` compares an object with a text"),
        (IF, "event.line_items.all(i, i.sku > 5)", "`>` compares a text with a number"),
        (IF, "event.line_items.filter(i, has(i.sku)).exists(i, i.sku == 5)", "a text with a number"),
        (
            IF,
            "event.shop.city == 'GRAZ'",
            "`event.shop.city` is never `GRAZ`, but `Graz`, as the tests have it (write 'Graz')",
        ),
        (IF, "event.shop.city in ['Wien', 'graz']", "is never `graz`, but `Graz`"),
        (IF, "event.line_items.exists(i, i.sku != 'S')", "`i.sku` is never `S`, but `s`"),
        ("customer.status == 'gold'", "customer.status == 'Gold'", "(write 'gold')"),
        ("weather.wind > 3", "weather.wind == '3'", "`==` compares a number with a text"),
        ("weather.wind > 3", "weather.sky > 3", "`>` compares a text with a number"),
        ("weather.wind > 3", "weather.sky == 'Clear'", "is never `Clear`, but `clear`"),
        ("weather.wind > 3", "weather.days.exists(d, d.rain == 'yes')", "`==` compares a number with a text"),
        (IF, "event.line_items.map(i, i.sku).exists(s, s == 5)", "`==` compares a text with a number"),
        (
            IF,
            "event.line_items.map(i, size(i.sku) > 0, i.sku).all(s, s == 5)",
            "`==` compares a text with a number",
        ),
        (IF, "5 in event.line_items.map(i, i.sku)", "a list of which each item is a text"),
        (IF, "5 in event.tags", "`in` looks for a number in a list of which each item is a text"),
    ],
)
def test_what_does_not_fit_the_tests_is_warned_of(
    tmp_path: Path, right: str, wrong: str, finding: str
) -> None:
    """`event.price == '50'` was `ok` beside tests with a price of 50, and never held."""
    (found,) = warnings(tmp_path, SHOP.replace(right, wrong))
    assert finding in found
    assert found.endswith("[W518]")
    assert ", as the tests have it" in found


def test_it_is_shown_where_it_is(tmp_path: Path) -> None:
    (found,) = warnings(tmp_path, SHOP.replace("event.total > 5", "event.total == 'nine'"))
    assert found.startswith("23:47: warning: ")


@pytest.mark.parametrize(
    ("right", "other"),
    [
        (IF, IF),
        (IF, "event.unknown == 'x' && event.shop.street == 5"),
        (IF, "'t' in event.tags && event.line_items.exists(i, i.sku == 's' && i.note == 5)"),
        (IF, "'t' in event.bag && event.line_items[0].sku == 's' && 'city' in event.shop"),
        (IF, "event.shop.city == 'Wien' && event.shop.city != '' && event.sku != 's1'"),
        (IF, "event.line_items.exists(event, event.vip == 'x')"),  # the item has its name
        ("where: event.price > 10,", "where: event.mixed == 1 || event.mixed == 'one',"),
        ("where: event.price > 10,", "where: event.some == 'x',"),
        ("where: event.price > 10,", "where: event.price == null,"),
        ("where: event.price != 3", "where: event.price == '3'"),  # one of its events is not tested
        ("customer.points < 0", "customer.either == 'one'"),
        ("weather.wind > 3", "weather.mixed == 'one'"),
        ("weather.wind > 3", "weather.unknown == 'one'"),
        (IF, "event.line_items.map(i, i.sku).exists(s, s == 's')"),
        ("customer.points < 0", "timestamp(customer.born) > now"),
    ],
)
def test_what_fits_or_is_not_known_is_not(tmp_path: Path, right: str, other: str) -> None:
    assert SHOP.count(right) == 1
    assert [each for each in warnings(tmp_path, SHOP.replace(right, other)) if "W518" in each] == []


def test_a_tracking_plan_says_which_types_there_are(tmp_path: Path) -> None:
    plan = "events:\n  untested: {}\n" + "".join(
        f"  {name}: {{}}\n" for name in ("product_view", "add_to_cart", "purchase")
    )
    assert warnings(tmp_path, plan + SHOP.replace("event.total > 5", "event.total == 'nine'")) == []


def test_what_is_in_a_list_that_a_tracking_plan_names_is_known_from_the_tests(tmp_path: Path) -> None:
    fields = "{sku: string, vip: boolean, line_items: list, tags: list, bag: list, shop.city: string}"
    plan = f"events:\n  untested: {{}}\n  add_to_cart: {{fields: {fields}}}\n" + "".join(
        f"  {name}: {{}}\n" for name in ("product_view", "purchase")
    )
    assert warnings(tmp_path, plan + SHOP) == []
    (found,) = warnings(tmp_path, plan + SHOP.replace(IF, "'s' in event.line_items"))
    assert "in a list of which each item is an object, as the tests have it" in found


def test_a_trait_that_adds_up_texts_stayed_0_without_a_word(tmp_path: Path) -> None:
    text = SHOP.replace("traits:\n", "traits:\n  worth: {function: sum, of: add_to_cart, value: event.sku}\n")
    (tmp_path / "a.yaml").write_text(
        text.replace("traits.viewed > 1", "traits.viewed > 1 && traits.worth > 1")
    )
    (found,) = check_rules(tmp_path).diagnostics
    assert (found.code, found.hint) == ("W518", "write double(event.sku)")
    assert "`value` must be a number, this is a text, as the tests have it" in found.message
