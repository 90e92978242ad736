"""Failures that nobody waits for: each ends the worker, instead of leaving it alive without a part of it.

    a task's or callback's exception that nobody takes      `watch_loop`
    a thread's                                              `watch_threads`
    one in compiled code that cannot raise, or a finalizer  `watch_threads`
    something that must run for ever, and ends              the watchdog's `ended`

A Kafka that is away is none: what its clients leave behind is logged.
Tested by tests/runtime/test_failures.py and tests/integration/test_watchdog.py.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
import uvloop
from aiokafka.errors import KafkaError

log = structlog.get_logger("stream.failures")

LEAVING_S = 2.0

OnFailure = Callable[[BaseException], object]


def watch_loop(loop: asyncio.AbstractEventLoop, on_failure: OnFailure) -> None:
    """Report exceptions that end up in the loop; `on_failure` is called in the loop's thread."""

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None:
            log.warning("event_loop_complains", what=str(context.get("message")).partition("\n")[0])
        elif isinstance(error, KafkaError | ConnectionError):
            log.warning("left_behind", error=type(error).__name__)
        else:
            on_failure(error)

    loop.set_exception_handler(handle)


def watch_threads(on_failure: OnFailure) -> None:
    """Report exceptions that end threads, and those raised where nothing can be; called in any thread."""

    def thread_ended(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
            on_failure(ended.exc_value)

    def swallowed(unraisable: Any) -> None:
        error = unraisable.exc_value
        if error is None or isinstance(error, KafkaError | ConnectionError | RuntimeError):
            # Finalizers of clients whose loop is closed are the RuntimeErrors.
            log.warning("finalizer_failed", error=type(error).__name__)
        else:
            on_failure(error)

    threading.excepthook = thread_ended
    sys.unraisablehook = swallowed


def run_to_end(work: Coroutine[Any, Any, int]) -> int:
    """Run what gives an exit code. What a library leaves behind, a task that cannot be cancelled or a thread,
    does not keep the process alive: it ends right here, with the code.

    A consumer of Faust's that was told to stop while it started leaves both.
    """
    code = uvloop.run(_without_tasks(work))
    end = time.monotonic() + LEAVING_S
    running = [
        each for each in threading.enumerate() if each is not threading.main_thread() and not each.daemon
    ]
    for each in running:
        each.join(max(end - time.monotonic(), 0))
    if any(each.is_alive() for each in running):
        _leave("threads", code)
    return code


async def _without_tasks(work: Coroutine[Any, Any, int]) -> int:
    code = await work
    if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        _, left = await asyncio.wait(tasks, timeout=LEAVING_S)
        if left:
            _leave("tasks", code)
    return code


def _leave(what: str, code: int) -> None:
    log.warning("left_behind", what=what)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
