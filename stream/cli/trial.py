"""`stream broker` and `stream demo`: an Apache Kafka of one's own, for trying out."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

commands = typer.Typer(rich_markup_mode=None)


def program() -> str:
    """What a reader types to run this command again: its own path, where `stream` alone is not found."""
    if shutil.which("stream") is not None:
        return "stream"
    return sys.argv[0] if Path(sys.argv[0]).name == "stream" else "python -m stream"


@commands.command()
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


@commands.command()
def demo(
    rules: Annotated[
        Path | None, typer.Option(help="Directory of the rule files; unset: rules, or the packaged ones.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep running after the data has been played.")
    ] = False,
    partitions: Annotated[int, typer.Option(min=1, max=64, help="Partitions of the topics.")] = 4,
) -> None:
    """Start an embedded Apache Kafka, play public data through a worker and show triggers as they fire."""
    from stream.demo.run import PACKAGED_RULES, run

    here = Path("rules")
    directory = rules or (here if here.is_dir() else PACKAGED_RULES)
    raise typer.Exit(asyncio.run(run(rules=directory, keep=keep, partitions=partitions, program=program())))
