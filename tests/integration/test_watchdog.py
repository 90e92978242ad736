"""Never stuck: a worker that no longer gets on ends, with the stacks in its log; so does one that fails."""

from __future__ import annotations

import json
import signal
import sys
import time

import pytest

from tests.integration.shop import Shop
from tests.integration.test_takeover import views
from tests.kit.kafka import produce
from tests.kit.patience import eventually, scaled


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
        command=(sys.executable, "-m", "tests.integration.broken", kind, "worker"),
        stuck_after=f"{scaled(5):.0f}",
    ) as worker:
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 1))
        assert worker.until_ended() == 70
    stuck = worker.said("stuck")[0]
    assert stuck["reason"].startswith(reason), stuck["reason"]
    assert "MainThread" in stuck["threads"]
    assert any("/stream/" in line for task in stuck["tasks"] for line in task)
    assert "c1" not in json.dumps(stuck), "no customers in it"


@pytest.mark.parametrize("kind", ["task-fails", "callback-fails", "thread-fails"])
def test_an_exception_that_nobody_waits_for_ends_the_worker(shop: Shop, kind: str) -> None:
    command = (sys.executable, "-m", "tests.integration.broken", kind, "worker")
    with shop.worker(command=command) as worker:
        assert worker.until_ended() == 70
    failed = worker.said("failed")[0]
    assert (failed["error"], failed["reason"]) == ("RuntimeError", "(message withheld)")


def test_a_worker_that_is_asked_to_stop_while_it_restores_stops(shop: Shop) -> None:
    command = (sys.executable, "-m", "tests.integration.broken", "restore-hangs", "worker")
    with shop.worker(command=command) as worker:
        eventually(lambda: '"restoring"' in worker.log or worker.get("/ready")[0] == 503, "it starts")
        eventually(lambda: "restoring" in worker.get("/ready")[1], "it restores")
        assert worker.stop() == 0


@pytest.mark.parametrize("kind", ["stop-hangs", "consumer-thread-stays"])
def test_a_worker_that_had_done_its_work_stayed_for_what_its_library_left_behind(
    shop: Shop, kind: str
) -> None:
    """Faust's services take a cancellation for their children's, and its threads are waited for in the event
    loop, for ever.
    """
    command = (sys.executable, "-m", "tests.integration.broken", kind, "worker")
    with shop.worker(command=command) as worker:
        worker.until_ready()
        worker.signal(signal.SIGTERM)
        assert worker.until_ended() == 0
    assert worker.said("left_behind")


def test_a_worker_with_nothing_to_do_is_not_stuck(shop: Shop) -> None:
    patience = scaled(5)
    settings = {"stuck_after": f"{patience:.0f}"}
    with shop.worker("a", **settings) as first, shop.worker("b", **settings) as second:
        for worker in (first, second):
            worker.until_ready()
        time.sleep(1.5 * patience)  # meant: so long nothing happens
        assert (first.stop(), second.stop()) == (0, 0)
