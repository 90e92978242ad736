"""Members of the group: static ones that come back, two of one name, one without partitions."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.integration.shop import MINUTE, START, Shop
from tests.integration.test_takeover import views
from tests.kit.kafka import create_topics, eventually, produce
from tests.kit.worker import Worker


def generations(worker: Worker) -> list[int]:
    """Of each assignment that the worker has begun to work on."""
    return [
        json.loads(line)["generation"] for line in worker.log.splitlines() if '"message": "ready"' in line
    ]


def test_of_two_workers_of_one_name_the_former_ends_and_says_why(shop: Shop) -> None:
    """They took each other's place again and again, for ever."""
    with shop.worker("a", instance_id="same") as first:
        first.until_ready()
        with shop.worker("b", instance_id="same") as second:
            eventually(lambda: not first.alive, 30, "the first ends")
            assert first.wait() == 70
            failed = next(json.loads(line) for line in first.log.splitlines() if '"failed"' in line)
            assert failed["error"] == "MembershipError"
            assert "STREAM_INSTANCE_ID=same" in failed["reason"]
            produce(shop.bootstrap, shop.clicks, views(shop, 8, 5))
            eventually(lambda: len(shop.triggers()) >= 40, 60, "the second works")
            assert second.stop() == 0
    shop.assert_seen_once(8, 5)


def test_a_rolling_restart_of_static_members_moves_no_partition(shop: Shop) -> None:
    settings = {"session_timeout": "20"}
    with (
        shop.worker("a", instance_id="a", **settings) as a,
        shop.worker("b", instance_id="b", **settings) as b,
        shop.worker("c", instance_id="c", **settings) as c,
    ):
        members = (a, b, c)
        for worker in members:
            worker.until_ready()
        eventually(lambda: len({generations(each)[-1] for each in members}) == 1, 60, "one generation")
        before = [generations(each) for each in members]
        for turn, worker in enumerate(members):
            produce(shop.bootstrap, shop.clicks, views(shop, 8, 20, START + 20 * turn * MINUTE))
            assert worker.stop() == 0
            worker.start()
            eventually(
                lambda w=worker, known=before[turn]: len(generations(w)) > len(known), 30, "it is back"
            )
        eventually(lambda: len(shop.triggers()) >= 8 * 60, 60, "all triggers")
        after = [generations(each) for each in members]
        assert [each[-1] for each in after] == [each[-1] for each in before], "no rebalance"
        for worker in members:
            assert worker.stop() == 0
    shop.assert_seen_once(8, 60)


def test_a_worker_without_partitions_stays_and_takes_over(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Kafka's clients leave the group when they have not polled for long, and who has nothing never polls."""
    shop = Shop(kafka, prefix, tmp_path)
    create_topics(kafka, dict.fromkeys([*shop.sources, shop.web], 1))
    hurried = (sys.executable, "-m", "tests.integration.broken", "polls-hurry", "worker")

    def click(turn: int) -> None:
        produce(kafka, shop.clicks, [shop.click(0, "view", START + turn * MINUTE)])

    with (
        shop.worker("a", hurried, session_timeout="6") as first,
        shop.worker("b", hurried, session_timeout="6") as second,
    ):
        members = (first, second)  # only one of them is ready: the other has nothing to be ready for
        eventually(lambda: all(generations(each) for each in members), 30, "both are members")
        eventually(lambda: generations(first)[-1] == generations(second)[-1], 30, "of one generation")
        click(0)
        eventually(lambda: len(shop.triggers()) == 1, 30, "one of them works")
        idle, busy = sorted((first, second), key=lambda each: each.figures().get("stream_events_total", 0))
        known = generations(idle)
        with pytest.raises(AssertionError, match="not within"):
            eventually(lambda: generations(idle) != known, 8, "the idle one joins anew")
        busy.kill()
        click(1)
        eventually(lambda: len(shop.triggers()) == 2, 30, "the other takes over")
        assert idle.stop() == 0
    shop.assert_seen_once(1, 2)
