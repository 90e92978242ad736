"""`stream backtest`: for people who write rules. Without `kafka:` no Kafka is needed."""

from __future__ import annotations

import gc
import os
import typing
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from stream.cli.outputs import refuse_to_overwrite
from stream.rules.compiler.rule_set import load_rules
from stream.settings import load
from stream.telemetry import logs

if typing.TYPE_CHECKING:
    from stream.authoring.replay import Paging
    from stream.runtime.rocksdb import DiskStore

commands = typer.Typer(rich_markup_mode=None)

STORE_MEMORY = 64 << 20  # a worker's quarter of the machine would fill with blocks of files that are gone


class BacktestStore(StrEnum):
    """Where a backtest keeps its customers."""

    MEMORY = "memory"
    ROCKSDB = "rocksdb"


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
        environment = {"STREAM_STORE_MEMORY": str(STORE_MEMORY), **os.environ}
        settings = load(environment, {"store": "rocksdb", "data_dir": folder})
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
    report: Annotated[
        Path | None, typer.Option(help="Write what was found to this file, as one page of HTML.")
    ] = None,
    examples: Annotated[
        int,
        typer.Option(
            min=0,
            max=100,
            help="Messages of each rule that page and JSON show; 0: none, as they name customers.",
        ),
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Everything that was found, as JSON.")] = False,
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
    from stream.authoring.backtest import run as backtests
    from stream.authoring.backtest import summary
    from stream.authoring.backtest.findings import as_object
    from stream.authoring.page.page import write_page
    from stream.history.event_files import PastEvents, event_files
    from stream.history.inputs import KAFKA
    from stream.history.progress import showing

    end, begin = _time("--until", until), _time("--since", since)
    if begin is not None and events != [KAFKA]:
        raise typer.BadParameter("goes with kafka:, which stands alone", param_hint="--since")
    refuse_to_overwrite({"--out": out, "--report": report}, events, directory)
    rules = load_rules(directory)
    gc.freeze()  # what is there now stays: the collector need not look at it again and again
    with ExitStack() as stack:
        progress = stack.enter_context(showing())
        if events == [KAFKA]:
            from stream.history.event_topics import event_topics
            from stream.history.topics import Between

            settings, between = load(os.environ), Between(begin, end)
            logs.configure("CRITICAL")
            topics = event_topics(settings, rules, between, sort=sort, progress=progress)
            files: PastEvents = stack.enter_context(topics)
        else:
            files = stack.enter_context(event_files(events, rules, sort=sort, progress=progress))
        paging = stack.enter_context(_on_disk(data_dir)) if store == BacktestStore.ROCKSDB else None
        done = backtests.run(
            rules, files, until=end, out=out, examples=examples, progress=progress, paging=paging
        )
    found = as_object(done)
    if report is not None:
        write_page(found, report)
    summary.report(found, Console(), as_json=as_json)
    backtests.require_events(done)
