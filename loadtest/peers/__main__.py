"""`python -m loadtest.peers`: a worker and its peers in turns on the same topics; see docs/peers.md."""

from __future__ import annotations

import asyncio
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from loadtest.peers.catching_up import Caught, Scenario, catch_up, fill
from loadtest.peers.contenders import Contender, Name, contenders
from loadtest.peers.keeping_up import Kept, keep_up
from loadtest.peers.report import Outcome, as_markdown, on_screen, sections, write
from loadtest.peers.triggers import Difference, compare
from loadtest.report import machine
from loadtest.workloads import WORKLOADS
from stream import settings as stream_settings
from stream.broker.cluster import EmbeddedKafka
from stream.broker.jars import KAFKA_VERSION
from stream.errors import StreamError
from stream.settings import Settings
from stream.topics.ensure import admin_client

REF, QUIET = "ref300", "ref300-quiet"


class Part(StrEnum):
    """Of the comparison, as the command line knows them."""

    WIDE = "wide"
    QUIET = "wide-quiet"
    DENSE = "dense"
    LIVE = "live"


CATCHING_UP = {Part.WIDE: ("wide", REF), Part.QUIET: ("wide", QUIET), Part.DENSE: ("dense", REF)}

out = Console(highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for."""

    parts: tuple[Part, ...]
    events: int
    rounds: int
    seed: int
    rate: int
    seconds: int
    patience: float

    def scenarios(self) -> list[Scenario]:
        return [
            Scenario(workload, rules, min(self.events, WORKLOADS[workload].events))
            for part, (workload, rules) in CATCHING_UP.items()
            if part in self.parts
        ]


@app.command()
def peers(
    events: Annotated[
        int, typer.Option(min=10_000, help="Of each workload at most; wide has 3,000,000, dense 400,000.")
    ] = 3_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, in each of which all run once.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 1,
    rate: Annotated[int, typer.Option(min=1, help="Events a second to keep up with.")] = 2_000,
    seconds: Annotated[int, typer.Option(min=3, help="How long to keep up, a third of it to warm up.")] = 60,
    part: Annotated[list[Part] | None, typer.Option(help="Leave out the other parts; repeat it.")] = None,
    only: Annotated[list[Name] | None, typer.Option(help="Leave out the others; repeat it.")] = None,
    parallelism: Annotated[int, typer.Option(min=1, help="Of the peers.")] = 1,
    patience: Annotated[float, typer.Option(help="Seconds without progress that end a run.")] = 180.0,
    json: Annotated[Path | None, typer.Option(help="Write every run and the machine to this file.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write the tables as Markdown to this file.")] = None,
) -> None:
    """A worker, Flink and Kafka Streams with the same rules in turns on the same topics.

    Starts an embedded Kafka of its own unless STREAM_BROKER is set.
    """
    plan = Plan(tuple(part or Part), events, rounds, seed, rate, seconds, patience)
    load_before = os.getloadavg()
    try:
        with ExitStack() as cleanup:
            who = contenders(only or list(Name), parallelism, out)
            directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="peers-")))
            broker = (
                os.environ.get("STREAM_BROKER") or cleanup.enter_context(EmbeddedKafka(console=out)).bootstrap
            )
            settings = stream_settings.load(os.environ, {"broker": broker}, env_file=None)
            outcome = asyncio.run(run(settings, plan, who, directory))
    except StreamError as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(error.exit_code) from None
    about = surroundings(load_before)
    tables = sections(outcome)
    for section in tables:
        out.print(on_screen(section))
    if json is not None:
        write(json, about, outcome)
        out.print(f"written: {json}", soft_wrap=True)
    if page is not None:
        facts = "\n".join(f"- {name}: {value}" for name, value in about.items())
        page.write_text("\n".join([facts, "", *map(as_markdown, tables)]), encoding="utf-8")
        out.print(f"written: {page}", soft_wrap=True)


async def run(settings: Settings, plan: Plan, who: list[Contender], directory: Path) -> Outcome:
    """All rounds of all scenarios, then of keeping up."""
    caught: dict[Scenario, list[Caught]] = {}
    differences: dict[Scenario, list[Difference]] = {}
    kept: list[Kept] = []
    async with admin_client(settings) as admin:
        for scenario in plan.scenarios():
            await fill(admin, settings, scenario, plan.seed)
            caught[scenario], differences[scenario] = [], []
            for number in range(1, plan.rounds + 1):
                first = len(caught[scenario])
                for each in who:
                    done = await catch_up(admin, settings, each, scenario, directory, plan.patience)
                    caught[scenario].append(done)
                    differences[scenario].append(compare(done.fired, caught[scenario][first].fired))
                    out.print(
                        f"{scenario.title}, round {number}/{plan.rounds}, {each.title}: "
                        f"{done.cost.cpu_seconds_per_100k:.3f} CPU-s per 100k, "
                        f"{done.cost.events_per_second:,.0f} events/s, "
                        f"{len(done.fired.triggers):,} triggers",
                        soft_wrap=True,
                    )
        for number in range(1, plan.rounds + 1 if Part.LIVE in plan.parts else 1):
            for each in who:
                run = await keep_up(admin, settings, each, REF, plan.rate, plan.seconds, directory)
                kept.append(run)
                out.print(
                    f"{plan.rate:,} events/s, round {number}/{plan.rounds}, {each.title}: "
                    f"p50 {run.p50_ms:.0f} ms, p99 {run.p99_ms:.0f} ms, "
                    f"{run.cost.cpu_seconds_per_100k:.1f} CPU-s per 100k",
                    soft_wrap=True,
                )
    return Outcome(who, caught, differences, kept)


def surroundings(load_before: tuple[float, float, float]) -> dict[str, Any]:
    """What the figures depend on."""
    here = Path(__file__).resolve().parent
    commit = subprocess.run(
        ["git", "-C", str(here), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = machine()
    return {
        "command": shlex.join(["python", "-m", "loadtest.peers", *sys.argv[1:]]),
        "commit": commit,
        "cores": found["cores"],
        "platform": platform.platform(terse=True),
        "python": found["python"],
        "java": java.partition("\n")[0],
        "kafka": KAFKA_VERSION,
        "load average before and after (the runs' own included)": (
            f"{load_before[0]:.1f}, {found['load_average'][0]:.1f}"
        ),
    }


if __name__ == "__main__":
    app()
