"""Changes of rules, worked out by hand: what is kept, and what starts anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from stream.content.template import Template
from stream.expression import parse
from stream.rules.model import Limit, RuleSet, Trait

from .changes import Change
from .conftest import Run
from .examples import HOUR, MINUTE, Happening, history, rule, rule_set, step, told, unless
from .player import Player, expected_of, restart

Told = list[tuple[int, str, str]]
Changed = Callable[[Sequence[Happening], RuleSet, Sequence[tuple[int, RuleSet]]], Told]
REMINDER: dict[str, Any] = {"unless": unless("buy", 10)}
OTHER = rule("z", step("other"))  # something that stays while all else goes


@pytest.fixture
def changed(run: Run) -> Changed:
    """Happenings, rules, and other rules after so many of the happenings, to the decisions."""

    def decided(
        happenings: Sequence[Happening], rules: RuleSet, changes: Sequence[tuple[int, RuleSet]]
    ) -> Told:
        decisions, _ = run(history(rules, happenings, [Change(*each) for each in changes]))
        return told(decisions)

    return decided


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        ({"limit": Limit(5, HOUR)}, True),
        ({"priority": 7}, True),
        ({"condition": parse("event.price > 1")}, True),
        ({"content": {"text": Template("new")}}, True),
        ({"group": "g", "stale_after": HOUR}, True),
        ({"unless": unless("buy", 11)}, False),
        ({"unless": unless("sell", 10)}, False),
        ({"wait": 1}, False),
        ({"again": "keep"}, False),
        ({"key": ("price",)}, False),
        ({"steps": (step("add", name="s"),)}, False),
        ({"name": "q"}, False),
    ],
    ids=str,
)
def test_an_open_instance_stays_if_what_it_waits_for_does(
    changed: Changed, parts: dict[str, Any], kept: bool
) -> None:
    before = rule("r", step("add"), **REMINDER, condition="event.price > 0")
    after = replace(before, **parts)
    happenings: list[Happening] = [(0, "add", {"price": 3}), (30, "other", {}), (50, "other", {})]
    decisions = changed(happenings, rule_set(before, OTHER), [(1, rule_set(after, OTHER))])
    assert [each for each in decisions if each[1] != "z"] == ([(10, after.name, "sent")] if kept else [])


def test_what_is_kept_is_judged_by_the_new_words(changed: Changed) -> None:
    before = rule("r", step("add"), **REMINDER, condition="event.price > 1")
    after = replace(before, condition=parse("event.price > 5"))
    happenings: list[Happening] = [(0, "add", {"price": 3}), (1, "add", {"price": 7, "customer_id": "c2"})]
    decisions = changed([*happenings, (30, "other", {})], rule_set(before), [(2, rule_set(after))])
    assert decisions == [(11, "r", "sent")]


def test_new_words_see_of_an_old_event_what_the_old_ones_could_read(changed: Changed) -> None:
    before = rule("r", step("add"), **REMINDER, condition="event.price > 1")
    after = replace(before, condition=parse("!has(event.sku) && event.price == 3"))
    happenings: list[Happening] = [(0, "add", {"price": 3, "sku": "s"}), (30, "other", {})]
    assert changed(happenings, rule_set(before), [(1, rule_set(after))]) == [(10, "r", "sent")]


@pytest.mark.parametrize(
    ("parts", "count"), [({"k": 1}, 2), ({"over": HOUR}, 1), ({"of": ("view", "add")}, 1), ({"where": 0}, 1)]
)
def test_a_trait_that_changed_starts_anew_and_another_does_not(
    changed: Changed, parts: dict[str, Any], count: int
) -> None:
    counting = Trait("t", "", "count", ("view",))
    rules = [rule(f"r{n}", step("view"), condition=f"traits.t == {n} && traits.u == 2") for n in (1, 2)]
    before, after = (
        rule_set(*rules, traits=[each, replace(counting, name="u")], where="event_name == 'view'")
        for each in (counting, replace(counting, **parts))
    )
    happenings: list[Happening] = [(0, "view", {}), (1, "view", {})]
    assert changed(happenings, before, [(1, after)]) == [(1, f"r{count}", "sent")]


def test_a_limit_stands_under_the_name_of_its_rule(changed: Changed) -> None:
    before = rule("r", step("view"), limit=Limit(1, HOUR))
    other_steps = replace(before, steps=(step("view", "add"),))
    happenings: list[Happening] = [(0, "view", {}), (1, "view", {}), (2, "view", {})]
    after = [(1, rule_set(other_steps)), (2, rule_set(replace(before, limit=Limit(1, 1))))]
    assert changed(happenings, rule_set(before), after) == [
        (0, "r", "sent"),
        (1, "r", "limit"),
        (2, "r", "sent"),
    ]
    without = [(1, rule_set(replace(before, limit=None))), (2, rule_set(before))]
    assert [reason for *_, reason in changed(happenings, rule_set(before), without)] == ["sent"] * 3


@pytest.mark.parametrize("between", [[], [(5, "other", {})]], ids=["unseen", "seen"])
def test_what_went_and_came_back_starts_anew(changed: Changed, between: list[Happening]) -> None:
    before = rule_set(rule("r", step("add"), **REMINDER), OTHER)
    happenings: list[Happening] = [(0, "add", {}), *between, (30, "none", {})]
    after = [(1, rule_set(OTHER)), (1 + len(between), replace(before))]
    assert (10, "r", "sent") in changed(happenings, before, [])
    assert (10, "r", "sent") not in changed(happenings, before, after)


def test_equal_deadlines_fire_by_the_new_priorities(changed: Changed) -> None:
    one, two = rule("one", step("add"), wait=10), rule("two", step("add"), wait=10)
    happenings: list[Happening] = [(0, "add", {}), (30, "other", {})]
    before = rule_set(one, replace(two, priority=1))
    assert [name for _, name, _ in changed(happenings, before, [])] == ["two", "one"]
    after = rule_set(replace(one, priority=2), two)
    assert [name for _, name, _ in changed(happenings, before, [(1, after)])] == ["one", "two"]


@pytest.mark.parametrize("by_restart", [True, False])
def test_a_restart_with_a_rule_missing_keeps_what_it_knew_until_the_rules_change(by_restart: bool) -> None:
    """A deployment that forgot a file, and the one that brings it back, cost nobody a reminder."""
    all_of_them = rule_set(rule("r", step("add"), wait=MINUTE), OTHER)
    changes = [Change(1, rule_set(OTHER), by_restart), Change(2, replace(all_of_them))]
    happenings: list[Happening] = [(0, "add", {}), (1, "other", {}), (2 * MINUTE, "other", {})]
    world = history(all_of_them, happenings, changes)
    player = Player(world)
    if by_restart:
        player.play_until_change(())
        snapshot = player.snapshot()
        snapshot = replace(snapshot, rules=changes[0].rules, changes=changes[1:])
        player = restart(world, snapshot, snapshot.positions)
    player.play()
    expected = [(1, "z", "sent"), *([(MINUTE, "r", "sent")] if by_restart else []), (2 * MINUTE, "z", "sent")]
    assert told(player.decisions) == told(expected_of(world).decisions) == expected
