"""What may lie in the changelog: bytes of somebody else's. They are refused by name, or read; no
memory is taken for what is only said to be there.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stream.engine import PartitionState
from stream.errors import StateError
from tests.engine.enginekit import HOUR, Rules, World, rec


def a_state() -> tuple[PartitionState, bytes, bytes]:
    """A partition's, and a customer as its changelog has it."""
    rules = Rules().trait("views", "count", "view", over=HOUR, per="sku")
    rules.rule("late", "view", unless=("order", HOUR))
    built = rules.build()
    world = World(built)
    world.clicks(*(rec(n, n, sku=f"s{n}") for n in range(20)))
    ((key, value),) = [each for each in world.state.take_changed() if b"c1" in each[0]]
    assert value is not None
    return PartitionState(built), key, value


def values(good: bytes) -> Mapping[str, bytes]:
    return {
        "nothing": b"",
        "one byte": b"\x00",
        "a later version": b"\xff" + good[1:],
        "zeros": bytes(len(good)),
        "ones": b"\xff" * len(good),
        "half": good[: len(good) // 2],
        "one byte less": good[:-1],
        "one byte more": good + b"\x00",
        "twice": good * 2,
        "its end first": good[::-1],
        "JSON": b'{"customer": "c1"}',
        "a length of all memory": good[:8] + b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + good[8:],
        "a megabyte": good[:1] + b"\x01" * (1 << 20),
    }


@pytest.mark.parametrize("what", values(b"0123456789"))
def test_bytes_that_are_no_customer_are_refused_by_name_or_read(what: str) -> None:
    state, key, good = a_state()
    refused = ""
    try:
        state.load(key, values(good)[what])
    except StateError as error:
        refused = str(error)
    assert "c1" not in refused, "whose it is, is said to nobody"
    assert len(dict(state.take_changed())) <= 1
    state.load(key, good)  # and the next one can be read
