"""What a failed test of a rule says of why nothing was sent: "nothing more was sent" helped nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.rule_tests import run as rule_tests
from stream.rules.compiler.rule_set import check_rules

RULES = """
sources:
  clicks: {topic: clicks, event: event, customer: customer_id, time: ts}
traits:
  spend: {function: sum, of: purchase, field: amount}
  views: {function: count, of: view, per: sku}
channels:
  web: {topic: web, consent: none}
  mail: {topic: mail, consent: marketing, address: customer.email}
rules:
  vip:
    on: purchase
    where: event.amount > 10
    if: traits.spend >= 100.0 && customer.tier in ['gold', 'silver'] && traits.views[event.sku] > 1
    send: {channel: web, content: {text: Hi}}
  left:
    on: cart
    unless: {on: purchase, within: 30m}
    send: {channel: web, content: {text: Hi}}
  path:
    steps:
      - {on: view, as: seen}
      - {on: cart, where: event.sku == seen.sku, within: 1h}
      - {on: purchase}
    send: {channel: web, content: {text: Hi}}
  mailed: {on: view, send: {channel: mail, content: {text: Hi}}}
tests:
  - name: it
    rule: NAME
    customer: {id: c1, attributes: {tier: bronze}}
    events: EVENTS
    UNTIL
    expect: [{rule: NAME}]
"""


def why(tmp_path: Path, rule: str, events: str, until: str = "") -> tuple[str, ...]:
    text = RULES.replace("NAME", rule).replace("EVENTS", events)
    (tmp_path / "shop.yaml").write_text(text.replace("UNTIL", until and f"until: {until}"), encoding="utf-8")
    checked = check_rules(tmp_path)
    assert checked.rules is not None, checked.diagnostics
    (outcome,) = (rule_tests.run(test, checked.rules) for test in checked.tests)
    assert not outcome.passed
    return tuple(f"{reason.rule}: {line}" for reason in outcome.why for line in reason.lines)


@pytest.mark.parametrize(
    ("rule", "events", "until", "said"),
    [
        (
            "vip",
            "[{at: 0m, event: view}]",
            "",
            ("vip: it begins with `purchase`, and no event of the test is called so",),
        ),
        (
            "vip",
            "[{at: 1m, event: purchase, amount: 5}]",
            "",
            (
                "vip: at 1m, `purchase`: `where` does not hold",
                "vip:   event.amount > 10 is false: `event.amount` is 5",
            ),
        ),
        (
            "vip",
            "[{at: 1m, event: purchase, amount: 50, sku: s1}]",
            "",
            (
                "vip: at 1m, `purchase`: `if` does not hold",
                "vip:   traits.spend >= 100.0 is false: `traits.spend` is 50.0",
                'vip:   customer.tier in ["gold", "silver"] is false: `customer.tier` is "bronze"',
                "vip:   traits.views[event.sku] > 1 is false: "
                '`event.sku` is "s1"; `traits.views[event.sku]` is 0',
            ),
        ),
        (
            "vip",
            "[{at: 1m, event: purchase, price: 50}]",
            "",
            (
                "vip: at 1m, `purchase`: `where` does not hold",
                "vip:   event.amount > 10 is an error: there is no `event.amount`",
            ),
        ),
        (
            "left",
            "[{at: 0m, event: cart}]",
            "",
            (
                "left: its time had not come when the test ended: `until` is not there; it fires once its "
                "time is over",
            ),
        ),
        (
            "left",
            "[{at: 0m, event: cart}, {at: 10m, event: purchase}]",
            "1h",
            ("left: `unless` ended it at 10m, by `purchase`",),
        ),
        (
            "path",
            "[{at: 0m, event: view, sku: a}, {at: 1m, event: cart, sku: b}]",
            "",
            (
                "path: at 1m, `cart`: `step 2` does not hold",
                'path:   event.sku == seen.sku is false: `event.sku` is "b"; `seen.sku` is "a"',
            ),
        ),
        ("path", "[{at: 0m, event: view, sku: a}]", "", ("path: it still waits for `cart`",)),
        ("mailed", "[{at: 0m, event: view}]", "", ()),  # "held back: …, consent" says it
    ],
)
def test_a_failed_test_says_how_far_its_rule_came_and_what_it_saw(
    tmp_path: Path, rule: str, events: str, until: str, said: tuple[str, ...]
) -> None:
    assert why(tmp_path, rule, events, until) == said


def test_of_many_events_the_first_few_are_shown(tmp_path: Path) -> None:
    events = ", ".join(f"{{at: {n}m, event: purchase, amount: {n}}}" for n in range(1, 9))
    lines = why(tmp_path, "vip", f"[{events}]")
    assert len(lines) == 7
    assert lines[-1] == "vip: and so 5 times more"
