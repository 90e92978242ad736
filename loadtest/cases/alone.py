"""The engine's parts without Kafka, in a process of their own: `python -m loadtest.cases.alone CASE SCALE`.

Writes one line of JSON: the case's figures. What is played and how it is timed is said in `loadtest.micro`.
A process, so that another checkout's engine can be measured by the same code.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from loadtest.cases.catch_up import Measured
from loadtest.cases.cluster import Side
from loadtest.cases.table import CASES, Case
from loadtest.cases.worlds import rule_files, scaled
from loadtest.micro import fired, suite
from loadtest.micro.engine import batches, compile_rules, play, play_to_matches
from loadtest.worker import PROJECT
from loadtest.workloads import wide
from stream.errors import StreamError
from stream.runtime.app import GC_THRESHOLDS

WARM = 10  # batches
FEWEST = 20_000  # events; with fewer the clock's steps are seen


async def measure(case: Case, side: Side, scale: float, directory: Path) -> Measured:
    command = [sys.executable, "-m", "loadtest.cases.alone", case.name, str(scale)]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env=os.environ | {"PYTHONPATH": f"{side.path}:{PROJECT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, errors = await process.communicate()
    if process.returncode:
        raise StreamError(
            f"{' '.join(command)} ended with {process.returncode}", hint=errors.decode()[-2000:]
        )
    figures: dict[str, float] = json.loads(said)
    return figures, []


def _engine(case: Case, events: int) -> dict[str, float]:
    more = {"engine": None, "engine-2000": "ref500+1500", "engine-10000": "ref500+9500"}[case.name]
    played = list(batches(wide(events=events)))
    base = compile_rules(rule_files("ref500"))
    rules = compile_rules(rule_files(more)) if more else None
    gc.freeze()
    us = play_to_matches(base, played)[0] / 1000 / events
    if rules is None:
        return {"us": us}
    with_more = play_to_matches(rules, played)[0] / 1000 / events
    return {"us": with_more, "us_over_base": with_more / us}


def _matcher(_: Case, events: int) -> dict[str, float]:
    """By the processor's time, as of the others here; pyperf's, in the suite, is the clock's."""
    played = list(batches(suite.bids(events)))
    sources = suite.expressions(), ["event.kind == 'none'"]
    with_rules, without = (compile_rules(suite.matching(each)) for each in sources)
    gc.freeze()
    for rules in (with_rules, without):
        play(rules, played[:WARM])
    return {"us": (play(with_rules, played)[0] - play(without, played)[0]) / 1000 / events}


def _fire(case: Case, events: int) -> dict[str, float]:
    known = fired.profiles(events)
    played, strange = (list(fired.batches(events, name)) for name in ("view", "look"))
    rules = compile_rules({"rules.yaml": fired.SETS["text" if case.name == "fire-text" else "plain"]})
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    return {"us": fired.measure(rules, known, played, strange)[0]}


def _state(case: Case, events: int) -> dict[str, float]:
    # Its own process once more: what this one has taken before would be used again, and not be seen.
    customers = round(case.customers * events / case.events)
    command = [sys.executable, "-m", "loadtest.micro.state", "--rounds", "1"]
    sized = ["--events", str(events), "--customers", str(customers)]
    said = subprocess.run([*command, *sized], capture_output=True, text=True, check=True).stdout
    (each,) = re.findall(r"resident, bytes each +(\d+)", said)
    (whole,) = re.findall(r"customers +(\d+) MiB", said)
    return {"bytes": float(each), "resident_mib": float(whole)}


MEASURES: dict[str, Callable[[Case, int], dict[str, float]]] = {
    **dict.fromkeys(("engine", "engine-2000", "engine-10000"), _engine),
    "matcher": _matcher,
    **dict.fromkeys(("fire", "fire-text"), _fire),
    "state": _state,
}


def main() -> None:
    name, scale = sys.argv[1:]
    case = CASES[name]
    events = max(min(FEWEST, case.events), scaled(case.events, float(scale)))
    print(json.dumps(MEASURES[name](case, events)))


if __name__ == "__main__":
    main()
