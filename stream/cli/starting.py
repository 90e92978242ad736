"""`stream new`: a first folder of rules."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.stopping import tidy
from stream.errors import StreamError
from stream.hints import did_you_mean

if TYPE_CHECKING:
    from stream.authoring.first_rules import Answers

commands = typer.Typer(rich_markup_mode=None)

EXAMPLES = ("shop",)
_QUESTIONS = {
    "source": "A name for where your events come from",
    "topic": "Kafka's topic of them",
    "event": "An event to begin with",
    "event_field": "Their field with the event's name",
    "customer": "Their field with the customer's id",
    "time": "Their field with the time (`none`: there is none)",
    "id": "Their field with the event's id (`none`: there is none)",
    "goal": "The event that the rule should lead to (`none`: you do not know yet)",
    "channel": "A name for where messages go",
    "consent": "The consent that they need (`none`: they need none)",
    "timezone": "The time zone that you are in",
}


@commands.command()
def new(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: take what is not said from --from, or as usual.")
    ] = False,
    past: Annotated[
        list[str] | None,
        typer.Option(
            "--from", metavar="FILE", help="Past events: their fields and names are taken from there."
        ),
    ] = None,
    example: Annotated[
        str | None, typer.Option(help=f"Copy an example brand: {', '.join(EXAMPLES)}.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Name of the source; unset: clickstream.")] = None,
    topic: Annotated[str | None, typer.Option(help="Its topic; unset: as the source is called.")] = None,
    event: Annotated[
        str | None, typer.Option(help="An event, for the first rule; unset: product_view.")
    ] = None,
    event_field: Annotated[
        str | None, typer.Option(help="Field with the event's name; none: each record is an --event.")
    ] = None,
    customer_field: Annotated[
        str | None, typer.Option(help="Field with the customer's id; unset: customer_id.")
    ] = None,
    time_field: Annotated[str | None, typer.Option(help="Field with the time, or none; unset: ts.")] = None,
    id_field: Annotated[
        str | None, typer.Option(help="Field with the event's id, or none; unset: event_id.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Name of the channel; unset: web.")] = None,
    consent: Annotated[
        str | None, typer.Option(help="The purpose whose consent it needs; unset: none.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Of the shop, such as Europe/Berlin; unset: UTC.")
    ] = None,
    goal: Annotated[
        str | None, typer.Option(help="The event that the rule should lead to, or none; unset: purchase.")
    ] = None,
) -> None:
    """Make a first folder of rules: one source, channel, policy and rule, its test, and what runs them in CI.

    Asks a few questions on a terminal. Nothing is written over. More: docs/first-rule.md.
    """
    given = {
        "source": source,
        "topic": topic,
        "event": event,
        "event_field": event_field,
        "customer": customer_field,
        "time": time_field,
        "id": id_field,
        "channel": channel,
        "consent": consent,
        "timezone": timezone,
        "goal": goal,
    }
    said = {name: value for name, value in given.items() if value is not None}
    with tidy():
        from stream.authoring import first_rules

        if example is not None:
            if said or past:
                raise typer.BadParameter("has its own sources, channels and rules", param_hint="--example")
            files = first_rules.example(_folder_of(example))
        else:
            files = first_rules.files_of(_answers(said, past or [], ask=not yes))
        made = first_rules.make(directory, files)
    for path in made:
        typer.echo(f"made {path}")
    typer.echo(f"\nNow: stream check {directory} && stream test {directory}")


def _answers(said: dict[str, str], past: list[str], *, ask: bool) -> Answers:
    from stream.authoring.first_rules import NONE, Answers, checked, seen_in

    if ask and not sys.stdin.isatty():
        raise typer.BadParameter("is needed where nobody can be asked", param_hint="--yes")
    may_lack = {"event_field", "time", "id", "goal"}

    def taken(answers: Answers, values: dict[str, str]) -> Answers:
        read: dict[str, Any] = {
            name: None if name in may_lack and each == NONE else each for name, each in values.items()
        }
        return replace(answers, **read)

    answers = taken(Answers(), said)
    if past:
        fixed = {
            "event_name" if name == "event" else "event" if name == "event_field" else name for name in said
        }
        answers = seen_in(past, answers, fixed)
    if ask:
        answers = replace(answers, topic=answers.topic or answers.source)
        asked = {
            name: typer.prompt(question, default=getattr(answers, name) or NONE)
            for name, question in _QUESTIONS.items()
            if name not in said
        }
        answers = taken(answers, asked)
    return checked(answers)


def _folder_of(name: str) -> Path:
    from stream.demo.run import PACKAGED_RULES

    if name not in EXAMPLES:
        hint = did_you_mean(name, EXAMPLES) or f"there are: {', '.join(EXAMPLES)}"
        raise StreamError(f"there is no example `{name}`", hint=hint)
    in_a_checkout = Path(__file__).parents[2] / "rules"
    return PACKAGED_RULES if PACKAGED_RULES.is_dir() else in_a_checkout
