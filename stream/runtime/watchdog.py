"""The watchdog: progress or exit.

A thread outside of the event loop looks at the worker once a second. What has something to do and has not
moved for `patience` seconds is stuck: what and for how long is logged, with the stacks of all threads and
tasks, and the process ends with 70. Whoever runs it starts it again, and nothing is lost by that.

    event loop, consumer thread    always have something to do: they tick
    partition N                    records are in hand, and those that it waits for could come
    fetch                          always, too: Kafka answers even where nothing is new
    commit, send                   there is something to commit, or on its way
    restore                        partitions are assigned, and no work has begun

A Kafka that is away is nobody's fault here, and a restart would not help: without the lease (see `lease`)
only the first two count. A process that was stopped as a whole begins to count anew. Should no Python run at
all any more, faulthandler's own thread ends it, with 1.

Tested by tests/runtime/test_watchdog.py and tests/integration/test_watchdog.py.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

import structlog

log = structlog.get_logger("stream.watchdog")

LOOK_S = 1.0
STOPPED_S = 10.0  # no look for so long: the process, or the machine, was stopped
GRACE_S = 30.0  # for Python to say itself what is stuck
EXIT_STUCK = 70


@dataclass(frozen=True, slots=True)
class Signs:
    """What a worker shows of itself. `places`: by what has something to do, how far it is; what the places
    are does not matter, as long as they change with progress. `ended`: what must not have ended, and has.
    """

    places: Mapping[str, object]
    ended: Sequence[str] = ()


@dataclass(slots=True)
class Watch:
    """The verdict, from one look after the other. `patience` in seconds."""

    patience: float
    _since: dict[str, tuple[object, float]] = field(default_factory=dict)
    _looked: float = float("-inf")

    def look(self, signs: Signs, now: float) -> str | None:
        """What is stuck, and since when; None: nothing is."""
        if now > self._looked + STOPPED_S:
            self._since.clear()
        self._looked = now
        if signs.ended:
            return f"{signs.ended[0]} has ended, and must not"
        known, self._since = self._since, {}
        for name, place in signs.places.items():
            before, since = known.get(name, (None, now))
            self._since[name] = (place, since if before == place else now)
        for name, (_, since) in self._since.items():
            if now >= since + self.patience:
                return f"{name} has not moved for {now - since:.0f} s"
        return None

    @property
    def stalled(self) -> float:
        """Seconds that what has stood still longest had by the last look."""
        return max((self._looked - since for _, since in self._since.values()), default=0.0)


class Watchdog:
    """Looks until `stop`. In the watchdog's thread `signs` is called, and `tell` with how long the longest
    has stood still, and after how long it is stuck.
    """

    def __init__(
        self,
        signs: Callable[[], Signs],
        patience: float,
        loop: asyncio.AbstractEventLoop,
        tell: Callable[[float, float], None],
    ) -> None:
        self._signs = signs
        self._tell = tell
        self._watch = Watch(patience)
        self._loop = loop
        self._stopped = threading.Event()
        self._ticks = 0
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_S):
            faulthandler.dump_traceback_later(self._watch.patience + GRACE_S, exit=True)
            self._loop.call_soon_threadsafe(self._tick)
            signs = self._signs()
            seen = Signs({**signs.places, "the event loop": self._ticks}, signs.ended)
            verdict = self._watch.look(seen, time.monotonic())
            self._tell(self._watch.stalled, self._watch.patience)
            if verdict is not None:
                threads, tasks = self._stacks()
                log.error(
                    "stuck",
                    reason=verdict,
                    hint="the stacks follow; the worker ends",
                    threads=threads,
                    tasks=tasks,
                )
                sys.stderr.flush()
                os._exit(EXIT_STUCK)

    def _tick(self) -> None:
        self._ticks += 1

    def _stacks(self) -> tuple[dict[str, list[str]], list[list[str]]]:
        """Where all threads and tasks are: files, lines and functions, no values."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        threads = {
            names.get(ident, str(ident)): _lines(traceback.walk_stack(frame))
            for ident, frame in sys._current_frames().items()
        }
        tasks = [
            _lines((frame, frame.f_lineno) for frame in task.get_stack())
            for task in asyncio.all_tasks(self._loop)
        ]
        return threads, tasks


def _lines(frames: object) -> list[str]:
    found: list[tuple[FrameType, int]] = list(frames)  # type: ignore[call-overload]
    return [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in found]
