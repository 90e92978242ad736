"""`stream check`, `stream test` and `stream backtest`: for people who write rules. No Kafka is needed."""

from __future__ import annotations

import gc
import os
import re
import typing
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from stream.authoring import check as checks
from stream.authoring.check import Format
from stream.errors import StreamError
from stream.rules.compiler.rule_set import load_rules
from stream.rules.schema import schema_text
from stream.settings import load, own_topics
from stream.telemetry import logs

if typing.TYPE_CHECKING:
    from stream.authoring.replay import Paging
    from stream.runtime.rocksdb import DiskStore

commands = typer.Typer(rich_markup_mode=None)


class BacktestStore(StrEnum):
    """Where a backtest keeps its customers."""

    MEMORY = "memory"
    ROCKSDB = "rocksdb"


@commands.command()
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
    checked = checks.check(directory, own_topics(os.environ))
    if explain_index and checked.rules is not None:
        checks.report_index(checked.rules, form, Console())
    else:
        checks.report(checked, form, Console(), Console(stderr=True))
    raise typer.Exit(1 if checks.failed(checked, strict=strict) else 0)


@commands.command("test")
def run_tests(
    directory: Annotated[Path, typer.Argument(help="Directory of the rule files.")] = Path("rules"),
    run: Annotated[
        str | None, typer.Option(help="Only tests whose name this regular expression is found in.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the outcomes to this file as JUnit XML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The outcomes as JSON.")] = False,
) -> None:
    """Run the tests in the rule files; end with 1 if one fails."""
    from stream.authoring import rule_tests

    wanted = _pattern(run) if run is not None else None
    checked = checks.check(directory)
    if checked.rules is None:
        checks.report(checked, Format.TEXT, Console(), Console(stderr=True))
        raise typer.Exit(1)
    tests = [each for each in checked.tests if wanted is None or wanted.search(each.name)]
    if not tests:
        what = "no test of that name" if checked.tests else "no tests"
        raise StreamError(f"{what} in {directory}", hint="write some below `tests:`; see rules/README.md")
    outcomes = [rule_tests.run(each, checked.rules) for each in tests]
    rule_tests.report(outcomes, Console(), as_json=as_json)
    if junit is not None:
        rule_tests.write_junit(outcomes, junit)
    raise typer.Exit(0 if all(each.passed for each in outcomes) else 1)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise typer.BadParameter(f"not a regular expression: {error}", param_hint="--run") from None


def _time(option: str, text: str | None) -> int | None:
    from stream.events._times import parse_time

    time = None if text is None else parse_time(text)
    if text is not None and time is None:
        raise typer.BadParameter("not a time; write e.g. 2026-03-02T10:00:00Z", param_hint=option)
    return time


@contextmanager
def _on_disk(directory: Path | None) -> Iterator[Paging]:
    """Customers in a folder that is ours alone, and goes at the end."""
    from stream.authoring.replay import Paging
    from stream.runtime.rocksdb import DiskStores

    with TemporaryDirectory(prefix="stream-", dir=directory) as folder, ExitStack() as stack:
        settings = load(os.environ, {"store": "rocksdb", "data_dir": folder})
        stores = DiskStores(settings, "backtest")

        def open_store(partition: int) -> DiskStore:
            found = stores.open(partition, "")
            stack.callback(found.close)
            return found

        yield Paging(open_store, stores.keys_in_memory)


@commands.command()
def backtest(
    directory: Annotated[Path, typer.Argument(help="Directory of the rule files.")],
    events: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]FILE...",
            help="Files of JSON, CSV or Parquet, also packed; - is standard input, kafka: the rules' topics.",
        ),
    ],
    until: Annotated[
        str | None,
        typer.Option(help="Move the time on to this at the end (ISO 8601), so that reminders fire."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write every decision to this file, as JSON lines.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="With kafka: events that Kafka had from this time on (ISO 8601).")
    ] = None,
    sort: Annotated[
        bool, typer.Option("--sort", help="Put the events of each source in the order of their time first.")
    ] = False,
    store: Annotated[
        BacktestStore, typer.Option(help="Where customers are kept: in memory, or on disk by RocksDB.")
    ] = BacktestStore.MEMORY,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="With --store rocksdb: in which folder; it is emptied again."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Play past events through the rules, and show what would have been sent, and what not and why.

    A line is a record as it is in its topic, a JSON object, with the name of its source, oldest first; JSON
    lists, CSV and Parquet are read, too, and files packed with gzip, zstd, bzip2 or xz:

    \b
    {"source": "profiles", "customer_id": "c1", "consents": {"marketing_email": …}}
    {"source": "clickstream", "event": "home", "customer_id": "c1", "ts": "2026-03-02T10:00:00Z"}

    Without `source` a line is of the source of events that is written first in the rule files. NAME=FILE: all
    lines of the file are of the source NAME. A record that says no time counts from its place in the file.
    kafka: in place of files reads the topics of the rules' sources, of the Kafka that STREAM_BROKER names.
    Ends with 1 if no line could be used. More: docs/backtest.md.
    """
    from stream.authoring import backtest as backtests
    from stream.authoring.event_files import PastEvents, event_files
    from stream.authoring.progress import showing
    from stream.history.inputs import KAFKA

    end, begin = _time("--until", until), _time("--since", since)
    if begin is not None and events != [KAFKA]:
        raise typer.BadParameter("goes with kafka:, which stands alone", param_hint="--since")
    rules = load_rules(directory)
    gc.freeze()  # what is there now stays: the collector need not look at it again and again
    with ExitStack() as stack:
        progress = stack.enter_context(showing())
        if events == [KAFKA]:
            from stream.authoring.event_topics import event_topics
            from stream.history.topics import Between

            settings, between = load(os.environ), Between(begin, end)
            logs.configure("CRITICAL")
            topics = event_topics(settings, rules, between, sort=sort, progress=progress)
            files: PastEvents = stack.enter_context(topics)
        else:
            files = stack.enter_context(event_files(events, rules, sort=sort, progress=progress))
        paging = stack.enter_context(_on_disk(data_dir)) if store == BacktestStore.ROCKSDB else None
        done = backtests.run(rules, files, until=end, out=out, progress=progress, paging=paging)
    backtests.report(done, Console(), as_json=as_json)
    backtests.require_events(done)
