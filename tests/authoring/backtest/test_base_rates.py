"""Who reached a goal unasked is counted as an experiment would count it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream.authoring.backtest import base_rates
from tests.authoring.backtest.test_figures import click, found_of, rule

GOAL = "goal: {on: buy, within: 1d}"
END = click("2026-04-01T00:00:00", "home", "z")


def plan_of(folder: Path, events: list[dict[str, Any]], more: str = GOAL, policy: str = "") -> dict[str, Any]:
    found = found_of(folder, f"{policy}\nrules:\n  seen: {rule('web', more)}", [*events, END])
    plan: dict[str, Any] = found["rules"]["seen"]["plan"]
    return plan


@pytest.mark.parametrize(
    ("bought", "reached"),
    [
        ("2026-03-02T10:00:00", 0),  # not after the match
        ("2026-03-02T10:00:01", 1),
        ("2026-03-03T10:00:00", 1),
        ("2026-03-03T10:00:01", 0),
    ],
)
def test_a_goal_counts_from_after_the_match_to_the_end_of_its_time(
    tmp_path: Path, bought: str, reached: int
) -> None:
    plan = plan_of(tmp_path, [click("2026-03-02T10:00:00"), click(bought, "buy")])
    assert (plan["ended"], plan["reached"]) == (1, reached)


def test_the_event_that_fired_the_rule_is_no_goal(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [click("2026-03-02T10:00:00")], "goal: {on: view, within: 1d}")
    assert (plan["ended"], plan["reached"]) == (1, 0)


def test_a_customer_counts_once_from_the_first_match_on(tmp_path: Path) -> None:
    events = [click("2026-03-02T10:00:00"), click("2026-03-04T10:00:00"), click("2026-03-04T11:00:00", "buy")]
    plan = plan_of(tmp_path, events)
    assert (plan["customers"], plan["ended"], plan["reached"]) == (1, 1, 0)


def test_who_entered_too_late_for_the_time_to_be_over_does_not_count(tmp_path: Path) -> None:
    events = [
        click("2026-03-02T10:00:00"),
        click("2026-03-31T10:00:00", customer="c2"),
        click("2026-03-31T11:00:00", "buy", "c2"),
    ]
    plan = plan_of(tmp_path, events)
    assert (plan["customers"], plan["ended"], plan["reached"]) == (2, 1, 0)


def test_those_whom_the_rule_holds_out_count_and_those_of_the_policy_do_not(tmp_path: Path) -> None:
    events = [click("2026-03-02T10:00:00", customer=f"c{number}") for number in range(200)]
    of_rule = plan_of(tmp_path, events, f"{GOAL}, holdout: 50%")
    assert (of_rule["customers"], of_rule["held_out"], of_rule["held_out_by_rule"]) == (200, 0.5, True)
    of_policy = plan_of(tmp_path, events, GOAL, "policy: {holdout: 50%}")
    assert 70 < of_policy["customers"] < 130
    assert (of_policy["held_out"], of_policy["held_out_by_rule"]) == (0.1, False)


def test_windows_that_are_over_are_counted_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [
        event
        for day in range(1, 21)
        for event in (
            click(f"2026-03-{day:02}T10:00:00", customer=f"c{day}"),
            click(f"2026-03-{day:02}T12:00:00", "buy", f"c{day}", id=str(day)),
        )
    ]
    whole = plan_of(tmp_path, events)
    monkeypatch.setattr(base_rates, "SWEEP", 2)
    monkeypatch.setattr("stream.history.formats.BLOCK", 300)
    assert plan_of(tmp_path, events) == whole
    assert (whole["ended"], whole["reached"]) == (20, 20)


def test_enough_customers_make_a_plan(tmp_path: Path) -> None:
    events = [
        click(f"2026-03-02T10:{number // 60:02}:{number % 60:02}", customer=f"c{number}")
        for number in range(300)
    ]
    events += [click(f"2026-03-02T11:{number:02}:00", "buy", f"c{number}") for number in range(30)]
    plan = plan_of(tmp_path, events)
    assert (plan["too_few"], plan["base"]) == (None, 0.1)
    assert plan["customers_per_day"] == pytest.approx(300 / 29.58, rel=0.01)
    at = {(each["lift"], each["held_out"]): each for each in plan["known_after"]}
    assert at[0.3, 0.1]["customers"] == 8_721
    assert at[0.3, 0.1]["days"] == pytest.approx(8_721 / plan["customers_per_day"] + 1, abs=0.1)


def test_watching_goals_leaves_no_trace_but_the_customers_who_reached_one(tmp_path: Path) -> None:
    """No event, decision or error counts twice; who did nothing but reach a goal is a customer, too."""
    events = [click("2026-03-02T10:00:00"), click("2026-03-02T11:00:00", "buy", "stranger"), END]
    with_goal, without = (
        found_of(tmp_path, f"rules:\n  seen: {rule('web', more)}", events) for more in (GOAL, "priority: 1")
    )
    for found in (with_goal, without):
        found["rules"]["seen"]["plan"] = found["revision"] = None
    assert (with_goal.pop("customers"), without.pop("customers")) == (2, 1)
    assert with_goal == without
