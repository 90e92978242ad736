"""`stream tail`: what is happening, a line each."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from stream.cli.flags import with_settings
from stream.cli.stopping import SIGNALS, tidy
from stream.clock import wall_ms
from stream.diagnostics import one_line
from stream.errors import RuleFileError
from stream.events._times import parse_time
from stream.hints import did_you_mean
from stream.rules.compiler.rule_set import check_rules
from stream.rules.durations import parse_duration
from stream.settings import Settings, load
from stream.structs import Record
from stream.telemetry import logs

if TYPE_CHECKING:
    from stream.topics.tail.follow import Take
    from stream.topics.tail.topics import Followed

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
@with_settings
def tail(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOPIC]",
            help="A source, a channel, `decisions` or `dead-letters`; unset: the last two.",
        ),
    ] = None,
    *,
    rule: Annotated[str | None, typer.Option(help="Only what this rule decided and sent.")] = None,
    customer: Annotated[
        str | None, typer.Option(help="Only this customer; without TOPIC also from the sources.")
    ] = None,
    why_not: Annotated[
        bool,
        typer.Option(
            "--why-not", help="Only decisions by which nothing is sent; counts by reason at the end."
        ),
    ] = False,
    since: Annotated[
        str | None, typer.Option(help="Begin at this time (ISO 8601), or so long ago (10m); unset: now.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="End after so many lines.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End with what is there now; goes with --since.")
    ] = False,
    personal: Annotated[
        bool,
        typer.Option("--personal", help="Show ids of customers, and what records hold. Mind who looks on."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="An object a line.")] = False,
    **flags: Any,
) -> None:
    """Show what is decided, sent, put aside or comes in, as it happens. Ctrl-C ends it.

    Ids of customers are hidden: the same one looks the same within a run. Nothing is left on the broker, and
    no worker is disturbed. More: docs/looking-in.md.
    """
    settings = load(os.environ, flags)
    logs.configure("CRITICAL")
    begin = _since(since)
    if once and begin is None:
        raise typer.BadParameter("goes with --since", param_hint="--once")
    from stream.history.seen_names import asked_for
    from stream.topics.tail.entries import EntryMask, EntryReader, Wanted
    from stream.topics.tail.lines import TailSummary, as_line
    from stream.topics.tail.lines import as_json as object_of
    from stream.topics.tail.topics import chosen

    found = check_rules(settings.rules, settings.own_topics)
    if (rules := found.rules) is None:
        raise RuleFileError([each for each in found.diagnostics if each.severity == "error"])
    names = [each.name for each in rules.rules]
    if rule is not None and rule not in names:
        meant = did_you_mean(rule, names)
        _say(f"the rules have no `{rule}` now" + (f" ({meant})" if meant else ""))
    topics = chosen(rules, settings.own_topics, topic, customer=customer is not None)
    if topic is None and (why_not or rule is not None):
        topics = [each for each in topics if each.kind == "decision"]
    constants = (each.constant for each in rules.sources if each.constant is not None)
    reading, wanted, summary = (
        EntryReader({*asked_for(rules), *constants, *found.plan.events}),
        Wanted(rule, customer, why_not),
        TailSummary(),
    )
    shown, console = EntryMask(reading, personal), Console(soft_wrap=True, highlight=False)

    def take(followed: Followed, partition: int, record: Record) -> bool:
        one = reading.entry(followed, partition, record)
        if wanted.has(one):
            if as_json:
                typer.echo(object_of(one, shown))
            else:
                console.print(as_line(one, shown))
            summary.add(one)
        return limit is None or summary.shown < limit

    if begin is None and sys.stderr.isatty():
        _say(f"follows {', '.join(each.topic for each in topics)}; Ctrl-C ends")
    try:
        with tidy():
            _run(settings, topics, take, begin, once=once)
    except BrokenPipeError:
        # Who read it wants no more; at the end Python would try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for line in summary.lines(why_not=why_not):
        _say(line)


def _run(
    settings: Settings, topics: Sequence[Followed], take: Take, begin: int | None, *, once: bool
) -> None:
    import asyncio

    import uvloop

    from stream.topics.tail.follow import Follower

    async def run() -> None:
        follower = Follower(settings, take, _say)
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, follower.stop)
        await follower.run(topics, begin, once=once)

    uvloop.run(run())


def _since(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return wall_ms() - parse_duration(text)
    except ValueError:
        found = parse_time(text)
    if found is None:
        what = "neither a time, such as 2026-03-02T10:00:00Z, nor how long ago, such as 10m"
        raise typer.BadParameter(what, param_hint="--since")
    return found


def _say(line: str) -> None:
    typer.echo(one_line(line), err=True)
