"""What a stage may ask of the runtime: an early checkpoint, a step once it is durable, effects outside."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream.errors import SettingsError
from stream.kafka._packed import pack
from stream.runtime.effects import AT_ONCE, FULL
from stream.runtime.ledger import Reach, TopicPartition
from stream.runtime.partition import OwnedPartition
from stream.runtime.partition_store import PartitionStore
from stream.runtime.recovery import Recovery
from stream.runtime.rocksdb import DiskStores
from stream.runtime.stage import Effect, StepResult, Written
from stream.settings import load
from stream.structs import WireRecord
from stream.telemetry.metrics import Metrics
from tests.kit.counting import Counting, CountingPartition
from tests.kit.patience import eventually_async
from tests.runtime.lanekit import Parts, settle

IN = TopicPartition("t-in", 0)


@dataclass(frozen=True, slots=True)
class Record:
    offset: int
    key: bytes
    timestamp: int = 0
    value: bytes | None = b""
    headers: tuple[tuple[str, bytes], ...] = ()


class Counter(Parts):
    """The counting stage on one partition; `posts` are the effects under way, answered by the test."""

    def __init__(self) -> None:
        self.stage = Counting("t")
        self.posts: dict[Any, asyncio.Future[bytes]] = {}
        super().__init__(self.stage, Metrics(), self.post)
        self.offset = 0

    async def post(self, call: Any) -> bytes:
        answer = self.posts[call] = asyncio.get_running_loop().create_future()
        return await answer

    async def count(self, key: bytes, times: int = 1) -> None:
        records = [Record(self.offset + n, key) for n in range(times)]
        self.offset += times
        self.ledger.hand_out(IN, times, self.offset)
        self.ledger.reached({IN: Reach(self.offset, self.offset)})
        await self.lane.take([(TopicPartition("t-in", 0), records)])

    def written(self, topic: str) -> list[bytes | None]:
        return [each.value for name, records, _ in self.outbox.batches if name == topic for each in records]

    @property
    def partition(self) -> CountingPartition:
        assert isinstance(self.owned.partition, CountingPartition)
        return self.owned.partition


@pytest.fixture
async def counter() -> Counter:
    counter = Counter()
    await counter.open()
    return counter


async def test_an_early_checkpoint_is_due_at_once(counter: Counter) -> None:
    due = counter.owned.due
    await counter.count(b"a", 2)
    assert counter.owned.due == due
    await counter.count(b"a")
    assert counter.owned.due == 0


async def test_what_is_handed_on_waits_until_it_is_durable(counter: Counter) -> None:
    await counter.count(b"a", 3)
    checkpoint = asyncio.create_task(counter.checkpoint())
    await settle()
    counter.outbox.acknowledge("t-counts")
    await counter.count(b"a", 3)
    await settle()
    assert counter.written("t-mail") == [], "the changelog has not acknowledged the third count yet"
    await counter.outbox.acknowledge_all()
    await checkpoint
    assert counter.written("t-mail") == [b"3"], "and not the sixth, which came after the checkpoint began"


async def test_what_was_handed_on_is_acknowledged_before_the_state_forgets_it(counter: Counter) -> None:
    await counter.count(b"a", 3)
    for topics in (("t-counts", "changelog", "changelog"), ("changelog", "changelog")):
        checkpoint = asyncio.create_task(counter.checkpoint())
        await settle()
        for topic in topics:
            counter.outbox.acknowledge(topic)
            await settle()
    assert not checkpoint.done(), "the mail is under way"
    in_changelog = len(counter.written("changelog"))
    counter.outbox.acknowledge("t-mail")
    await settle()
    assert len(counter.written("changelog")) > in_changelog


async def test_a_partition_that_was_given_up_hands_nothing_on(counter: Counter) -> None:
    await counter.count(b"a", 3)
    closing = asyncio.create_task(counter.ownership.close(60))
    await settle()
    await counter.outbox.acknowledge_all()
    assert await closing
    assert counter.written("t-mail") == [], "its next owner does"
    await counter.open()
    await counter.count(b"b")
    assert counter.written("t-mail") == [b"3"]


async def test_records_for_another_partition_number_have_no_tail_here(counter: Counter) -> None:
    counter.owned.number = 7
    counter.owned.await_shipped("t-mail", 0, (done := asyncio.get_running_loop().create_future()))
    counter.owned.await_shipped("t-counts", 7, (own := asyncio.get_running_loop().create_future()))
    done.set_result(5)
    own.set_result(9)
    await settle()
    assert counter.owned.tails == {"t-counts": 9}


def wrote(count: int, offset: int, number: int = 0) -> Written:
    return Written(("t-counts", b"a", b"%d" % count), ("t-in", number, offset))


async def test_what_a_former_owner_wrote_is_not_written_again_until_its_causes_are_applied(
    counter: Counter,
) -> None:
    await counter.ownership.close(0)
    recovery = counter.takeover.recovery = Recovery(0, counter.stage.identity)
    for written in (wrote(1, 0), wrote(2, 1)):
        recovery.add(written)
    counter.store.drop(0)
    await counter.open()
    await counter.count(b"a")
    assert counter.written("t-counts") == []
    assert counter.owned.recovery is recovery
    await counter.count(b"a", 2)
    assert counter.written("t-counts") == [b"3"]
    assert counter.owned.recovery is None
    counter.outbox.acknowledge("t-counts")
    await settle()
    assert counter.owned.tails == {}, "what was shipped during the recovery has not moved the tail"
    await counter.count(b"a")
    counter.outbox.acknowledge("t-counts")
    await settle()
    assert counter.owned.tails == {"t-counts": 2}


async def test_a_copy_for_another_partition_number_is_not_taken_for_the_one_in_our_tail(
    counter: Counter,
) -> None:
    """Only the tails of our own number were read: what was lost of another's was lost for good."""
    counter.owned.recovery = Recovery(0, counter.stage.identity)
    counter.owned.recovery.add(wrote(1, 0))
    copies = [WireRecord("t-counts", b"a", b"1", (), partition) for partition in (None, 0, 3)]
    assert [*counter.owned.without_repeats(pack(copies))] == [("t-counts", 3)]


