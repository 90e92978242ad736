"""A worker that says where its time goes: `python -m loadtest.cases.staged worker`, for `keep_up` alone.

    Kafka in    a record appended → its batch handed to the lane      waiting    → the engine's step begins
    engine      one step, writing the records included
    outbox      records decided → given to Kafka's client             Kafka out  → acknowledged

It is the real worker, with four of its methods timed. What each took stands in the file that STAGED_FILE
names, written anew each second. The times of appending are the broker's, whole milliseconds.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from loadtest.cases.open_loop import Latencies
from stream.cli.main import main as stream_command
from stream.kafka._packed import PackedRecords
from stream.runtime.lane import Lane
from stream.runtime.outbox import Outbox
from stream.structs import Batch, Record
from stream.worker.triggers import TriggerPartition

STAGES = ("kafka_in", "waiting", "engine", "outbox", "kafka_out")
FILE = "STAGED_FILE"
EVERY_S = 1.0

spent = {name: Latencies() for name in STAGES}
_taken: dict[tuple[int, int], float] = {}  # when a batch came, by its partition and first record's identity
_shipped: dict[tuple[str, int], deque[float]] = {}


def _wrap() -> None:
    take, step, ship, send = Lane.take, TriggerPartition.step, Outbox.ship, Outbox._send

    async def timed_take(self: Lane, batches: Iterable[tuple[Any, Sequence[Record]]]) -> None:
        batches = list(batches)
        _arrived(batches)
        await take(self, batches)

    def timed_step(self: TriggerPartition, batch: Batch, *rest: Any) -> Any:
        began = time.time()
        for records in batch.records.values():
            if (came := _taken.pop((self.number, id(records[0])), None)) is not None:
                spent["waiting"].add((began - came) * 1e6, len(records))
        done = step(self, batch, *rest)
        if batch.records:
            spent["engine"].add((time.time() - began) * 1e6)
        return done

    def timed_ship(self: Outbox, topic: str, partition: int, records: PackedRecords, *, sender: int) -> Any:
        if (topic, partition) not in _shipped:
            _shipped[topic, partition] = deque()
        _shipped[topic, partition].append(time.time())
        return ship(self, topic, partition, records, sender=sender)

    async def timed_send(self: Outbox, tp: Any, records: PackedRecords) -> int | None:
        began, waited = time.time(), _shipped.pop((tp.topic, tp.partition), deque())
        for since in waited:
            spent["outbox"].add((began - since) * 1e6)
        end = await send(self, tp, records)
        spent["kafka_out"].add((time.time() - began) * 1e6)
        return end

    for owner, name, timed in (
        (Lane, "take", timed_take),
        (TriggerPartition, "step", timed_step),
        (Outbox, "ship", timed_ship),
        (Outbox, "_send", timed_send),
    ):
        setattr(owner, name, timed)


def _arrived(batches: Iterable[tuple[Any, Sequence[Record]]]) -> None:
    now = time.time()
    for tp, records in batches:
        for record in records:
            spent["kafka_in"].add(now * 1e6 - record.timestamp * 1000)
        _taken[tp.partition, id(records[0])] = now


def _write(file: Path) -> None:
    while True:
        time.sleep(EVERY_S)
        beside = file.with_suffix(".new")
        beside.write_text(
            json.dumps({name: each.encoded() for name, each in spent.items()}), encoding="utf-8"
        )
        beside.replace(file)


def main() -> None:
    _wrap()
    threading.Thread(target=_write, args=(Path(os.environ[FILE]),), daemon=True).start()
    stream_command()


if __name__ == "__main__":
    main()
