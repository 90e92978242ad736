"""What the hot path costs in counts that no noise moves, held against what was committed.

    python -m loadtest.guard             count, with valgrind: minutes; exit 1 where something grew
    python -m loadtest.guard --write     commit what was counted: loadtest/guard.json

The hot path is what a worker does with a batch of records: the engine, guards, texts, the packed records, and
the batches that Kafka's client sends. A case plays the same batches to one fresh partition after another. For
instructions one process plays once and another twice; the difference is one play, without Python's start and
without making the events.

Each figure is for one event or, where rules fire, one trigger:

- `instructions`: of the processor. Another compiler, another Python or valgrind counts others, so guard.json
  says what it was counted with, and a comparison with anything else has to be asked for (`--anyhow`).
- `allocations`: calls of Python's allocators, for objects and other memory.
- `calls`: Python functions that were entered. What the extension does for itself is none.

The last two need no valgrind. Tested by, and held in every run of the tests by, tests/loadtest/test_guard.py.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from loadtest.micro import backtest, engine, fired
from loadtest.workloads import wide
from stream.clock import Clock
from stream.decisions.wire import Origin
from stream.engine import PartitionState, process
from stream.structs import Batch
from stream.worker._writer import RecordWriter

COUNTER = Path(__file__).with_name("allocations.c")
COMMITTED = Path(__file__).with_name("guard.json")
PLAYS = 3
MORE = 0.02  # share by which a count may grow before it is said
SOURCES = {name: name for name in ("clicks", "profiles", "clickstream", "transactions")}


class Case(NamedTuple):
    """`fires`: each event fires a rule, and a figure is for one trigger."""

    rules: Mapping[str, str]
    events: int
    fires: bool = False

    def known(self) -> list[Batch]:
        """What a partition has read before it is counted."""
        return [fired.profiles(self.events)] if self.fires else []

    def batches(self) -> list[Batch]:
        if self.fires:
            return list(fired.batches(self.events, "view"))
        return list(engine.batches(wide(events=self.events)))


CASES = {
    "quiet": Case(backtest.quiet(engine.SETS["ref300"]), 5_000),
    "ref300": Case(engine.SETS["ref300"], 5_000),
    "plain": Case({"rules.yaml": fired.SETS["plain"]}, 2_000, fires=True),
    "text": Case({"rules.yaml": fired.SETS["text"]}, 2_000, fires=True),
}


class Counts(NamedTuple):
    """Of one play, for one event or trigger."""

    allocations: float
    calls: float


def plays(case: Case) -> Iterator[int]:
    """Plays the case to one partition after another; gives how many triggers each play fired."""
    rules, batches = engine.compile_rules(dict(case.rules)), case.batches()
    writer = RecordWriter(Origin("stream", engine.PARTITION, rules.revision, SOURCES))
    clock = Clock(wall=lambda: engine.FAR, by_event_time=True)
    states = [PartitionState(rules) for _ in range(PLAYS)]
    for state in states:
        for batch in case.known():
            process(batch, rules, state, clock, limit=1 << 30, sink=writer)
    gc.collect()
    gc.disable()  # when it comes depends on what was made before
    gc.freeze()
    yield 0  # so far nothing was played
    for state in states:
        triggers = 0
        for batch in batches:
            process(batch, rules, state, clock, limit=1 << 30, sink=writer)
            triggers += sum(writer.channels.values())
            fired.put(writer.take(engine.FAR))
        yield triggers


def counted(name: str) -> Counts:
    """Allocations and Python's calls of a case, in a process of its own: what ran before leaves traces."""
    child = [sys.executable, "-m", "loadtest.guard", "--count", name]
    done = subprocess.run(child, capture_output=True, text=True, env=_environment(), check=True)
    return Counts(*(count / CASES[name].events for count in json.loads(done.stdout)))


def instructions(name: str) -> float:
    """Of one event or trigger."""
    once, twice = (_valgrind(name, times) for times in (1, 2))
    return (twice - once) / CASES[name].events


def _environment() -> dict[str, str]:
    # Every play has to find its dictionaries in the same order.
    return {**os.environ, "PYTHONHASHSEED": "0"}


