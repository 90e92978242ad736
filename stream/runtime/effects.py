"""Effects: what a stage has done outside, such as HTTP calls, awaited beside its steps.

Each partition has at most `AT_ONCE` of them under way; the others wait in the order in which they were asked
for. One that takes longer than its time-out is cancelled. The answer goes back
to the partition by a step of its own.

A partition that is given up has its effects cancelled. They are not part of a checkpoint: what must not be
lost is in the stage's state until the answer is.
Tested by tests/runtime/test_stage.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import structlog

from stream.kafka.lease import Lease
from stream.runtime.stage import Effect, Performed

log = structlog.get_logger("stream.lane")

AT_ONCE = 16  # of a partition
FULL = 1000  # of a partition, waiting or under way: it takes no step for now
CLEAN_UP_S = 1.0

Perform = Callable[[Any], Awaitable[Any]]


async def refuse(call: Any) -> Any:
    """The performer of a stage that has no effects."""
    raise NotImplementedError("this stage has no performer for its effects")


class Effects:
    """The effects of all partitions. `perform` gets a `call`; an exception of it is a failure of ours."""

    def __init__(
        self,
        perform: Perform,
        lease: Lease,
        on_performed: Callable[[int, Performed], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._perform = perform
        self._lease = lease
        self._on_performed = on_performed
        self._on_error = on_error
        self._tasks: dict[int, set[asyncio.Task[None]]] = {}
        self._places: dict[int, asyncio.Semaphore] = {}
        self._load: Counter[int] = Counter()

    def start(self, number: int, effects: Iterable[Effect]) -> None:
        """Have effects of a partition done."""
        tasks = self._tasks.setdefault(number, set())
        places = self._places.setdefault(number, asyncio.Semaphore(AT_ONCE))
        for effect in effects:
            self._load[number] += 1
            task = asyncio.get_running_loop().create_task(self._run(number, effect, places))
            tasks.add(task)
            # Not in the task itself: one that is cancelled before it begins has no last words.
            task.add_done_callback(partial(self._ended, number))

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        self._load[number] -= 1
        self._tasks.get(number, set()).discard(task)

    async def _run(self, number: int, effect: Effect, places: asyncio.Semaphore) -> None:
        try:
            async with places:
                await self._lease.wait()
                done = await self._within_time(effect)
            await self._lease.wait()
            if self._is_wanted(number):
                self._on_performed(number, done)
        except Exception as error:  # whatever it is, the worker must not go on
            if self._is_wanted(number):
                self._on_error(error)
            else:
                log.warning("effect_failed_late", partition=number, error=type(error).__name__)

    async def _within_time(self, effect: Effect) -> Performed:
        try:
            async with asyncio.timeout(effect.timeout) as bound:
                answer = await self._perform(effect.call)
        except TimeoutError:
            if not bound.expired():
                raise
            return Performed(effect, None, timed_out=True)
        return Performed(effect, answer, timed_out=False)

    def _is_wanted(self, number: int) -> bool:
        """Whether the running task was not cancelled; a performer may not listen to that."""
        return asyncio.current_task() in self._tasks.get(number, ())

    def load(self, number: int) -> int:
        """Effects of a partition that wait or are under way."""
        return self._load[number]

    def is_full(self, number: int) -> bool:
        """Whether a partition has so many that it takes no step before some are done."""
        return self._load[number] >= FULL

    async def cancel(self, numbers: Iterable[int] | None = None) -> None:
        """These partitions, or all, are given up; waits a moment for performers that clean up."""
        given_up = list(self._tasks) if numbers is None else list(numbers)
        tasks = [task for number in given_up for task in self._tasks.pop(number, ())]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLEAN_UP_S)
