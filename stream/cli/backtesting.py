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

from stream.cli.outputs import STANDARD_OUTPUT, refuse_to_overwrite, writing
from stream.cli.stopping import tidy
from stream.errors import StreamError
from stream.rules.compiler.rule_set import load_rules
from stream.settings import load

if typing.TYPE_CHECKING:
    from stream.authoring.replay import Paging
    from stream.runtime.rocksdb import DiskStore

commands = typer.Typer(rich_markup_mode=None)

STORE_MEMORY = 64 << 20  # a worker's quarter of the machine would fill with blocks of files that are gone


class BacktestStore(StrEnum):
    """Where a backtest keeps its customers."""

    MEMORY = "memory"
    ROCKSDB = "rocksdb"


@contextmanager
def _on_disk(directory: Path | None) -> Iterator[Paging]:
    """Customers in a folder that is ours alone, and goes at the end."""
    from stream.authoring.replay import Paging
    from stream.runtime.rocksdb import DiskStores

    with ExitStack() as stack:
        try:
            folder = stack.enter_context(TemporaryDirectory(prefix="stream-", dir=directory))
        except OSError as error:
            where = f"--data-dir {directory}" if directory else "the folder of TMPDIR, else /tmp"
            raise StreamError(f"{where}: {error.strerror}", hint="name a folder with room in it") from error
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
        typer.Option(
            help="Play what was before this time (ISO 8601), and let the reminders fire that are due by then."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write every decision to this file, as JSON lines; -: to standard output."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Count what is decided from this time on (ISO 8601). What files have of before only fills "
            "traits, limits and the like; with kafka: it is not read."
        ),
    ] = None,
    sort: Annotated[
        bool, typer.Option("--sort", help="Put the events of each source in the order of their time first.")
    ] = False,
    store: Annotated[
        BacktestStore, typer.Option(help="Where customers are kept: in memory, or on disk by RocksDB.")
    ] = BacktestStore.MEMORY,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Of --store rocksdb: in which folder. What is put there is removed at the end."),
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
    from stream.authoring.page.page import page
    from stream.cli.past import between, past_events
    from stream.history.progress import showing

    times = between(since, until)
    if data_dir is not None and store != BacktestStore.ROCKSDB:
        raise typer.BadParameter("goes with --store rocksdb alone", param_hint="--data-dir")
    refuse_to_overwrite({"--out": out, "--report": report}, events, directory, standard="--out")
    rules = load_rules(directory)
    gc.freeze()  # what is there now stays: the collector need not look at it again and again
    with tidy():
        with ExitStack() as stack:
            progress = stack.enter_context(showing())
            files = stack.enter_context(past_events(events, rules, times, sort=sort, progress=progress))
            paging = stack.enter_context(_on_disk(data_dir)) if store == BacktestStore.ROCKSDB else None
            file = stack.enter_context(writing("--out", out))
            done = backtests.run(rules, files, out=file, examples=examples, progress=progress, paging=paging)
        found = as_object(done)
        with writing("--report", report) as file:
            if file is not None:
                file.write(page(found).encode())
        summary.report(found, Console(stderr=out == STANDARD_OUTPUT), as_json=as_json)
    backtests.require_events(done)
