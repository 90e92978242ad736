"""A text that can be written for nobody is warned of, with what to write; one that somebody gets is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.rules.compiler.rule_set import check_rules

SHOP = """\
sources:
  shop: {event: name, customer: customer_id}
channels:
  web: {topic: web, consent: none}
policy: {timezone: UTC, allow: [W501, W505]}
rules:
  thanks:
    steps: [{on: view, as: seen}, {on: order, within: 1d}]
    send: {channel: web, content: {text: 'TEXT'}}
"""
TESTS = """\
tests:
  - name: an order
    customer: {attributes: {age: 33, city: Berlin, tags: [new], home: {zip: "1010"}}}
    events:
      - {at: 0m, event: view, brand: acme, at_home: {city: Rome}}
      - at: 1m
        event: order
        store: s1
        amount: 9
        vip: true
        price: "96.00"
        made: 2026-03-02T10:00:00Z
        order: {id: o1, upcase: x}
        tags: [a]
        items: [{sku: p1}]
        mixed: [a]
      - {at: 2m, event: order, mixed: 5, coupon: null}
    expect: []
"""
FIELDS = "{store: string, amount: number, vip: boolean, price: string, made: time, items: list, tags: list"
PLAN = f"""\
events:
  view: {{fields: {{brand: string, at_home: object}}}}
  order:
    fields: {FIELDS}, mixed: any, coupon: string, order: object, color: {{type: string, values: [red]}}}}
"""


def warnings(folder: Path, text: str, more: str = TESTS, channel: str = "") -> list[str]:
    rules = SHOP.replace("TEXT", text.replace("'", "''")).replace("consent: none", f"consent: none{channel}")
    (folder / "a.yaml").write_text(rules + more)
    return [str(each).removeprefix(f"{folder}/a.yaml:") for each in check_rules(folder).diagnostics]


@pytest.mark.parametrize(
    "text",
    [
        "{{ event.store | upcase }} {{ event.order.id }} {{ event.order.upcase }} {{ event.tags }}",
        "{{ event.store.size }} {{ event.items.size }} {{ event.items | size }} {{ event.items[0].sku }}",
        "{{ event.items.first.sku }} {{ event.items[-1].sku }} {{ event.items | map: 'sku' | join: ', ' }}",
        "{{ event.made | date: 'long' }} {{ event.price | times: 2 }} {{ event.price | money: 'EUR' }}",
        "{{ event.vip }} {{ event.amount | upcase }} {{ event.mixed }} {{ event.mixed | plus: 1 }}",
        "{{ rule }} {{ event.coupon | date: 'long' }} {{ now | date: 'long' }} {{ event_name | upcase }}",
        "{{ seen.brand }} {{ seen.at_home.city }} {{ customer.home.zip }} {{ customer.tags | join: ',' }}",
        "{% for each in event.items %}{{ each }}{% endfor %}{% assign x = event.order %}{{ x.id }}",
        "{% if event.order %}x{% endif %}{{ event.order[event.store] | default: 'x' }}",
    ],
)
def test_what_somebody_gets_is_not_warned_of(tmp_path: Path, text: str) -> None:
    assert warnings(tmp_path, text) == []


SLIPS = [
    ("{{ event }}", "`event` cannot be written: it is an object (write {{ event.NAME }})"),
    ("{{ customer }}", "(write {{ customer.NAME }})"),
    ("{{ seen }}", "(write {{ seen.NAME }})"),
    ("{{ rule.name }}", "`rule` is the rule's name, and has no fields (write {{ rule }})"),
    ("{{ now.year }}", "`now` has no field `year`: it is a time (write {{ now | date: 'long' }})"),
    ("{{ now | date: 'long' | plus: 3 }}", "cannot be written: it is a time (`plus` takes numbers)"),
    ("{{ event.order }}", "it is an object, as the tests have it (write {{ event.order.id }})"),
    ("{{ event.order | default: 'x' }}", "(write {{ event.order.id }})"),
    ("{{ seen.at_home }}", "(write {{ seen.at_home.city }})"),
    ("{{ customer.home }}", "(write {{ customer.home.zip }})"),
    ("{{ event.items }}", "(write e.g. {{ event.items[0].sku }}, or go through it with `for`)"),
    ("{{ event.items.sku }}", "`event.items` has no field `sku`: it is a list"),
    ("{{ customer.tags | map: 'a' | join: ', ' }}", "no item has what is asked for, as the tests have it"),
    ("{{ event.store | date: 'long' }}", "it is a string, as the tests have it (`date` takes a time such as"),
    ("{{ event.amount | date: 'long' }}", "`event.amount | date` cannot be written: it is a number"),
    ("{{ event.store | times: 2 }}", "(`times` takes numbers)"),
    ("{{ event.store | money: 'EUR' }}", "(`money` takes numbers)"),
    ("{{ event.vip | upcase }}", "it is a boolean, as the tests have it (`upcase` takes texts and numbers)"),
    ("{{ event.amount | money: event.store }}", "cannot be written, as the tests have it (look at what"),
    ("{{ event.store.upcase }}", "`event.store` has no field `upcase`: it is a string, as the tests have it "
     "(write {{ event.store | upcase }})"),
    ("{{ event.order.id.length }}", "(write {{ event.order.id | size }})"),
    ("{{ event.amount.total }}", "`event.amount` has no field `total`: it is a number"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), SLIPS)
def test_a_text_that_can_be_written_for_nobody_was_never_sent(tmp_path: Path, text: str, said: str) -> None:
    """Every check was fine, and each customer's message was suppressed for its `content`."""
    (found,) = warnings(tmp_path, f"Hi {text}")
    assert found.startswith("9:49: warning: "), found
    assert said in found
    assert found.endswith("[W403]")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ event.order }}", "it is an object, as the tracking plan has it (write {{ event.order.NAME }})"),
        (
            "{{ event.vip | times: 2 }}",
            "it is a boolean, as the tracking plan has it (`times` takes numbers)",
        ),
        ("{{ event.color | date: 'long' }}", "(`date` takes a time"),
        ("{{ event.store.upcase }}", "(write {{ event.store | upcase }})"),
        (
            "{{ event.store | date: 'long' }}{{ event.price | times: 2 }}{{ event.tags }}",
            None,
        ),  # it may be one
        ("{{ event.made | date: 'long' }}{{ event.mixed | upcase }}{{ event.items | map: 'x' }}", None),
    ],
)
def test_without_tests_the_tracking_plan_tells_it(tmp_path: Path, text: str, said: str | None) -> None:
    found = warnings(tmp_path, text, PLAN)
    assert len(found) == (said is not None), found
    assert said is None or said in found[0]


def test_an_object_is_part_of_a_json_document(tmp_path: Path) -> None:
    assert warnings(tmp_path, '{"order": {{ event.order }}}', channel=", format: json") == []


def test_a_misspelt_field_of_items_is_told_once_and_with_what_is_meant(tmp_path: Path) -> None:
    (found,) = warnings(tmp_path, "Hi {{ event.items | map: 'skuu' | join: ', ' }}")
    assert found.endswith("(did you mean `sku`?) [W508]")
