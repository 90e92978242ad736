"""`stream disable`, `stream enable` and `stream switches`: rules off and on in running workers."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer
import uvloop

from stream.cli.flags import with_settings
from stream.clock import wall_ms
from stream.diagnostics import one_line
from stream.rules.durations import parse_duration
from stream.settings import load
from stream.telemetry import logs

MAX_TEXT = 500  # characters of why and who

commands = typer.Typer(rich_markup_mode=None)

Rule = Annotated[str, typer.Argument(help="The rule's name.")]
By = Annotated[
    str | None,
    typer.Option(help="Who, for the record: a team or a role will do. The account, if it is left out."),
]


def _account() -> str:
    """Under which this runs, without asking a directory that may not be there."""
    named = (os.environ.get(name) for name in ("LOGNAME", "USER", "USERNAME"))
    return next(filter(None, named), f"uid {os.getuid()}")


def _text(given: str, flag: str) -> str:
    if not given.strip() or len(given) > MAX_TEXT:
        raise typer.BadParameter(f"must be a text of 1 to {MAX_TEXT} characters", param_hint=flag)
    return _readable(given.strip())


def _readable(given: str) -> str:
    """As far as it can be read: a letter in another encoding must not hold up a switch."""
    return given.encode(errors="surrogateescape").decode(errors="replace")


def _until(lasting: str | None) -> int | None:
    """When a time from now on is over, in ms."""
    if lasting is None:
        return None
    try:
        ms = parse_duration(lasting)
    except ValueError as error:
        raise typer.BadParameter(f"{error}: write e.g. 30m, 2h or 7d", param_hint="--for") from None
    if ms <= 0:
        raise typer.BadParameter("must be longer than nothing", param_hint="--for")
    return wall_ms() + ms


@commands.command()
@with_settings
def disable(
    rule: Rule,
    *,
    because: Annotated[str, typer.Option(help="Why, for the record.")],
    lasting: Annotated[
        str | None,
        typer.Option(
            "--for", help="How long, as 2h; until `stream enable`, if it is left out.", metavar="TIME"
        ),
    ] = None,
    by: By = None,
    **flags: Any,
) -> None:
    """Switch a rule off in all running workers, within seconds, without a deploy."""
    from stream.topics import switches

    logs.configure("CRITICAL")
    until, why, who = _until(lasting), _text(because, "--because"), _text(by or _account(), "--by")
    done = uvloop.run(switches.disable(load(os.environ, flags), rule, until, why, who))
    end = "until `stream enable`" if until is None else f"until {done['until']}"
    typer.echo(f"{rule} is off {end}; workers take it within seconds")


@commands.command()
@with_settings
def enable(
    rule: Rule,
    *,
    because: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    by: By = None,
    **flags: Any,
) -> None:
    """Switch a rule on again that `stream disable` has switched off."""
    from stream.topics import switches

    logs.configure("CRITICAL")
    why, who = _readable(because.strip()[:MAX_TEXT]), _text(by or _account(), "--by")
    was_off = uvloop.run(switches.enable(load(os.environ, flags), rule, why, who))
    typer.echo(f"{rule} is on; workers take it within seconds" if was_off else f"{rule} was on already")


@commands.command("switches")
@with_settings
def show_switches(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
    **flags: Any,
) -> None:
    """Show which rules are off: since when, until when, by whom and why."""
    from stream.topics import switches

    logs.configure("CRITICAL")
    off = uvloop.run(switches.off_now(load(os.environ, flags)))
    if as_json:
        typer.echo(json.dumps({"off": off}, indent=2))
        return
    if not off:
        typer.echo("all rules are on")
        return
    for each in off:  # a line for each, as long as it is: a table of a terminal's width would cut off names
        gone = "" if each["running"] else " (not in the running rules)"
        until = each["until"] or "it is enabled"
        said = (
            f"{each['rule']}{gone}: since {each['since']}, until {until}, by {each['by']}: {each['because']}"
        )
        typer.echo(one_line(said))
