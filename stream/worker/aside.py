"""Calls to a disk that may never answer, such as a network's, in threads that nobody has to wait for.

A thread of the event loop's own pool would be waited for when the worker ends: a hung look at the rules would
keep it from ending. Tested by tests/worker/test_aside.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from stream.errors import StreamError

T = TypeVar("T")

AT_MOST_S = 10.0


class Aside:
    """Makes one call at a time; while one hangs, no other is begun. `what`: what the calls look at."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._under_way: asyncio.Future[Any] | None = None

    async def call(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises; StreamError when that takes longer than `AT_MOST_S`."""
        if self._under_way is not None:
            await self._end_of(self._under_way)
        answer: Future[T] = Future()
        self._under_way = asyncio.wrap_future(answer)
        Thread(target=_answer, args=(function, answer), name="aside", daemon=True).start()
        await self._end_of(self._under_way)
        return answer.result()

    async def _end_of(self, call: asyncio.Future[Any]) -> None:
        done, _ = await asyncio.wait([call], timeout=AT_MOST_S)
        if not done:
            raise StreamError(
                f"{self._what} did not answer for {AT_MOST_S:g} s",
                hint="it may be on a disk of the network that is away; it is tried again",
            )
        call.exception()  # retrieved: whoever asked has it from the answer
        self._under_way = None


def _answer(function: Callable[[], T], answer: Future[T]) -> None:
    try:
        answer.set_result(function())
    except BaseException as error:  # whatever it is, the caller is told
        answer.set_exception(error)
