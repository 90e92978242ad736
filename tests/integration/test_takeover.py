"""Taking over from an owner that died: nothing twice, nothing skipped, no waiting for what is at hand."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from itertools import pairwise

import pytest

from tests.integration.shop import MINUTE, PARTITIONS, START, Shop
from tests.kit.kafka import committed, consume_all, create_topics, delete_offsets, delete_topics, produce
from tests.kit.patience import eventually
from tests.kit.worker import Worker, short_session

SELDOM = {"commit_interval": "60"}  # seconds: what is written meanwhile is in no checkpoint


def views(shop: Shop, customers: int, each: int, start: int = START) -> list[object]:
    return [
        shop.click(customer, "view", start + turn * MINUTE + customer)
        for turn in range(each)
        for customer in range(customers)
    ]


def decisions(shop: Shop) -> list[dict[str, object]]:
    ours = [
        record
        for record in consume_all(shop.bootstrap, ["decisions"])
        if dict(record.headers)["ce_app"] == shop.prefix.encode()
    ]
    return [json.loads(record.value) for record in ours]


def test_what_a_killed_worker_had_written_is_not_written_again(shop: Shop) -> None:
    carts = [shop.click(c, "cart", START + MINUTE) for c in range(8)]
    later = [shop.purchase(c, 60, START + 120 * MINUTE) for c in range(8)]
    bad = [(0, b"c0", b"{", START, ())]
    produce(shop.bootstrap, shop.purchases, [shop.purchase(c, 200, START) for c in range(8)] + later)
    produce(shop.bootstrap, shop.clicks, carts + bad + views(shop, 8, 50, START + 2 * MINUTE))
    command = (sys.executable, "-m", "tests.integration.broken", "checkpoints-rest", "worker")
    with shop.worker(command=command, instance_id="a") as worker:
        for turn in range(3):
            expected = 8 * 50 * (turn + 1) + 8 + 8
            eventually(lambda n=expected: len(shop.triggers()) >= n, "all triggers")
            eventually(lambda n=expected: len(decisions(shop)) >= n, "all decisions")
            worker.kill()
            assert committed(shop.bootstrap, shop.prefix, shop.sources) == {}, "it never came to a checkpoint"
            start = START + (121 + 50 * turn) * MINUTE
            produce(shop.bootstrap, shop.clicks, views(shop, 8, 50, start))
            worker.start()
        worker.until_ready()
        eventually(lambda: len(shop.triggers()) >= 8 * 50 * 4 + 16, "all triggers")
        assert worker.stop() == 0
        assert '"recalled"' in worker.log
    assert set(Counter(each["trigger_id"] for each in shop.triggers()).values()) == {1}
    judged = Counter((each["trigger_id"], each["outcome"], each["reason"]) for each in decisions(shop))
    assert set(judged.values()) == {1}
    for customer in range(8):
        assert shop.views_of(customer) == [str(n) for n in range(1, 201)]
    rules = Counter(each["rule"] for each in shop.triggers())
    assert rules == {"every-view": 1600, "big-spender": 8, "cart-left": 8}
    letters = [dict(record.headers) for record in consume_all(shop.bootstrap, ["dead-letters"])]
    assert len([each for each in letters if each["topic"] == shop.clicks.encode()]) == 1


def test_it_goes_on_where_the_changelog_says_when_the_groups_offsets_are_gone(shop: Shop) -> None:
    """Kafka forgets the offsets of a group that was away for a week."""
    produce(shop.bootstrap, shop.clicks, views(shop, 8, 20))
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0
        delete_offsets(shop.bootstrap, shop.prefix)
        worker.start().until_ready()
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 1, START + 60 * MINUTE))
        eventually(lambda: len(shop.triggers()) >= 8 * 21, "the new triggers")
        figures = worker.figures()
    assert figures["stream_events_total"] == 8
    assert figures["stream_repeats_total"] == 0, "nothing was read again"
    assert len(shop.triggers()) == 8 * 21


@pytest.mark.parametrize("running", [False, True])
def test_the_events_of_a_topic_that_was_made_anew_are_not_taken_for_old_ones(
    shop: Shop, running: bool
) -> None:
    """Its offsets begin at 0 again: all of them had been applied, as far as the customers' state knew."""
    produce(shop.bootstrap, shop.clicks, views(shop, 8, 20))
    with shop.worker(instance_id="a") as worker:
        worker.until_caught_up(shop.sources)
        if not running:
            assert worker.stop() == 0
        delete_topics(shop.bootstrap, [shop.clicks])
        create_topics(shop.bootstrap, {shop.clicks: PARTITIONS})
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 5, START + 60 * MINUTE))
        for _ in range(2):  # running, it may end first: whoever runs it starts it again
            if not worker.alive:
                worker.start()
            eventually(lambda: not worker.alive or len(shop.triggers()) >= 8 * 25, "the new triggers")
        assert worker.alive, worker.log
    for customer in range(8):
        assert shop.views_of(customer) == [str(n) for n in range(1, 26)]
    assert "source_topic_was_recreated" in worker.log


