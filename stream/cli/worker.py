"""`stream worker`. Tested by tests/integration/test_worker.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
import uvloop

from stream.cli.flags import with_settings
from stream.diagnostics import some
from stream.errors import StreamError
from stream.settings import load, shown
from stream.telemetry import logs

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
@with_settings
def worker(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Test settings, broker, topics and rules, then end.")
    ] = False,
    **flags: Any,
) -> None:
    """Run a worker. Every setting is also an environment variable STREAM_…, or a line of a file .env."""
    form = str(flags.get("log_format") or os.environ.get("STREAM_LOG_FORMAT") or "auto").lower()
    try:
        code = _worker(flags, check=check)
    except StreamError as error:
        if check or logs.is_text(form, sys.stderr):
            raise
        from stream.worker import app

        logs.configure("INFO", "json")
        app.log_refusal(error)
        code = error.exit_code
    raise typer.Exit(code)


def _worker(flags: Mapping[str, Any], *, check: bool) -> int:
    """Raises StreamError if the worker cannot start."""
    from stream.runtime.failures import run_to_end
    from stream.worker import app  # Faust takes a second to import: not for `stream --help`

    settings = load(os.environ, flags)
    logs.configure(settings.log_level, settings.log_format)
    if check:
        rules, topology = uvloop.run(app.check(settings))
        counted = some(len(rules.rules), "rule")
        topics = f"{some(len(rules.sources), 'source')} of {some(topology.partitions, 'partition')}"
        typer.echo(f"ok: {counted} (revision {rules.revision}), {topics} at {shown(settings.broker)}")
        return 0

    async def run() -> int:
        try:
            return int(await app.run(settings))
        except StreamError:
            raise
        except Exception as error:  # Python would print its message, which may be about a customer
            app.log_failure(error)
            return int(app.EXIT_FAILED)

    return run_to_end(run())
