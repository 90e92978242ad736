"""The lease: counted from the asking, never from the answer."""

from __future__ import annotations

import asyncio

from stream.kafka.lease import Lease


class Now:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_it_lasts_a_session_from_when_the_coordinator_was_asked() -> None:
    now = Now()
    lease = Lease(10, now)
    assert not lease.held, "nothing was granted yet"
    asked = lease.now()
    now.time = 106
    lease.renew(asked)
    assert lease.held
    now.time = 109.9
    assert lease.held
    now.time = 110
    assert not lease.held, "the answer came late: the coordinator counts from the request"


def test_an_older_answer_takes_nothing_away() -> None:
    now = Now()
    lease = Lease(10, now)
    lease.renew(100)
    lease.renew(95)
    now.time = 109
    assert lease.held


async def test_who_waits_goes_on_once_it_is_held() -> None:
    now = Now()
    lease = Lease(10, now)
    waiting = asyncio.create_task(lease.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    lease.renew(100)
    await waiting
