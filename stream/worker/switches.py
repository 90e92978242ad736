"""The switches of rules, as the worker follows them: read to their end before its first step, then on and on.

    topic ─► what is known of each rule ─► `TriggerStage.switches` ─► each partition, at a checkpoint

Where Kafka cannot be asked, what was known stays: a worker that starts waits, and one that runs goes on by
what it knows and says so.
Tested by tests/worker/test_switches.py, and on a real Kafka by tests/integration/test_switches.py; what
partitions do with them, by tests/worker/test_switched_off.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from stream.clock import LATEST, wall_ms
from stream.decisions.wire import iso_time
from stream.errors import BrokerError, StreamError
from stream.kafka.reader import reader
from stream.kafka.topic_ids import topic_ids
from stream.settings import Settings
from stream.structs import Switches
from stream.telemetry.metrics import Metrics
from stream.topics.switches import Switch, read_into, switches_of, take
from stream.worker.triggers import TriggerStage

log = structlog.get_logger("stream.switches")

RETRY_S = 1.0
POLL_MS = 500
SILENT_MS = 10_000  # without an answer, after which it is said that what is known may be out of date


class FollowedSwitches:
    """Keeps the stage's switches up to date with the topic."""

    def __init__(self, settings: Settings, stage: TriggerStage, metrics: Metrics) -> None:
        self._settings = settings
        self._topic = settings.own_topics.switches
        self._stage = stage
        self._metrics = metrics
        self._is_silent = False

    async def until_known(self, waits: Callable[[StreamError], None]) -> None:
        """Return once the topic was read to its end. `waits` hears why it was not yet."""
        while True:
            try:
                async with asyncio.timeout(SILENT_MS / 1000), reader(self._settings, "switches") as consumer:
                    await self._read(consumer)
                    return
            except (KafkaError, TimeoutError, StreamError) as error:
                waits(BrokerError(f"{self._topic} cannot be read: {type(error).__name__}"))
            await asyncio.sleep(RETRY_S)

    async def keep_following(self) -> None:
        """Take every change, for ever."""
        while True:
            try:
                async with reader(self._settings, "switches") as consumer:
                    await self._follow(consumer)
            except (KafkaError, TimeoutError, StreamError) as error:
                self._note_silence(type(error).__name__)
            await asyncio.sleep(RETRY_S)

    async def _read(self, consumer: Any) -> tuple[dict[str, Switch], Switches]:
        """All of the topic anew: it may be another one than before, of the same name."""
        topic_id = (await topic_ids(consumer._client, [self._topic])).get(self._topic)
        if topic_id is None:  # which must not mean that all rules are on
            raise BrokerError(f"there is no topic {self._topic}")
        known: dict[str, Switch] = {}
        position = await read_into(known, consumer, self._topic, SILENT_MS / 1000)
        found = switches_of(topic_id, position, known.values())
        self._set(found)
        return known, found

    async def _follow(self, consumer: Any) -> None:
        known, latest = await self._read(consumer)
        read_at = wall_ms()
        tp = TopicPartition(self._topic, 0)
        consumer.assign([tp])
        consumer.seek(tp, latest.position)
        while True:
            fetched = await consumer.getmany(tp, timeout_ms=POLL_MS)
            if records := fetched.get(tp):
                take(known, records)
                self._set(switches_of(latest.topic_id, records[-1].offset + 1, known.values()))
            elif wall_ms() > max(consumer.last_poll_timestamp(tp) or 0, read_at) + SILENT_MS:
                self._note_silence("no answer")
                continue
            if self._is_silent:
                self._is_silent = False
                log.info("switches_are_followed")

    def _note_silence(self, why: str) -> None:
        if not self._is_silent:
            self._is_silent = True
            log.warning(
                "switches_are_not_followed",
                reason=why,
                topic=self._topic,
                next="what is off stays off, what is on stays on; asked again until Kafka answers",
            )

    def _set(self, switches: Switches) -> None:
        before, self._stage.switches = self._stage.switches, switches
        self._metrics.rules.set_disabled(switches.off)
        for rule in sorted(before.off.keys() | switches.off.keys()):
            until = switches.off.get(rule)
            if until == before.off.get(rule):
                continue
            if until is None:
                log.info("rule_enabled", rule=rule)
            else:
                log.info("rule_disabled", rule=rule, until=None if until == LATEST else iso_time(until))
