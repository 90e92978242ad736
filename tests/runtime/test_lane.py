"""The order of a checkpoint: triggers, then customers, then offsets; and what happens when it fails.

And the switch to other rules, between two events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream.clock import Clock
from stream.errors import CheckpointError
from stream.kafka.lease import Lease
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import RuleSet
from stream.runtime.checkpoint import Marks
from stream.runtime.lane import Lane
from stream.runtime.ledger import Ledger, Reach, TopicPartition
from stream.runtime.partition_store import StoredPartition, StoredPartitions
from stream.runtime.takeover import Start
from stream.structs import WireRecord
from stream.telemetry.metrics import Metrics

START = 1_767_225_600_000
CLICKS = TopicPartition("clicks", 0)
RULES = """
sources: {clicks: {event: event, customer: customer_id, time: ts, id: event_id}}
traits: {views: {function: count, of: view}}
channels: {web: {topic: web, consent: none}}
rules:
  every-view: {on: view, send: {channel: web, content: {views: "{{ traits.views }}"}}}
"""
MORE_RULES = RULES + "  also: {on: view, send: {channel: web}}\n"


@dataclass(frozen=True, slots=True)
class Record:
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Outbox:
    """Keeps what is shipped; the test acknowledges it when it likes."""

    def __init__(self) -> None:
        self.parcels: list[tuple[str, list[WireRecord], asyncio.Future[int]]] = []
        self.abandoned = False

    async def abandon(self) -> None:
        self.abandoned = True

    def ship(self, topic: str, partition: int, records: Sequence[WireRecord]) -> asyncio.Future[int]:
        acknowledged: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.parcels.append((topic, list(records), acknowledged))
        return acknowledged

    def topics(self) -> list[str]:
        return [topic for topic, _, _ in self.parcels]

    def acknowledge(self, topic: str) -> None:
        for name, records, acknowledged in self.parcels:
            if name == topic and not acknowledged.done():
                acknowledged.set_result(len(records))


class Shop:
    """A lane over one partition, with everything around it in the test's hands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rules = self.rules(RULES)
        self.outbox, self.table, self.ledger = Outbox(), StoredPartitions(), Ledger(1000)
        self.table.stored[0] = StoredPartition(rules)
        self.lease = Lease(60)
        self.lease.renew(self.lease.now())
        parts: dict[str, Any] = {
            "outbox": self.outbox,
            "reader": None,
            "takeover": None,
        }
        self.metrics, self.wall = Metrics(), START
        self.lane = Lane(
            rules=rules,
            app_id="shop",
            changelog="changelog",
            table=self.table,
            ledger=self.ledger,
            metrics=self.metrics,
            clock=Clock(lambda: self.wall, by_event_time=True),
            lease=self.lease,
            interval=0.1,
            **parts,
        )
        self.lane._starts = {0: Start(Marks(), {}, None, fresh=True)}
        self.lane.open([0])
        self.unit = self.lane._units[0]
        self.offset = 0

    def rules(self, text: str) -> RuleSet:
        (self.folder / "shop.yaml").write_text(text)
        return load_rules(self.folder)

    def figure(self, name: str, **labels: str) -> float | None:
        """A metric as it is when the partition is measured."""
        self.lane._measure(self.unit)
        return self.metrics.registry.get_sample_value(name, labels)

    async def view(self, customer: str) -> None:
        """One view arrives and is processed."""
        body = {
            "event": "view",
            "customer_id": customer,
            "ts": START + self.offset,
            "event_id": f"e{self.offset}",
        }
        record = Record(self.offset, START, customer.encode(), orjson.dumps(body))
        self.offset += 1
        self.ledger.hand_out(CLICKS, 1, self.offset, record.timestamp)
        self.ledger.reached({CLICKS: Reach(self.offset, self.offset)})
        await self.lane.take("clicks", 0, [record])

    def shipped(self, topic: str) -> list[dict[str, Any]]:
        return [
            orjson.loads(record.value or b"")
            for name, records, _ in self.outbox.parcels
            if name == topic
            for record in records
        ]

    def customers_in_changelog(self) -> list[bytes | None]:
        return [
            record.key
            for topic, records, _ in self.outbox.parcels
            if topic == "changelog"
            for record in records
            if record.key
        ]


@pytest.fixture
async def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_customers_are_written_only_after_their_triggers_are_acknowledged(shop: Shop) -> None:
    await shop.view("c1")
    checkpoint = asyncio.create_task(shop.lane.checkpoint(shop.unit))
    await settle()
    assert sorted(shop.outbox.topics()) == ["decisions", "web"]
    shop.outbox.acknowledge("web")
    await settle()
    assert "changelog" not in shop.outbox.topics(), "the decisions are under way"
    shop.outbox.acknowledge("decisions")
    await settle()
    assert shop.customers_in_changelog() == [b"c1"]
    assert shop.ledger.committable() == [], "the customers are under way"
    shop.outbox.acknowledge("changelog")
    await checkpoint
    assert shop.ledger.take_committable(CLICKS) == 1


