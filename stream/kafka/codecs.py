"""Unpacking a batch of records, with a bound on what comes of it.

A kilobyte can hold gigabytes. So nothing is unpacked but into a buffer of a size that was decided before. It
is made larger while the batch does not fit, up to `MOST_BYTES`; beyond that the batch is cut, and what came
so far is given. aiokafka's own functions take whatever memory it needs.
Tested by tests/kafka/test_raw_records.py and tests/attacks/test_records.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cramjam

READABLE = ("uncompressed", "gzip", "snappy", "lz4", "zstd")  # by the names of Kafka's `compression.type`
MOST_BYTES = 32 << 20  # of one batch; Kafka's own producers make batches of 16 KiB to 1 MiB
FIRST_BYTES = 64 << 10
RATIO = 8  # that is tried first: records of JSON are packed to less
XERIAL = b"\x82SNAPPY\x00"
XERIAL_HEADER = 16
SNAPPY = 2
FULL = "whole buffer"  # that it was too small, in the words of Rust's library


class Damaged(Exception):  # noqa: N818 - it is what the data is
    """What is packed cannot be unpacked, or nobody knows how."""


def unpack(codec: int, packed: memoryview) -> tuple[memoryview, bool]:
    """What the batch holds, and whether it holds more than that. `codec` as in a batch's attributes."""
    if codec == SNAPPY:
        return _snappy(packed)
    into = _INTO.get(codec)
    if into is None:
        raise Damaged(f"codec {codec}")
    size = min(max(FIRST_BYTES, RATIO * len(packed)), MOST_BYTES)
    while True:
        room = bytearray(size)
        try:
            return memoryview(room)[: into(packed, room)], False
        except cramjam.DecompressionError as error:
            # It may be damaged, too: that the words of the error say so is not relied upon.
            if size == MOST_BYTES:
                if FULL in str(error):
                    return memoryview(room), True
                raise Damaged(str(error)) from None
        del room  # or it lies beside the larger one
        size = min(size * RATIO, MOST_BYTES)


def _snappy(packed: memoryview) -> tuple[memoryview, bool]:
    """A block, or several with their lengths as Java's library writes them. Each block says its size."""
    blocks = [packed] if packed[: len(XERIAL)] != XERIAL else list(_blocks(packed[XERIAL_HEADER:]))
    found = bytearray()
    try:
        for block in blocks:
            if len(found) + cramjam.snappy.decompress_raw_len(block) > MOST_BYTES:
                return memoryview(found), True
            found += cramjam.snappy.decompress_raw(block)
    except cramjam.DecompressionError as error:
        raise Damaged(str(error)) from None
    return memoryview(found), False


def _blocks(packed: memoryview) -> Any:
    while packed:
        size = int.from_bytes(packed[:4], "big")
        if not 0 < size <= len(packed) - 4:
            raise Damaged("a block's length")
        yield packed[4 : 4 + size]
        packed = packed[4 + size :]


_INTO: Mapping[int, Callable[[Any, Any], int]] = {
    1: cramjam.gzip.decompress_into,
    3: cramjam.lz4.decompress_into,
    4: cramjam.zstd.decompress_into,
}
