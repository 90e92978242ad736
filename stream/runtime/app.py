"""A worker of any stage: a Faust app around the lane, and its life from start to end.

Faust brings the consumer group, assignment, rebalances and the agent; everything that it would do per record,
and its recovery, stores, web server, leader topic and producer, is replaced or off: see
docs/design/batch-lane.md. What it says of its health is tested by tests/runtime/test_liveness.py.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import faust
import structlog
from faust.app.base import BootStrategy

from stream.clock import Clock, wall_ms
from stream.errors import InternalError
from stream.kafka.connections import security
from stream.kafka.contact import CONTACT
from stream.kafka.lease import Lease
from stream.kafka.pace import Pace
from stream.runtime.checkpointer import Checkpointer
from stream.runtime.effects import Perform, refuse
from stream.runtime.failures import watch_loop, watch_threads
from stream.runtime.gauges import Gauges
from stream.runtime.lane import Lane
from stream.runtime.ledger import Ledger
from stream.runtime.outbox import Outbox
from stream.runtime.ownership import Ownership
from stream.runtime.partition import OwnedPartition
from stream.runtime.partition_store import PartitionStore
from stream.runtime.restore import ChangelogReader, Restore
from stream.runtime.rocksdb import DiskStores
from stream.runtime.skips import Skips
from stream.runtime.stage import Stage
from stream.runtime.table import StageTable, Tables
from stream.runtime.takeover import Takeover
from stream.runtime.transport import Consumer
from stream.runtime.watchdog import Signs, Watchdog
from stream.settings import Settings
from stream.telemetry.metrics import Metrics
from stream.telemetry.tracebacks import text_of

log = structlog.get_logger("stream.worker")

REVOKE_DEADLINE_S = 20.0  # to make in-flight work durable before partitions are given up
STOP_DEADLINE_S = 20.0
TICK_AFTER_S = 1.0  # beyond the lag, by which Kafka's clock may be behind
FAUST_STOP_DEADLINE_S = 10.0  # when all of ours is done
HEARD_MS = 10_000  # Kafka answers, if the last answer is not older
TURN_S = 0.5
LOOP_STALLED_S = 30.0  # the event loop has not turned for so long: a restart would help
EXIT_FAILED = 70
GC_THRESHOLDS = (100_000, 50, 100)


class _Boot(BootStrategy):
    enable_kafka_producer = False  # the outbox has its own
    enable_web = False  # Faust's would listen on all addresses and serve tables
    enable_sensors = False


def _credentials(settings: Settings) -> Any:
    """The settings' security in Faust's shapes."""
    given = security(settings)
    context = given.get("ssl_context")
    if settings.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=given["sasl_plain_password"],
            mechanism=settings.sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


class StageApp(faust.App):
    """A Faust app that carries the parts of a stage's worker, where Faust's services find them (`host`).

    `partitions`: of each source. `most_bytes`: that a batch may have, by topic. `perform`: for a stage that
    has effects outside.
    """

    logger = logging.getLogger("faust.app")  # mode's own lines are Faust's business

    BootStrategy = _Boot

    def __init__(
        self,
        settings: Settings,
        stage: Stage,
        metrics: Metrics,
        *,
        partitions: int,
        most_bytes: Mapping[str, int] = MappingProxyType({}),
        perform: Perform = refuse,
    ) -> None:
        self.ledger = Ledger(settings.max_in_flight)
        self.lease = Lease(settings.session_timeout)
        self.pace = Pace(settings.fetch_linger)
        self.metrics = metrics
        self.skips = Skips(settings.skipped())
        self.mark = stage.mark
        metrics.ownership.set_sources(partitions)
        metrics.kafka.watch(CONTACT.away, CONTACT.refusals)
        self.failure: BaseException | None = None
        self._turned_at = time.monotonic()
        super().__init__(
            settings.app_id,
            broker=[f"lane://{address}" for address in settings.broker.split(",")],
            broker_credentials=_credentials(settings),
            broker_client_id=settings.app_id,
            broker_commit_interval=settings.commit_interval,
            broker_commit_every=None,
            broker_session_timeout=settings.session_timeout,
            broker_heartbeat_interval=min(3.0, settings.session_timeout / 3),
            # Of no use here (see `transport`), but Faust refuses a session that is longer.
            broker_request_timeout=max(90.0, settings.session_timeout),
            broker_max_poll_interval=600.0,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=settings.instance_id,
            consumer_max_fetch_size=settings.max_fetch_bytes,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=False,  # the lane finishes its own work on a rebalance
            stream_recovery_delay=0.0,
            web_enabled=False,
            store="memory://",
            TableManager=Tables,
            table_standby_replicas=settings.standby_replicas,
        )
        self.restore = Restore(self, beacon=self.beacon)
        self.outbox = Outbox(settings, self.lease, self.fail, most_bytes)
        clock = Clock(wall_ms, by_event_time=settings.clock == "event")
        changelog = f"{settings.app_id}-{stage.name}-changelog"
        owned: dict[int, OwnedPartition] = {}
        disk = DiskStores(settings, stage.name) if settings.store == "rocksdb" else None
        self.store = PartitionStore(stage, disk)
        self.reader = ChangelogReader(settings, changelog, self.store, metrics.ownership.set_recovery)
        self.lane = Lane(
            stage,
            owned,
            outbox=self.outbox,
            ledger=self.ledger,
            lease=self.lease,
            clock=clock,
            perform=perform,
        )
        self.checkpointer = Checkpointer(
            owned,
            stage.sources,
            changelog,
            store=self.store,
            outbox=self.outbox,
            ledger=self.ledger,
            lease=self.lease,
            interval=settings.commit_interval,
            lag=settings.compaction_lag + TICK_AFTER_S,
            on_durable=self.lane.hand_on,
        )
        self.ownership = Ownership(
            owned,
            stage.sources,
            store=self.store,
            reader=self.reader,
            takeover=Takeover(settings, stage),
            checkpointer=self.checkpointer,
            outbox=self.outbox,
            effects=self.lane.effects,
            ledger=self.ledger,
            lease=self.lease,
            interval=settings.commit_interval,
        )
        self.gauges = Gauges(
            owned,
            stage.sources.values(),
            outbox=self.outbox,
            ledger=self.ledger,
            clock=clock,
            metrics=metrics,
            is_open=lambda: self.ownership.is_open,
        )
        self.tables.add(StageTable(self, stage.name, partitions=partitions))
        self.on_partitions_revoked.connect(self._give_up_partitions)
        self.agent(self.topic(*stage.sources.values()), name=stage.name)(self._subscribe)
        self.task(self.checkpointer.keep_checkpointing)
        self.task(self.lane.keep_ticking)
        self.task(self.gauges.keep_measuring)

    async def _subscribe(self, stream: Any) -> None:
        """The agent over all source topics: because of it Faust subscribes to them. What is fetched takes the
        lane's way past it (`transport`).
        """
        async for _ in stream:
            self.fail(InternalError("a record has come to the agent, and must not"))
        if not self.should_stop:
            self.fail(InternalError("the agent's stream has ended, and must not"))

    async def _give_up_partitions(self, *args: Any, **kwargs: Any) -> None:
        """Faust gives up all partitions at the start of a rebalance, those that it keeps as well."""
        if await self.ownership.close(REVOKE_DEADLINE_S):
            await self.consumer.commit()

    def fail(self, error: BaseException) -> None:
        """A failure of ours: the worker ends with it, loudly."""
        if self.failure is None and not self.should_stop:
            self.failure = error
            self.add_future(self.crash(error))

    async def keep_turning(self) -> None:
        """Show that the event loop turns, for ever. (The app's own tasks begin after the first restore.)"""
        while True:
            self._turned_at = time.monotonic()
            await asyncio.sleep(TURN_S)

    def amiss(self) -> tuple[list[str], list[str]]:
        """Why a restart would help, and why no work is done; asked from other threads."""
        fatal, idle = [], []
        stalled = time.monotonic() - self._turned_at
        if self.failure is not None or self.crashed:
            fatal.append("failed")
        elif stalled > LOOP_STALLED_S:
            fatal.append(f"event loop stalled for {stalled:.0f} s")
        if self.in_recovery:  # which is part of a rebalance, to Faust
            idle.append("restoring")
        elif self.rebalancing or self.unassigned or not self.ownership.is_open:
            idle.append("no partitions assigned")
        return fatal, idle

    def signs(self) -> Signs:
        """What the watchdog looks at; called in its thread."""
        if self.should_stop or self.crashed:
            return Signs({"the stop": None})
        consumer = cast("Consumer | None", self._consumer)
        if consumer is None or consumer._thread is None or consumer._thread._consumer is None:
            return Signs({})
        thread = consumer._thread
        places: dict[str, object] = {"the consumer's thread": thread.beats}
        if self.lease.held:
            if self.ownership.is_open:
                at_hand, answered_at = thread.at_hand(), thread.answered_at()
                answers = {tp for tp, at in answered_at.items() if at > wall_ms() - HEARD_MS}
                places |= self.ownership.places(at_hand, answers)
                if fetched := [at for tp, at in answered_at.items() if tp not in at_hand]:
                    places["what is fetched"] = max(fetched)
                if self.ledger.committable():
                    places["the commit of offsets"] = consumer.commits
                if self.outbox.under_way:
                    places["what is sent"] = self.outbox.acknowledged
            else:
                places["the restore"] = (self.reader.records, self.consumer_generation_id)
        tasks = {**thread.tasks, **self.outbox.tasks}
        ended = [
            f"the task of the {name}" for name, task in tasks.items() if task is not None and task.done()
        ]
        return Signs(places, ended)

    def _create_directories(self) -> None:
        """None: Faust's stores are not used, and a worker must run on a read-only disk."""


async def serve(
    app: StageApp, stop: asyncio.Event, stuck_after: float, on_stalled: Callable[[float, float], None]
) -> int:
    """Work until `stop` is set (exit code 0) or the app fails (70). Raises StreamError if it cannot start.

    `stuck_after`: seconds without progress after which the process ends; `on_stalled` hears of the seconds.
    """
    loop = asyncio.get_running_loop()
    watch_loop(loop, app.fail)
    watch_threads(lambda error: loop.call_soon_threadsafe(app.fail, error))
    watchdog = Watchdog(app.signs, stuck_after, loop, on_stalled)
    # What lives long (customers, rules) is no garbage: with Python's own thresholds, looking through it again
    # and again took a fifth of the worker's time.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    beside = [asyncio.ensure_future(each) for each in (CONTACT.keep_looking(), app.keep_turning())]
    try:
        await app.outbox.start()
        watchdog.start()
        await _first(stop.wait(), _live(app))
        return await _end(app)
    finally:
        await app.lane.effects.cancel()
        await app.outbox.stop(STOP_DEADLINE_S)
        app.store.close()
        watchdog.stop()
        for each in beside:
            each.cancel()


async def _live(app: StageApp) -> None:
    await app.start()  # which takes as long as the first restore
    await app.wait_until_stopped()


async def _first(*coroutines: Any) -> None:
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _cause(failure: BaseException) -> BaseException:
    """What a group of failures is about."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


def log_failure(failure: BaseException) -> None:
    """Say why the worker ends with 70."""
    cause = _cause(failure)
    reason = text_of(cause) or getattr(cause, "description", None) or "it says nothing: see the exception"
    log.error("failed", error=type(cause).__name__, reason=reason, exc_info=failure)


async def _end(app: StageApp) -> int:
    failure = app.failure or app.crash_reason
    if failure is None:
        log.info("stopping")
        app.consumer.stop_flow()
        if await app.ownership.close(STOP_DEADLINE_S):
            await app.consumer.commit()
    else:
        log_failure(failure)
    # A thread of Faust's that is told to stop while it starts may never end, and its services take a
    # cancellation for their children's: nobody waits for them any longer (see `failures.run_to_end`).
    stopping = asyncio.ensure_future(app.stop())
    await asyncio.wait([stopping], timeout=FAUST_STOP_DEADLINE_S)
    if stopping.done():
        stopping.result()
    else:
        log.warning("left_behind", what="faust", deadline=FAUST_STOP_DEADLINE_S)
    log.info("stopped")
    return 0 if failure is None else EXIT_FAILED
