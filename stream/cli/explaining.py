"""`stream explain`: why a rule fired for a customer, or did not."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stream.cli.options import Encoding
from stream.cli.outputs import refuse_to_overwrite, writing
from stream.cli.stopping import tidy
from stream.diagnostics import some
from stream.errors import StreamError
from stream.hints import did_you_mean
from stream.rules.compiler.rule_set import load_rules

commands = typer.Typer(rich_markup_mode=None)

MOST_MOMENTS = 50


@commands.command()
def explain(
    directory: Annotated[Path, typer.Argument(help="Directory of the rule files.")],
    events: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]FILE...",
            help="Past events as for `stream backtest`; - is standard input, kafka: the rules' topics.",
        ),
    ],
    customer: Annotated[str, typer.Option(help="The id of the customer.")],
    rule: Annotated[str | None, typer.Option(help="Only this rule.")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Tell from this time on (ISO 8601). What files have of before is played, untold."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="Play what was before this time (ISO 8601), and let the reminders fire that are due by then."
        ),
    ] = None,
    sort: Annotated[
        bool, typer.Option("--sort", help="Put the events of each source in the order of their time first.")
    ] = False,
    encoding: Encoding = None,
    from_changelog: Annotated[
        bool,
        typer.Option(
            "--from-changelog",
            help="With kafka:, begin with what a worker knew at the first checkpoint that Kafka still has.",
        ),
    ] = False,
    show_all: Annotated[
        bool, typer.Option("--all", help=f"Show every moment, not just the last {MOST_MOMENTS}.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write it to this file, as one page of HTML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every moment, as JSON.")] = False,
) -> None:
    """Tell what happened to one customer: events, traits, conditions, decisions, and why rules stayed silent.

    Each condition is a tree: ✔ true, ✘ false, ! an error, with the values that it saw. The last lines say of
    each rule why it sent something, or the nearest that it came to it. Nothing is sent and nothing changed.
    """
    from stream.authoring.explain.findings import as_object
    from stream.authoring.explain.summary import report
    from stream.authoring.explain.timeline import timeline
    from stream.authoring.page.explained import page
    from stream.cli.past import between, kafka_settings, past_events
    from stream.history.changelog import known_before
    from stream.history.decided import decided_live
    from stream.history.inputs import KAFKA
    from stream.history.progress import showing

    if from_changelog and events != [KAFKA]:
        raise typer.BadParameter("goes with kafka: alone", param_hint="--from-changelog")
    times = between(since, until)
    refuse_to_overwrite({"--html": html}, events, directory)
    rules = load_rules(directory)
    names = [each.name for each in rules.rules]
    if rule is not None and rule not in names:
        hint = did_you_mean(rule, names) or f"there are: {', '.join(names[:20])}"
        raise StreamError(f"there is no rule `{rule}`", hint=hint)
    with tidy(), ExitStack() as stack:
        progress = stack.enter_context(showing())
        known = (
            known_before(kafka_settings(), rules, customer, times.since, progress) if from_changelog else None
        )
        if known is not None and known.revision != rules.revision:
            typer.echo(
                f"the workers' rules are revision {known.revision}, those of {directory} {rules.revision}: "
                "these are played over what the workers know, and what differs begins empty",
                err=True,
            )
        beginning = None if known is None else known.beginning
        files = stack.enter_context(
            past_events(
                events,
                rules,
                times,
                sort=sort,
                encoding=encoding,
                progress=progress,
                beginning=beginning,
            )
        )
        found = timeline(rules, files, customer, known=known, progress=progress)
    if not found.moments and (known is None or known.state is None):
        looked = files.lines.total()
        if times.since is not None or times.until is not None:
            hint = "leave out --since and --until, or say other times"
            raise StreamError("no record of that customer is of the time asked for", hint=hint)
        hint = "ids are compared as they are, with capitals and blanks; is it the id that the source maps?"
        raise StreamError(f"none of {some(looked, 'record')} is of that customer", hint=hint)
    live = None
    if events == [KAFKA] and found.partition is not None:
        begin = found.moments[0].at if found.moments else times.since
        live = decided_live(kafka_settings(), customer, found.partition, begin)
    told = as_object(found, rule, live)
    with writing("--html", html) as file:
        if file is not None:
            file.write(page(told).encode())
    most = None if show_all or as_json else MOST_MOMENTS
    report(told, Console(), as_json=as_json, most=most)
