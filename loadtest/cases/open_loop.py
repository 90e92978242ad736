"""Events sent on schedule, whatever becomes of them, and how long each took from when it was due.

The generator never waits for an answer: one that falls behind sends what is overdue at once, and latency
counts from the moment at which an event was due, so that nothing is left out when the system stands still (no
coordinated omission). Where latency ends is the time that the broker gave the record on the topic of triggers
(LogAppendTime), in whole milliseconds, rounded down: figures are half a millisecond too small on average,
those of the echo, too.

Latencies are kept in an HdrHistogram, in microseconds, with three figures. Tested by
tests/loadtest/test_open_loop.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from hdrh.histogram import HdrHistogram

from loadtest.cases.worlds import Due
from stream.kafka.connections import security
from stream.settings import Settings

LARGEST_US = 3_600_000_000
FIGURES = 3
SOONEST_S = 0.0005  # no shorter sleep: the loop's timers do not know less than a millisecond
Appended = Mapping[
    str, Sequence[int]
]  # when what an event led to was appended, ms of the wall clock, by its id
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


class Latencies:
    """A histogram of microseconds."""

    def __init__(self, encoded: str | None = None) -> None:
        self._of = HdrHistogram.decode(encoded.encode()) if encoded else HdrHistogram(1, LARGEST_US, FIGURES)

    def add(self, us: float, times: int = 1) -> None:
        """What is earlier than nothing counts as nothing: clocks of whole milliseconds."""
        self._of.record_value(min(max(1, round(us)), LARGEST_US), times)

    def merge(self, other: Latencies) -> None:
        self._of.add(other._of)

    def __len__(self) -> int:
        return int(self._of.get_total_count())

    def ms(self, percentile: float) -> float:
        return float(self._of.get_value_at_percentile(percentile)) / 1000

    @property
    def most_ms(self) -> float:
        return float(self._of.get_max_value()) / 1000

    @property
    def mean_ms(self) -> float:
        return float(self._of.get_mean_value()) / 1000

    def encoded(self) -> str:
        return bytes(self._of.encode()).decode("ascii")

    def figures(self, prefix: str = "") -> dict[str, float]:
        return {f"{prefix}{name}_ms": self.ms(at) for name, at in PERCENTILES.items()}


@dataclass(frozen=True, slots=True)
class Sent:
    """`began_ms`: the wall clock when the first event was due; `late`: how late each event was handed to the
    client, by the generator's own fault.
    """

    began_ms: float
    late: Latencies
    events: int


async def send(settings: Settings, events: Iterable[Due], prefix: str, began_ms: float) -> Sent:
    """Send each when it is due; ends when Kafka has acknowledged all."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker, enable_idempotence=True, **security(settings)
    )
    await producer.start()
    late, count = Latencies(), 0
    begun = time.perf_counter() + began_ms / 1000 - time.time()
    under_way = None
    try:
        for event in events:
            while (early := begun + event.at - time.perf_counter()) > 0:
                await asyncio.sleep(max(early, SOONEST_S))
            under_way = await producer.send(
                prefix + event.topic, event.value, event.key, partition=event.partition
            )
            late.add(-early * 1_000_000)
            count += 1
        await producer.flush()
        if under_way is not None:
            await under_way
    finally:
        await producer.stop()
    return Sent(began_ms, late, count)


def latencies(appended: Appended, due: Mapping[str, float], began_ms: float) -> Latencies:
    """From due (seconds from the beginning, by id) to appended; only of what `due` has."""
    found = Latencies()
    for id_, at in due.items():
        for appended_ms in appended.get(id_, ()):
            found.add((appended_ms - began_ms - at * 1000) * 1000)
    return found
