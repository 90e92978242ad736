"""The order of a checkpoint: triggers, then customers, then offsets; and what happens when it fails.

And the switch to other rules, between two events.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from stream.clock import LATEST, Clock
from stream.engine import PartitionState
from stream.errors import CheckpointError
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import RuleSet
from stream.runtime.lane import IDLE_S, TICK_S, until_tick
from stream.runtime.ledger import Reach, TopicPartition
from stream.structs import Switches
from stream.telemetry.metrics import Metrics
from stream.worker.triggers import TriggerPartition, TriggerStage
from tests.project.test_guides import ROOT, anchors
from tests.runtime.lanekit import START, Parts, settle

CLICKS = TopicPartition("clicks", 0)
RULES = """
sources: {clicks: {event: event, customer: customer_id, time: ts, id: event_id}}
traits: {views: {function: count, of: view}}
channels: {web: {topic: web, consent: none}}
rules:
  every-view: {on: view, send: {channel: web, content: {views: "{{ traits.views }}"}}}
"""
MORE_RULES = RULES + "  also: {on: view, send: {channel: web, content: {text: Hi}}}\n"


@dataclass(frozen=True, slots=True)
class Record:
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Shop(Parts):
    """A lane over one partition of the trigger stage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        metrics = Metrics()
        self.stage = TriggerStage(self.rules(RULES), "shop", metrics)
        super().__init__(self.stage, metrics)
        self.offset = 0

    def state(self) -> PartitionState:
        assert isinstance(self.owned.partition, TriggerPartition)
        return self.owned.partition.state

    def rules(self, text: str) -> RuleSet:
        (self.folder / "shop.yaml").write_text(text)
        return load_rules(self.folder)

    def figure(self, name: str, **labels: str) -> float | None:
        """A metric as it is when the partition is measured."""
        self.gauges.measure()
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
        await self.lane.take([(CLICKS, [record])])

    def shipped(self, topic: str) -> list[dict[str, Any]]:
        return [
            orjson.loads(record.value or b"")
            for name, records, _ in self.outbox.batches
            if name == topic
            for record in records
        ]

    def customers_in_changelog(self) -> list[bytes | None]:
        return [
            record.key
            for topic, records, _ in self.outbox.batches
            if topic == "changelog"
            for record in records
            if record.key
        ]


@pytest.fixture
async def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    await shop.open()
    return shop


async def test_customers_are_written_only_after_their_triggers_are_acknowledged(shop: Shop) -> None:
    await shop.view("c1")
    checkpoint = asyncio.create_task(shop.checkpoint())
    await settle()
    assert sorted(shop.outbox.topics()) == ["decisions", "web"]
    shop.outbox.acknowledge("web")
    await settle()
    assert "changelog" not in shop.outbox.topics(), "the decisions are under way"
    shop.outbox.acknowledge("decisions")
    await settle()
    assert shop.customers_in_changelog() == [b"c1"]
    assert shop.ledger.committable() == [], "the customers are under way"
    await shop.outbox.acknowledge_all()
    await checkpoint
    assert shop.ledger.take_committable(CLICKS) == 1


async def test_the_changelog_holds_nothing_of_events_whose_triggers_are_not_acknowledged(shop: Shop) -> None:
    await shop.view("c1")
    checkpoint = asyncio.create_task(shop.checkpoint())
    await settle()
    for topic in ("web", "decisions"):
        shop.outbox.acknowledge(topic)
    await shop.view("c2")
    await shop.view("c1")
    await settle()
    assert shop.customers_in_changelog() == [b"c1"]
    await shop.outbox.acknowledge_all()
    await checkpoint
    assert shop.ledger.take_committable(CLICKS) == 1
    state = PartitionState(shop.stage.rules)
    for topic, records, _ in shop.outbox.batches:
        if topic == "changelog":
            for record in records:
                state.load(record.key or b"", record.value)
    assert state.trait("c1", "views", START) == 1, "as it was when the checkpoint began"


async def test_checkpoints_of_one_partition_take_turns_and_the_loop_goes_on(shop: Shop) -> None:
    """Waiting for one that had just ended span for ever, and the worker never gave its partitions up."""
    await shop.view("c1")
    several = [asyncio.create_task(shop.checkpoint()) for _ in range(3)]
    await shop.outbox.acknowledge_all()
    await asyncio.gather(*several)
    assert shop.customers_in_changelog() == [b"c1"]


async def test_after_a_failed_checkpoint_nothing_is_committed_and_the_customers_are_forgotten(
    shop: Shop,
) -> None:
    await shop.view("c1")
    checkpoint = asyncio.create_task(shop.checkpoint())
    await settle()
    shop.outbox.batches[0][2].set_exception(OSError("the broker is gone"))
    shop.outbox.acknowledge("decisions")
    shop.outbox.acknowledge("web")
    with pytest.raises(OSError, match="gone"):
        await checkpoint
    with pytest.raises(CheckpointError):
        await shop.checkpoint()
    assert shop.ledger.committable() == []
    assert not await shop.ownership.close(1)
    assert 0 not in shop.store.stored, "they come from the changelog again"


