"""Calls to a disk that may never answer."""

from __future__ import annotations

import threading

import pytest

from stream.errors import StreamError
from stream.worker import aside
from stream.worker.aside import Aside


async def test_an_answer_and_an_error_come_back() -> None:
    calls = Aside("the disk")
    assert await calls.call(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await calls.call(lambda: 1 // 0)
    assert await calls.call(lambda: 6) == 6


async def test_a_disk_that_hangs_is_an_error_and_only_one_thread_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aside, "AT_MOST_S", 0.01)
    back, calls, begun = threading.Event(), Aside("the disk"), []

    def look() -> bool:
        begun.append(threading.current_thread())
        return back.wait()

    for _ in range(3):
        with pytest.raises(StreamError, match="the disk did not answer"):
            await calls.call(look)
    (thread,) = begun
    assert thread.daemon, "or the worker would wait for it when it ends"
    back.set()
    thread.join()
    monkeypatch.undo()
    assert await calls.call(lambda: "back") == "back"
