"""More lines for a while, on a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator

import pytest

from stream.telemetry import logs
from stream.worker import signals as verbosity
from stream.worker.signals import Verbosity
from tests.kit.patience import eventually_async


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("stream")
    levels = root.level, ours.level
    yield
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def level() -> str:
    return logging.getLevelName(logging.getLogger("stream.lane").getEffectiveLevel())


async def until(wanted: str) -> None:
    async def reached() -> bool:
        return level() == wanted

    await eventually_async(reached, f"the level is {wanted}")


async def test_signals_change_the_level_and_take_it_back() -> None:
    logs.set_level("ERROR")
    loop = asyncio.get_running_loop()
    Verbosity("ERROR", loop).listen()
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        await until("DEBUG")
        os.kill(os.getpid(), signal.SIGUSR2)
        await until("ERROR")
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
        loop.remove_signal_handler(signal.SIGUSR2)


async def test_nobody_has_to_remember_to_take_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbosity, "DEBUG_S", 0.01)
    asked = Verbosity("INFO", asyncio.get_running_loop())
    asked.more()
    asked.more()
    assert level() == "DEBUG"
    await until("INFO")
