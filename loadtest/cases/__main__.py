"""`make bench`: measure cases in turns, round by round, save every round, and say which targets are met.

    python -m loadtest.cases --list
    python -m loadtest.cases --cases wide,keep-2000 --rounds 3 --scale 0.1
    python -m loadtest.cases --cases catch-up --compare main
    python -m loadtest.cases --page build/bench/page.html

Interrupted, the same command goes on where it was: results of a commit lie in build/bench/COMMIT.json. With a
scale below 1 there are fewer events, customers and seconds, at the same rates; no target is met by that.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from loadtest import restore
from loadtest.cases import alone, bursts, catch_up, keep_up, other
from loadtest.cases.cluster import Cluster, Side
from loadtest.cases.open_loop import Latencies
from loadtest.cases.page import page
from loadtest.cases.results import (
    NOW,
    PROJECT,
    Results,
    Round,
    Said,
    about,
    commit_of,
    differences,
    now,
    verdict,
)
from loadtest.cases.table import CASES, FIGURES, TARGETS, Case, Regime
from loadtest.cases.worlds import scaled
from stream import settings as stream_settings
from stream.broker.cluster import EmbeddedKafka
from stream.errors import SettingsError, StreamError
from stream.topics.ensure import admin_client

HOME = PROJECT / "build" / "bench"
INTERRUPTED = 130  # as a shell says it
Turn = tuple[int, Case, Side]
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 150)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", default="all", help="names of cases or regimes, with commas between")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of events, customers and seconds")
    parser.add_argument("--compare", metavar="REV", help="measure this revision, too, in turns")
    parser.add_argument("--results", type=Path, help="the file of the results")
    parser.add_argument("--anew", action="store_true", help="forget what the file has")
    parser.add_argument(
        "--patience", type=float, default=120.0, help="seconds without progress that end a round"
    )
    parser.add_argument("--page", type=Path, help="only write a page of the results")
    parser.add_argument("--list", action="store_true", help="only say which cases there are")
    given = parser.parse_args(arguments)
    try:
        if given.list:
            out.print(_listed())
            return 0
        file = given.results or HOME / f"{commit_of()}.json"
        if given.page:
            given.page.parent.mkdir(parents=True, exist_ok=True)
            given.page.write_text(page(Results.read(file)), encoding="utf-8")
            out.print(f"written: {given.page}")
            return 0
        sides = [other.here(), *([other.checkout(given.compare)] if given.compare else [])]
        results = opened(file, given.scale, sides, anew=given.anew)
        turns = [
            turn for turn in in_turns(chosen(given.cases), sides, given.rounds)
            if not results.has(turn[1].name, turn[2].name, turn[0], given.scale)
        ]  # fmt: skip
        _measure(results, turns, given.scale, given.patience)
    except StreamError as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", markup=False, soft_wrap=True)
        return error.exit_code
    except KeyboardInterrupt:
        out.print("interrupted: the same command goes on where this was")
        return INTERRUPTED
    return said(results, given.compare)


def chosen(names: str) -> list[Case]:
    """By their names or regimes, in the order of the table. Raises SettingsError for an unknown one."""
    wanted = {name.strip() for name in names.split(",")}
    if unknown := wanted - {"all", *CASES, *Regime}:
        raise SettingsError(f"no case {', '.join(sorted(unknown))}", hint="--list says which there are")
    return [case for case in CASES.values() if {"all", case.name, case.regime} & wanted]


def in_turns(cases: Sequence[Case], sides: Sequence[Side], rounds: int) -> Iterator[Turn]:
    """Round by round, so that an hour in which the machine is slow is slow for all; the sides take turns in
    being first.
    """
    for number in range(1, rounds + 1):
        for case in cases:
            for side in sides if number % 2 else reversed(sides):
                yield number, case, side


def opened(file: Path, scale: float, sides: Sequence[Side], *, anew: bool) -> Results:
    """The results to go on with. Raises SettingsError where they are of another commit."""
    if anew or not file.exists():
        results = Results(file, about(scale))
    else:
        results = Results.read(file)
        if results.about["commit"] != commit_of():
            raise SettingsError(
                f"{file} is of {results.about['commit']}, this is {commit_of()}",
                hint="another --results, or --anew",
            )
    results.about["sides"] |= {
        side.name: commit_of(Path(side.path, "stream").resolve().parent) for side in sides
    }
    return results


def _measure(results: Results, turns: Sequence[Turn], scale: float, patience: float) -> None:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        broker, embedded = os.environ.get("STREAM_BROKER"), False
        if broker is None and any(case.regime is not Regime.ALONE for _, case, _ in turns):
            broker, embedded = stack.enter_context(EmbeddedKafka(console=out, heap="1g")).bootstrap, True
        session = Session(results, directory, scale, patience, broker, embedded=embedded)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(session.run(turns))


class Session:
    """One Kafka, and the turns that are measured on it."""

    def __init__(
        self,
        results: Results,
        directory: Path,
        scale: float,
        patience: float,
        broker: str | None,
        *,
        embedded: bool,
    ) -> None:
        self._results = results
        self._directory = directory
        self._scale = scale
        self._patience = patience
        self._broker = broker
        self._embedded = embedded
        self._restored: Path | None = None  # the rules of the changelog that is restored, once it is filled

    async def run(self, turns: Sequence[Turn]) -> None:
        began = time.monotonic()
        if self._broker is None:
            await self._turns(turns, None, began)
            return
        settings = stream_settings.load(os.environ, {"broker": self._broker}, env_file=None)
        async with admin_client(settings) as admin:
            cluster = Cluster(settings, admin, self._directory, self._patience, embedded=self._embedded)
            await self._turns(turns, cluster, began)

    async def _turns(self, turns: Sequence[Turn], cluster: Cluster | None, began: float) -> None:
        for done, (number, case, side) in enumerate(turns):
            left = remaining(turns[done:], self._results, time.monotonic() - began, done)
            out.print(f"[{done + 1}/{len(turns)}, {left}] {case.name}, round {number}, {side.name} …")
            self._results.add(await self._turn(number, case, side, cluster))
            out.print(f"    {_in_short(self._results.rounds[-1])}", markup=False)

    async def _turn(self, number: int, case: Case, side: Side, cluster: Cluster | None) -> Round:
        started, load, at = time.monotonic(), os.getloadavg()[0], now()
        histograms: Mapping[str, Latencies] = {}
        figures: dict[str, float] = {}
        try:
            if case.regime is Regime.ALONE:
                figures, problems = await alone.measure(case, side, self._scale, self._directory)
            else:
                assert cluster is not None
                figures, problems, histograms = await self._on(cluster, case, side)
        except StreamError as error:  # others may do: what fell over is said in the results
            problems = [f"fell over: {error}"[:2000]]
        return Round(
            case=case.name,
            side=side.name,
            number=number,
            scale=self._scale,
            began_at=at,
            load=round(load, 2),
            took=round(time.monotonic() - started, 1),
            figures=figures,
            problems=problems,
            histograms={name: each.encoded() for name, each in histograms.items()},
        )

    async def _on(
        self, cluster: Cluster, case: Case, side: Side
    ) -> tuple[dict[str, float], list[str], Mapping[str, Latencies]]:
        match case.regime:
            case Regime.KEEP_UP:
                return await keep_up.measure(cluster, case, side, self._scale)
            case Regime.BURST:
                return await bursts.measure(cluster, case, side, self._scale)
            case Regime.RESTORE:
                return *await self._restore(cluster, case, side), {}
            case _:
                before = [
                    each for each in self._results.of(case.name, side.name) if each.scale == self._scale
                ]
                good = [each for each in before if each.figures and not each.problems]
                expected = int(good[0].figures["triggers"]) if good else None
                return *await catch_up.measure(cluster, case, side, self._scale, expected), {}

    async def _restore(self, cluster: Cluster, case: Case, side: Side) -> catch_up.Measured:
        customers = scaled(case.customers, self._scale)
        settings = cluster.settings.model_copy(update={"app_id": restore.APP})
        if self._restored is None:
            rules = cluster.rules(case.rules, "")
            await restore.fill(settings, rules, customers, customers)
            self._restored = rules
        folder = self._directory / f"restore-{time.time_ns()}"
        folder.mkdir()
        seconds, records, found, memory = await restore.measure(
            settings, folder, self._restored, case.store, {"PYTHONPATH": side.path}
        )
        problems = []
        if case.store == "memory" and found != customers:
            problems.append(f"{found:,} customers came back of {customers:,}")
        if records < customers:
            problems.append(f"{records:,} records read of {customers:,}")
        figures = {"customers_per_second": customers / seconds, "seconds": seconds}
        return figures | {"peak_memory_mib": memory / 2**20}, problems


def remaining(turns: Sequence[Turn], results: Results, spent: float, done: int) -> str:
    """How long the turns that are left will take: as the same cases took, or the others on average."""
    if not done:
        return "no telling yet how long"
    usual = spent / done
    seconds = 0.0
    for _, case, _ in turns:
        took = [each.took for each in results.rounds if each.case == case.name]
        seconds += sum(took) / len(took) if took else usual
    return f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"


def _in_short(done: Round) -> str:
    labels = FIGURES[CASES[done.case].regime]
    shown = [f"{name} {format(value, labels[name].style)}" for name, value in list(done.figures.items())[:6]]
    wrong = [f"WRONG: {problem}" for problem in done.problems]
    return "; ".join([*shown, *wrong, f"took {done.took:.0f} s, load {done.load:.1f}"])


def said(results: Results, compared: str | None) -> int:
    """Write the verdicts, and the comparison; 1 where a target is missed or something was wrong."""
    shown = Table("target", "bound", "min", "median", "max", "verdict", title="Targets", title_justify="left")
    missed = False
    for each in (verdict(target, results) for target in TARGETS):
        shown.add_row(each.target.says, *each.shown, f"{each.said}{f': {each.why}' if each.why else ''}")
        missed |= each.said is Said.MISSED
    out.print(shown)
    if compared:
        table = Table(
            "case", "figure", "÷ that of the other", "least", "most", "", title=f"{NOW} ÷ {compared}"
        )
        for found in differences(results, compared):
            ratios = (format(each, ".3f") for each in (found.ratio, found.least, found.most))
            table.add_row(found.case.name, found.figure.label, *ratios, found.said)
        out.print(table)
    wrong = [(each, problem) for each in results.rounds for problem in each.problems]
    for done, problem in wrong:
        out.print(f"WRONG in {done.case}, round {done.number}, {done.side}: {problem}", markup=False)
    out.print(f"results: {results.path}")
    return int(missed or bool(wrong))


def _listed() -> Table:
    shown = Table("case", "regime", "measures", "rules", "partitions", "workers", "store")
    for case in CASES.values():
        shown.add_row(
            case.name,
            case.regime,
            case.measures,
            case.rules,
            str(case.partitions),
            str(case.workers),
            case.store,
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