def _valgrind(name: str, times: int) -> int:
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    child = [sys.executable, "-m", "loadtest.guard", "--play", name, "--times", str(times)]
    done = subprocess.run([*command, *child], capture_output=True, text=True, env=_environment(), check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(child)} failed under valgrind:\n{done.stderr[-2000:]}")
    return int(re.findall(r"I\s+refs:\s+([\d,]+)", done.stderr)[0].replace(",", ""))


def _counter() -> ctypes.PyDLL:
    """The counter of allocations: Python has hooks for it in C alone."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "allocations.so"
        include = f"-I{sysconfig.get_path('include')}"
        command = [
            os.environ.get("CC", "cc"),
            "-O2",
            "-shared",
            "-fPIC",
            include,
            "-o",
            str(made),
            str(COUNTER),
        ]
        subprocess.run(command, check=True)
        counter = ctypes.PyDLL(str(made))
    counter.stop.restype = ctypes.c_longlong
    return counter


def _count(name: str) -> tuple[int, int]:
    """(allocations, Python's calls) of one play. The first has what is made once, and is not counted."""
    calls = 0

    def entered(_frame: FrameType, what: str, _argument: object) -> None:
        nonlocal calls
        calls += what == "call"

    counter, playing = _counter(), plays(CASES[name])
    next(playing)
    next(playing)
    counter.start()
    triggers = next(playing)
    allocations = counter.stop()
    if CASES[name].fires and not 0.99 <= triggers / CASES[name].events <= 1:
        raise AssertionError(f"{triggers} triggers: this counts something else")
    sys.setprofile(entered)
    try:
        next(playing)
    finally:
        sys.setprofile(None)
    return allocations, calls - 1  # the generator itself was entered


def tools() -> dict[str, str]:
    """What a count of instructions depends on, beside the code."""
    versions = {"machine": platform.machine(), "python": platform.python_version()}
    for tool in (["cc", "--version"], ["valgrind", "--version"]):
        with contextlib.suppress(FileNotFoundError):
            said = subprocess.run(tool, capture_output=True, text=True, check=True).stdout
            versions[tool[0]] = said.splitlines()[0]
    return versions


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", default=",".join(CASES), help="which ones, with commas between")
    parser.add_argument("--write", action="store_true", help="commit what is counted")
    parser.add_argument("--anyhow", action="store_true", help="compare with counts of other tools, too")
    parser.add_argument("--play", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--count", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.play:
        for _ in islice(plays(CASES[given.play]), given.times + 1):
            pass
        return 0
    if given.count:
        print(json.dumps(_count(given.count)))
        return 0
    return _guard(given.cases.split(","), write=given.write, anyhow=given.anyhow)


def grown(before: float, now: float) -> bool:
    """Whether a count is more than it was, by more than what counting itself brings."""
    return now > before * (1 + MORE) + MORE


def committed() -> dict[str, Any]:
    """{"tools": what instructions were counted with, "cases": {name: {what: count}}}"""
    found: dict[str, Any] = json.loads(COMMITTED.read_text(encoding="utf-8"))
    return found


def _guard(names: list[str], *, write: bool, anyhow: bool) -> int:
    kept, here = committed(), tools()
    if "valgrind" not in here:
        raise SystemExit("this counts with valgrind, which is not installed")
    if kept["tools"] != here and not (write or anyhow):
        raise SystemExit(
            f"the committed counts were made with {kept['tools']}, here are {here}: count the commit to"
            " compare with on this machine (--write), or compare --anyhow"
        )
    table = Table("case", "for one", "committed", "now", "change")
    worse = False
    with Console(stderr=True).status("counting") as status:
        for name in names:
            status.update(f"counting {name}")
            now = {"instructions": round(instructions(name)), **counted(name)._asdict()}
            before = kept["cases"].get(name, {})
            unit = "trigger" if CASES[name].fires else "event"
            for what, count in now.items():
                was = before.get(what)
                worse |= was is not None and grown(was, count)
                change = f"{count / was - 1:+.1%}" if was else ""
                shown = "" if was is None else f"{was:,.2f}"
                table.add_row(f"{name}: {what}", unit, shown, f"{count:,.2f}", change)
            kept["cases"][name] = now
    Console(width=110).print(table)
    if write:
        kept["tools"] = here
        COMMITTED.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        return 0
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
