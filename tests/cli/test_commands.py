"""The command line: what it offers, and what it calls wrong usage."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from stream.cli import cli


@pytest.mark.parametrize(
    ("command", "flag"), [("worker", "--check"), ("doctor", "--json"), ("topics", "--format")]
)
def test_a_commands_own_flags_are_there_beside_those_of_the_settings(command: str, flag: str) -> None:
    """`stream worker --help` showed --no-check, and not what --check is for."""
    shown = CliRunner().invoke(cli, [command, "--help"], env={"COLUMNS": "200"}).output
    assert flag in shown
    assert "--http-port" in shown
    assert "--no-" not in shown


@pytest.mark.parametrize("arguments", [["--sources"], ["--offline"], ["--offline", "--create"]])
def test_topics_that_cannot_be_meant(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, ["topics", *arguments]).exit_code == 2
