"""Exceptions that nobody waits for are told; those that a Kafka that is away leaves behind are not."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError

from stream.runtime.failures import watch_loop, watch_threads


@pytest.fixture
def told() -> Iterator[list[BaseException]]:
    usual = threading.excepthook, sys.unraisablehook
    errors: list[BaseException] = []
    watch_threads(errors.append)
    yield errors
    threading.excepthook, sys.unraisablehook = usual


def test_a_thread_that_fails_is_told(told: list[BaseException]) -> None:
    error = ValueError("planted")

    def fail() -> None:
        raise error

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert told == [error]


def test_what_a_finalizer_of_a_client_cannot_do_is_not(told: list[BaseException]) -> None:
    sys.unraisablehook(SimpleNamespace(exc_value=RuntimeError("Event loop is closed")))  # type: ignore[arg-type]
    error = ValueError("planted")
    sys.unraisablehook(SimpleNamespace(exc_value=error))  # type: ignore[arg-type]
    assert told == [error]


@pytest.mark.parametrize(("error", "is_told"), [(ValueError("x"), True), (KafkaConnectionError("x"), False)])
async def test_a_task_that_fails_and_is_forgotten_is_told(error: Exception, is_told: bool) -> None:
    told: list[BaseException] = []
    loop = asyncio.get_running_loop()
    usual = loop.get_exception_handler()
    watch_loop(loop, told.append)

    async def fail() -> None:
        raise error

    task = asyncio.ensure_future(fail())
    await asyncio.wait([task])
    del task
    gc.collect()
    loop.set_exception_handler(usual)
    assert told == ([error] if is_told else [])


THREAD = "threading.Thread(target=threading.Event().wait).start()"
TASK = "asyncio.ensure_future(stay())"


@pytest.mark.parametrize("left", [THREAD, TASK, f"{THREAD}; {TASK}", "None"])
@pytest.mark.parametrize("code", [0, 70])
def test_what_a_library_leaves_behind_does_not_keep_the_process(left: str, code: int) -> None:
    """A worker that was told to stop in its first moments said that it had stopped, and stayed."""
    program = f"""
import asyncio, threading
from stream.runtime import failures

failures.LEAVING_S = 0.01

async def stay():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

async def work():
    {left}
    await asyncio.sleep(0)
    return {code}

raise SystemExit(failures.run_to_end(work()))
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == code