def test_a_changelog_that_was_lost_and_brought_back_from_an_older_copy_leads_to_the_same(shop: Shop) -> None:
    """What came after the copy is read from the sources again; what was sent then is not sent again."""
    changelog = f"{shop.prefix}-customers-changelog"
    produce(shop.bootstrap, shop.clicks, views(shop, 8, 20))
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0
        copied = [
            (each.partition, each.key, each.value, each.timestamp, each.headers)
            for each in consume_all(shop.bootstrap, [changelog])
        ]
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 5, START + 60 * MINUTE))
        worker.start().until_ready()
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0
        delete_topics(shop.bootstrap, [changelog])
        create_topics(shop.bootstrap, {changelog: PARTITIONS}, {"cleanup.policy": "compact"})
        produce(shop.bootstrap, changelog, copied)
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 5, START + 120 * MINUTE))
        worker.start().until_ready()
        eventually(lambda: len(shop.triggers()) >= 8 * 30, "the new triggers")
        assert worker.figures()["stream_events_total"] == 8 * 10
    shop.assert_seen_once(8, 30)


def test_what_was_written_to_a_channels_topic_that_was_made_anew_is_not_written_again(shop: Shop) -> None:
    """Its offsets begin at 0 again: all of them are before what the last checkpoint had noted."""
    produce(shop.bootstrap, shop.clicks, views(shop, 8, 20))
    with shop.worker(instance_id="a", **SELDOM) as worker:
        eventually(lambda: len(shop.triggers()) >= 8 * 20, "all triggers")
        assert worker.stop() == 0
        delete_topics(shop.bootstrap, [shop.web])
        worker.start().until_ready()  # which makes the topic
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 3, START + 60 * MINUTE))
        eventually(lambda: len(shop.triggers()) >= 8 * 3, "the new triggers")
        worker.kill()
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 1, START + 120 * MINUTE))
        worker.start().until_ready()
        eventually(lambda: len(decisions(shop)) >= 8 * 24, "all is judged")
        eventually(lambda: shop.views_of(7)[-1:] == ["24"], "the last triggers")
    assert set(Counter(each["trigger_id"] for each in shop.triggers()).values()) == {1}
    assert [shop.views_of(customer) for customer in range(8)] == [["21", "22", "23", "24"]] * 8


def until_copied(standby: Worker) -> None:
    """Wait until the standby has begun and ended a look at the changelogs: the age of its copy falls with
    each one that finds it complete, and the second began after we asked.
    """
    ages: list[float] = []

    def looked_twice() -> bool:
        figures = standby.figures()
        ages.append(figures["stream_standby_lag_seconds"])
        falls = sum(later < age for age, later in pairwise(ages))
        return falls >= 2 and figures["stream_standby_lag_records"] == 0

    eventually(looked_twice, "the copy is complete")


def test_a_standby_takes_over_without_reading_the_changelog_again(shop: Shop) -> None:
    settings = {"standby_replicas": "1", "session_timeout": short_session()}
    produce(shop.bootstrap, shop.purchases, [shop.purchase(c, 1, START) for c in range(400)])
    with shop.worker("a", **settings) as first, shop.worker("b", **settings) as second:
        first.until_ready()
        second.until_ready()
        eventually(lambda: committed(shop.bootstrap, shop.prefix, [shop.purchases]), "a commit")
        first.until_caught_up(shop.sources)
        until_copied(second)
        before = len(second.said("restored"))
        first.kill()
        produce(shop.bootstrap, shop.clicks, views(shop, 400, 1))
        eventually(lambda: len(shop.triggers()) == 400, "the second has taken over")
        restored = second.said("restored")[before:]
        assert [each["partitions"] for each in restored] == [PARTITIONS]
        assert restored[0]["records"] < 20, "a standby had them all"
    assert {each["content"]["spend"] for each in shop.triggers()} == {"1.0"}  # type: ignore[index]


def test_a_worker_that_was_stopped_and_wakes_up_sends_nothing_for_what_it_has_lost(shop: Shop) -> None:
    settings = {"session_timeout": short_session(), "commit_interval": "1"}
    with shop.worker("a", **settings) as zombie, shop.worker("b", **settings) as heir:
        zombie.until_ready()
        heir.until_ready()
        for turn in range(20):  # so that it is stopped in the midst of work
            produce(shop.bootstrap, shop.clicks, views(shop, 8, 50, START + 50 * turn * MINUTE))
        zombie.signal(signal.SIGSTOP)
        eventually(lambda: len(shop.triggers()) >= 8 * 1000, "the other has done it all")
        zombie.signal(signal.SIGCONT)
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 50, START + 1000 * MINUTE))
        zombie.until_ready()
        heir.until_ready()
        zombie.until_caught_up(shop.sources)
        assert zombie.stop() == 0
        assert heir.stop() == 0
    assert set(Counter(each["trigger_id"] for each in shop.triggers()).values()) == {1}
    for customer in range(8):
        assert shop.views_of(customer) == [str(n) for n in range(1, 1051)]
