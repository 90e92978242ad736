"""A stage that knows no rules: counts events by key. `python -m tests.kit.counting` is a worker of it.

Each count goes to `counts`; every third to `mail`, partition number 0, once it is durable, for which it asks
at once. Every fifth is posted to a web server; the answer goes to `answers`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import urllib.request
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import orjson

from stream.clock import Clock
from stream.kafka._packed import pack, unpack
from stream.runtime.app import StageApp, serve
from stream.runtime.stage import Effect, Figures, Performed, StepResult, Written
from stream.settings import load
from stream.structs import Batch, Record, WireRecord
from stream.telemetry.logs import configure
from stream.telemetry.metrics import Metrics

ANSWER_S = 1.0


@dataclass
class Count:
    """Of a key: how many, up to which offset, and what is still to be handed on and to be posted."""

    count: int = 0
    applied: int = -1
    hand_on: list[int] = field(default_factory=list)
    post: list[int] = field(default_factory=list)


class CountingPartition:
    def __init__(self, prefix: str) -> None:
        self.prefix, self.base, self.checkpoint = prefix, 0, b""
        self.keys: dict[bytes, Count] = {}
        self.changed: set[bytes] = set()
        self.durable: list[tuple[bytes, int]] = []

    @property
    def figures(self) -> Figures:
        return Figures(len(self.keys), 0, 0, len(self.keys), 0)

    def load(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.key:
                self.keys[record.key] = Count(**orjson.loads(record.value or b""))
            else:
                self.checkpoint = record.value or b""

    def ready(self) -> None: ...
    def recovered(self) -> None: ...
    def forget_pending(self) -> None: ...

    def resume(self, bases: Mapping[str, int], written: Sequence[Written]) -> None:
        self.base, self.has_begun = bases.get("in", 0), False

    def step(self, batch: Batch, clock: Clock, limit: int) -> StepResult:
        step = StepResult() if self.has_begun else self._begin()
        step.watermark = clock.wall()
        written, effects = unpack(step.records), list(step.effects)
        for record in batch.records.get("in", ()):
            key, known = record.key or b"", self.keys.setdefault(record.key or b"", Count())
            step.positions = {"in": record.offset + 1}
            if record.offset + self.base <= known.applied:
                continue
            known.count, known.applied = known.count + 1, record.offset + self.base
            self.changed.add(key)
            cause = (("cause", b"%d/%d" % (batch.partition, record.offset)),)
            written.append(WireRecord(f"{self.prefix}-counts", key, b"%d" % known.count, cause))
            if known.count % 3 == 0:
                known.hand_on.append(known.count)
                step.checkpoint = True
            if known.count % 5 == 0:
                known.post.append(known.count)
                effects.append(Effect((key, known.count), ANSWER_S))
        step.records, step.effects = pack(written), effects
        return step

    def _begin(self) -> StepResult:
        """What a former owner had made durable, and perhaps not done."""
        self.has_begun = True
        self.durable = [(key, count) for key, each in self.keys.items() for count in each.hand_on]
        step, posts = self.checkpointed(), ((key, n) for key, each in self.keys.items() for n in each.post)
        step.effects = [Effect(each, ANSWER_S) for each in posts]
        return step

    def take_changed(self, checkpoint: bytes) -> list[tuple[bytes, bytes]]:
        if not self.changed and checkpoint == self.checkpoint:
            return []
        changed, self.changed, self.checkpoint = self.changed, set(), checkpoint
        self.durable = [(key, count) for key in changed for count in self.keys[key].hand_on]
        return [*((key, orjson.dumps(asdict(self.keys[key]))) for key in changed), (b"", checkpoint)]

    def checkpointed(self) -> StepResult:
        durable, self.durable = self.durable, []
        for key, count in durable:
            self.keys[key].hand_on.remove(count)
            self.changed.add(key)
        mail = f"{self.prefix}-mail"
        return StepResult(
            pack(WireRecord(mail, key, b"%d" % count, (), partition=0) for key, count in durable)
        )

    def performed(self, done: Performed, clock: Clock) -> StepResult:
        if done.timed_out:
            return StepResult(effects=[done.effect])
        key, count = done.effect.call
        self.keys[key].post.remove(count)
        self.changed.add(key)
        return StepResult(pack([WireRecord(f"{self.prefix}-answers", key, done.answer, ())]))


class Counting:
    name = "counts"
    mark = None

    def __init__(self, prefix: str) -> None:
        self.prefix, self.sources, self.outputs = prefix, {"in": f"{prefix}-in"}, [f"{prefix}-counts"]

    def open(self, number: int) -> CountingPartition:
        return CountingPartition(self.prefix)

    def read_written(self, topic: str, record: Record) -> Written | None:
        partition, _, offset = dict(record.headers)["cause"].partition(b"/")
        return Written((topic, record.key, record.value), (self.sources["in"], int(partition), int(offset)))

    def identity(self, record: WireRecord) -> Hashable:
        return record.topic, record.key, record.value


async def post(call: tuple[bytes, int]) -> bytes:
    url = f"{os.environ['POST_TO']}/{call[0].decode()}/{call[1]}"
    return await asyncio.to_thread(lambda: urllib.request.urlopen(url, b"").read())


async def main() -> int:
    settings, metrics, stop = load(dict(os.environ), env_file=None), Metrics(), asyncio.Event()
    configure(settings.log_level, settings.log_format)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = StageApp(settings, Counting(settings.app_id), metrics, partitions=4, perform=post)
    return await serve(app, stop, settings.stuck_after, metrics.process.set_stalled)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
