"""Marks: what a checkpoint says beside the customers, in the same changelog, under the empty key.

They make a partition's changelog enough to take it over by: how far each source was applied, which making of
its topic that was, and up to where of each topic written to all is known to the customers. What lies beyond
that was written by an owner that died before its next checkpoint; `recall` reads it.

A topic that was deleted and made anew counts its offsets from 0 again. `base` is added to them, so that the
customers' applied offsets stay comparable: it grows past all that was applied with each new making.
Tested by tests/runtime/test_checkpoint.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from stream.errors import StateError

VERSION = 1
MAX_NAMES = 10_000
MAX_OFFSET = 2**62


class Making(NamedTuple):
    """One life of a source's topic: Kafka's id of it, and what its offsets are counted from."""

    topic_id: str
    base: int


@dataclass(frozen=True, slots=True)
class Marks:
    """By source: the next offset that is not applied, and the topic's making. By topic written to: the tail,
    the offset from which on there can be records that the customers do not know of.
    """

    positions: Mapping[str, int] = field(default_factory=dict)
    makings: Mapping[str, Making] = field(default_factory=dict)
    tails: Mapping[str, int] = field(default_factory=dict)


def encode(marks: Marks) -> bytes:
    makings = {source: list(making) for source, making in marks.makings.items()}
    return orjson.dumps([VERSION, marks.positions, makings, marks.tails], option=orjson.OPT_SORT_KEYS)


def decode(data: bytes) -> Marks | None:
    """None if there are none yet. StateError if they cannot be read."""
    if not data:
        return None
    try:
        version, positions, makings, tails = orjson.loads(data)
        if version != VERSION:
            raise StateError(
                "the marks of a checkpoint have a version that this release does not know",
                hint="they were written by another release: run that one",
            )
        return Marks(
            _offsets(positions),
            {name: Making(_text(topic_id), _offset(base)) for name, (topic_id, base) in _items(makings)},
            _offsets(tails),
        )
    except (ValueError, TypeError) as error:
        raise StateError("the marks of a checkpoint cannot be read") from error


def _items(value: Any) -> Any:
    if not isinstance(value, dict) or len(value) > MAX_NAMES:
        raise ValueError("not a mapping")
    return value.items()


def _offsets(value: Any) -> dict[str, int]:
    return {name: _offset(offset) for name, offset in _items(value)}


def _offset(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_OFFSET:
        raise ValueError("not an offset")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
