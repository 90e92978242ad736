"""Members of the group: static ones that come back, two of one name, one without partitions."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.integration.shop import MINUTE, START, Shop
from tests.integration.test_takeover import views
from tests.kit.kafka import create_topics, produce
from tests.kit.patience import eventually
from tests.kit.worker import LONG_SESSION_S, Worker, short_session


def generations(worker: Worker) -> list[int]:
    """Of each assignment that the worker has begun to work on."""
    return [line["generation"] for line in worker.said("ready")]


def worked(worker: Worker) -> bool:
    return worker.figures().get("stream_events_total", 0) > 0


def test_of_two_workers_of_one_name_the_former_ends_and_says_why(shop: Shop) -> None:
    """They took each other's place again and again, for ever."""
    with shop.worker("a", instance_id="same") as first:
        first.until_ready()
        with shop.worker("b", instance_id="same") as second:
            assert first.until_ended() == 70
            failed = first.said("failed")[0]
            assert failed["error"] == "MembershipError"
            assert "STREAM_INSTANCE_ID=same" in failed["reason"]
            produce(shop.bootstrap, shop.clicks, views(shop, 8, 5))
            eventually(lambda: len(shop.triggers()) >= 40, "the second works")
            assert second.stop() == 0
    shop.assert_seen_once(8, 5)


def test_a_rolling_restart_of_static_members_moves_no_partition(shop: Shop) -> None:
    settings = {"session_timeout": str(LONG_SESSION_S)}  # more than a restart takes
    with (
        shop.worker("a", instance_id="a", **settings) as a,
        shop.worker("b", instance_id="b", **settings) as b,
        shop.worker("c", instance_id="c", **settings) as c,
    ):
        members = (a, b, c)
        for worker in members:
            worker.until_ready()
        eventually(lambda: len({generations(each)[-1] for each in members}) == 1, "one generation")
        before = [generations(each) for each in members]
        for turn, worker in enumerate(members):
            produce(shop.bootstrap, shop.clicks, views(shop, 8, 20, START + 20 * turn * MINUTE))
            assert worker.stop() == 0
            worker.start()
            eventually(lambda w=worker, known=before[turn]: len(generations(w)) > len(known), "it is back")
        eventually(lambda: len(shop.triggers()) >= 8 * 60, "all triggers")
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
        shop.worker("a", hurried, session_timeout=short_session()) as first,
        shop.worker("b", hurried, session_timeout=short_session()) as second,
    ):
        members = (first, second)  # only one of them is ready: the other has nothing to be ready for
        eventually(lambda: all(generations(each) for each in members), "both are members")
        eventually(lambda: generations(first)[-1] == generations(second)[-1], "of one generation")
        click(0)
        eventually(lambda: len(shop.triggers()) == 1, "one of them works")
        (busy,) = eventually(lambda: [each for each in members if worked(each)], "it is counted")
        (idle,) = {*members} - {busy}
        known, hurried = generations(idle), len(idle.said("hurried"))
        eventually(lambda: len(idle.said("hurried")) >= hurried + 2, "it has not polled for far too long")
        assert generations(idle) == known, "the idle one does not join anew"
        busy.kill()
        click(1)
        eventually(lambda: len(shop.triggers()) == 2, "the other takes over")
        assert idle.stop() == 0
    shop.assert_seen_once(1, 2)


def test_a_session_of_five_minutes_does_not_stop_a_worker(shop: Shop) -> None:
    """It was allowed by the settings, and Faust refused more than a minute and a half."""
    with shop.worker(session_timeout="300") as worker:
        worker.until_ready()
        assert worker.stop() == 0
