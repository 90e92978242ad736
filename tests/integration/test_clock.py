"""Rules that a clock starts, on a real Kafka: a new one reaches everybody, and no crash forgets one."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.integration.shop import MINUTE, PARTITIONS, START, Shop
from tests.integration.test_reload import edit, until_said
from tests.kit.kafka import produce
from tests.kit.patience import eventually
from tests.kit.worker import Worker

CUSTOMERS = 200
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DAILY = """policy: {timezone: UTC}
rules:
  good-morning:
    every: {day: "09:00"}
    send: {channel: web, content: {text: "Good morning, {{ traits.views }}"}}
"""


def told(shop: Shop) -> Counter[tuple[object, object]]:
    """How often each customer was told of each day."""
    triggers = [each for each in shop.triggers() if each["rule"] == "good-morning"]
    assert all(each["event"]["name"] is None for each in triggers)  # type: ignore[index]
    return Counter((each["customer_id"], each["event"]["id"]) for each in triggers)  # type: ignore[index]


def has_timers(worker: Worker, count: int) -> bool:
    assert worker.alive, worker.log
    return worker.figures().get("stream_timers", 0) == count


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_a_new_rule_reaches_all_and_a_kill_across_its_time_forgets_nobody(shop: Shop, store: str) -> None:
    disk = {} if store == "memory" else {"store": store, "data_dir": str(shop.folder / "data")}
    with shop.worker(**disk) as worker:
        worker.until_ready()
        produce(shop.bootstrap, shop.clicks, [shop.click(c, "view", START) for c in range(CUSTOMERS)])
        worker.until_caught_up(shop.sources)
        edit(shop, "rules:\n", DAILY)
        until_said(worker, "rules_reloaded")
        eventually(lambda: has_timers(worker, CUSTOMERS), "everybody has the clock of the new rule")
        moved = START + 3 * DAY
        others = range(CUSTOMERS, CUSTOMERS + PARTITIONS)
        produce(shop.bootstrap, shop.purchases, [shop.purchase(c, 1, moved) for c in others])
        produce(shop.bootstrap, shop.clicks, [shop.click(c, "other", moved) for c in others])
        eventually(lambda: told(shop), "it is at it")
        worker.kill()
    with shop.worker("b", **disk) as worker:
        worker.until_ready().until_caught_up(shop.sources)
        days = [f"2026-01-0{day}" for day in (1, 2, 3)]
        everybody = {(f"c{customer}", day) for customer in range(CUSTOMERS) for day in days}
        eventually(lambda: everybody <= told(shop).keys(), "everybody is told of each day")
        assert set(told(shop).values()) == {1}
        assert told(shop).keys() == everybody


def test_by_the_wall_clock_when_nothing_else_happens(shop: Shop) -> None:
    now = time.gmtime(time.time() + 75)
    soon = f"{now.tm_hour:02}:{now.tm_min:02}"
    with shop.worker(clock="wall") as worker:
        worker.until_ready()
        produce(shop.bootstrap, shop.clicks, [shop.click(c, "view", shop.now()) for c in range(20)])
        worker.until_caught_up(shop.sources)
        edit(shop, "rules:\n", DAILY.replace("09:00", soon))
        until_said(worker, "rules_reloaded")
        eventually(lambda: len(told(shop)) == 20, "everybody is told", seconds=150)
        assert set(told(shop).values()) == {1}
        sent = [each for each in shop.triggers() if each["rule"] == "good-morning"]
        assert all(str(each["sent_at"]) > str(each["at"]) for each in sent)
