"""`stream check`, `stream test` and `stream backtest`: for people who write rules. No Kafka is needed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stream.authoring import check as checks
from stream.authoring.check import Format
from stream.errors import StreamError
from stream.rules.compiler.rule_set import load_rules
from stream.rules.schema import schema_text
from stream.settings import own_topics

commands = typer.Typer(rich_markup_mode=None)


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


@commands.command()
def backtest(
    directory: Annotated[Path, typer.Argument(help="Directory of the rule files.")],
    events: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]FILE...", help="Files of JSON lines, also gzipped; - is standard input."
        ),
    ],
    until: Annotated[
        str | None,
        typer.Option(help="Move the time on to this at the end (ISO 8601), so that reminders fire."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write every decision to this file, as JSON lines.")
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

    A line is a record as it is in its topic, a JSON object, with the name of its source, oldest first:

    \b
    {"source": "profiles", "customer_id": "c1", "consents": {"marketing_email": …}}
    {"source": "clickstream", "event": "home", "customer_id": "c1", "ts": "2026-03-02T10:00:00Z"}

    Without `source` a line is of the source of events that is written first in the rule files. NAME=FILE: all
    lines of the file are of the source NAME. A record that says no time counts from its place in the file.
    Ends with 1 if no line could be used. More: docs/backtest.md.
    """
    from stream.authoring import backtest as backtests
    from stream.authoring import summary
    from stream.authoring.event_files import event_files
    from stream.authoring.findings import as_object
    from stream.authoring.page import write_page
    from stream.events._times import parse_time

    end = None if until is None else parse_time(until)
    if until is not None and end is None:
        raise typer.BadParameter("not a time; write e.g. 2026-03-02T10:00:00Z", param_hint="--until")
    rules = load_rules(directory)
    with event_files(events, rules) as files, backtests.progress_of(files.total) as progress:
        done = backtests.run(rules, files, until=end, out=out, examples=examples, progress=progress)
    found = as_object(done)
    if report is not None:
        write_page(found, report)
    summary.report(found, Console(), as_json=as_json)
    backtests.require_events(done)
