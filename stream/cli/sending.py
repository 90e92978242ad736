"""`stream send`: a file of events or profiles into the topic of its source."""

from __future__ import annotations

import os
import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from stream.cli import errors
from stream.cli.flags import with_settings
from stream.cli.stopping import tidy
from stream.diagnostics import one_line
from stream.errors import EventFileError
from stream.settings import Settings, load
from stream.telemetry import logs

if TYPE_CHECKING:
    from stream.history.feeds.feed import Feed
    from stream.history.feeds.sender import Delivery

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
@with_settings
def send(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="JSON lines, a JSON list, CSV or Parquet, also packed; - is standard input."
        ),
    ],
    *,
    source: Annotated[
        str | None, typer.Option(help="The source that it is for; unset: the mapping's, or the only one.")
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="MAPPING",
            help="Which column fills which field: a YAML file, or '{columns: {Id: customer_id}}'.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Send nothing; show the first records and what would be left out."),
    ] = False,
    first: Annotated[
        int, typer.Option("--show", min=0, help="With --dry-run: how many records to show.")
    ] = 3,
    from_line: Annotated[
        int,
        typer.Option(
            "--from-line", min=1, help="Begin with this line (row, item), such as after an interruption."
        ),
    ] = 1,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Records a second, at most.")] = None,
    stop_on_error: Annotated[
        bool, typer.Option("--stop-on-error", help="End at the first row that cannot be sent.")
    ] = False,
    **flags: Any,
) -> None:
    """Send a file to the topic of a source, keyed by customer; end with 1 if rows had to be left out.

    Each row is judged first as a worker judges it. What cannot be sent is left out, and told by its
    reason and first place. Topics are never made: `stream topics --create` does. More: docs/sending.md.
    """
    settings = load(os.environ, flags)
    logs.configure("CRITICAL")
    with tidy(), ExitStack() as stack:
        feed = _feed(file, source, mapping, settings.rules, from_line, stack)
        for line in feed.notes():
            _say(line)
        if dry_run:
            from stream.history.feeds import report

            for line in report.dry_run(feed, first):
                typer.echo(line)
            _end(feed, None)
        again = _again(file, source, mapping, {"rate": rate, **flags}, stop_on_error=stop_on_error)
        _send(feed, settings, rate, stop_on_error, again)


def _feed(
    file: str, source: str | None, mapping: str | None, rules: Path, first: int, stack: ExitStack
) -> Feed:
    from stream.history.feeds.feed import Feed, source_of, sources_alone
    from stream.history.feeds.mapping import read_mapping
    from stream.history.inputs import inputs_of

    alone = sources_alone(rules)
    read = None if mapping is None else read_mapping(mapping)
    (origin,) = inputs_of([file], [each.name for each in alone.rules.sources], stack)
    names = [each for each in (source, read and read.source, origin.source) if each]
    if len(set(names)) > 1:
        raise EventFileError(f"{' and '.join(names)} are two sources", hint="name one")
    return Feed(origin, source_of(alone.rules, next(iter(names), None)), alone, read, first)


def _send(feed: Feed, settings: Settings, rate: float | None, stop_on_error: bool, again: str) -> None:
    import uvloop

    from stream.history.feeds import report
    from stream.history.feeds.sender import deliver
    from stream.history.progress import showing

    with showing() as progress:
        sending = deliver(
            settings, feed, rate=rate, stop_on_error=stop_on_error, progress=progress, note=_say
        )
        found = uvloop.run(sending)
    for line in report.of_delivery(feed, found, again):
        _say(line)
    if found.error is not None:
        errors.show(found.error)
    _end(feed, found)


def _end(feed: Feed, found: Delivery | None) -> NoReturn:
    from stream.history.feeds import report

    for line in report.of_feed(feed):
        _say(line)
    if found is None or found.next is None:
        report.refuse_nothing(feed)
    raise typer.Exit(report.exit_code(feed, found))


def _again(
    file: str, source: str | None, mapping: str | None, flags: dict[str, Any], *, stop_on_error: bool
) -> str:
    options = {"source": source, "map": mapping, **flags}
    given = [
        part
        for name, value in options.items()
        if value is not None
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    return shlex.join(["stream", "send", file, *given, *(["--stop-on-error"] if stop_on_error else [])])


def _say(line: str) -> None:
    typer.echo(one_line(line), err=True)