async def test_partitions_are_given_up_in_time_even_if_kafka_does_not_answer(shop: Shop) -> None:
    await shop.view("c1")
    assert not await shop.ownership.close(0.05)
    assert 0 not in shop.store.stored
    assert shop.ledger.committable() == []
    await shop.view("c1")
    assert len(shop.outbox.batches) == 2, "nothing is sent for a partition that was given up"


async def test_a_checkpoint_that_ends_after_its_partition_was_given_up_commits_nothing(shop: Shop) -> None:
    """Its customers have come from the changelog again, perhaps without what that checkpoint wrote."""
    await shop.view("c1")
    late = asyncio.create_task(shop.checkpoint())
    await settle()
    assert not await shop.ownership.close(0.05)
    await shop.outbox.acknowledge_all()
    await late
    assert shop.ledger.committable() == []


async def test_a_checkpoint_went_on_after_its_partition_was_given_up(shop: Shop) -> None:
    """What it waited for came in that very moment: its customers left once the worker was a member again,
    over those of the next owner.
    """
    await shop.view("c1")
    late = asyncio.create_task(shop.checkpoint())
    await settle()
    shop.now += 61
    closing = asyncio.create_task(shop.ownership.close(60))
    while not shop.outbox.abandoned:
        await asyncio.sleep(0)
    await shop.outbox.acknowledge_all()
    assert not await closing
    await late
    assert shop.customers_in_changelog() == []


async def test_partitions_that_became_durable_are_kept_for_their_return(shop: Shop) -> None:
    await shop.view("c1")
    closing = asyncio.create_task(shop.ownership.close(10))
    await shop.outbox.acknowledge_all()
    assert await closing
    assert shop.store.stored[0].keys == 1
    assert shop.ledger.take_committable(CLICKS) == 1


async def test_a_partition_that_was_quiet_for_an_hour_could_not_be_restored_any_more(shop: Shop) -> None:
    """What was written so that Kafka compacts was no record that a worker reads: each ended with 70."""
    shop.checkpointer._lag = 0
    await shop.view("c1")
    for _ in ("the customer", "how far the topics are", "once more"):
        checkpoint = asyncio.create_task(shop.checkpoint())
        await shop.outbox.acknowledge_all()
        await checkpoint
    written = [each for topic, records, _ in shop.outbox.batches if topic == "changelog" for each in records]
    assert [each.key for each in written] == [b"c1", b"", b"", b""]
    heir = shop.stage.open(0)
    heir.load([Record(n, START, each.key or b"", each.value or b"") for n, each in enumerate(written)])
    assert heir.checkpoint == shop.owned.partition.checkpoint


async def test_a_record_carries_the_revision_of_the_rules_that_judged_its_event(shop: Shop) -> None:
    old, new = shop.stage.rules, shop.rules(MORE_RULES)
    await shop.view("c1")
    await shop.stage.switch(new)
    await shop.view("c1")
    expected = [("every-view", old.revision), ("also", new.revision), ("every-view", new.revision)]
    for topic in ("web", "decisions"):
        assert [(each["rule"], each["revision"]) for each in shop.shipped(topic)] == expected
    views = [each["content"]["views"] for each in shop.shipped("web") if each["rule"] == "every-view"]
    assert views == ["1", "2"], "what was counted before the switch still counts"


async def test_a_partition_where_nothing_happens_switches_too(shop: Shop) -> None:
    new = shop.rules(MORE_RULES)
    await shop.stage.switch(new)
    assert shop.state().rules is new


async def test_an_event_was_judged_by_a_switch_of_which_the_changelog_knew_nothing_yet(shop: Shop) -> None:
    shop.stage.switches = Switches("topic", 1, {"every-view": LATEST})
    await shop.view("c1")
    assert [each["outcome"] for each in shop.shipped("decisions")] == ["sent"]
    assert shop.owned.due == 0.0, "it asks for a checkpoint"
    checkpoint = asyncio.create_task(shop.checkpoint())
    await settle()
    await shop.view("c2")
    assert len(shop.shipped("decisions")) == 1, "the checkpoint is under way"
    assert shop.owned.waiting
    await shop.outbox.acknowledge_all()
    await checkpoint
    await shop.view("c3")
    told = [(each["customer_id"], each["outcome"], each["reason"]) for each in shop.shipped("decisions")[1:]]
    assert told == [("c2", "suppressed", "disabled"), ("c3", "suppressed", "disabled")]


async def test_a_partition_that_was_kept_while_the_rules_changed_is_restored_under_the_new_ones(
    shop: Shop,
) -> None:
    """What another worker had written for a new rule was dropped: read under rules that did not know it."""
    shop.owned.take_changed()
    assert await shop.ownership.close(1)
    new = shop.rules(MORE_RULES)
    await shop.stage.switch(new)
    stored = shop.store.stored[0]
    others = PartitionState(new)
    changed = others.take_changed()
    stored.load([Record(number, START, *each) for number, each in enumerate(changed)])
    assert shop.state().rules is new
    late = shop.stage.open(1)
    late.state.adopt(shop.rules(RULES))
    late.load([])
    assert late.state.rules is new, "before anything is read"


