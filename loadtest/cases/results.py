"""What was measured, kept in a file from round to round, and what it says: spreads, verdicts, comparisons.

The file is written anew after each round, so that an interrupted run goes on where it was. It holds the
machine, the versions, the commit of each side, and each round with its figures, the load at its beginning,
and what was wrong with it. A figure of a round with which something was wrong still stands: it is shown, and
no target is met by it.
Tested by tests/loadtest/test_cases.py.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from loadtest.cases.table import CASES, FIGURES, Bound, Case, Figure, Target
from loadtest.report import Spread
from stream.broker.jars import KAFKA_VERSION
from stream.errors import SettingsError

FORMAT = 1
ROUNDS = 3  # that a figure needs to say something
LATE_MS = 10.0  # of the generator, at its p99, from which on latency says nothing good
NOW = "now"  # the side that is this checkout
PACKAGES = ("aiokafka", "faust-streaming", "orjson", "rocksdict", "uvloop", "hdrhistogram", "Cython")
PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement of one case. `problems`: what was lost, doubled or put aside; none in a good round."""

    case: str
    side: str
    number: int
    scale: float
    began_at: str
    load: float
    took: float
    figures: Mapping[str, float]
    problems: Sequence[str] = ()
    histograms: Mapping[str, str] = field(default_factory=dict)  # encoded, in microseconds


