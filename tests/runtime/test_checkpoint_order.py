"""Triggers, then customers, then marks, then offsets: each leaves once Kafka has acknowledged all before it.

Marks say that a partition's events are applied. Where they were durable and the customers were not, a worker
that started again went on after the marks: the events between were gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from stream.errors import CheckpointError
from stream.kafka._packed import PackedRecords
from stream.runtime.checkpointer import Checkpointer
from stream.runtime.partition import OwnedPartition
from stream.runtime.partition_store import StoredPartition
from stream.structs import WireRecord
from tests.runtime.lanekit import settle
from tests.runtime.test_lane import Shop

ORDER = ("triggers", "customers", "marks", "offsets")


def kinds_of(topic: str, records: Iterable[WireRecord]) -> set[str]:
    if topic != "changelog":
        return {"triggers"}
    return {"customers" if record.key else "marks" for record in records}


async def out_of_order(shop: Shop) -> set[str]:
    """Which kinds leave in a checkpoint while one before them is under way. Kafka takes batch after batch."""
    await shop.view("c1")
    await shop.view("c2")
    checkpoint = asyncio.create_task(shop.checkpoint())
    found = set()
    while True:
        await settle()
        waiting = [each for each in shop.outbox.batches if not each[2].done()]
        under_way = [kind for topic, records, _ in waiting for kind in kinds_of(topic, records)]
        left = {*under_way, *(["offsets"] if shop.ledger.committable() else [])}
        found |= {
            f"{first} {then}"
            for first in set(under_way)
            for then in left
            if ORDER.index(first) < ORDER.index(then)
        }
        if not waiting:
            break
        shop.outbox.acknowledge_first()
    await checkpoint
    assert shop.ledger.committable()
    return found


async def test_each_kind_of_record_waits_for_the_acknowledgement_of_the_one_before(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.open()
    assert await out_of_order(shop) == set()


def triggers_not_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = OwnedPartition.await_shipped

    def await_shipped(self: OwnedPartition, *shipped: object) -> None:
        usual(self, *shipped)  # type: ignore[arg-type]
        self.unacknowledged.clear()

    monkeypatch.setattr(OwnedPartition, "await_shipped", await_shipped)


def packed(pairs: Iterable[tuple[bytes, bytes]]) -> PackedRecords:
    records = PackedRecords()
    records.add_pairs(list(pairs))
    return records


def customers_not_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    async def log(self: Checkpointer, stored: StoredPartition, changed: Iterable[tuple[bytes, bytes]]) -> int:
        return await self._outbox.ship(self._changelog, stored.number, packed(changed), sender=0)

    monkeypatch.setattr(Checkpointer, "_log", log)


def marks_not_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    async def log(self: Checkpointer, stored: StoredPartition, changed: Iterable[tuple[bytes, bytes]]) -> int:
        *customers, marks = changed
        end = await self._outbox.ship(self._changelog, stored.number, packed(customers), sender=0)
        self._outbox.ship(self._changelog, stored.number, packed([marks]), sender=0)
        return end

    monkeypatch.setattr(Checkpointer, "_log", log)


@pytest.mark.parametrize(
    ("bug", "seen_as"),
    [
        (triggers_not_awaited, "triggers customers"),
        (customers_not_awaited, "customers marks"),
        (marks_not_awaited, "marks offsets"),
    ],
)
async def test_an_arrow_that_is_taken_away_is_seen(
    bug: Callable[[pytest.MonkeyPatch], None],
    seen_as: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bug(monkeypatch)
    shop = Shop(tmp_path)
    await shop.open()
    assert seen_as in await out_of_order(shop)


async def test_marks_never_leave_where_the_customers_are_refused(tmp_path: Path) -> None:
    """They did, and were durable: at the next start the lag was 0, and the events were gone."""
    shop = Shop(tmp_path)
    await shop.open()
    await shop.view("c1")
    checkpoint = asyncio.create_task(shop.checkpoint())
    await settle()
    for topic in ("web", "decisions"):
        shop.outbox.acknowledge(topic)
    await settle()
    shop.outbox.refuse("changelog", ValueError("too large"))
    with pytest.raises(ValueError, match="too large"):
        await checkpoint
    with pytest.raises(CheckpointError):
        await shop.checkpoint()
    written = [records for topic, records, _ in shop.outbox.batches if topic == "changelog"]
    assert [each.key for records in written for each in records] == [b"c1"]
    assert not shop.ledger.committable()
