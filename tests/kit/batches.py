"""Kafka's record batches made by hand, byte by byte: what no client would write."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from zlib import crc32

from aiokafka import AIOKafkaProducer
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

# Key, value, and headers with names as bytes.
Made = tuple[bytes | None, bytes | None, Sequence[tuple[bytes, bytes | None]]]

CODECS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (0, bytes),
    "gzip": (1, gzip_encode),
    "snappy": (2, snappy_encode),
    "snappy in one block": (2, lambda data: bytes(snappy_encode(data, xerial_compatible=False))),
    "lz4": (3, lz4_encode),
    "zstd": (4, zstd_encode),
}
TRANSACTIONAL, CONTROL = 0x10, 0x20
ABORT, COMMIT = b"\0\0\0\0", b"\0\0\0\1"  # keys of control records


def varint(number: int) -> bytes:
    """Zigzag, as in records."""
    left, found = (number << 1) ^ (number >> 63), bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


def sized(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def record(delta: int, made: Made, later: int = 0) -> bytes:
    """A record of a batch, `delta` after its first."""
    key, value, headers = made
    body = b"\0" + varint(later) + varint(delta) + sized(key) + sized(value) + varint(len(headers))
    return sized(body + b"".join(sized(name) + sized(value) for name, value in headers))


def batch(
    records: Iterable[Made | bytes],
    codec: str = "none",
    *,
    base: int = 0,
    attributes: int = 0,
    producer_id: int = -1,
    magic: int = 2,
    count: int | None = None,
    last_delta: int | None = None,
    packed: bytes | None = None,
    timestamp: int = 1_772_445_600_000,
) -> bytes:
    """A batch; a record that is bytes already goes in as it is, and so does `packed` for all of them."""
    found = [each if isinstance(each, bytes) else record(n, each) for n, each in enumerate(records)]
    number, encode = CODECS[codec]
    body = encode(b"".join(found)) if packed is None else packed
    count = len(found) if count is None else count
    last_delta = count - 1 if last_delta is None else last_delta
    counted = struct.pack(
        ">hiqqqhii",
        *(number | attributes, last_delta, timestamp, timestamp, producer_id, 0 if producer_id >= 0 else -1),
        *(-1, count),
    )
    crc = calc_crc32c(counted + body)
    rest = struct.pack(">ibI", 0, magic, crc) + counted + body
    return struct.pack(">qi", base, len(rest)) + rest


def message(
    value: bytes, *, offset: int = 0, codec: str = "none", length: int | None = None, magic: int = 1
) -> bytes:
    """A batch of one record as they were before Kafka 0.11; packed, its value is others of them."""
    number, encode = CODECS[codec]
    packed = encode(value)
    timestamp = struct.pack(">q", 1_772_445_600_000) if magic else b""
    body = struct.pack(">bb", magic, number) + timestamp + struct.pack(">ii", -1, len(packed)) + packed
    length = 4 + len(body) if length is None else length
    return struct.pack(">qiI", offset, length, crc32(body)) + body


class Finished(BatchBuilder):  # type: ignore[misc]  # aiokafka has no types
    """A batch for aiokafka's producer, as it is."""

    def __init__(self, made: bytes, records: int) -> None:
        super().__init__(1 << 20, 0)
        self._buffer, self._relative_offset, self._closed = bytearray(made), records, True

    def _build(self) -> bytearray:
        return self._buffer


async def send(bootstrap: str, topic: str, partition: int, *batches: tuple[bytes, int]) -> list[int]:
    """Send batches, each with its number of records; their offsets."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=64 << 20)
    await producer.start()
    try:
        offsets = []
        for made, records in batches:
            sent: Any = await producer.send_batch(Finished(made, records), topic, partition=partition)
            offsets.append((await sent).offset)
        return offsets
    finally:
        await producer.stop()
