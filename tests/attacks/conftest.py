"""Counts the attacks that were tried, and those that the product held."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent.relative_to(Path(__file__).parents[2]).as_posix()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """`attacks: N tried, N held`, for this run."""
    counts = {
        outcome: sum(
            report.nodeid.startswith(f"{HERE}/") and report.when == "call"
            for report in terminalreporter.stats.get(outcome, ())
        )
        for outcome in ("passed", "failed")
    }
    if tried := sum(counts.values()):
        terminalreporter.write_line(f"attacks: {tried} tried, {counts['passed']} held")
