"""What a worker waits for before it joins its group: the sources' topics, and workers that read the same.

A source that is not there yet is waited for: a team may deploy before its producers. So are workers of the
same app whose rules have other sources. A group shares out the partitions of all that its members read: who
reads a topic less would be given partitions of which it cannot serve any, and they would rest.
A disk is for one worker: two would open the same stores, at the first rebalance that gives one what the other
had. Tested by tests/attacks/live/test_topics.py and tests/worker/test_admission.py.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from stream.errors import BrokerError, SettingsError, StoreError, StreamError
from stream.rules.model import RuleSet
from stream.settings import Settings, shown
from stream.topics.ensure import (
    MissingSourcesError,
    Topology,
    admin_client,
    asked,
    ensure_with,
    other_sources,
)
from stream.topics.revisions import publish
from stream.worker.health import Health

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

LOOK_S = 1.0

log = structlog.get_logger("stream.worker")


@contextmanager
def disk_of_its_own(settings: Settings) -> Iterator[None]:
    """Hold the data folder. Raises SettingsError where another worker of this app has it, StoreError where
    that cannot be told.
    """
    if settings.store != "rocksdb":
        yield
        return
    folder = settings.data_dir / settings.app_id
    with suppress(OSError):  # what is wrong with the folder is said by the store
        folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = (folder / "worker.lock").open("ab")
    except OSError:
        yield
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"another worker of {settings.app_id} keeps its customers in {shown(settings.data_dir)}",
                hint="give each worker a STREAM_DATA_DIR of its own",
            ) from None
        except OSError as error:
            raise StoreError(
                f"{lock.name} cannot be locked: {error.strerror}",
                hint="STREAM_DATA_DIR must be on a file system that knows flock, such as a local disk",
            ) from error
        yield


class Admission:
    """`health` is the verdict meanwhile; the worker replaces it."""

    def __init__(self, settings: Settings, rules: RuleSet) -> None:
        self._settings = settings
        self._rules = rules
        self._waits_for: str | None = None
        self.health: Callable[[], Health] = self._waiting

    def _waiting(self) -> Health:
        return Health(live=True, ready=False, reasons=(f"waits for {self._waits_for or 'Kafka'}",))

    async def until_fit(self) -> Topology:
        """Return once topics and workers fit. An outage meanwhile is waited for.

        Raises what `ensure_topics` does but for missing sources: a BrokerError at the first look, when the
        settings may be wrong.
        """
        async with admin_client(self._settings) as client:
            while (topology := await self._look(client)) is None:
                await asyncio.sleep(LOOK_S)
        return topology

    async def _look(self, client: AIOKafkaAdminClient) -> Topology | None:
        """The topics are looked at when the group is free, and at first: what is wrong with them must not
        come out only after all workers were stopped.
        """
        topology = None
        try:
            with asked(self._settings, client):
                others = await other_sources(client, self._settings, self._rules)
                if self._waits_for is None or others == set():
                    topology = await ensure_with(client, self._settings, self._rules)
        except MissingSourcesError as error:
            if self._is_new(f"source topics: {', '.join(error.topics)}"):
                log.warning("waits_for_topics", missing=sorted(error.topics), hint=error.hint)
        except BrokerError as error:
            if self._waits_for is None:
                raise
            self.say_kafka(error)
        else:
            if others is None:
                if self._is_new("the end of a rebalance of its group"):
                    log.info("waits_for_group", reason="a rebalance does not tell what its members read")
            elif not others:
                return topology
            elif self._is_new(f"workers that read other sources to end: {', '.join(sorted(others))}"):
                log.warning(
                    "waits_for_workers_with_other_sources",
                    topics=sorted(others),
                    hint="sources change for all workers at once: stop all of them, then start them",
                )
        return None

    async def until_published(self) -> None:
        """Return once Kafka has what the rules say. Raises TopologyError where it will not have it."""
        while True:
            try:
                return await publish(self._settings, self._rules)
            except BrokerError as error:
                self.say_kafka(error)
            await asyncio.sleep(LOOK_S)

    def say_kafka(self, error: StreamError) -> None:
        """Say, once, that Kafka is waited for."""
        if self._is_new(f"Kafka: {error.message}"):
            log.warning("waits_for_kafka", reason=error.message, hint=error.hint)

    def _is_new(self, waits_for: str) -> bool:
        """Whether something else was waited for until now: then it is said."""
        before, self._waits_for = self._waits_for, waits_for
        return waits_for != before