async def test_without_the_lease_nothing_is_applied_or_written(shop: Shop) -> None:
    """Others may own the partitions by now: a stopped process does not know."""
    await shop.view("c1")
    shop.now += 61
    waiting = asyncio.create_task(shop.view("c1"))
    await settle()
    assert len(shop.shipped("web")) == 1
    assert not await shop.ownership.close(60), "it does not wait either"
    assert shop.outbox.abandoned
    assert 0 not in shop.store.stored
    shop.lease.renew(shop.lease.now())
    await waiting
    assert len(shop.shipped("web")) == 1, "it is read again by whoever owns it now"


async def test_a_partition_has_work_where_records_are_in_hand_and_not_where_a_topic_has_a_hole(
    shop: Shop,
) -> None:
    """A topic whose tail was compacted away has records that never come: nobody is stuck for that."""
    everything = {TopicPartition(source.topic, 0) for source in shop.stage.rules.sources}
    assert shop.ownership.places(set(), everything) == {}
    shop.ledger.reached({CLICKS: Reach(5, 9)})
    assert shop.ownership.places(set(), everything) == {}
    assert list(shop.ownership.places({CLICKS}, everything)) == ["partition 0"]
    await shop.view("c1")
    before = shop.ownership.places(set(), everything)
    assert list(before) == ["partition 0"]
    checkpoint = asyncio.create_task(shop.checkpoint())
    await shop.outbox.acknowledge_all()
    await checkpoint
    assert shop.ownership.places({CLICKS}, everything) != before, "that is progress"


async def test_a_partition_that_waits_for_a_topic_whose_broker_is_away_is_not_stuck(shop: Shop) -> None:
    await shop.view("c1")
    shop.ownership._source_of["orders"] = "orders"
    orders = TopicPartition("orders", 0)
    assert shop.ownership.places(set(), set()) == {}
    assert list(shop.ownership.places(set(), {orders})) == ["partition 0"]
    assert list(shop.ownership.places({orders}, set())) == ["partition 0"]


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
    checkpoint = asyncio.create_task(shop.checkpoint())
    await shop.outbox.acknowledge_all()
    await checkpoint
    assert lag() == 0


async def test_a_timer_is_overdue_by_the_clock_that_it_goes_by(shop: Shop) -> None:
    shop.owned.watermark, shop.owned.next_deadline = START, START + 5_000
    assert shop.figure("stream_timers_overdue_seconds") == 0
    shop.owned.watermark = START + 7_500
    assert shop.figure("stream_timers_overdue_seconds") == 2.5
    shop.clock = shop.gauges._clock = Clock(lambda: START + 65_000)
    assert shop.figure("stream_timers_overdue_seconds") == 60, (
        "the watermark waits for a backlog, people do not"
    )
    shop.owned.next_deadline = None
    assert shop.figure("stream_timers_overdue_seconds") == 0


async def test_a_failure_names_the_record_that_would_end_the_worker_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could put aside a record of which nobody knew the topic, partition and offset."""
    await shop.view("c1")

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(shop.owned.partition, "step", fail)
    with capture_logs() as said, pytest.raises(ZeroDivisionError):
        await shop.view("c1")
    (line,) = said
    assert line["event"] == "failed_at"
    place = {name: line[name] for name in ("topic", "partition", "applied", "end")}
    assert place == {"topic": "clicks", "partition": 0, "applied": 1, "end": 2}
    page, _, section = line["hint"].partition("#")
    assert section in anchors((ROOT / page).read_text("utf-8"))


async def test_a_partition_of_which_nothing_is_due_is_left_alone(shop: Shop) -> None:
    """An idle worker took a step of each partition twenty times a second."""
    is_due, owned = shop.lane._is_due, shop.owned
    await shop.view("c1")
    owned.recovery = owned.next_deadline = None
    assert not is_due(owned)
    owned.next_deadline = 0
    assert is_due(owned), "a timer is"
    owned.next_deadline = None
    shop.ledger.reached({CLICKS: Reach(shop.offset, shop.offset + 1)})
    assert is_due(owned), "of another topic what waits for this one may be"
    shop.ledger.reached({CLICKS: Reach(shop.offset, shop.offset)})
    assert not is_due(owned)
    owned.stepped_at -= IDLE_S
    assert is_due(owned), "the watermark is to be moved on"


def test_an_idle_worker_looks_once_at_each_tick() -> None:
    """A loop that woke up at 100.05 s was a rest of nothing before its tick: for as long as that millisecond
    lasted, all partitions were looked at again and again, which was half of what an idle worker took.
    """
    now, looks = 100_003, 0  # ms, as uvloop counts
    while now < 110_003 and looks < 1000:
        now += round(until_tick(now / 1000) * 1000)
        looks += 1
    assert looks == pytest.approx(10 / TICK_S, abs=1)


def test_all_who_wait_for_a_tick_wake_up_together() -> None:
    for now in range(100_000, 100_200):
        left = until_tick(now / 1000)
        assert TICK_S / 2 <= left <= 1.5 * TICK_S
        assert (now + round(left * 1000)) % 50 == 0
