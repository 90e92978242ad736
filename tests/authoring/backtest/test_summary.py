"""What a terminal shows of a backtest is a page, whatever the rules are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from stream.authoring.backtest.summary import MOST_RULES, known_when, percent, report
from tests.authoring.backtest.test_figures import click, found_of, rule
from tests.authoring.page.test_page import shop


def shown(found: dict[str, Any]) -> str:
    out = io.StringIO()
    report(found, Console(file=out, width=100))
    return out.getvalue()


def test_it_shows_what_matters(tmp_path: Path) -> None:
    text = shown(shop(tmp_path))
    for line in (
        "matched nothing: never",
        "most on one day: ",
        "also gave way to seen, of its group",
        "customers by segment: fans 0, lookers 0",
        "seen: with 10 % held out you will know after",
    ):
        assert line in text
    assert "messages for " in text
    assert "99 of 100 get" in text


def test_a_thousand_rules_were_a_thousand_lines(tmp_path: Path) -> None:
    found = found_of(tmp_path, f"rules:\n  seen: {rule('web')}", [click("2026-03-02T10:00:00")])
    nothing = {**found["rules"]["seen"], "matches": 0}
    found["rules"] |= {f"rule-{number}": nothing for number in range(1_000)}
    text = shown(found)
    assert len(text.splitlines()) < MOST_RULES + 20
    assert "and 961 rules with fewer matches: --json and --report have them" in text
    assert "and 990 more" in text
    assert "seen" in text


def test_what_was_odd_with_ten_thousand_rules_was_ten_thousand_lines(tmp_path: Path) -> None:
    found = found_of(tmp_path, f"rules:\n  seen: {rule('web')}", [click("2026-03-02T10:00:00")])
    text = shown(found | {"notes": [f"odd {number}" for number in range(10_000)]})
    assert "odd 39\nand 9,960 more: --json and --report have them" in text


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (
            {"too_few": "less than a day of matches"},
            "cannot be said how long an experiment takes: less than a day",
        ),
        (
            {"too_few": None, "known_after": [], "base": 0.9},
            "90 % reach the goal anyway: there is no room for 30 % more",
        ),
        (
            {
                "too_few": None,
                "base": 0.00573,
                "held_out": 0.1,
                "known_after": [{"lift": 0.3, "held_out": 0.1, "days": 46.6}],
            },
            "with 10 % held out you will know after 47 days if it brings 30 % or more: 0.745 % who reach the "
            "goal in place of 0.573 %",
        ),
    ],
)
def test_how_long_it_takes_in_a_sentence(plan: dict[str, Any], said: str) -> None:
    assert said in known_when({"shadow": False, **plan})


def test_the_goal_of_a_rule_in_shadow_mode_seemed_to_be_one_of_its_messages(tmp_path: Path) -> None:
    """A hundred days of shadow were said to tell what the message brings."""
    text = rule("web").replace("{on:", "{mode: shadow, goal: {on: buy, within: 1d}, on:", 1)
    said = shown(found_of(tmp_path, f"rules:\n  seen: {text}", [click("2026-03-02T10:00:00")]))
    assert "seen: in shadow mode nobody reaches the goal by its messages; taken live, cannot be said" in said


def test_shares_have_three_figures() -> None:
    assert [percent(share) for share in (0, 0.00573, 0.1, 1, 1.23)] == [
        "0 %",
        "0.573 %",
        "10 %",
        "100 %",
        "123 %",
    ]
