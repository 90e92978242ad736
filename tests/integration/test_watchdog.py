"""Never stuck: a worker that no longer gets on ends, with the stacks in its log; so does one that fails."""

from __future__ import annotations

import json
import sys

import pytest

from tests.integration.shop import Shop
from tests.integration.test_takeover import views
from tests.kit.kafka import eventually, produce


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("lane-hangs", "partition"),
        ("restore-hangs", "the restore"),
        ("loop-hangs", "the event loop"),
        ("consumer-thread-hangs", "the consumer's thread"),
        ("fetches-hang", "what is fetched"),
        ("fetcher-ends", "the task of the fetcher"),
    ],
)
def test_a_worker_that_is_stuck_ends_and_says_where(shop: Shop, kind: str, reason: str) -> None:
    with shop.worker(
        command=(sys.executable, "-m", "tests.integration.broken", kind, "worker"), stuck_after="5"
    ) as worker:
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 1))
        eventually(lambda: not worker.alive, 40, "the worker ends")
        assert worker.wait() == 70
    stuck = next(json.loads(line) for line in worker.log.splitlines() if '"stuck"' in line)
    assert stuck["reason"].startswith(reason), stuck["reason"]
    assert "MainThread" in stuck["threads"]
    assert any("/stream/" in line for task in stuck["tasks"] for line in task)
    assert "c1" not in json.dumps(stuck), "no customers in it"


@pytest.mark.parametrize("kind", ["task-fails", "callback-fails", "thread-fails"])
def test_an_exception_that_nobody_waits_for_ends_the_worker(shop: Shop, kind: str) -> None:
    command = (sys.executable, "-m", "tests.integration.broken", kind, "worker")
    with shop.worker(command=command) as worker:
        eventually(lambda: not worker.alive, 40, "the worker ends")
        assert worker.wait() == 70
    failed = next(json.loads(line) for line in worker.log.splitlines() if '"failed"' in line)
    assert (failed["error"], failed["reason"]) == ("RuntimeError", "(message withheld)")


def test_a_worker_that_is_asked_to_stop_while_it_restores_stops(shop: Shop) -> None:
    command = (sys.executable, "-m", "tests.integration.broken", "restore-hangs", "worker")
    with shop.worker(command=command) as worker:
        eventually(lambda: '"restoring"' in worker.log or worker.get("/ready")[0] == 503, 40, "it starts")
        eventually(lambda: "restoring" in worker.get("/ready")[1], 40, "it restores")
        assert worker.stop() == 0


def test_a_worker_with_nothing_to_do_is_not_stuck(shop: Shop) -> None:
    with shop.worker("a", stuck_after="5") as first, shop.worker("b", stuck_after="5") as second:
        for worker in (first, second):
            worker.until_ready()
        with pytest.raises(AssertionError, match="not within"):
            eventually(lambda: not (first.alive and second.alive), 8, "one ends")
        assert (first.stop(), second.stop()) == (0, 0)
