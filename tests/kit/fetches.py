"""A consumer that fetches as a worker's does; and a broker that only gives records, to one consumer: with
fetch sessions, and errors as it is told.
"""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.fetch import FetchRequest_v11, FetchResponse_v11
from aiokafka.protocol.metadata import MetadataRequest_v5, MetadataResponse_v5
from aiokafka.protocol.offset import OffsetRequest_v2, OffsetResponse_v2

import stream.kafka.connections  # noqa: F401  # makes aiokafka's connections ours
from stream.kafka.fetch_loop import FetchLoop
from stream.kafka.pace import Pace
from stream.kafka.raw_records import give_raw_records
from tests.kit.batches import batch
from tests.kit.patience import POLL_S

HEADER = struct.Struct(">hhih")
VERSIONS = {18: (0, 0), 3: (0, 5), 2: (0, 2), 1: (4, 11)}
FULL, NO_SESSION_EPOCH = 0, -1


@dataclass(frozen=True, slots=True)
class Fetch:
    """What was asked for."""

    session: int
    epoch: int
    offsets: dict[TopicPartition, int]
    wait_ms: int


@dataclass
class Broker:
    """Node 0, which leads all partitions of `counts`, by topic."""

    counts: dict[str, int]
    has_sessions: bool = True
    fetches: list[Fetch] = field(default_factory=list)
    errors: dict[TopicPartition, int] = field(default_factory=dict)  # told once
    session_error: int = 0  # told once, in a session
    leaders: dict[TopicPartition, int] = field(default_factory=dict)  # where it is not node 0
    is_mute: bool = False  # fetches are not answered
    port: int = 0
    _logs: dict[TopicPartition, list[tuple[int, bytes]]] = field(default_factory=dict)
    _ends: dict[TopicPartition, int] = field(default_factory=dict)
    _session: int = 0
    _known: dict[TopicPartition, int] = field(default_factory=dict)
    _said: dict[TopicPartition, int] = field(default_factory=dict)  # high watermarks, in the session
    _grown: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def append(self, tp: TopicPartition, values: Sequence[bytes]) -> None:
        base = self._ends.get(tp, 0)
        self._logs.setdefault(tp, []).append((base, batch([(None, each, ()) for each in values], base=base)))
        self._ends[tp] = base + len(values)
        self._grown.set()

    def cut(self) -> None:
        """End all connections."""
        for each in self._writers:
            each.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                request = io.BytesIO(await reader.readexactly(size))
                key, _, correlation, client = HEADER.unpack(request.read(HEADER.size))
                request.read(client)
                answer = struct.pack(">i", correlation) + (await self._answer(key, request)).encode()
                writer.write(struct.pack(">i", len(answer)) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, key: int, request: io.BytesIO) -> Any:
        if key == 18:
            return ApiVersionResponse_v0(0, [(each, *span) for each, span in VERSIONS.items()])
        if key == 3:
            MetadataRequest_v5.decode(request)
            return self._metadata()
        if key == 2:
            asked = OffsetRequest_v2.decode(request).topics
            return OffsetResponse_v2(
                0, [(topic, [(number, 0, -1, 0) for number, _ in each]) for topic, each in asked]
            )
        return await self._fetch(FetchRequest_v11.decode(request))

    def _metadata(self) -> Any:
        topics = [
            (
                0,
                topic,
                False,
                [(0, n, self.leaders.get(TopicPartition(topic, n), 0), [0], [0], []) for n in range(count)],
            )
            for topic, count in self.counts.items()
        ]
        return MetadataResponse_v5(0, [(0, "127.0.0.1", self.port, None)], "c", 0, topics)

    async def _fetch(self, request: Any) -> Any:
        offsets = {
            TopicPartition(topic, number): offset
            for topic, partitions in request.topics
            for number, _, offset, _, _ in partitions
        }
        self.fetches.append(Fetch(request.session_id, request.session_epoch, offsets, request.max_wait_time))
        while self.is_mute:
            await asyncio.sleep(POLL_S)  # the answer takes this long
        in_session = request.session_epoch > FULL
        if in_session and self.session_error:
            error, self.session_error = self.session_error, 0
            return FetchResponse_v11(0, error, 0, [])
        if request.session_epoch == FULL and self.has_sessions:
            self._session, self._known, self._said = self._session + 1, {}, {}
        known = self._known | offsets if in_session else offsets
        if request.session_epoch != NO_SESSION_EPOCH:
            self._known = known
        self._grown.clear()
        if not (found := self._found(known, in_session=in_session)) or not any(
            each[-1] for each in found.values()
        ):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._grown.wait(), request.max_wait_time / 1000)  # as a broker does
            found = self._found(known, in_session=in_session)
        self._said |= {tp: self._ends.get(tp, 0) for tp in found}
        topics: dict[str, list[Any]] = {}
        for tp, each in found.items():
            topics.setdefault(tp.topic, []).append(each)
        has_session = self.has_sessions and request.session_epoch != NO_SESSION_EPOCH
        return FetchResponse_v11(0, 0, self._session if has_session else 0, list(topics.items()))

    def _found(self, known: dict[TopicPartition, int], *, in_session: bool) -> dict[TopicPartition, Any]:
        found = {}
        for tp, offset in known.items():
            end = self._ends.get(tp, 0)
            data = b"".join(each for base, each in self._logs.get(tp, ()) if base >= offset)
            if tp in self.errors:
                found[tp] = (tp.partition, self.errors.pop(tp), -1, -1, -1, None, -1, b"")
            elif data or not in_session or self._said.get(tp) != end:
                found[tp] = (tp.partition, 0, end, end, 0, None, -1, data)
        return found


class Taker:
    """Takes whatever comes, as soon as it comes."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.values: dict[TopicPartition, list[bytes]] = {}
        self.consumer = consumer
        self.takes = True
        self.loop = FetchLoop(Pace(0.0), give_raw_records(consumer), self.take)
        self.loop.attach(consumer)

    def take(self) -> None:
        if self.takes:
            for tp, records in self.loop.take(()).items():
                self.values.setdefault(tp, []).extend(each.value for each in records)
            self.loop.go_on()


@asynccontextmanager
async def running(broker: Broker) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of all partitions, started, that has fetched nothing yet: `assign` is up to the caller."""
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    broker.port = server.sockets[0].getsockname()[1]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=f"127.0.0.1:{broker.port}",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
        broker.cut()
        server.close()
        await server.wait_closed()
