"""What telemetry costs: `python -m loadtest.telemetry`.

steps     the lane's steps without Kafka, in one process: engine, wire records, and then the metrics of
          each, told apart by the thread's CPU time, lot after lot of 500 records
turns     the same, every other lot without metrics, then exchanged: what lots with metrics take longer;
          and the same with no metrics at all, which should be nothing: so far are the turns to be trusted
always    one `/metrics` in fifteen seconds, and the gauges once a second
workers   real workers on a real Kafka, taking turns: `stream worker`, and one that says nothing
          (`untold`); CPU-s per 100k events, without start-up. Of that, what steps and scrapes take.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from loadtest.bench import Session
from loadtest.micro.engine import FAR, batches, compile_rules
from loadtest.rulesets import ref_rules, stage
from loadtest.worker import COMMAND
from loadtest.workloads import PARTITIONS, wide
from stream.broker.cluster import EmbeddedKafka
from stream.clock import Clock
from stream.decisions.wire import Origin
from stream.engine import PartitionState, process
from stream.rules.model import RuleSet
from stream.settings import load
from stream.structs import Batch, Result
from stream.telemetry.metrics import Metrics
from stream.telemetry.partition_metrics import PartitionFigures
from stream.telemetry.registry import MetricsRegistry
from stream.telemetry.rule_series import Judged
from stream.telemetry.work_metrics import WorkMetrics
from stream.worker._writer import RecordWriter

SILENT = (sys.executable, "-m", "loadtest.untold", "worker")
SCRAPE_S = 15.0


def _step(batch: Batch, rules: RuleSet, state: PartitionState, clock: Clock, writer: RecordWriter) -> Result:
    writer.clear()
    return process(batch, rules, state, clock, limit=2000, sink=writer)


def _tell(metrics: Metrics, result: Result, writer: RecordWriter, seconds: float) -> None:
    metrics.work.observe_batch(result, seconds)
    if len(writer):
        metrics.work.observe_decided(writer.outcomes)
        metrics.work.observe_sent(writer.channels, writer.appended, FAR)


def steps(rules: RuleSet, lots: Sequence[Batch]) -> tuple[float, float, Metrics]:
    """(CPU seconds of an event without metrics, share that metrics add) and the metrics."""
    metrics = Metrics()
    sources = [source.name for source in rules.sources]
    metrics.work.declare(
        sources, [rule.name for rule in rules.rules], [channel.name for channel in rules.channels]
    )
    state, clock = PartitionState(rules), Clock(wall=lambda: FAR, by_event_time=True)
    topics = {source.name: source.topic for source in rules.sources}
    writer = RecordWriter(Origin("app", 0, rules.revision, topics))
    work = telling = 0.0
    for lot in lots:
        more, batch = True, lot
        while more:
            began = time.thread_time()
            result = _step(batch, rules, state, clock, writer)
            done = time.thread_time()
            _tell(metrics, result, writer, done - began)
            telling += time.thread_time() - done
            work += done - began
            more, batch = result.more, replace(batch, records={})
    events = sum(len(records) for lot in lots for records in lot.records.values())
    return work / events, telling / work, metrics


class NoWork(WorkMetrics):
    """Counts nothing."""

    def observe_batch(self, result: Result, seconds: float) -> None:
        pass

    def observe_decided(self, judged: Mapping[Judged, int]) -> None:
        pass

    def observe_sent(self, channels: Mapping[str, int], appended: Iterable[int], sent_at: int) -> None:
        pass


class Untold(Metrics):
    """Metrics of which the work counts nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.work = NoWork(MetricsRegistry())


def alternating(rules: RuleSet, lots: Sequence[Batch], metrics: type[Metrics] = Metrics) -> float:
    """What lots with metrics take longer than those without, as a share; they come in turns, and then once
    more with the turns exchanged, since odd lots are not even ones.
    """
    (even_told, odd), (even, odd_told) = (_turns(rules, lots, told, metrics()) for told in (0, 1))
    return float((even_told / odd * odd_told / even) ** 0.5) - 1


def _turns(rules: RuleSet, lots: Sequence[Batch], told: int, metrics: Metrics) -> tuple[float, float]:
    """CPU seconds of even and odd lots; those whose number is `told` by turns have metrics."""
    state, clock = PartitionState(rules), Clock(wall=lambda: FAR, by_event_time=True)
    topics = {source.name: source.topic for source in rules.sources}
    writer = RecordWriter(Origin("app", 0, rules.revision, topics))
    taken = [0.0, 0.0]  # even, odd
    for number, lot in enumerate(lots):
        began = time.thread_time()
        more, batch = True, lot
        while more:
            result = _step(batch, rules, state, clock, writer)
            if number % 2 == told:
                _tell(metrics, result, writer, 0.001)
            more, batch = result.more, replace(batch, records={})
        taken[number % 2] += time.thread_time() - began
    return taken[0], taken[1]


def standing(metrics: Metrics) -> float:
    """CPU seconds in a second that go to a scrape every fifteen and to the gauges every one. The first
    scrape: it looks up the series of all that was decided.
    """
    began = time.thread_time()
    metrics.exposition()
    scrape = time.thread_time() - began
    figures = PartitionFigures(1000, 577_000, {"open": 10}, FAR, 1000, 0)
    began = time.thread_time()
    for number in range(PARTITIONS * 10):
        metrics.partitions.set_partition(number % PARTITIONS, figures)
    return scrape / SCRAPE_S + (time.thread_time() - began) / 10


async def workers(events: int, rounds: int) -> dict[str, list[float]]:
    """CPU-s per 100k events of real workers, with telemetry `on` and `off`."""
    found: dict[str, list[float]] = {"on": [], "off": []}
    with EmbeddedKafka() as kafka, tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        rules = stage("ref500", directory)
        session = Session(load({"STREAM_BROKER": kafka.bootstrap}, env_file=None), directory, "", 60.0)
        await session.run("wide", 1, events, 0, [rules], reuse=False)
        for _ in range(rounds):
            for name, command in (("on", COMMAND), ("off", SILENT)):
                session.command = command
                (done,) = await session.run("wide", 1, events, 1, [rules], reuse=True)
                working = done.cpu_seconds - done.startup_cpu_seconds
                found[name].append(working / done.events * 100_000)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0, metavar="ROUNDS", help="real workers, too; 0: none")
    given = parser.parse_args()
    rules = compile_rules(dict(ref_rules(500)))
    lots = list(batches(wide(events=given.events)))
    costs = []
    for _ in range(given.rounds):
        seconds, share, metrics = steps(rules, lots)
        costs.append(seconds * share)
        turns, nothing = alternating(rules, lots), alternating(rules, lots, Untold)
        print(
            f"{seconds * 1e6:.2f} µs an event, metrics {seconds * share * 1e6:.3f} µs: {share:.2%}; "
            f"by turns {turns:+.2%}, with none {nothing:+.2%}"
        )
    always = standing(metrics)
    print(f"scrapes and gauges: {always:.2%} of a core, whatever the load")
    if given.workers:
        found = asyncio.run(workers(given.events, given.workers))
        for name, taken in found.items():
            spread = f"{min(taken):.3f} / {median(taken):.3f} / {max(taken):.3f}"
            print(f"telemetry {name}: {spread} CPU-s per 100k events")
        shares = [cost * 100_000 / median(found["on"]) + always for cost in costs]
        spread = f"{min(shares):.2%} / {median(shares):.2%} / {max(shares):.2%}"
        print(f"telemetry, scrapes and gauges, of a worker's time: {spread}")


if __name__ == "__main__":
    main()
