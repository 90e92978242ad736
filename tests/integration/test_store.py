"""A worker with its customers on disk: killed, corrupted, out of space; nothing is lost or counted twice."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tests.integration.shop import MINUTE, START, Shop
from tests.integration.test_takeover import views
from tests.kit.kafka import produce
from tests.kit.patience import eventually

CUSTOMERS = 300  # of which 100 are in memory


@pytest.fixture
def on_disk(tmp_path: Path) -> dict[str, str]:
    return {
        "store": "rocksdb",
        "data_dir": str(tmp_path / "data"),
        "store_memory": str(1 << 20),
        "store_customers": "100",
        "instance_id": "a",
    }


def test_killed_again_and_again_it_goes_on_from_its_disk(shop: Shop, on_disk: dict[str, str]) -> None:
    with shop.worker(**on_disk) as worker:
        for turn in range(4):
            produce(shop.bootstrap, shop.clicks, views(shop, CUSTOMERS, 5, START + 5 * turn * MINUTE))
            eventually(lambda n=5 * CUSTOMERS * turn: len(shop.triggers()) > n, "it works")
            if turn < 3:
                worker.kill()
                worker.start()
        eventually(lambda: len(shop.triggers()) >= 20 * CUSTOMERS, "all triggers")
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0
        worker.start().until_ready()
        eventually(lambda: worker.figures()["stream_customers"] >= CUSTOMERS, "they are measured")
        assert worker.said("restored")[-1]["records"] == 0, "a worker that ended well has it all on its disk"
        assert worker.figures()["stream_live_customers"] <= 100
    shop.assert_seen_once(CUSTOMERS, 20)


def test_a_corrupt_disk_is_wiped_and_made_anew_from_kafka(shop: Shop, on_disk: dict[str, str]) -> None:
    produce(shop.bootstrap, shop.clicks, views(shop, CUSTOMERS, 5))
    with shop.worker(**on_disk) as worker:
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0
        for file in Path(on_disk["data_dir"]).rglob("CURRENT"):
            file.write_text("nonsense")
        worker.start().until_ready()
        assert worker.log.count('"store_begins_anew"') > 1
        assert worker.said("restored")[-1]["records"] >= CUSTOMERS
        produce(shop.bootstrap, shop.clicks, views(shop, CUSTOMERS, 5, START + 5 * MINUTE))
        eventually(lambda: len(shop.triggers()) >= 10 * CUSTOMERS, "all triggers")
    shop.assert_seen_once(CUSTOMERS, 10)


def test_a_full_disk_ends_the_worker_with_a_clear_error_and_nothing_is_lost(
    shop: Shop, on_disk: dict[str, str]
) -> None:
    with shop.worker(**on_disk) as worker:
        worker.until_ready()
        assert worker.process is not None
        # Real errors of write(2): no file of its may grow beyond this.
        resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (16384, 16384))
        turns = 0
        while worker.alive and turns < 20:  # it learns of it when it writes again
            produce(shop.bootstrap, shop.clicks, views(shop, 6000, 1, START + turns * MINUTE))
            turns += 1
            eventually(lambda n=6000 * turns: not worker.alive or len(shop.triggers()) >= n, "an end")
        assert worker.wait() == 70
        failed = worker.said("failed")[0]
        assert failed["error"] == "StoreError"
        assert "is the disk full" in failed["reason"]
        worker.start()
        eventually(lambda: len(shop.triggers()) >= turns * 6000, "all triggers")
        worker.until_caught_up(shop.sources)
    shop.assert_seen_once(6000, turns)
