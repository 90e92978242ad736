"""Failures that nobody waits for: each ends the worker, instead of leaving it alive without a part of it.

    a task's or callback's exception that nobody takes      `watch_loop`
    a thread's                                              `watch_threads`
    one in compiled code that cannot raise, or a finalizer  `watch_threads`
    something that must run for ever, and ends              the watchdog's `ended`

A Kafka that is away is none: what its clients leave behind is logged. Tested by tests/unit/test_failures.py
and tests/integration/test_watchdog.py.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka.errors import KafkaError

log = structlog.get_logger("stream.failures")

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
