"""How many past events `stream backtest` takes in a second of one core, by rule set.

    python -m loadtest.micro.backtest [--events 1000000] [--rounds 3] [--sets ref300,quiet] [--packed]

Writes events of the `wide` workload to a file of JSON lines, with the names of their sources, and runs the
command on it, as a user does: start-up, compiling the rules and both readings of the file are in the figure.
Seconds are the processor's, of the process with its threads: minimum, median, maximum of the rounds, in which
the rule sets take turns. Of the first million of events one in eight leads to a decision of REF-300, which is
made in Python. `quiet` has the same rules, with what their `if` asks for times twenty: as many are judged,
and none fires. With `--packed` the file is gzipped. The peak is the largest of all runs so far.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import resource
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from loadtest.rulesets import ref_rules
from loadtest.workloads import wide

BLOCK = 10_000  # events


def quiet(files: dict[str, str]) -> dict[str, str]:
    """The same rules, whose `if` is true of twenty times as much."""
    return {name: _THRESHOLD.sub(r"\g<1>\g<2>0 * 2", text) for name, text in files.items()}


_THRESHOLD = re.compile(r"^( *if: .*>=? )([0-9]+)(?=\"$)", re.MULTILINE)
SETS = {"ref300": ref_rules(300), "quiet": quiet(ref_rules(300)), "ref500": ref_rules(500)}


class Run(NamedTuple):
    """What one run came to. `decided`: matches that became decisions."""

    seconds: float
    decided: int
    peak_mb: float


def write(path: Path, events: int, *, packed: bool) -> None:
    """The workload as a file, each event with its source."""
    coming = wide(1, events)
    with gzip.open(path, "wb", compresslevel=1) if packed else path.open("wb") as file:
        while some := list(islice(coming, BLOCK)):
            lines = (b'{"source":"%b",%b\n' % (each[0].encode(), each[3][1:]) for each in some)
            file.write(b"".join(lines))


def run(rules: Path, events: Path) -> Run:
    """One backtest in a process of its own."""
    command = [sys.executable, "-m", "stream", "backtest", str(rules), str(events), "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = json.loads(done.stdout)
    decided = sum(sum(rule["outcomes"].values()) for rule in shown["rules"].values())
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, decided, after.ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--packed", action="store_true")
    given = parser.parse_args()
    names = given.sets.split(",")
    runs: dict[str, list[Run]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        write(events, given.events, packed=given.packed)
        for name in names:
            (Path(folder) / name).mkdir()
            for file, text in SETS[name].items():
                (Path(folder) / name / file).write_text(text, encoding="utf-8")
        for _ in range(given.rounds):
            for name in names:
                runs[name].append(run(Path(folder) / name, events))
    table = Table(title=f"stream backtest, wide, {given.events:,} events", title_justify="left")
    for heading in ("rules", "events/s", "µs an event", "decisions", "peak MB"):
        table.add_column(heading, justify="left" if heading == "rules" else "right")
    for name, found in runs.items():
        rates = sorted(given.events / each.seconds for each in found)
        costs = sorted(each.seconds / given.events * 1e6 for each in found)
        table.add_row(
            name,
            f"{rates[0]:,.0f} / {median(rates):,.0f} / {rates[-1]:,.0f}",
            f"{costs[0]:.2f} / {median(costs):.2f} / {costs[-1]:.2f}",
            f"{found[0].decided:,}",
            f"{max(each.peak_mb for each in found):,.0f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
