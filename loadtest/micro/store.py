"""What a store on disk costs the engine: µs an event with all customers in memory, and with a part of them.

    python -m loadtest.micro.store [--events 1000000] [--rounds 3]

REF-500 on the `wide` workload: 50,000 customers come at random, the worst for a cache. The first half of the
events fills the store and is not counted; checkpoints, every 20,000 events, are counted apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from loadtest.micro.engine import FAR, PER_BATCH, batches, compile_rules
from loadtest.rulesets import ref_rules
from loadtest.workloads import wide
from stream.clock import Clock
from stream.engine import process
from stream.rules.model import RuleSet
from stream.runtime.partition_store import StoredPartition
from stream.runtime.rocksdb import DiskStores
from stream.settings import load
from stream.structs import Batch
from stream.telemetry.metrics import Metrics
from stream.worker.triggers import TriggerPartition, TriggerStage

EVENTS_PER_CHECKPOINT = 20_000
CUSTOMERS = 50_000


def _play(
    stored: StoredPartition, rules: RuleSet, events: Sequence[Batch], keep: int
) -> tuple[float, float, int]:
    """(seconds of the engine, seconds of the checkpoints, customers fetched)."""
    clock = Clock(wall=lambda: FAR, by_event_time=True)
    engine = checkpoints = 0.0
    assert isinstance(stored.partition, TriggerPartition)
    state, position = stored.partition.state, stored.position
    fetched = state.customers.fetched
    for number, batch in enumerate(events, 1):
        began = time.thread_time()
        while process(batch, rules, state, clock, limit=PER_BATCH * 10).more:
            batch = replace(batch, records={})
        engine += time.thread_time() - began
        if number * PER_BATCH % EVENTS_PER_CHECKPOINT == 0:
            began = time.thread_time()
            changed = stored.take_changed(b"")
            position += len(changed)
            list(stored.committing(changed, position, keep))
            checkpoints += time.thread_time() - began
    return engine, checkpoints, state.customers.fetched - fetched


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rules = compile_rules(dict(ref_rules(500)))
    every = list(batches(wide(events=given.events)))
    half = len(every) // 2
    print(f"{'µs an event':34}{'min':>8}{'median':>8}{'max':>8}{'checkpoints':>14}{'fetched':>10}")
    for name, share in (
        ("memory", None),
        ("rocksdb, all in memory", 1.0),
        ("rocksdb, a tenth in memory", 0.1),
    ):
        taken, apart, fetched = [], 0.0, 0
        for _ in range(given.rounds):
            with tempfile.TemporaryDirectory() as folder:
                settings = load(
                    {"STREAM_DATA_DIR": str(Path(folder)), "STREAM_STORE": "rocksdb"}, env_file=None
                )
                store = DiskStores(settings, "customers").open(0, "log") if share is not None else None
                stored = StoredPartition(TriggerStage(rules, "bench", Metrics()), 0, store)
                keep = int(CUSTOMERS * (share or 1))
                _play(stored, rules, every[:half], keep)
                engine, apart, fetched = _play(stored, rules, every[half:], keep)
                stored.close()
            taken.append(1e6 * engine / (PER_BATCH * (len(every) - half)))
        apart = 1e6 * apart / (PER_BATCH * (len(every) - half))
        times = f"{min(taken):8.2f}{median(taken):8.2f}{max(taken):8.2f}"
        print(f"{name:34}{times}{apart:14.2f}{fetched:10,}")


if __name__ == "__main__":
    main()
