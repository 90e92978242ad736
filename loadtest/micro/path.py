"""What the path of events costs without Kafka: fetched bytes → records → engine → the changelog's batches.

    python -m loadtest.micro.path [--events 400000] [--rounds 5] [--sets noop,quiet]

Makes batches of the `wide` workload as a producer does and hands them to a consumer's reading, a megabyte of
a partition at a time, in the place of a fetch. What comes of that goes through the worker's stage, and what
has changed is written to batches after so many events as come in a second. No sockets, no event loop: both
are the client's. µs of the processor for one event: minimum, median, maximum of the rounds, in which the sets
take turns, each on customers of its own.

    reading     checksum, taking records apart
    engine      the stage's steps
    changelog   encoding the customers that changed, packing, and making batches with their checksums
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

from rich.console import Console
from rich.table import Table

from loadtest.micro.backtest import SETS
from loadtest.workloads import CLICKSTREAM, PARTITIONS, TRANSACTIONS, wide
from stream.clock import Clock
from stream.kafka._batch import RecordBatch
from stream.kafka._packed import PackedRecords
from stream.kafka.raw_records import LARGEST, Batches, Fetched, Reading
from stream.rules.compiler.rule_set import load_rules
from stream.runtime.app import GC_THRESHOLDS
from stream.runtime.lane import EVENTS_PER_STEP
from stream.structs import Batch
from stream.telemetry.metrics import Metrics
from stream.worker.triggers import TriggerPartition, TriggerStage

PRODUCED = 128 << 10  # bytes of a batch
FETCHED = 1 << 20  # of a partition at a time
IN_A_SECOND = 200_000  # events, between two checkpoints of a partition
SOURCES = (CLICKSTREAM, TRANSACTIONS)
NOOP = Path("loadtest/rules/noop")
Fetch = tuple[int, str, int, bytes]  # partition, topic, first offset, batches


def fetches(events: int) -> list[Fetch]:
    """The workload as a consumer fetches it, in the order of time."""
    waiting: dict[tuple[int, str], PackedRecords] = {}
    offsets: dict[tuple[int, str], int] = {}
    found: list[Fetch] = []

    def bring(place: tuple[int, str]) -> None:
        records, first, data, at = waiting.pop(place), offsets.get(place, 0), b"", 0
        offset = first
        while at < records.size:
            batch = RecordBatch(records, at, PRODUCED, 0)
            made, at = bytearray(batch._build()), batch.end
            made[:8] = offset.to_bytes(8, "big")
            offset += batch.record_count()
            data += made
        offsets[place] = offset
        found.append((*place, first, data))

    for topic, partition, key, value, _ in wide(1, events):
        place = partition, topic
        packed = waiting.setdefault(place, PackedRecords())
        packed.add(key, value)
        if packed.size >= (FETCHED if topic == CLICKSTREAM else FETCHED // 9):
            bring(place)
    for place in list(waiting):
        bring(place)
    return found


def taken_of(fetch: Fetch) -> Iterator[Any]:
    """The records, as the client's thread takes them."""
    partition, topic, first, data = fetch
    tp = SimpleNamespace(topic=topic, partition=partition)
    position = SimpleNamespace(paused=False, position=first)
    position.consumed_to = lambda offset: setattr(position, "position", offset)
    assignment = SimpleNamespace(active=True, state_value=lambda _: position)
    reading = Reading(SimpleNamespace(_records=range(2 * PARTITIONS)), LARGEST, ours=False)
    batches = Batches(reading, tp, data, None, first, committed_only=True)
    fetched = Fetched(tp, assignment=assignment, partition_records=batches, backoff=0)
    while fetched.has_more():
        if records := fetched.getall():
            yield records


class Worker:
    """A stage with its partitions; `spent` by part, in seconds."""

    def __init__(self, rules: Path) -> None:
        self.stage = TriggerStage(load_rules(rules), "path", Metrics())
        self.partitions: list[TriggerPartition] = [self.stage.open(each) for each in range(PARTITIONS)]
        for each in self.partitions:
            each.resume({}, ())
        self.spent = dict.fromkeys(("reading", "engine", "changelog"), 0.0)
        self.applied = 0
        self.due = 0

    def work(self, fetch: Fetch) -> None:
        began = time.thread_time()
        all_taken = list(taken_of(fetch))
        self._spend("reading", began)
        for records in all_taken:
            began, batch = time.thread_time(), Batch(fetch[0], {fetch[1]: records}, frozenset(SOURCES))
            partition, clock = self.partitions[fetch[0]], Clock(by_event_time=True)
            while partition.step(batch, clock, EVENTS_PER_STEP).more:
                batch = Batch(fetch[0], {}, frozenset(SOURCES))
            self._spend("engine", began)
            self.applied += len(records)
        while self.applied >= self.due:
            self.due += IN_A_SECOND // PARTITIONS
            self.checkpoint(self.partitions[self.due * PARTITIONS // IN_A_SECOND % PARTITIONS])

    def checkpoint(self, partition: TriggerPartition) -> None:
        """What a checkpoint does with the changelog, but for sending."""
        began = time.thread_time()
        changed = partition.take_changed(b"")
        for part in ([pair for pair in changed if pair[0]], [pair for pair in changed if not pair[0]]):
            records, shipped, at = PackedRecords(), PackedRecords(), 0
            records.add_pairs(part)
            shipped.extend(records)
            while at < shipped.size:
                batch = RecordBatch(shipped, at, 256 << 10, 0)
                batch._build()
                at = batch.end
        self._spend("changelog", began)

    def _spend(self, part: str, began: float) -> None:
        self.spent[part] += time.thread_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sets", default="noop,quiet")
    given = parser.parse_args()
    gc.set_threshold(*GC_THRESHOLDS)
    coming = fetches(given.events)
    figures: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, files in SETS.items():
            (Path(folder) / name).mkdir()
            for file, text in files.items():
                (Path(folder) / name / file).write_text(text, encoding="utf-8")
        for _ in range(given.rounds):
            for name in given.sets.split(","):
                worker = Worker(NOOP if name == "noop" else Path(folder) / name)
                for fetch in coming:
                    worker.work(fetch)
                for part, seconds in (*worker.spent.items(), ("all", sum(worker.spent.values()))):
                    figures.setdefault((name, part), []).append(seconds / worker.applied * 1e6)
    table = Table("rules", "part", "min", "median", "max", title=f"{given.events:,} events, µs of an event")
    for (name, part), found in figures.items():
        table.add_row(name, part, *(f"{each:.3f}" for each in (min(found), median(found), max(found))))
    Console().print(table)


if __name__ == "__main__":
    main()
