"""The figures of all runs as tables on the screen, as JSON, and as the tables of docs/peers.md."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from loadtest.peers.catching_up import Caught, Scenario
from loadtest.peers.contenders import Contender
from loadtest.peers.keeping_up import Kept
from loadtest.peers.triggers import Difference

MEASURED: Mapping[str, Callable[[Caught], float]] = {
    "CPU-s per 100k events": lambda run: run.cost.cpu_seconds_per_100k,
    "events/s": lambda run: run.cost.events_per_second,
    "whole run: CPU-s per 100k events": lambda run: run.whole.cpu_seconds_per_100k,
    "whole run: seconds": lambda run: run.whole.seconds,
    "peak memory, MiB": lambda run: run.peak_memory_bytes / 2**20,
}
KEPT: Mapping[str, Callable[[Kept], float]] = {
    "latency p50, ms": lambda run: run.p50_ms,
    "latency p99, ms": lambda run: run.p99_ms,
    "CPU-s per 100k events": lambda run: run.cost.cpu_seconds_per_100k,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that was measured. `differences`: of each run from the first contender's of its round."""

    contenders: Sequence[Contender]
    caught: Mapping[Scenario, list[Caught]] = field(default_factory=dict)
    differences: Mapping[Scenario, list[Difference]] = field(default_factory=dict)
    kept: Sequence[Kept] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A table: what it is of, its columns, its rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    below: str = ""


def sections(outcome: Outcome) -> list[Section]:
    found = []
    names = [each.title for each in outcome.contenders]
    for scenario, caught in outcome.caught.items():
        rows = _rows(MEASURED, caught, outcome.contenders)
        rows.append(["triggers", *_triggers(caught, outcome.contenders)])
        below = same_or_not(outcome.differences[scenario])
        found.append(Section(scenario.title, ["min / median / max", *names], rows, below))
    if outcome.kept:
        rates = {run.rate for run in outcome.kept}
        title = f"keeping up with {', '.join(f'{rate:,}' for rate in sorted(rates))} events/s"
        rows = _rows(KEPT, outcome.kept, outcome.contenders)
        late = max(run.late for run in outcome.kept)
        below = f"The sender was at most {late * 1000:.0f} ms behind its schedule."
        found.append(Section(title, ["min / median / max", *names], rows, below))
    return found


def same_or_not(differences: Sequence[Difference]) -> str:
    """In a sentence: whether all fired the same."""
    apart = [each for each in differences if each]
    if not apart:
        return "All fired the same set of triggers (rule, customer, event)."
    told = [
        f"missing {_counts(each.missing)}, more {_counts(each.more)}"
        f" ({', '.join(' '.join(trigger) for trigger in each.examples)})"
        for each in apart
    ]
    return f"{len(apart)} runs fired another set than the first contender in their round: {'; '.join(told)}."


def on_screen(section: Section) -> Table:
    shown = Table(title=section.title, title_justify="left", caption=section.below, caption_justify="left")
    for number, column in enumerate(section.columns):
        shown.add_column(column, justify="right" if number else "left")
    for row in section.rows:
        shown.add_row(*row)
    return shown


def as_markdown(section: Section) -> str:
    lines = [list(section.columns), ["---"] * len(section.columns), *map(list, section.rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"### {section.title[0].upper()}{section.title[1:]}\n\n{table}\n\n{section.below}\n"


def write(path: Path, asked: Mapping[str, Any], outcome: Outcome) -> None:
    """Every run and the machine as JSON; of triggers only how many."""
    document = dict(asked) | {
        "contenders": {each.name: [each.title, *each.command] for each in outcome.contenders},
        "catching_up": {
            scenario.title: [
                {
                    "contender": run.contender,
                    "cost": _cost(run.cost),
                    "whole": _cost(run.whole),
                    "peak_memory_bytes": run.peak_memory_bytes,
                    "triggers": run.fired.by_family(),
                    "repeated": run.fired.repeated,
                }
                for run in runs
            ]
            for scenario, runs in outcome.caught.items()
        },
        "differences": {
            scenario.title: [asdict(each) for each in found]
            for scenario, found in outcome.differences.items()
        },
        "keeping_up": [asdict(run) | {"cost": _cost(run.cost)} for run in outcome.kept],
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _cost(cost: Any) -> dict[str, float]:
    return asdict(cost) | {
        "events_per_second": cost.events_per_second,
        "cpu_seconds_per_100k": cost.cpu_seconds_per_100k,
    }


def _rows(
    measures: Mapping[str, Callable[[Any], float]],
    runs: Sequence[Caught] | Sequence[Kept],
    contenders: Sequence[Contender],
) -> list[list[str]]:
    rows = []
    for label, measure in measures.items():
        cells = [spread([measure(run) for run in runs if run.contender == each.name]) for each in contenders]
        rows.append([label, *cells])
    return rows


def _triggers(runs: Sequence[Caught], contenders: Sequence[Contender]) -> list[str]:
    counts = [{len(run.fired.triggers) for run in runs if run.contender == each.name} for each in contenders]
    return [" or ".join(f"{count:,}" for count in sorted(each)) for each in counts]


def spread(values: Sequence[float]) -> str:
    """Minimum, median and maximum; one alone where there is but one."""
    if len(values) == 1:
        return _figure(values[0])
    return " / ".join(map(_figure, (min(values), statistics.median(values), max(values))))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _counts(by_family: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {family}" for family, count in by_family.items()) or "none"
