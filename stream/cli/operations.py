"""`stream doctor` and `stream topics`: what a worker needs around it."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console

from stream.cli.flags import with_settings
from stream.settings import load
from stream.telemetry import logs
from stream.topics.format import TopicsFormat, written
from stream.topics.plan import Need

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
@with_settings
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


def _say_made(need: Need) -> None:
    """On standard error: what is printed may be read by a program."""
    typer.echo(f"created {need.name}: {need.role}, partitions {need.partitions}", err=True)


@commands.command("topics")
@with_settings
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
    from stream.topics.show import needs

    logs.configure("CRITICAL")
    if sources and not create:
        raise typer.BadParameter("goes with --create", param_hint="--sources")
    if offline and (create or partitions is None):
        raise typer.BadParameter("needs --partitions, and creates nothing", param_hint="--offline")
    settings = load(os.environ, flags)
    wanted, there = uvloop.run(
        needs(settings, partitions, offline=offline, create=create, sources=sources, on_made=_say_made)
    )
    typer.echo(written(wanted, there, TopicsFormat.JSON if as_json else form, settings.broker, cluster))
    raise typer.Exit(0 if there is None or all(need.name in there for need in wanted) else 1)
