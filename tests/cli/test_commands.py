"""The command line: what it offers, and what it calls wrong usage."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from typer.main import get_group
from typer.testing import CliRunner

from stream.cli.main import MODULES, cli


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


def test_every_command_that_is_listed_is_there_and_no_other() -> None:
    """Commands are imported by name when they are run: a module that lacks one would show up only then."""
    modules = [import_module(f"stream.cli.{name}") for name in set(MODULES.values())]
    assert {name for module in modules for name in get_group(module.commands).commands} == set(MODULES)
    shown = CliRunner().invoke(cli, ["--help"])
    assert shown.exit_code == 0
    assert re.findall(r"^  (\w+)  +\w", shown.output.partition("Commands:")[2], re.MULTILINE) == list(MODULES)
    assert CliRunner().invoke(cli, ["nothing"]).exit_code == 2
