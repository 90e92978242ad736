"""How long tests wait: a deadline ends a hang, and no machine is too slow for it.

`clock` tells seconds as a quiet machine of two cores would count them. A thread looks once a second at how
much slower this machine is at the moment: how long a piece of work takes, and how many tasks there are for a
core. On a machine that is four times slower, the clock needs four seconds for one. What stops the process as
a whole (SIGSTOP, a frozen machine) counts as one look.

    eventually(condition)   waits for a condition: what nearly every test should do
    Deadline(seconds)       for a loop that does something meanwhile
    scaled(seconds)         for a time-out that is a setting of the program under test: now, on this machine

A call that blocks needs no time-out of its own: the limit of each test (`timeout` in pyproject.toml) ends it,
and that is counted by this clock, too. Tested by tests/project/test_patience.py.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from functools import cache
from hashlib import blake2b
from typing import TypeVar

from aiokafka.errors import KafkaError

T = TypeVar("T")

HANG_S = 60.0  # quiet seconds: whatever a test waits for is there within two
POLL_S = 0.02
LOOK_S = 1.0
WORK = bytes(16 << 20)
WORK_S = 0.03  # on the quiet machine; hashing leaves the interpreter to others, so they do not count


class QuietClock:
    """Counts quiet seconds: `look` tells it how slow the machine was since the last one."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slowness = 1.0

    def look(self, elapsed: float, slowness: float) -> None:
        """`elapsed` seconds have passed, on a machine that is `slowness` times slower than the quiet one."""
        self.slowness = max(slowness, 1.0)
        self.seconds += min(elapsed, LOOK_S) / self.slowness


class Deadline:
    """Passes once so many quiet seconds have gone by."""

    def __init__(self, seconds: float = HANG_S) -> None:
        self._end = clock() + seconds

    @property
    def passed(self) -> bool:
        return clock() >= self._end


def clock() -> float:
    """Quiet seconds since the first call."""
    return _running().seconds


def scaled(seconds: float) -> float:
    """So many seconds of the quiet machine, on this one, as busy as it is now."""
    return seconds * _running().slowness


def eventually(
    condition: Callable[[], T], message: str = "the condition holds", *, seconds: float = HANG_S
) -> T:
    """Wait until `condition()` is true and return it; an AssertionError after so many quiet seconds.

    An AssertionError in the condition, or an error that Kafka calls retriable (a dead broker stays in the
    metadata for a while), counts as "not yet", and is shown if it stays so.
    """
    deadline = Deadline(seconds)
    while True:
        last = None
        try:
            if result := condition():
                return result
        except (AssertionError, KafkaError) as error:
            last = _not_yet(error)
        if deadline.passed:
            raise AssertionError(f"not within {seconds:.0f} quiet seconds: {message}") from last
        time.sleep(POLL_S)


async def eventually_async(
    condition: Callable[[], Awaitable[T]], message: str = "the condition holds", *, seconds: float = HANG_S
) -> T:
    """`eventually` for a condition that is a coroutine function."""
    deadline = Deadline(seconds)
    while True:
        last = None
        try:
            if result := await condition():
                return result
        except (AssertionError, KafkaError) as error:
            last = _not_yet(error)
        if deadline.passed:
            raise AssertionError(f"not within {seconds:.0f} quiet seconds: {message}") from last
        await asyncio.sleep(POLL_S)


def _not_yet(error: AssertionError | KafkaError) -> Exception:
    if isinstance(error, KafkaError) and not error.retriable:
        raise error
    return error


def _slowness() -> float:
    """By how much this machine is slower than the quiet one, now."""
    began = time.monotonic()
    blake2b(WORK)
    took = time.monotonic() - began
    return max(took / WORK_S, os.getloadavg()[0] / (os.cpu_count() or 1), 1.0)


@cache
def _running() -> QuietClock:
    quiet = QuietClock()
    quiet.look(0, _slowness())
    threading.Thread(target=_keep_looking, args=(quiet,), name="quiet-clock", daemon=True).start()
    return quiet


def _keep_looking(quiet: QuietClock) -> None:
    last = time.monotonic()
    while True:
        time.sleep(LOOK_S)
        slowness, now = _slowness(), time.monotonic()
        quiet.look(now - last, slowness)
        last = now