class Results:
    """The rounds of one run, of one commit, in one file."""

    def __init__(self, path: Path, about: Mapping[str, Any], rounds: Sequence[Round] = ()) -> None:
        self.path = path
        self.about = dict(about)
        self.rounds = list(rounds)

    @classmethod
    def read(cls, path: Path) -> Results:
        """Raises SettingsError for a file that is no such file."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["format"] != FORMAT:
                raise SettingsError(f"{path} is of format {found['format']}, this reads {FORMAT}")
            return cls(path, found["about"], [Round(**each) for each in found["rounds"]])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{path} holds no results: {error!r}") from error

    def add(self, done: Round) -> None:
        """Write the file anew with one round more."""
        self.rounds.append(done)
        self.write()

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        document = {"format": FORMAT, "about": self.about, "rounds": [asdict(each) for each in self.rounds]}
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        beside.replace(self.path)

    def has(self, case: str, side: str, number: int, scale: float) -> bool:
        """Whether a round need not be measured any more; one that ended with an error has to be."""
        asked = (case, side, number, scale)
        return any(
            (each.case, each.side, each.number, each.scale) == asked for each in self.rounds if each.figures
        )

    def of(self, case: str, side: str = NOW) -> list[Round]:
        """A case's rounds; where it was measured at several sizes, those at the largest."""
        found = [each for each in self.rounds if (each.case, each.side) == (case, side)]
        largest = max((each.scale for each in found), default=0.0)
        return [each for each in found if each.scale == largest]

    def spread(self, case: str, figure: str, side: str = NOW) -> Spread | None:
        """Of a case's rounds; None where it was not measured."""
        values = [each.figures[figure] for each in self.of(case, side) if figure in each.figures]
        return Spread(min(values), statistics.median(values), max(values)) if values else None

    @property
    def sides(self) -> list[str]:
        return list(dict.fromkeys(each.side for each in self.rounds))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def commit_of(tree: Path = PROJECT) -> str:
    """As git names what is checked out, with `-dirty` where something was changed since."""
    asked = ["git", "-C", str(tree), "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # a copy without its history


def about(scale: float) -> dict[str, Any]:
    """The machine, the versions, the commit; what a figure depends on beside the load."""
    return {
        "at": now(),
        "commit": commit_of(),
        "scale": scale,
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "kafka": KAFKA_VERSION,
        "packages": {name: version(name) for name in PACKAGES},
        "sides": {NOW: commit_of()},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


class Said(StrEnum):
    MET = "met"
    SMALL = "met, but not at full size"
    MISSED = "not met"
    UNKNOWN = "not measured"


class Verdict(NamedTuple):
    """`bound`: what the target comes to here, such as a share of what another case took; None: not known."""

    target: Target
    said: Said
    found: Spread | None
    bound: float | None
    why: str = ""

    @property
    def shown(self) -> tuple[str, str, str, str]:
        """Bound, minimum, median and maximum, as they are written; nothing for what is not known."""
        target = self.target
        style = FIGURES[CASES[target.case].regime][target.figure].style
        bound = f"{target.value:g} × {target.of_side or target.of_case}"
        if self.bound is not None:
            bound = format(self.bound, style)
        spread = self.found and (self.found.minimum, self.found.median, self.found.maximum)
        least, middle, most = (format(value, style) for value in spread) if spread else ("", "", "")
        return f"{target.bound} {bound}", least, middle, most


def verdict(target: Target, results: Results) -> Verdict:
    """By the median. A miss is one at any size and whatever else is right; a target is met at full size, by
    rounds with which nothing was wrong, three of them at least. Latency of events that were not sent in time
    meets nothing: the machine was too busy.
    """
    found, rounds = results.spread(target.case, target.figure), results.of(target.case)
    wrong = [problem for each in rounds for problem in each.problems]
    if found is None:
        said = Said.MISSED if wrong else Said.UNKNOWN
        known = None if target.of_case or target.of_side else target.value
        return Verdict(target, said, None, known, f"wrong in it: {wrong[0]}" if wrong else "")
    bound: float = target.value
    if target.of_case or target.of_side:
        base = results.spread(target.of_case or target.case, target.figure, target.of_side or NOW)
        if base is None:
            why = f"{target.of_side or target.of_case} was not measured in this run"
            return Verdict(target, Said.UNKNOWN, found, None, why)
        bound *= base.median
    good = found.median <= bound if target.bound is Bound.AT_MOST else found.median >= bound
    if wrong:
        return Verdict(target, Said.MISSED, found, bound, f"wrong in it: {wrong[0]}")
    small = min(each.scale for each in rounds)
    if not good:
        return Verdict(target, Said.MISSED, found, bound, f"at {small:.0%} of the size" if small < 1 else "")
    late = results.spread(target.case, "late_p99_ms")
    if late and late.median > LATE_MS and not target.figure.startswith("cpu"):
        why = f"the generator itself was late: p99 {late.median:,.0f} ms"
        return Verdict(target, Said.UNKNOWN, found, bound, why)
    if small < 1:
        return Verdict(target, Said.SMALL, found, bound, f"at {small:.0%} of it")
    if len(rounds) < ROUNDS:
        return Verdict(target, Said.SMALL, found, bound, f"{len(rounds)} of three rounds")
    return Verdict(target, Said.MET, found, bound)


class Difference(NamedTuple):
    """What a side makes of another one's figure: the ratio of their medians, and the least and most of the
    ratios within a round, in which they took turns.
    """

    case: Case
    name: str
    figure: Figure
    ratio: float
    least: float
    most: float
    rounds: int

    @property
    def said(self) -> str:
        """A difference is one where all rounds agree, three at least, and by more than one in a hundred."""
        if self.rounds < ROUNDS:
            return f"{self.rounds} of three rounds: too few to tell"
        if self.figure.more is None or not (self.least > 1.01 or self.most < 0.99):
            return "no difference that can be told"
        return "better" if (self.ratio > 1) == self.figure.more else "worse"


def differences(results: Results, other: str, side: str = NOW) -> Iterator[Difference]:
    """Of each figure that both sides have, in the order of the table."""
    for case in CASES.values():
        for name, figure in FIGURES[case.regime].items():
            theirs = {
                (each.number, each.scale): each.figures.get(name) for each in results.of(case.name, other)
            }
            pairs = [
                (each.figures[name], before)
                for each in results.of(case.name, side)
                if name in each.figures and (before := theirs.get((each.number, each.scale)))
            ]
            if pairs:
                ratios = [ours / before for ours, before in pairs]
                ours, before = (statistics.median(each) for each in zip(*pairs, strict=True))
                yield Difference(case, name, figure, ours / before, min(ratios), max(ratios), len(pairs))
