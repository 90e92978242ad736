"""`/live` of a worker: whether a restart would help, whatever it waits for."""

from __future__ import annotations

import asyncio
import time

import pytest

from stream.runtime import app as runtime
from stream.runtime.app import StageApp, serve
from stream.settings import load
from stream.telemetry.metrics import Metrics
from tests.kit.counting import Counting

STALLED_S = 2.0


@pytest.mark.parametrize(
    ("waits", "in_recovery"),
    [("to join its group", False), ("for a restore", True)],
)
async def test_a_worker_that_waited_to_join_its_group_was_killed_by_its_probe(
    waits: str, in_recovery: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead member keeps its place for a session, and what the app does by itself begins after the first
    restore; a probe that fails meanwhile makes the wait begin again.
    """
    monkeypatch.setattr(runtime, "LOOP_STALLED_S", STALLED_S)
    monkeypatch.setattr(runtime, "TURN_S", 0.05)
    settings = load({"STREAM_APP_ID": "app", "STREAM_RULES": "rules"}, env_file=None)
    app, stop = StageApp(settings, Counting("app"), Metrics(), partitions=4), asyncio.Event()

    async def nothing(*_: object) -> None: ...

    async def start() -> None:
        app.in_recovery = in_recovery
        await asyncio.Event().wait()

    for owner, name, stand_in in (
        (app.outbox, "start", nothing),
        (app.outbox, "stop", nothing),
        (app, "start", start),
        (app, "stop", nothing),
        (app, "_consumer", StoppedConsumer()),
    ):
        monkeypatch.setattr(owner, name, stand_in)
    serving = asyncio.ensure_future(serve(app, stop, 300.0, lambda *_: None))
    for _ in range(int(1.5 * STALLED_S / 0.1)):
        await asyncio.sleep(0.1)  # meant: so long it waits
        await asyncio.sleep(0)  # on a machine that stood still all that is due comes before this
        fatal, idle = app.amiss()
        assert (fatal, len(idle)) == ([], 1)
    time.sleep(STALLED_S + 0.5)  # noqa: ASYNC251 - meant: the loop is held up
    assert app.amiss()[0][0].startswith("event loop stalled for ")
    stop.set()
    assert await serving == 0


class StoppedConsumer:
    """What a worker that ends asks of Faust's consumer."""

    _thread = None

    def stop_flow(self) -> None: ...

    async def commit(self) -> None: ...
