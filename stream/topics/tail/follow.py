"""Reading topics as they grow, from now or from a time on. Nothing is left on the broker, no group or offset.

A partition's records come in their order; those of several partitions as they arrive, those that arrive
together by Kafka's time. Tested by tests/integration/test_tail.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from stream.errors import BrokerError, TopologyError
from stream.kafka.cluster import NOT_AUTHORIZED
from stream.kafka.connections import unreachable
from stream.kafka.contact import CONTACT
from stream.kafka.reader import reader, span
from stream.kafka.topic_ids import metadata
from stream.settings import Settings, shown
from stream.structs import Record
from stream.topics.tail.topics import Followed

POLL_MS = 250
PAUSE_AFTER = 100  # records, so that a signal is heard

Take = Callable[[Followed, int, Record], bool]  # whether more are wanted


@dataclass(slots=True)
class Follower:
    """`note` is told what is to be known besides. `stop` ends it, from a signal's handler, too."""

    settings: Settings
    take: Take
    note: Callable[[str], object]
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        self._stopped.set()

    async def run(self, topics: Sequence[Followed], since: int | None = None, *, once: bool = False) -> None:
        """Until `take` wants no more, or `stop`; with `once` to the ends as they are now.

        Raises BrokerError where no Kafka answers or it forbids reading, TopologyError where there is none of
        the topics.
        """
        try:
            async with reader(self.settings, "tail", ours=False, own=True) as consumer:
                by_name = await self._there(consumer, topics)
                ends = await self._begin(consumer, by_name, since)
                await self._follow(consumer, by_name, ends if once else None)
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
            raise self._forbidden(str(topic) for topic in (error.args[0] if error.args else ())) from error
        except KafkaError as error:
            raise unreachable(self.settings, error) from error

    async def _there(self, consumer: Any, topics: Sequence[Followed]) -> dict[str, Followed]:
        """By name, those that there are."""
        answer = await metadata(consumer._client, [each.topic for each in topics])
        codes = {name: code for code, name, *_ in answer.topics}
        if hidden := [name for name, code in codes.items() if code in NOT_AUTHORIZED]:
            raise self._forbidden(hidden)
        missing = [each.topic for each in topics if codes.get(each.topic)]
        if len(missing) == len(topics):
            raise TopologyError(
                f"Kafka at {shown(self.settings.broker)} has no topic {', '.join(missing)}",
                hint="`stream topics` shows what the rules need, and `stream topics --create` makes ours",
            )
        for name in missing:
            self.note(f"there is no topic {name} yet: it is not followed")
        return {each.topic: each for each in topics if each.topic not in missing}

    def _forbidden(self, topics: Iterable[str]) -> BrokerError:
        names = ", ".join(sorted(topics)) or "the topics"
        what = f"Kafka at {shown(self.settings.broker)} does not let this client read {names}"
        return BrokerError(what, hint="grant Describe and Read on them to this client; no group is needed")

    async def _begin(
        self, consumer: Any, topics: dict[str, Followed], since: int | None
    ) -> dict[TopicPartition, int]:
        await consumer._client.set_topics(set(topics))
        tps = [
            TopicPartition(topic, number)
            for topic in topics
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        _, ends = await span(consumer, tps)
        starts = dict(ends)
        if since is not None:
            for tp, at in (await consumer.offsets_for_times(dict.fromkeys(tps, since))).items():
                starts[tp] = ends[tp] if at is None else at.offset
        consumer.assign(tps)
        for tp, start in starts.items():
            consumer.seek(tp, start)
        return ends

    async def _follow(
        self, consumer: Any, topics: dict[str, Followed], ends: dict[TopicPartition, int] | None
    ) -> None:
        left = None if ends is None else dict(ends)
        away = False
        while not self._stopped.is_set():
            if left is not None:
                for tp, end in list(left.items()):
                    if await consumer.position(tp) >= end:
                        del left[tp]
                if not left:
                    return
            if bool(CONTACT.away()) != away:
                away = not away
                self.note("Kafka is away: waits for it" if away else "Kafka is back")
            for number, (tp, record) in enumerate(await self._polled(consumer), start=1):
                if ends is not None and record.offset >= ends[tp]:
                    continue
                if not self.take(topics[tp.topic], tp.partition, record):
                    return
                if number % PAUSE_AFTER == 0:
                    await asyncio.sleep(0)
                    if self._stopped.is_set():
                        return

    async def _polled(self, consumer: Any) -> list[tuple[TopicPartition, Record]]:
        """What has come, or nothing once `stop` was called."""
        polling = asyncio.ensure_future(consumer.getmany(timeout_ms=POLL_MS))
        stopped = asyncio.ensure_future(self._stopped.wait())
        await asyncio.wait([polling, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not polling.done():
            polling.cancel()
            return []
        try:
            fetched = polling.result()
        except OffsetOutOfRangeError as error:
            for tp in error.args[0]:
                self.note(f"{tp.topic}/{tp.partition}: what came next is deleted; goes on with what is there")
                await consumer.seek_to_beginning(tp)
            return []
        records = [(tp, record) for tp, found in fetched.items() for record in found]
        return sorted(records, key=lambda each: each[1].timestamp)
