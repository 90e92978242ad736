"""`stream events infer`: a tracking plan from past events. No Kafka is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stream.cli.options import Encoding
from stream.cli.outputs import refuse_to_overwrite, writing
from stream.cli.stopping import tidy

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
            metavar="[NAME=]FILE...",
            help="Files of JSON, CSV or Parquet, also packed; - is standard input, kafka: the rules' topics.",
        ),
    ],
    rules: Annotated[Path, typer.Option(help="Directory of the rule files, for its sources.")] = Path(
        "rules"
    ),
    since: Annotated[
        str | None, typer.Option(help="Take events from this time on (ISO 8601); with kafka: by its time.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Take events of before this time (ISO 8601).")] = None,
    encoding: Encoding = None,
    out: Annotated[Path | None, typer.Option(help="Write it to this file, and not to the screen.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Write the tracking plan that past events suggest: their names, fields and types.

    The input is that of `stream backtest`. Values are shown only where they are short, few, seen often and
    with many customers. Read what comes of it, and put it among the rule files. More: rules/docs/events.md.
    """
    from stream.authoring import tracking_plan
    from stream.cli.past import between, past_events
    from stream.history.event_files import none_usable
    from stream.history.progress import showing

    times = between(since, until)
    again = out is not None and tracking_plan.is_made(out)  # a plan that it wrote may be written anew
    refuse_to_overwrite({"--out": out}, files, None if again else rules)
    sources = tracking_plan.sources_of(rules)
    with tidy():
        with (
            showing() as progress,
            past_events(files, sources, times, encoding=encoding, progress=progress) as lines,
        ):
            if not lines.lines:
                raise none_usable(lines)
            found = tracking_plan.infer(sources, tracking_plan.records_of(lines))
        tracking_plan.report(found, lines, Console(stderr=True))
        plan = tracking_plan.as_json(found, sources) if as_json else tracking_plan.as_yaml(found, sources)
        with writing("--out", out) as file:
            if file is None:
                typer.echo(plan, nl=False)
            else:
                file.write(plan.encode())
