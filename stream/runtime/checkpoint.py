"""What a checkpoint says beside the state, in the same changelog, under the empty key.

It makes a partition's changelog enough to take the partition over: how far each source was applied, which
incarnation of its topic that was, and up to where of each topic written to all is known to the state. What
lies beyond that was written by an owner that died before its next checkpoint; `recovery` reads it.

A topic that was deleted and made anew counts its offsets from 0 again. `base` is added to them, so that
applied offsets stay comparable: it grows past all that was applied with each new incarnation.
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


class Incarnation(NamedTuple):
    """One life of a source's topic: Kafka's id of it, and what its offsets are counted from."""

    topic_id: str
    base: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """By source: the next offset that is not applied, and the topic's incarnation. By topic written to: the
    tail, the offset from which on there can be records that the state does not know of.
    """

    positions: Mapping[str, int] = field(default_factory=dict)
    incarnations: Mapping[str, Incarnation] = field(default_factory=dict)
    tails: Mapping[str, int] = field(default_factory=dict)


def encode(checkpoint: Checkpoint) -> bytes:
    incarnations = {source: list(incarnation) for source, incarnation in checkpoint.incarnations.items()}
    said = [VERSION, checkpoint.positions, incarnations, checkpoint.tails]
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def decode(data: bytes) -> Checkpoint | None:
    """None if there is none yet. StateError if it cannot be read."""
    if not data:
        return None
    try:
        version, positions, incarnations, tails = orjson.loads(data)
        if version != VERSION:
            raise StateError(
                "a checkpoint has a version that this release does not know",
                hint="it was written by another release: run that one",
            )
        return Checkpoint(
            _offsets(positions),
            {
                name: Incarnation(_text(topic_id), _offset(base))
                for name, (topic_id, base) in _items(incarnations)
            },
            _offsets(tails),
        )
    except (ValueError, TypeError) as error:
        raise StateError("a checkpoint cannot be read") from error


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