async def test_the_changelog_holds_nothing_of_events_whose_triggers_are_not_acknowledged(shop: Shop) -> None:
    await shop.view("c1")
    checkpoint = asyncio.create_task(shop.lane.checkpoint(shop.unit))
    await settle()
    for topic in ("web", "decisions"):
        shop.outbox.acknowledge(topic)
    await shop.view("c2")
    await shop.view("c1")
    await settle()
    assert shop.customers_in_changelog() == [b"c1"]
    shop.outbox.acknowledge("changelog")
    await checkpoint
    assert shop.ledger.take_committable(CLICKS) == 1
    state = StoredPartition(shop.lane.rules).state
    for topic, records, _ in shop.outbox.parcels:
        if topic == "changelog":
            for record in records:
                state.load(record.key or b"", record.value)
    assert state.trait("c1", "views", START) == 1, "as it was when the checkpoint began"


async def test_checkpoints_of_one_partition_take_turns_and_the_loop_goes_on(shop: Shop) -> None:
    """Waiting for one that had just ended span for ever, and the worker never gave its partitions up."""
    await shop.view("c1")
    several = [asyncio.create_task(shop.lane.checkpoint(shop.unit)) for _ in range(3)]
    for topic in ("web", "decisions", "changelog", "changelog"):
        await settle()
        shop.outbox.acknowledge(topic)
    await asyncio.wait_for(asyncio.gather(*several), 10)
    assert shop.customers_in_changelog() == [b"c1"]


async def test_after_a_failed_checkpoint_nothing_is_committed_and_the_customers_are_forgotten(
    shop: Shop,
) -> None:
    await shop.view("c1")
    checkpoint = asyncio.create_task(shop.lane.checkpoint(shop.unit))
    await settle()
    shop.outbox.parcels[0][2].set_exception(OSError("the broker is gone"))
    shop.outbox.acknowledge("decisions")
    shop.outbox.acknowledge("web")
    with pytest.raises(OSError, match="gone"):
        await checkpoint
    with pytest.raises(CheckpointError):
        await shop.lane.checkpoint(shop.unit)
    assert shop.ledger.committable() == []
    assert not await shop.lane.close(1)
    assert 0 not in shop.table.stored, "they come from the changelog again"


async def test_partitions_are_given_up_in_time_even_if_kafka_does_not_answer(shop: Shop) -> None:
    await shop.view("c1")
    assert not await shop.lane.close(0.05)
    assert 0 not in shop.table.stored
    assert shop.ledger.committable() == []
    await shop.view("c1")
    assert len(shop.outbox.parcels) == 2, "nothing is sent for a partition that was given up"


async def test_a_checkpoint_that_ends_after_its_partition_was_given_up_commits_nothing(shop: Shop) -> None:
    """Its customers have come from the changelog again, perhaps without what that checkpoint wrote."""
    await shop.view("c1")
    late = asyncio.create_task(shop.lane.checkpoint(shop.unit))
    await settle()
    assert not await shop.lane.close(0.05)
    for topic in ("web", "decisions", "changelog"):
        shop.outbox.acknowledge(topic)
        await settle()
    await late
    assert shop.ledger.committable() == []


async def test_partitions_that_became_durable_are_kept_for_their_return(shop: Shop) -> None:
    await shop.view("c1")
    closing = asyncio.create_task(shop.lane.close(10))
    for topic in ("web", "decisions", "changelog"):
        await settle()
        shop.outbox.acknowledge(topic)
    assert await closing
    assert shop.table.stored[0].state.customers == 1
    assert shop.ledger.take_committable(CLICKS) == 1


async def test_a_record_carries_the_revision_of_the_rules_that_judged_its_event(shop: Shop) -> None:
    old, new = shop.lane.rules, shop.rules(MORE_RULES)
    await shop.view("c1")
    await shop.lane.switch(new)
    await shop.view("c1")
    expected = [("every-view", old.revision), ("also", new.revision), ("every-view", new.revision)]
    for topic in ("web", "decisions"):
        assert [(each["rule"], each["revision"]) for each in shop.shipped(topic)] == expected
    views = [each["content"]["views"] for each in shop.shipped("web") if each["rule"] == "every-view"]
    assert views == ["1", "2"], "what was counted before the switch still counts"


async def test_a_partition_where_nothing_happens_switches_too(shop: Shop) -> None:
    new = shop.rules(MORE_RULES)
    await shop.lane.switch(new)
    assert shop.unit.stored.state.rules is new


