"""The tests' own patience: a slow machine does not use it up, and a hang does."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from tests import conftest
from tests.kit import patience
from tests.kit.patience import Deadline, QuietClock, eventually, eventually_async, scaled


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> QuietClock:
    """A clock that only the test moves."""
    clock = QuietClock()
    monkeypatch.setattr(patience, "_running", lambda: clock)
    return clock


def test_on_a_machine_that_is_four_times_slower_a_second_takes_four(clock: QuietClock) -> None:
    deadline = Deadline(10)
    for _ in range(39):
        clock.look(1, 4)
    assert not deadline.passed
    clock.look(1, 4)
    assert deadline.passed


def test_a_machine_that_is_faster_than_the_quiet_one_changes_nothing(clock: QuietClock) -> None:
    clock.look(1, 0.5)
    assert (clock.seconds, clock.slowness) == (1, 1)


def test_a_process_that_was_stopped_for_an_hour_has_lost_a_second(clock: QuietClock) -> None:
    clock.look(3600, 1)
    assert clock.seconds == patience.LOOK_S


def test_a_setting_grows_with_what_the_machine_has_to_do(clock: QuietClock) -> None:
    clock.look(1, 50)
    assert scaled(6) >= 300


def test_what_never_comes_is_given_up_and_named(clock: QuietClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.look(seconds, 1))
    asked = []

    def never() -> bool:
        asked.append(clock.seconds)
        assert not asked, "not yet"
        return True

    with pytest.raises(AssertionError, match="not within 60 quiet seconds: it comes") as given_up:
        eventually(never, "it comes")
    assert "not yet" in str(given_up.value.__cause__)
    assert asked[-1] == pytest.approx(patience.HANG_S, abs=1)


async def test_an_error_that_passes_is_waited_out_and_one_that_stays_is_told() -> None:
    errors: list[Exception] = [AssertionError(), KafkaConnectionError()]

    async def in_the_end() -> str:
        if errors:
            raise errors.pop()
        return "there"

    async def refused() -> str:
        raise TopicAuthorizationFailedError

    assert await eventually_async(in_the_end) == "there"
    with pytest.raises(TopicAuthorizationFailedError):
        await eventually_async(refused)


def test_the_limit_of_a_test_is_counted_in_quiet_seconds(
    clock: QuietClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alarms come by the wall; only one that finds the quiet seconds gone ends the test."""
    ended: list[Any] = []
    timers: list[tuple[float, ...]] = []
    handlers: list[Any] = []
    monkeypatch.setattr(signal, "setitimer", lambda _, *seconds: timers.append(seconds))
    monkeypatch.setattr(signal, "signal", lambda _, handler: handlers.append(handler))
    monkeypatch.setattr(conftest.pytest_timeout, "timeout_sigalrm", lambda item, _: ended.append(item))
    item: Any = SimpleNamespace()
    settings: Any = SimpleNamespace(method="signal", timeout=180)
    assert conftest.pytest_timeout_set_timer(item, settings)
    (look,) = handlers
    for _ in range(359):
        clock.look(1, 2)
        look(signal.SIGALRM, None)
    assert ended == []
    clock.look(1, 2)
    look(signal.SIGALRM, None)
    assert ended == [item]
    assert timers == [(180, patience.LOOK_S), (0,)]
    settings.method = "thread"
    assert conftest.pytest_timeout_set_timer(item, settings) is None, "left to the plugin"


TESTS = Path(__file__).parents[1]
OURS = {TESTS / "kit" / "patience.py", Path(__file__)}
NO_TESTS = {TESTS / "deploy" / "preview.py"}  # plays a shop for people to look at
SLEEPS = re.compile(r"\bsleep\((?!0\))(?!.*# )")
LIMITS = re.compile(r"\b(timeout=[\d.]+[,)]|wait_for\(|asyncio\.timeout\(|(wait|join)\(\d)(?!.*# )")


@pytest.mark.parametrize("pattern", [SLEEPS, LIMITS], ids=["sleeps", "limits"])
def test_no_test_waits_for_time_or_has_a_limit_of_its_own(pattern: re.Pattern[str]) -> None:
    """A sleep that is meant says so beside it."""
    found = [
        f"{path.relative_to(TESTS)}:{number} {line.strip()}"
        for path in sorted({*TESTS.rglob("*.py")} - OURS - NO_TESTS)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
