"""The command `stream`. Exit codes: 0 fine, 1 problems found, 2 wrong usage, 70 a worker that failed.

A command's module is imported when the command is run, since most take a second: `stream --version` answers
at once. Tested by tests/cli/test_commands.py and tests/cli/test_imports.py.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stream import __version__
from stream.cli.errors import show
from stream.errors import StreamError

MODULES = {
    "worker": "worker",
    "new": "starting",
    "doctor": "operations",
    "topics": "operations",
    "disable": "switching",
    "enable": "switching",
    "switches": "switching",
    "check": "authoring",
    "test": "authoring",
    "lsp": "editing",
    "backtest": "backtesting",
    "explain": "explaining",
    "events": "events",
    "send": "sending",
    "tail": "tailing",
    "broker": "trial",
    "demo": "trial",
}


class Commands(TyperGroup):
    """The commands by name, each from the Typer `commands` of its module."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in MODULES:
            return None
        module = import_module(f"stream.cli.{MODULES[cmd_name]}")
        return typer.main.get_group(module.commands).commands[cmd_name]


cli = typer.Typer(
    cls=Commands,
    name="stream",
    help="Real-time triggers from customer events on Apache Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
INIT = 1  # the number of a container's first process, for which the kernel has no usual way to end


def main() -> None:
    """Run a command; an error of ours is shown as a message, not as a traceback."""
    if os.getpid() == INIT:
        signal.signal(signal.SIGTERM, _end)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal may lack an arrow
    try:
        cli()
    except StreamError as error:
        show(error)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # or it would be tried again at the end
        hint = "is the disk full to which standard output goes?"
        show(StreamError(f"it cannot be shown: {error.strerror}", hint=hint))
        sys.exit(1)


def _end(number: int, _: object) -> None:
    """End at once, as any other process does that has not begun yet: until a command takes over."""
    os._exit(128 + number)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stream {__version__}")
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    # Whatever a command writes may be about customers: it is for the eyes of whoever ran it.
    os.umask(0o077)
