"""How the suite is run: short by default, long with STREAM_FAULTS=long; STREAM_SEED for other worlds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.faults.oracle import Verdict

LINES: list[str] = []


@dataclass(frozen=True)
class Form:
    """How much of it: `long` as by `make faults`."""

    long: bool
    seed: int

    def pick(self, short: int, long: int) -> int:
        return long if self.long else short


@pytest.fixture
def form() -> Form:
    return Form(os.environ.get("STREAM_FAULTS") == "long", int(os.environ.get("STREAM_SEED", "1")))


@pytest.fixture
def report(request: pytest.FixtureRequest, form: Form) -> Callable[[Verdict], None]:
    """Notes the verdict's line for the end of the run, and fails if it is not good."""

    def note(verdict: Verdict) -> None:
        name = request.node.name.removeprefix("test_")
        LINES.append(f"seed {form.seed}  {name:55} {verdict}")
        assert verdict.is_good, LINES[-1]

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if LINES:
        terminalreporter.section("verdicts")
        for line in LINES:
            terminalreporter.write_line(line)
