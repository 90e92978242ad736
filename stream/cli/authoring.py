"""`stream check` and `stream test`: for people who write rules. No Kafka is needed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stream.authoring import check as checks
from stream.authoring.check import Format
from stream.cli import errors
from stream.cli.outputs import refuse_to_overwrite
from stream.errors import StreamError
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
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Do not show this warning, e.g. W505; may be said several times."),
    ] = None,
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
    from stream.authoring.rule_tests.histories import with_histories

    checked, _ = with_histories(checks.check(directory, own_topics(os.environ), allow or ()), directory)
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
    as_json: Annotated[bool, typer.Option("--json", help="The outcomes and the coverage as JSON.")] = False,
    gaps: Annotated[
        bool, typer.Option("--coverage", help="Show what no test shows: rules, conditions, guards.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Run them again whenever a file changes, until Ctrl-C.")
    ] = False,
) -> None:
    """Run the tests in the rule files; end with 1 if one fails."""
    from stream.authoring import watch as watching
    from stream.rules.files import paths_in

    if watch and as_json:
        raise typer.BadParameter("is for people: leave --json out", param_hint="--watch")
    refuse_to_overwrite({"--junit": junit}, (), directory)
    options = _TestRun(directory, _pattern(run) if run is not None else None, junit, as_json, gaps)
    if not watch:
        raise typer.Exit(options.once())

    def again() -> int:
        console = Console()
        if console.is_terminal:
            console.clear()
        try:
            code = options.once()
        except StreamError as error:
            code = error.exit_code
            errors.show(error)
        console.print("waiting for a change; Ctrl-C ends", style="dim", markup=False, highlight=False)
        return code

    raise typer.Exit(
        watching.keep_running(again, lambda: watching.look([*paths_in(directory), *options.histories]))
    )


@dataclass(slots=True)
class _TestRun:
    """What is run, and how it is shown. `histories`: the files that its tests named when it last ran."""

    directory: Path
    wanted: re.Pattern[str] | None
    junit: Path | None
    as_json: bool
    gaps: bool
    histories: list[Path] = field(default_factory=list)

    def once(self) -> int:
        """Runs the tests, shows what came of it, and returns the exit code."""
        from stream.authoring.rule_tests import coverage as condition_coverage
        from stream.authoring.rule_tests import histories
        from stream.authoring.rule_tests import report as rule_report
        from stream.authoring.rule_tests import run as rule_tests

        checked = checks.check(self.directory)
        named = {each.history.path for each in checked.tests if each.history is not None}
        self.histories = [Path(each) for each in sorted(named)]
        checked, read = histories.with_histories(checked, self.directory)
        wanted = [each for each in checked.tests if self.wanted is None or self.wanted.search(each.name)]
        if checked.rules is None:
            form = Format.JSON if self.as_json else Format.TEXT
            checks.report(checked, form, Console(), Console(stderr=True))
            return 1
        if not wanted:
            what = "no test of that name" if checked.tests else "no tests"
            hint = "write some below `tests:`; see rules/README.md"
            raise StreamError(f"{what} in {self.directory}", hint=hint)
        coverage = condition_coverage.Coverage()
        outcomes = rule_tests.run_all(wanted, checked.rules, read, coverage)
        found = condition_coverage.report(coverage, checked.rules, checked.files)
        console = Console()
        if self.as_json:
            text = rule_report.as_json(outcomes, checked.files, coverage, found)
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            shown = found if self.gaps or self.wanted is None else None  # of a few tests it says little
            rule_report.show(outcomes, checked.files, console, shown, gaps=self.gaps)
        if self.junit is not None:
            rule_report.write_junit(outcomes, checked.files, self.junit)
        return 0 if all(each.passed for each in outcomes) else 1


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise typer.BadParameter(f"not a regular expression: {error}", param_hint="--run") from None
