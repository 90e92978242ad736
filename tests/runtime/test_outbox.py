"""What is refused, and what goes after it; batches of a topic that takes little. Kafka is the test's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata, TopicPartition

from stream.errors import RefusedError
from stream.kafka._packed import PackedRecords
from stream.kafka.lease import Lease
from stream.runtime.outbox import Outbox
from stream.settings import load
from tests.runtime.lanekit import settle


class Producer:
    """Takes batches; the test answers them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any, asyncio.Future[Any]]] = []
        self.end = 0

    async def send(self, batch: Any, topic: str, partition: int) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.sent.append((topic, batch, answer))
        return answer

    def acknowledge(self) -> None:
        topic, batch, answer = next(each for each in self.sent if not each[2].done())
        where = TopicPartition(topic, 0)
        answer.set_result(RecordMetadata(topic, 0, where, self.end, -1, 0, 0))
        self.end += batch.record_count()

    async def stop(self) -> None: ...
    async def cut(self) -> None: ...


class Post(Outbox):
    """An outbox that is connected to a `Producer` from the start."""

    def __init__(self, limits: dict[str, int]) -> None:
        lease = Lease(600)
        lease.renew(lease.now())
        self.told: list[BaseException] = []
        super().__init__(load({}, {}, env_file=None), lease, self.told.append, limits)
        self.kafka = Producer()
        self._producer = self.kafka  # type: ignore[assignment]


def records(count: int, size: int) -> PackedRecords:
    made = PackedRecords()
    made.add_pairs([(b"k%d" % number, b"x" * size) for number in range(count)])
    return made


async def test_nothing_goes_after_what_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later batches went, before the first was answered and after it was refused: marks without customers."""
    post = Post({})
    first = post.ship("changelog", 0, records(1000, 1000), sender=0)
    await settle()
    assert len(post.kafka.sent) == 1, "four batches, of which one at a time is under way"
    waiting = post.ship("changelog", 0, records(1, 10), sender=0)
    post.kafka.sent[0][2].set_exception(MessageSizeTooLargeError())
    await settle()
    late = post.ship("changelog", 0, records(1, 10), sender=0)
    other = post.ship("web", 0, records(1, 10), sender=1)
    await settle()
    assert len(post.kafka.sent) == 1
    for each in (first, waiting, late, other):
        with pytest.raises(RefusedError):
            await each
    assert len(post.told) == 1


async def test_nothing_goes_to_another_topic_after_what_was_refused() -> None:
    """Triggers of events that no changelog had went on to their channel, one batch after the other."""
    post = Post({})
    changelog = post.ship("changelog", 0, records(1000, 1000), sender=0)
    web = post.ship("web", 0, records(1000, 1000), sender=0)
    await settle()
    assert [topic for topic, _, _ in post.kafka.sent] == ["changelog", "web"]
    post.kafka.sent[0][2].set_exception(MessageSizeTooLargeError())
    await settle()
    post.kafka.acknowledge()
    await settle()
    assert len(post.kafka.sent) == 2
    for each in (changelog, web):
        with pytest.raises(RefusedError, match="changelog/0"):
            await each
    assert len(post.told) == 1


async def test_batches_are_as_large_as_the_topic_takes_and_no_larger() -> None:
    """A burst of small records went in batches that a topic with a small limit refused, at each start."""
    post = Post({"small": 100_000})
    for topic, most in (("small", 100_000), ("usual", 256 * 1024)):
        shipped = post.ship(topic, 0, records(2000, 600), sender=0)
        await settle()
        while not shipped.done():
            post.kafka.acknowledge()
            await settle()
        sizes = [batch.size() for name, batch, _ in post.kafka.sent if name == topic]
        assert max(sizes) <= most
        assert max(sizes) > most - 1000
        post.kafka.end = 0
    assert not post.told


async def test_what_was_shipped_just_before_it_was_abandoned_held_up_its_topic_for_ever() -> None:
    """Who was to carry it had not begun, and nobody came after him."""
    post = Post({})
    post.ship("changelog", 0, records(1, 10), sender=0)
    await post.abandon()
    assert not post.under_way
    post._producer = post.kafka  # type: ignore[assignment]
    later = post.ship("changelog", 0, records(1, 10), sender=0)
    await settle()
    post.kafka.acknowledge()
    assert await later == 1