async def test_records_go_to_the_partition_number_that_they_name(counter: Counter) -> None:
    records = [WireRecord("t-mail", b"a", b"1", (), 3), WireRecord("t-mail", b"a", b"2", ())]
    counter.lane._carry_out(counter.owned, StepResult(pack(records)))
    assert counter.outbox.targets == [("t-mail", 3, 0), ("t-mail", 0, 0)]
    assert counter.outbox.load(0) == 2, "both count for their sender"


async def test_time_passes_without_records_and_only_under_the_lease(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await counter.count(b"a", 3)
    closing = asyncio.create_task(counter.ownership.close(60))
    await counter.outbox.acknowledge_all()
    await closing
    await counter.open()
    counter.now += 61
    come_by, may_tick = asyncio.Event(), counter.lane._may_tick

    def look(owned: OwnedPartition) -> bool:
        come_by.set()
        return may_tick(owned)

    monkeypatch.setattr(counter.lane, "_may_tick", look)
    ticking = asyncio.create_task(counter.lane.keep_ticking())
    await come_by.wait()
    await settle()
    assert counter.written("t-mail") == [], "others may own the partition"
    counter.lease.renew(counter.lease.now())

    async def handed_on() -> bool:
        return counter.written("t-mail") == [b"3"]

    await eventually_async(handed_on, "a step without records has handed on what was left")
    ticking.cancel()


async def test_checkpoints_are_made_without_being_asked_for_and_only_under_the_lease(
    counter: Counter,
) -> None:
    await counter.count(b"a")
    counter.outbox.acknowledge("t-counts")
    counter.now += 61
    keeping = asyncio.create_task(counter.checkpointer.keep_checkpointing())
    counter.owned.due = 0
    await settle()
    assert counter.written("changelog") == [], "others may own the partition"
    counter.lease.renew(counter.lease.now())

    async def written() -> bool:
        counter.outbox.acknowledge("changelog")
        return len(counter.written("changelog")) == 2

    await eventually_async(written, "the key and the checkpoint are in the changelog")
    assert counter.owned.due > 0, "the next is due an interval later"
    keeping.cancel()


async def test_a_partition_with_too_many_effects_waits_and_holds_up_nobody(counter: Counter) -> None:
    """One slow partner stopped every partition of the worker, and the watchdog ended it."""
    await counter.count(b"a", 5 * FULL)
    await counter.count(b"b")
    assert counter.partition.keys.get(b"b") is None, "its batch waits, and the lane goes on"
    assert not counter.ledger.ended(IN)
    assert counter.ownership.places({IN}, {IN}) == {}, "it is not stuck"
    await settle()
    counter.posts[b"a", 5].set_result(b"")
    await settle()
    counter.lane._go_on(counter.owned)
    assert counter.partition.keys[b"b"].count == 1


async def test_effects_that_never_began_are_forgotten_with_their_partition(counter: Counter) -> None:
    """Their number stayed, and the partition was full for ever when it came back."""
    counter.lane.effects.start(0, [Effect((b"a", 5), 1.0)] * FULL)
    await counter.lane.effects.cancel([0])
    await settle()
    assert counter.lane.effects.load(0) == 0


async def test_an_answer_that_comes_although_its_partition_was_given_up_is_dropped(counter: Counter) -> None:
    """A performer may not listen when it is cancelled."""

    async def stubborn(call: Any) -> bytes:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return b"late"

    counter.lane.effects._perform = stubborn
    await counter.count(b"a", 5)
    await settle()
    await counter.ownership.close(0)
    await counter.open()
    await settle()
    assert counter.written("t-answers") == []


async def test_an_effect_goes_on_beside_the_steps_and_its_answer_comes_back(counter: Counter) -> None:
    await counter.count(b"a", 5)
    await settle()
    await counter.count(b"b")
    assert counter.written("t-answers") == []
    counter.posts[b"a", 5].set_result(b"thanks")
    await settle()
    assert counter.written("t-answers") == [b"thanks"]
    assert counter.partition.keys[b"a"].post == []


async def test_only_so_many_effects_of_a_partition_are_under_way(counter: Counter) -> None:
    await counter.count(b"a", 5 * (AT_ONCE + 3))
    await settle()
    assert len(counter.posts) == AT_ONCE
    assert counter.lane.effects.load(0) == AT_ONCE + 3
    counter.posts[b"a", 5].set_result(b"")
    await settle()
    assert len(counter.posts) == AT_ONCE + 1


async def test_an_effect_that_takes_too_long_is_cancelled_and_told(counter: Counter) -> None:
    await counter.count(b"a", 5)
    await settle()
    first = counter.posts[b"a", 5]

    async def asked_again() -> bool:
        return counter.posts[b"a", 5] is not first

    await eventually_async(asked_again, "the stage has been told, and asks for it again")
    assert first.cancelled()


async def test_an_effect_that_fails_after_its_partition_was_given_up_is_said_and_ends_nothing(
    counter: Counter,
) -> None:
    failed: list[BaseException] = []

    async def cleaning_up(call: Any) -> bytes:
        try:
            return await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise ConnectionResetError from None

    counter.lane.effects._perform = cleaning_up
    counter.lane.effects._on_error = failed.append
    await counter.count(b"a", 5)
    await settle()
    with capture_logs() as logged:
        await counter.ownership.close(0)
    assert failed == []
    assert [each["error"] for each in logged if each["event"] == "effect_failed_late"] == [
        "ConnectionResetError"
    ]


async def test_without_the_lease_no_effect_begins(counter: Counter) -> None:
    """Others may own the partition by now: the partner would be called twice."""
    await counter.count(b"a", 5)
    counter.now += 61
    await settle()
    assert counter.posts == {}


async def test_effects_of_a_partition_that_is_given_up_are_cancelled(counter: Counter) -> None:
    await counter.count(b"a", 5)
    await settle()
    await counter.ownership.close(0)
    await settle()
    assert counter.posts[b"a", 5].cancelled()
    assert counter.lane.effects.load(0) == 0


async def test_an_effect_that_fails_is_a_failure_of_ours(counter: Counter) -> None:
    failed: list[BaseException] = []
    counter.lane.effects._on_error = failed.append
    await counter.count(b"a", 5)
    await settle()
    counter.posts[b"a", 5].set_exception(OSError("the performer did not catch it"))
    await settle()
    assert [type(each) for each in failed] == [OSError]


def test_a_stage_that_keeps_all_in_memory_refuses_a_store_on_disk(tmp_path: Any) -> None:
    settings = load({"STREAM_DATA_DIR": str(tmp_path), "STREAM_STORE": "rocksdb"}, env_file=None)
    with pytest.raises(SettingsError, match="in memory"):
        PartitionStore(Counting("t"), DiskStores(settings, "counts")).ensure(0, "")
