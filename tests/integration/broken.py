"""A worker with a fault of our own making: `python -m tests.integration.broken KIND worker`.

Kinds: see `KINDS`. Each is what a bug of ours, of Faust or of aiokafka would do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from stream.cli.main import main as stream_command
from stream.kafka.fetch_loop import NodeLoop
from stream.runtime.lane import Lane
from stream.runtime.outbox import Outbox
from stream.runtime.ownership import Ownership
from stream.runtime.restore import ChangelogReader, Restore
from stream.runtime.transport import ConsumerThread
from stream.settings import Settings
from stream.worker import admission, compile_process, triggers
from tests.kit.patience import scaled

PERSON = "zoe-4711 Zo\u00eb Miller zoe.miller@private.example"  # see test_private_data.py
FAULT_S = 1.0  # after the work began


async def _for_ever(*args: Any, **kwargs: Any) -> None:
    await asyncio.Event().wait()


def _after_open(fault: Callable[[Ownership], None]) -> Callable[[], None]:
    """Have `fault` happen in the event loop, soon after the work began."""

    def plant() -> None:
        usual = Ownership.open

        def open_and_break(self: Ownership, numbers: Any) -> None:
            usual(self, numbers)
            asyncio.get_running_loop().call_later(FAULT_S, fault, self)

        Ownership.open = open_and_break  # type: ignore[method-assign]

    return plant


def _raise(*args: object) -> None:
    raise RuntimeError("planted")


async def _raise_soon() -> None:
    _raise()


def _start_a_task(_: Ownership) -> None:
    asyncio.ensure_future(_raise_soon())  # noqa: RUF006 - that nobody keeps it is the fault


def _hang_lane() -> None:
    Lane.take = _for_ever  # type: ignore[method-assign, assignment]


def _hang_restore() -> None:
    ChangelogReader.catch_up = _for_ever  # type: ignore[method-assign, assignment]


def _end_fetcher() -> None:
    usual = ConsumerThread.on_start

    async def start_and_break(self: ConsumerThread) -> None:
        await usual(self)
        asyncio.get_running_loop().call_later(FAULT_S, lambda: self.tasks["fetcher"].cancel())

    ConsumerThread.on_start = start_and_break  # type: ignore[method-assign]


def _hang_fetches() -> None:
    """Neither aiokafka nor the loop that goes on for it asks for anything more."""
    usual = ConsumerThread.on_start

    async def start_and_break(self: ConsumerThread) -> None:
        await usual(self)
        fetcher = self._ensure_consumer()._fetcher

        def ask_no_more() -> None:
            fetcher._proc_fetch_request = _for_ever
            NodeLoop._ask = lambda _: None  # type: ignore[method-assign]

        asyncio.get_running_loop().call_later(FAULT_S, ask_no_more)

    ConsumerThread.on_start = start_and_break  # type: ignore[method-assign]


def _hang_consumer_thread() -> None:
    usual = ConsumerThread.on_start

    async def start_and_break(self: ConsumerThread) -> None:
        await usual(self)
        asyncio.get_running_loop().call_later(FAULT_S, time.sleep, 600)

    ConsumerThread.on_start = start_and_break  # type: ignore[method-assign]


def _hang_stop() -> None:
    """Two services of Faust's, one after the other."""
    ConsumerThread._shutdown_thread = _for_ever  # type: ignore[method-assign, assignment]
    ConsumerThread.shutdown_timeout = 1e6  # which Faust would give it
    Restore.on_stop = _for_ever  # type: ignore[method-assign, assignment]


def _keep_consumer_thread() -> None:
    """It says that it has stopped, and goes on."""
    ConsumerThread._gather_remaining_tasks = _for_ever  # type: ignore[method-assign, assignment]


def _hurry_polls() -> None:
    """Kafka's clients give up a member that has not polled for ten minutes; here, for four seconds, which
    is longer than the pause between two heartbeats. Each time that they are over there is a line in the log.
    """
    usual = ConsumerThread.on_start

    async def start_and_break(self: ConsumerThread) -> None:
        await usual(self)
        coordinator, interval = self._ensure_consumer()._coordinator, scaled(4)
        coordinator._max_poll_interval = interval
        asyncio.get_running_loop().call_later(interval, _tell_hurry, interval)

    ConsumerThread.on_start = start_and_break  # type: ignore[method-assign]


def _tell_hurry(interval: float) -> None:
    structlog.get_logger("stream.broken").info("hurried")
    asyncio.get_running_loop().call_later(interval, _tell_hurry, interval)


def _rest_checkpoints() -> None:
    """No checkpoint but those that are asked for: an hour between two."""
    Settings.commit_interval = property(lambda _: 3600.0)  # type: ignore[assignment]


def _hang_compilation() -> None:
    """Rules that are compiled in a running worker never are."""
    compile_process.__name__ = "tests.integration.hangs"


def _die_at_work() -> None:
    """Killed, as by the kernel, after 1,600 triggers and decisions: in the midst of any longer history."""
    usual, left = Outbox.ship, [1_600]

    def ship_and_die(self: Outbox, *sent: Any, sender: int) -> asyncio.Future[int]:
        left[0] -= len(sent[2])
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(self, *sent, sender=sender)

    Outbox.ship = ship_and_die  # type: ignore[method-assign]


def _over_a_record(*args: object, **kwargs: object) -> None:
    """What a bug of ours, or of a library's, would raise: its message is the data."""
    raise KeyError(PERSON) from ValueError(PERSON.encode())


async def _over_a_record_soon(*args: object, **kwargs: object) -> None:
    _over_a_record()


def _fail_over_a_record() -> None:
    triggers.process = _over_a_record  # type: ignore[assignment]


def _fail_at_the_start() -> None:
    admission.ensure_with = _over_a_record_soon  # type: ignore[assignment]


KINDS: dict[str, Callable[[], None]] = {
    "lane-hangs": _hang_lane,
    "restore-hangs": _hang_restore,
    "loop-hangs": _after_open(lambda _: time.sleep(600)),  # the fault
    "consumer-thread-hangs": _hang_consumer_thread,
    "consumer-thread-stays": _keep_consumer_thread,
    "stop-hangs": _hang_stop,
    "fetches-hang": _hang_fetches,
    "fetcher-ends": _end_fetcher,
    "polls-hurry": _hurry_polls,
    "dies-at-work": _die_at_work,
    "checkpoints-rest": _rest_checkpoints,
    "compilation-hangs": _hang_compilation,
    "task-fails": _after_open(_start_a_task),
    "callback-fails": _after_open(_raise),
    "record-fails": _fail_over_a_record,
    "thread-fails-on-a-record": _after_open(lambda _: threading.Thread(target=_over_a_record).start()),
    "start-fails": _fail_at_the_start,
    "thread-fails": _after_open(lambda _: threading.Thread(target=_raise).start()),
}


if __name__ == "__main__":
    KINDS[sys.argv.pop(1)]()
    stream_command()
