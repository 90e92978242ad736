"""A history asked of the model, and of the engine, which has to agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from stream.rules.model import RuleSet
from stream.structs import DeadLetter, Decision

from .examples import Happening, history, told
from .histories import History
from .player import Player, assert_same, expected_of

Run = Callable[[History], tuple[list[Decision], list[DeadLetter]]]
Judge = Callable[[RuleSet, Sequence[Happening]], list[tuple[int, str, str]]]


def by_model(world: History) -> tuple[list[Decision], list[DeadLetter]]:
    outcome = expected_of(world)
    return outcome.decisions, outcome.dead_letters


def by_engine(world: History) -> tuple[list[Decision], list[DeadLetter]]:
    player = Player(world)
    player.play()
    assert_same(expected_of(world), player)
    return player.decisions, player.dead_letters


@pytest.fixture(params=[by_model, by_engine], ids=["model", "engine"])
def run(request: pytest.FixtureRequest) -> Run:
    """A history to its decisions and dead letters."""
    run: Run = request.param
    return run


@pytest.fixture
def judge(run: Run) -> Judge:
    """Rules and happenings to the decisions: (milliseconds after the start, rule, reason or `sent`)."""

    def judged(rules: RuleSet, happenings: Sequence[Happening]) -> list[tuple[int, str, str]]:
        decisions, _ = run(history(rules, happenings))
        return told(decisions)

    return judged


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Note which seed hypothesis took for a test, which it tells only of some failures."""
    taken = getattr(getattr(item, "obj", None), "_hypothesis_internal_use_generated_seed", None)
    if taken is not None:
        item.user_properties.append(("hypothesis-seed", taken))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [each for several in terminalreporter.stats.values() for each in several]
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == "hypothesis-seed" and report.when == "teardown":
                terminalreporter.write_line(f"{report.nodeid} --hypothesis-seed={value}")
