"""The command `stream`. Exit codes: 0 fine, 1 problems found, 2 wrong usage, 70 a worker that failed."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console

from stream import __version__
from stream.authoring import check as checks
from stream.authoring.check import Format
from stream.errors import StreamError
from stream.rules.schema import schema_text
from stream.settings import Settings, load
from stream.telemetry import logs
from stream.topics.format import TopicsFormat, written

cli = typer.Typer(
    name="stream",
    help="Real-time triggers from customer events on Apache Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run a command; an error of ours is shown as a message, not as a traceback."""
    try:
        cli()
    except StreamError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"error: {error}", markup=False)
        sys.exit(error.exit_code)


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
    pass


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one flag for each setting, `--http-port` for STREAM_HTTP_PORT, passed on as keywords."""
    own = [
        p
        for p in inspect.signature(command, eval_str=True).parameters.values()
        if p.kind is not p.VAR_KEYWORD
    ]
    flags = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    f"--{name.replace('_', '-')}",
                    help=f"{field.description} [STREAM_{name.upper()}]",
                    show_default=False,
                ),
            ],
        )
        for name, field in Settings.model_fields.items()
        if "password" not in name  # a secret on a command line is everybody's
    ]

    def run(**values: Any) -> None:
        command(**values)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *flags]}
    return run


@cli.command()
@_with_settings
def worker(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Test settings, broker, topics and rules, then end.")
    ] = False,
    **flags: Any,
) -> None:
    """Run a worker. Every setting is also an environment variable STREAM_…, or stands in a file .env."""
    from stream.runtime.failures import leave_threads
    from stream.worker import app  # Faust takes a second to import: not for `stream check`

    settings = load(os.environ, flags)
    logs.configure(settings.log_level, settings.log_format)
    if check:
        rules, topology = uvloop.run(app.check(settings))
        typer.echo(
            f"ok: {len(rules.rules)} rules (revision {rules.revision}), "
            f"{len(rules.sources)} sources of {topology.partitions} partitions at {settings.broker}"
        )
        return
    try:
        code = uvloop.run(app.run(settings))
    except StreamError:
        raise
    except Exception as error:  # Python would print its message, which may be about a customer
        app.log_failure(error)
        code = app.EXIT_FAILED
    leave_threads(code)
    raise typer.Exit(code)


@cli.command()
@_with_settings
def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
    **flags: Any,
) -> None:
    """Look at Kafka, topics, permissions, clock, disk, limits and rules; say what is amiss, and its fix."""
    from stream.doctor.findings import failed, report
    from stream.doctor.run import examine

    logs.configure("CRITICAL")  # what a client complains about is a finding, said once
    found = uvloop.run(examine(load(os.environ, flags)))
    report(found, Console(), as_json=as_json)
    raise typer.Exit(1 if failed(found) else 0)


@cli.command("topics")
@_with_settings
def show_topics(
    *,
    create: Annotated[bool, typer.Option("--create", help="Create those of ours that are missing.")] = False,
    sources: Annotated[
        bool, typer.Option("--sources", help="With --create: missing source topics, too, for development.")
    ] = False,
    partitions: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Partition count, where no source topic exists that has one."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no Kafka; needs --partitions, and takes 3 copies.")
    ] = False,
    form: Annotated[
        TopicsFormat,
        typer.Option("--format", help="A table, JSON, kafka-topics.sh commands, or Strimzi's resources."),
    ] = TopicsFormat.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    cluster: Annotated[str, typer.Option(help="With --format strimzi: the Kafka's name.")] = "kafka",
    **flags: Any,
) -> None:
    """Show the topics that the rules need and which are missing (it ends with 1 then), or create those."""
    from stream.topics import show as topics

    logs.configure("CRITICAL")
    if sources and not create:
        raise typer.BadParameter("goes with --create", param_hint="--sources")
    if offline and (create or partitions is None):
        raise typer.BadParameter("needs --partitions, and creates nothing", param_hint="--offline")
    settings = load(os.environ, flags)
    wanted, there = uvloop.run(
        topics.needs(settings, partitions, offline=offline, create=create, sources=sources)
    )
    typer.echo(written(wanted, there, TopicsFormat.JSON if as_json else form, settings.broker, cluster))
    raise typer.Exit(0 if there is None or all(need.name in there for need in wanted) else 1)


@cli.command()
def check(
    directory: Annotated[Path, typer.Argument(help="Directory of the rule files.")] = Path("rules"),
    form: Annotated[
        Format,
        typer.Option("--format", help="For people, for programs, or for GitHub's annotations."),
    ] = Format.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 at warnings, too.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of rule files, for editors, and end.")
    ] = False,
    explain_index: Annotated[
        bool,
        typer.Option("--explain-index", help="Show by which field each rule is found, and which have none."),
    ] = False,
) -> None:
    """Show every error and warning in the rule files, as file:line:col: error: … [CODE]."""
    if schema:
        typer.echo(schema_text(), nl=False)
        return
    checked = checks.check(directory)
    if explain_index and checked.rules is not None:
        checks.report_index(checked.rules, form, Console())
    else:
        checks.report(checked, form, Console(), Console(stderr=True))
    raise typer.Exit(1 if checks.failed(checked, strict=strict) else 0)


@cli.command("test")
def run_tests(
    directory: Annotated[Path, typer.Argument(help="Directory of the rule files.")] = Path("rules"),
    run: Annotated[
        str | None, typer.Option(help="Only tests whose name this regular expression is found in.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the outcomes to this file as JUnit XML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The outcomes as JSON.")] = False,
) -> None:
    """Run the tests that stand in the rule files; ends with 1 if one fails."""
    from stream.authoring import rule_tests as ruletest

    wanted = _pattern(run) if run is not None else None
    checked = checks.check(directory)
    if checked.rules is None:
        checks.report(checked, Format.TEXT, Console(), Console(stderr=True))
        raise typer.Exit(1)
    tests = [each for each in checked.tests if wanted is None or wanted.search(each.name)]
    if not tests:
        what = "no test of that name" if checked.tests else "no tests"
        raise StreamError(f"{what} in {directory}", hint="write some below `tests:`; see rules/README.md")
    outcomes = [ruletest.run(each, checked.rules) for each in tests]
    ruletest.report(outcomes, Console(), as_json=as_json)
    if junit is not None:
        ruletest.write_junit(outcomes, junit)
    raise typer.Exit(0 if all(each.passed for each in outcomes) else 1)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise typer.BadParameter(f"not a regular expression: {error}", param_hint="--run") from None


@cli.command()
def backtest(
    directory: Annotated[Path, typer.Argument(help="Directory of the rule files.")],
    events: Annotated[list[str], typer.Argument(help="JSON lines, also gzipped; - is standard input.")],
    until: Annotated[
        str | None,
        typer.Option(help="Move the time on to this at the end (ISO 8601), so that reminders fire."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write every decision to this file, as JSON lines.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Play past events through the rules, and show what would have been sent, and what not and why."""
    from stream.authoring import backtest as backtests
    from stream.authoring.event_files import event_files
    from stream.events._times import parse_time
    from stream.rules.compiler.rule_set import load_rules

    end = None if until is None else parse_time(until)
    if until is not None and end is None:
        raise typer.BadParameter("not a time; write e.g. 2026-03-02T10:00:00Z", param_hint="--until")
    rules = load_rules(directory)
    with event_files(events, rules) as files, backtests.progress_of(files.total) as progress:
        done = backtests.run(rules, files, until=end, out=out, progress=progress)
    backtests.report(done, Console(), as_json=as_json)


@cli.command()
def broker(
    port: Annotated[int | None, typer.Option(help="Port of the first broker; unset: 9092.")] = 9092,
    brokers: Annotated[int, typer.Option(min=1, max=9, help="How many brokers.")] = 1,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder to keep the data in; unset: a temporary one, removed at the end."),
    ] = None,
) -> None:
    """Run the embedded Apache Kafka in the foreground; prints `ready HOST:PORT`. Ctrl-C ends it."""
    from stream.broker.cluster import serve

    raise typer.Exit(serve(port, brokers, data, Console(stderr=True)))


@cli.command()
def demo(
    rules: Annotated[
        Path | None, typer.Option(help="Directory of the rule files; unset: rules, or the packaged ones.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep running after the data has been played.")
    ] = False,
    partitions: Annotated[int, typer.Option(min=1, max=64, help="Partitions of the topics.")] = 4,
) -> None:
    """Start an embedded Apache Kafka, play real data through a worker and show triggers as they fire."""
    from stream.demo.run import PACKAGED_RULES, run

    here = Path("rules")
    directory = rules or (here if here.is_dir() else PACKAGED_RULES)
    raise typer.Exit(asyncio.run(run(rules=directory, keep=keep, partitions=partitions)))
