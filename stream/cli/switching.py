"""`stream disable`, `stream enable` and `stream switches`: rules off and on in running workers."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from stream.cli.flags import with_settings
from stream.clock import wall_ms
from stream.decisions.wire import iso_time
from stream.diagnostics import one_line
from stream.rules.durations import parse_duration
from stream.settings import Settings, load
from stream.telemetry import logs
from stream.topics.switches import MAX_TEXT, Switch, ask_all, refuse_unknown, running_rules, set_switch

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
    return given.strip()


def _duration(given: str | None) -> int | None:
    if given is None:
        return None
    try:
        ms = parse_duration(given)
    except ValueError as error:
        raise typer.BadParameter(f"{error}: write e.g. 30m, 2h or 7d", param_hint="--for") from None
    if ms <= 0:
        raise typer.BadParameter("must be longer than nothing", param_hint="--for")
    return ms


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
    logs.configure("CRITICAL")
    ms, why, who = _duration(lasting), _text(because, "--because"), _text(by or _account(), "--by")
    now = wall_ms()
    switch = Switch(rule, True, now, None if ms is None else now + ms, why, who)
    uvloop.run(_disable(load(os.environ, flags), switch))
    end = "until `stream enable`" if switch.until is None else f"until {iso_time(switch.until)}"
    typer.echo(f"{rule} is off {end}; workers take it within seconds")


async def _disable(settings: Settings, switch: Switch) -> None:
    refuse_unknown(switch.rule, *await running_rules(settings))
    await set_switch(settings, switch)


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
    logs.configure("CRITICAL")
    why, who = because.strip()[:MAX_TEXT], _text(by or _account(), "--by")
    switch = Switch(rule, False, wall_ms(), None, why, who)
    was_off = uvloop.run(_enable(load(os.environ, flags), switch))
    typer.echo(f"{rule} is on; workers take it within seconds" if was_off else f"{rule} was on already")


async def _enable(settings: Settings, switch: Switch) -> bool:
    known = await ask_all(settings)
    if switch.rule not in known:  # one that is gone from the rules can still be off
        refuse_unknown(switch.rule, *await running_rules(settings))
        return False
    if not known[switch.rule].off:
        return False
    await set_switch(settings, switch)
    return True


@commands.command("switches")
@with_settings
def show_switches(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
    **flags: Any,
) -> None:
    """Show which rules are off: since when, until when, by whom and why."""
    logs.configure("CRITICAL")
    known, names, now = *uvloop.run(_ask(load(os.environ, flags))), wall_ms()
    off = [known[rule] for rule in sorted(known) if known[rule].is_off(now)]
    if as_json:
        found = [
            {
                "rule": each.rule,
                "since": iso_time(each.at),
                "until": None if each.until is None else iso_time(each.until),
                "because": each.because,
                "by": each.by,
                "running": each.rule in names,
            }
            for each in off
        ]
        typer.echo(json.dumps({"off": found}, indent=2))
        return
    if not off:
        typer.echo("all rules are on")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rule", "since", "until", "by", "because"):
        table.add_column(name)
    for each in off:
        until = "it is enabled" if each.until is None else iso_time(each.until)
        rule = each.rule if each.rule in names else f"{each.rule} (not in the running rules)"
        table.add_row(*map(one_line, (rule, iso_time(each.at), until, each.by, each.because)))
    Console(markup=False).print(table)


async def _ask(settings: Settings) -> tuple[dict[str, Switch], set[str]]:
    known = dict(await ask_all(settings))
    return known, set((await running_rules(settings))[1]) if known else set()
