"""What tests show of rules: found by playing them to the engine, held against what the files say."""

from __future__ import annotations

from pathlib import Path

from stream.authoring.rule_tests import coverage as condition_coverage
from stream.authoring.rule_tests import run as rule_tests
from stream.authoring.rule_tests.coverage import Coverage, Report
from stream.rules.compiler.rule_set import check_rules

RULES = """
sources: {clicks: {event: event, customer: user}}
traits:
  orders: {function: count, of: buy, where: event.amount > 10}
segments:
  loyal: traits.orders > 1
  staff: customer.staff
channels: {web: {topic: web, consent: none, cap: 9 per 1d}}
policy: {suppress: customer.banned == true}
rules:
  greets:
    on: view
    where: event.page == 'home'
    if: >-
      segments.loyal && event.x == 1
    send: {channel: web, content: {text: Hi}}
    limit: 1 per 1h
  walks:
    steps:
      - {on: view, as: seen, where: event.y == 1}
      - {on: cart, where: event.sku == seen.sku, within: 1h}
    unless: {on: buy, where: event.amount > 1, within: 30m}
    send: {channel: web, content: {text: Hi}}
  other: {on: nothing, if: event.z == 1, send: {channel: web, content: {text: Hi}}}
tests:
"""


def covered(folder: Path, *tests: str) -> tuple[Report, Coverage]:
    lines = "".join(f"  - {{name: t{n}, expect: [], {test}}}\n" for n, test in enumerate(tests))
    (folder / "shop.yaml").write_text(RULES + lines)
    checked = check_rules(folder)
    assert checked.rules is not None, checked.diagnostics
    coverage = Coverage()
    rule_tests.run_all(checked.tests, checked.rules, {}, coverage)
    return condition_coverage.report(coverage, checked.rules, checked.files), coverage


def gaps(folder: Path, *tests: str) -> list[str]:
    found, _ = covered(folder, *tests)
    return [str(each).replace(f"{folder}/", "") for each in found.gaps]


def test_all_is_a_gap_where_nothing_is_reached(tmp_path: Path) -> None:
    assert gaps(tmp_path, "events: [{at: 0m, event: home}]") == [
        "shop.yaml:4:45: `where` of trait `orders` was never judged",
        "shop.yaml:6:10: segment `loyal` was never judged",
        "shop.yaml:7:10: segment `staff` was never judged",
        "shop.yaml:8:45: `cap` of channel `web` never held a message back",
        "shop.yaml:9:20: `suppress` of the policy was never judged",
        "shop.yaml:11:3: rule `greets` is not reached by any test",
        "shop.yaml:17:5: `limit` of rule `greets` never held a message back",
        "shop.yaml:18:3: rule `walks` is not reached by any test",
        "shop.yaml:24:3: rule `other` is not reached by any test",
    ]


BUYS = ", ".join("{at: 0m, event: buy, amount: 11}" for _ in range(2))


HOME = "{at: 2m, event: view, page: home, x: 1}"


def test_what_was_seen_one_way_only_is_said_with_its_place(tmp_path: Path) -> None:
    tests = (
        "events: [{at: 0m, event: view, page: home}, {at: 1m, event: view, page: list}]",
        f"events: [{BUYS}, {HOME}, {HOME}]",
    )
    assert gaps(tmp_path, *tests) == [
        "shop.yaml:4:45: `where` of trait `orders` was never false",
        "shop.yaml:7:10: segment `staff` was never judged",
        "shop.yaml:8:45: `cap` of channel `web` never held a message back",
        "shop.yaml:9:20: `suppress` of the policy always ended in an error",
        "shop.yaml:17:5: `limit` of rule `greets` never held a message back",
        "shop.yaml:20:37: `where` of rule `walks` always ended in an error",
        "shop.yaml:21:27: `where` of step 2 of rule `walks` was never judged",
        "shop.yaml:22:30: `where` of `unless` of rule `walks` was never judged",
        "shop.yaml:24:3: rule `other` is not reached by any test",
    ]


def test_of_a_condition_that_was_both_the_parts_that_made_no_difference_are_said(tmp_path: Path) -> None:
    found = gaps(tmp_path, f"events: [{BUYS}, {{at: 1m, event: view, page: home, x: 1}}, "
                 "{at: 2m, event: view, page: home, x: 2}]")  # fmt: skip
    assert "shop.yaml:15:7: `segments.loyal` in `if` of rule `greets` was never false" in found


def test_steps_and_unless_are_conditions_too(tmp_path: Path) -> None:
    events = (
        "{at: 0m, event: view, y: 1, sku: a}",
        "{at: 1m, event: cart, sku: b}",
        "{at: 2m, event: cart, sku: a}",
        "{at: 3m, event: buy, amount: 1}",
    )
    found = gaps(tmp_path, f"events: [{', '.join(events)}]")
    assert [each for each in found if "walks" in each] == [
        "shop.yaml:20:37: `where` of rule `walks` was never false",
        "shop.yaml:22:30: `where` of `unless` of rule `walks` was never true",
    ]


def test_asking_for_it_costs_no_second_run(tmp_path: Path) -> None:
    found, coverage = covered(tmp_path, "events: [{at: 0m, event: view, page: home}]")
    assert found.rules == (2, 3)
    assert found.conditions == (0, 10)
    assert found.guards == (0, 2)
    assert found.summary() == (
        "coverage: 2 of 3 rules reached, 0 of 10 conditions seen true and false, 0 of 2 guards seen at work"
    )
    assert coverage.parts["greets", "if"].terms["event.x == 1"] == {"error": 1}
