"""`stream backtest`: for people who write rules. Without `kafka:` no Kafka is needed."""

from __future__ import annotations

import gc
import os
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Annotated, Any

import typer
from rich.console import Console

from stream.authoring.check import Format
from stream.cli.options import Encoding
from stream.cli.outputs import STANDARD_OUTPUT, refuse_to_overwrite, writing
from stream.cli.stopping import tidy
from stream.errors import RuleFileError, StreamError
from stream.rules.compiler.rule_set import load_rules
from stream.settings import load

if typing.TYPE_CHECKING:
    from stream.authoring.replay import Paging
    from stream.history.event_files import Between, PastEvents
    from stream.history.progress import Progress
    from stream.rules.model import RuleSet
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
    encoding: Encoding = None,
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
    against: Annotated[
        Path | None,
        typer.Option(
            help="Directory of the rules that are live: show what DIRECTORY, the new ones, decides otherwise."
        ),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format", help="Of --against: for people, for programs, or Markdown for a pull request."
        ),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,…",
            help="Of --against: end with 1 if there is any of gained, lost, changed (messages), ended "
            "(instances), anew (traits).",
        ),
    ] = None,
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
    from stream.cli.past import between

    times = between(since, until)
    if data_dir is not None and store != BacktestStore.ROCKSDB:
        raise typer.BadParameter("goes with --store rocksdb alone", param_hint="--data-dir")
    if form is not None and as_json:
        raise typer.BadParameter("one or the other", param_hint="--format, --json")
    form = Format.JSON if as_json else form
    wanted = _Played(
        directory, tuple(events), times, sort, encoding, out, report, examples, form or Format.TEXT
    )
    on_disk = partial(_on_disk, data_dir) if store == BacktestStore.ROCKSDB else None
    if against is not None:
        _compare(wanted, against, on_disk, _kinds(fail_on))
        return
    for option, value in (("--format", form if form is Format.GITHUB else None), ("--fail-on", fail_on)):
        if value is not None:
            raise typer.BadParameter("goes with --against alone", param_hint=option)
    _play(wanted, on_disk)


@dataclass(frozen=True, slots=True)
class _Played:
    """What is played, and what is to be made of it."""

    directory: Path
    events: tuple[str, ...]
    times: Between
    sort: bool
    encoding: str | None
    out: Path | None
    report: Path | None
    examples: int
    form: Format

    @contextmanager
    def opened(self, rules: RuleSet) -> Iterator[tuple[PastEvents, Progress, IO[bytes] | None]]:
        """The events as these rules read them, and the file of decisions."""
        from stream.cli.past import past_events
        from stream.history.progress import showing

        gc.freeze()  # what is there now stays: the collector need not look at it again and again
        with (
            showing() as progress,
            past_events(
                self.events,
                rules,
                self.times,
                sort=self.sort,
                encoding=self.encoding,
                progress=progress,
            ) as files,
            writing("--out", self.out) as file,
        ):
            yield files, progress, file

    @property
    def told_aside(self) -> bool:
        """Whether standard output has the decisions, so that people are told beside it."""
        return self.out == STANDARD_OUTPUT

    def refuse_to_overwrite(self, directory: Path) -> None:
        outputs = {"--out": self.out, "--report": self.report}
        refuse_to_overwrite(outputs, self.events, directory, standard="--out")

    def write(self, page: Callable[[dict[str, Any]], str], found: dict[str, Any]) -> None:
        with writing("--report", self.report) as file:
            if file is not None:
                file.write(page(found).encode())


OnDisk = Callable[[], AbstractContextManager["Paging"]]


def _play(wanted: _Played, on_disk: OnDisk | None) -> None:
    """One rule set."""
    from stream.authoring.backtest import run as backtests
    from stream.authoring.backtest import summary
    from stream.authoring.backtest.findings import as_object
    from stream.authoring.page.page import page

    wanted.refuse_to_overwrite(wanted.directory)
    rules = load_rules(wanted.directory)
    with tidy():
        with ExitStack() as stack:
            files, progress, file = stack.enter_context(wanted.opened(rules))
            paging = stack.enter_context(on_disk()) if on_disk is not None else None
            done = backtests.run(
                rules, files, out=file, examples=wanted.examples, progress=progress, paging=paging
            )
        found = as_object(done)
        wanted.write(page, found)
        summary.report(found, Console(stderr=wanted.told_aside), as_json=wanted.form is Format.JSON)
    backtests.require_events(done)


def _compare(wanted: _Played, against: Path, on_disk: OnDisk | None, fail_on: Sequence[str]) -> None:
    """Two rule sets; those of `against` are live."""
    from stream.authoring.against import run as comparisons
    from stream.authoring.against import summary
    from stream.authoring.against.findings import as_object
    from stream.authoring.against.github import markdown
    from stream.authoring.against.unlike import SIDES
    from stream.authoring.page.against import page

    for directory in (wanted.directory, against):
        wanted.refuse_to_overwrite(directory)
    new = load_rules(wanted.directory)
    try:
        live = load_rules(against)
    except RuleFileError as error:
        hint = "these are the rules to compare with, not the new ones"
        raise StreamError(
            f"the rules of --against {against} have errors:\n{error.message}", hint=hint
        ) from error
    with tidy():
        with ExitStack() as stack:
            read_by = comparisons.reading(new, live, wanted.events)
            files, progress, file = stack.enter_context(wanted.opened(read_by))
            paging = {side: stack.enter_context(on_disk()) for side in SIDES if on_disk is not None}
            done = comparisons.compare(
                live, new, files, out=file, examples=wanted.examples, progress=progress, paging=paging
            )
        found = as_object(done, {"new": str(wanted.directory), "live": str(against)})
        wanted.write(page, found)
        if wanted.form is Format.GITHUB:
            typer.echo(markdown(found), nl=False, err=wanted.told_aside)
        else:
            summary.report(found, Console(stderr=wanted.told_aside), as_json=wanted.form is Format.JSON)
    comparisons.require_some(done)
    if held := summary.held_to(found, fail_on):
        raise StreamError(f"--fail-on: {', '.join(held)}")


def _kinds(fail_on: str | None) -> Sequence[str]:
    from stream.authoring.against.summary import FAIL_ON

    kinds = [each.strip() for each in fail_on.split(",")] if fail_on is not None else []
    for each in kinds:
        if each not in FAIL_ON:
            raise typer.BadParameter(f"`{each}` is none of {', '.join(FAIL_ON)}", param_hint="--fail-on")
    return kinds