async def test_a_partition_that_was_kept_while_the_rules_changed_is_restored_under_the_new_ones(
    shop: Shop,
) -> None:
    """What another worker had written for a new rule was dropped: read under rules that did not know it."""
    shop.unit.take_changed()
    assert await shop.lane.close(1)
    new = shop.rules(MORE_RULES)
    await shop.lane.switch(new)
    read_under: list[RuleSet] = []

    class Reader:
        async def catch_up(self, numbers: Sequence[int], rules: RuleSet) -> int:
            read_under.extend(shop.table.stored[number].state.rules for number in numbers)
            read_under.append(rules)
            return 0

    class Takeover:
        async def starts(self, marks: object, rules: RuleSet) -> dict[int, Start]:
            return {}

    shop.lane._reader, shop.lane._takeover = Reader(), Takeover()  # type: ignore[assignment]
    await shop.lane.restore([0])
    assert read_under == [new, new]
    assert all(each is new for each in read_under)


async def test_without_the_lease_nothing_is_applied_or_written(shop: Shop) -> None:
    """Others may own the partitions by now: a stopped process does not know."""
    await shop.view("c1")
    shop.lane._lease = Lease(60)
    waiting = asyncio.create_task(shop.view("c1"))
    await settle()
    assert len(shop.shipped("web")) == 1
    assert not await shop.lane.close(60), "it does not wait either"
    assert shop.outbox.abandoned
    assert 0 not in shop.table.stored
    shop.lane._lease.renew(shop.lane._lease.now())
    await asyncio.wait_for(waiting, 5)
    assert len(shop.shipped("web")) == 1, "it is read again by whoever owns it now"


async def test_a_partition_has_work_where_records_are_in_hand_and_not_where_a_topic_has_a_hole(
    shop: Shop,
) -> None:
    """A topic whose tail was compacted away has records that never come: nobody is stuck for that."""
    everything = {TopicPartition(source.topic, 0) for source in shop.lane.rules.sources}
    assert shop.lane.places(set(), everything) == {}
    shop.ledger.reached({CLICKS: Reach(5, 9)})
    assert shop.lane.places(set(), everything) == {}
    assert list(shop.lane.places({CLICKS}, everything)) == ["partition 0"]
    await shop.view("c1")
    before = shop.lane.places(set(), everything)
    assert list(before) == ["partition 0"]
    checkpoint = asyncio.create_task(shop.lane.checkpoint(shop.unit))
    for topic in ("web", "decisions", "changelog"):
        await settle()
        shop.outbox.acknowledge(topic)
    await checkpoint
    assert shop.lane.places({CLICKS}, everything) != before, "that is progress"


async def test_a_partition_that_waits_for_a_topic_whose_broker_is_away_is_not_stuck(shop: Shop) -> None:
    await shop.view("c1")
    orders = TopicPartition("orders", 0)
    shop.lane._source_of["orders"] = "orders"
    assert shop.lane.places(set(), set()) == {}
    assert list(shop.lane.places(set(), {orders})) == ["partition 0"]
    assert list(shop.lane.places({orders}, set())) == ["partition 0"]


async def test_lag_in_seconds_is_the_age_of_what_is_not_yet_safe(shop: Shop) -> None:
    def lag() -> float | None:
        return shop.figure("stream_lag_seconds", topic="clicks", partition="0")

    shop.wall = START + 3_600_000
    assert lag() == 0, "nobody is late where nothing is"
    shop.ledger.reached({CLICKS: Reach(0, 1)})
    assert lag() == 0, "behind since now, whatever the time of what is not fetched yet"
    shop.wall += 2_000
    assert lag() == 2
    await shop.view("c1")
    assert lag() == 3_602, "now it is here, and its age is known"
    checkpoint = asyncio.create_task(shop.lane.checkpoint(shop.unit))
    for topic in ("web", "decisions", "changelog"):
        await settle()
        shop.outbox.acknowledge(topic)
    await checkpoint
    assert lag() == 0


async def test_a_timer_is_overdue_by_the_clock_that_it_goes_by(shop: Shop) -> None:
    shop.unit.watermark, shop.unit.next_deadline = START, START + 5_000
    assert shop.figure("stream_timers_overdue_seconds") == 0
    shop.unit.watermark = START + 7_500
    assert shop.figure("stream_timers_overdue_seconds") == 2.5
    shop.lane._clock = Clock(lambda: START + 65_000)
    assert shop.figure("stream_timers_overdue_seconds") == 60, (
        "the watermark waits for a backlog, people do not"
    )
    shop.unit.next_deadline = None
    assert shop.figure("stream_timers_overdue_seconds") == 0
