"""`stream events infer`: a tracking plan from past events. No Kafka is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stream.cli.outputs import refuse_to_overwrite

commands = typer.Typer(rich_markup_mode=None)
events = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
commands.add_typer(events, name="events", help="Make a tracking plan: `stream events infer FILE…`.")


@events.callback()
def _events() -> None:
    """The tracking plan: which events there are, and what is in them."""


@events.command()
def infer(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]FILE...", help="Files of JSON, CSV or Parquet, also packed; - is standard input."
        ),
    ],
    rules: Annotated[Path, typer.Option(help="Directory of the rule files, for its sources.")] = Path(
        "rules"
    ),
    out: Annotated[Path | None, typer.Option(help="Write it to this file, and not to the screen.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Write the tracking plan that past events suggest: their names, fields and types.

    The files are those of `stream backtest`. Values are shown only where they are short, few, seen often and
    with many customers. Read what comes of it, and put it among the rule files. More: rules/docs/events.md.
    """
    from stream.authoring import tracking_plan
    from stream.history.event_files import event_files, none_usable

    refuse_to_overwrite({"--out": out}, files)
    sources = tracking_plan.sources_of(rules)
    with event_files(files, sources) as lines:
        if not lines.lines:
            raise none_usable(lines)
        found = tracking_plan.infer(sources, tracking_plan.records_of(lines))
        tracking_plan.report(found, lines, Console(stderr=True))
    written = tracking_plan.as_json(found, sources) if as_json else tracking_plan.as_yaml(found, sources)
    if out is None:
        typer.echo(written, nl=False)
    else:
        tracking_plan.write(written, out)
