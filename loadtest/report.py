"""What a run was, the minimum, median and maximum of several, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from stream import __version__


@dataclass(frozen=True, slots=True)
class Run:
    """One worker's way through the whole workload.

    `seconds` is from the first event applied to the last offset committed, `cpu_seconds` user + system of the
    worker process from its start to that moment, of which `startup_cpu_seconds` before it was ready.
    `triggers` are the records that the run added to each channel topic.
    """

    rules: str
    events: int
    seconds: float
    cpu_seconds: float
    startup_seconds: float
    startup_cpu_seconds: float
    peak_memory_bytes: int
    customers: int
    triggers: Mapping[str, int]

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_seconds_per_100k(self) -> float:
        return self.cpu_seconds / self.events * 100_000


@dataclass(frozen=True, slots=True)
class Measure:
    """How a figure is called in the table, taken from a run, and shown."""

    label: str
    of: Callable[[Run], float]
    style: str


MEASURES: Mapping[str, Measure] = {
    "events_per_second": Measure("events/s", lambda run: run.events_per_second, ",.0f"),
    "cpu_seconds_per_100k": Measure("CPU-s per 100k events", lambda run: run.cpu_seconds_per_100k, ".3f"),
    "seconds": Measure("seconds", lambda run: run.seconds, ".1f"),
    "startup_seconds": Measure("start-up: seconds", lambda run: run.startup_seconds, ".2f"),
    "startup_cpu_seconds": Measure("start-up: CPU-s", lambda run: run.startup_cpu_seconds, ".2f"),
    "peak_memory_bytes": Measure("peak memory, bytes", lambda run: run.peak_memory_bytes, ",.0f"),
    "triggers": Measure("triggers", lambda run: sum(run.triggers.values()), ",.0f"),
    "customers": Measure("customers with a state", lambda run: run.customers, ",.0f"),
}


@dataclass(frozen=True, slots=True)
class Spread:
    """Of several runs."""

    minimum: float
    median: float
    maximum: float


def spreads(runs: Sequence[Run]) -> dict[str, Spread]:
    """Each measure's spread over `runs`, of which there must be one at least."""
    found = {}
    for name, measure in MEASURES.items():
        values = [measure.of(run) for run in runs]
        found[name] = Spread(min(values), statistics.median(values), max(values))
    return found


def by_rules(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each rule set, in the order in which the rule sets first ran."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.rules, []).append(run)
    return grouped


def table(title: str, runs: Sequence[Run]) -> Table:
    """A table of minimum, median and maximum for one rule set's runs."""
    shown = Table(title=title, title_justify="left")
    shown.add_column("measure")
    for heading in ("min", "median", "max"):
        shown.add_column(heading, justify="right")
    for name, spread in spreads(runs).items():
        measure = MEASURES[name]
        shown.add_row(measure.label, *(format(value, measure.style) for value in asdict(spread).values()))
    return shown


def write(path: Path, settings: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """Write settings, machine, spreads and every run to a JSON file."""
    document = {
        "version": __version__,
        "settings": settings,
        "machine": machine(),
        "summary": {
            rules: {name: asdict(spread) for name, spread in spreads(group).items()}
            for rules, group in by_rules(runs).items()
        },
        "runs": [
            asdict(run)
            | {
                "events_per_second": run.events_per_second,
                "cpu_seconds_per_100k": run.cpu_seconds_per_100k,
            }
            for run in runs
        ],
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """What the figures depend on: cores, kernel, Python, and how busy the machine is with other things."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "load_average": os.getloadavg(),
    }
