"""The batch lane with real workers on real Kafka: nothing lost, nothing applied twice, order kept."""

from __future__ import annotations

from tests.integration.shop import MINUTE, PARTITIONS, START, Shop
from tests.kit.kafka import committed, consume_all, end_offsets, produce
from tests.kit.patience import eventually


def views(
    shop: Shop, customers: int, each: int, start: int = START
) -> list[tuple[int, bytes, bytes, int, tuple[()]]]:
    return [
        shop.click(customer, "view", start + turn * MINUTE + customer)
        for turn in range(each)
        for customer in range(customers)
    ]


def test_commits_reach_the_end(shop: Shop) -> None:
    produce(shop.bootstrap, shop.clicks, views(shop, 20, 500))
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
        assert committed(shop.bootstrap, shop.prefix, [shop.clicks]) == end_offsets(
            shop.bootstrap, [shop.clicks]
        )
        assert worker.stop() == 0, worker.log
    assert len(shop.triggers()) == 10_000


def test_stop_and_start_loses_and_repeats_nothing(shop: Shop) -> None:
    with shop.worker() as worker:
        worker.until_ready()
        for turn in range(3):
            produce(shop.bootstrap, shop.clicks, views(shop, 8, 300, START + turn * 300 * MINUTE))
            # The stop comes while events are in flight: only a part must be committed by then.
            eventually(shop.triggers, "the first triggers")
            assert worker.stop() == 0, worker.log
            worker.start().until_ready()
        worker.until_caught_up(shop.sources)
    for customer in range(8):
        assert shop.views_of(customer) == [str(n) for n in range(1, 901)]


def test_two_workers_share_the_partitions_and_take_over_from_each_other(shop: Shop) -> None:
    with shop.worker("a") as first, shop.worker("b") as second:
        first.until_ready()
        second.until_ready()
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 100))
        first.until_caught_up(shop.sources)
        eventually(lambda: first.figures().get("stream_events_total", 0) > 0, "the first worker works")
        eventually(lambda: second.figures().get("stream_events_total", 0) > 0, "the second worker works")
        assert first.stop() == 0, first.log
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 100, START + 100 * MINUTE))
        second.until_caught_up(shop.sources)
    for customer in range(8):
        assert shop.views_of(customer) == [str(n) for n in range(1, 201)]


def test_a_worker_that_joins_under_load_loses_and_repeats_nothing(shop: Shop) -> None:
    with shop.worker("a") as first, shop.worker("b") as second:
        first.until_ready()
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 1000))
        second.until_ready()
        produce(shop.bootstrap, shop.clicks, views(shop, 8, 1000, START + 1000 * MINUTE))
        second.until_caught_up(shop.sources)
    for customer in range(8):
        assert shop.views_of(customer) == [str(n) for n in range(1, 2001)]


def test_topics_of_a_partition_are_merged_by_event_time(shop: Shop) -> None:
    """The purchases come late to Kafka; a worker that works off both topics sees each view after what was
    bought before.
    """
    customers = 8
    produce(shop.bootstrap, shop.clicks, views(shop, customers, 400))
    produce(
        shop.bootstrap,
        shop.purchases,
        [
            shop.purchase(c, 1, START + turn * MINUTE + MINUTE // 2)
            for turn in range(400)
            for c in range(customers)
        ],
    )
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
    for customer in range(customers):
        spends = [
            float(trigger["content"]["spend"])  # type: ignore[index]
            for trigger in shop.triggers()
            if trigger["rule"] == "every-view" and trigger["customer_id"] == f"c{customer}"
        ]
        assert spends == [float(turn) for turn in range(400)]


def test_after_an_outage_of_one_topic_its_backlog_still_cancels_the_reminder(shop: Shop) -> None:
    """Customers bought ten minutes after they filled the cart, but the purchases were held up for hours."""
    carts = [shop.click(c, "cart", START + c) for c in range(40)]
    later = [shop.click(c, "other", START + 180 * MINUTE) for c in range(40)]
    bought = [shop.purchase(c, 10, START + 10 * MINUTE + c) for c in range(0, 40, 2)]
    filler = [shop.purchase(100 + n % PARTITIONS, 1, START + 3 * 60 * MINUTE) for n in range(PARTITIONS)]
    produce(shop.bootstrap, shop.clicks, carts + later)
    produce(shop.bootstrap, shop.purchases, bought + filler)
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
    reminded = {trigger["customer_id"] for trigger in shop.triggers() if trigger["rule"] == "cart-left"}
    assert reminded == {f"c{c}" for c in range(1, 40, 2)}


def test_state_and_open_timers_survive_a_kill(shop: Shop) -> None:
    produce(shop.bootstrap, shop.purchases, [shop.purchase(c, 60, START) for c in range(8)])
    produce(shop.bootstrap, shop.clicks, [shop.click(c, "cart", START + MINUTE) for c in range(8)])
    # A static member that comes back is let in at once; else the group waits for the dead one's session.
    with shop.worker(instance_id="a") as worker:
        worker.until_caught_up(shop.sources)
        worker.kill()
        assert not [t for t in shop.triggers() if t["rule"] == "cart-left"]
        produce(shop.bootstrap, shop.purchases, [shop.purchase(c, 60, START + 60 * MINUTE) for c in range(8)])
        produce(shop.bootstrap, shop.clicks, [shop.click(c, "view", START + 61 * MINUTE) for c in range(8)])
        worker.start().until_caught_up(shop.sources)
    by_rule = [trigger["rule"] for trigger in shop.triggers()]
    assert by_rule.count("big-spender") == 8, "60 before the kill and 60 after it"
    assert by_rule.count("cart-left") == 8, "the timers were open when the worker was killed"


def test_an_undecodable_record_is_set_aside_and_the_batch_goes_on(shop: Shop) -> None:
    good = views(shop, 4, 10)
    bad = [(1, b"c1", b"{not json", START, ()), (1, b"c1", b'{"event": "view"}', START, [("trace", b"1")])]
    produce(shop.bootstrap, shop.clicks, good[:20] + bad + good[20:])
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
        assert worker.figures()["stream_dead_letters_total"] == 2
    assert len(shop.triggers()) == 40
    letters = [
        record
        for record in consume_all(shop.bootstrap, ["dead-letters"])
        if dict(record.headers).get("topic") == shop.clicks.encode()
    ]
    assert [record.value for record in letters] == [b"{not json", b'{"event": "view"}']
    headers = [dict(record.headers) for record in letters]
    assert [each["reason"] for each in headers] == [b"json", b"customer"]
    assert [each["source"] for each in headers] == [b"clicks", b"clicks"]
    assert [each["partition"] for each in headers] == [b"1", b"1"]
    assert headers[1]["producer-trace"] == b"1", "its own headers are kept"
    offsets = [int(each["offset"]) for each in headers]
    assert offsets[1] == offsets[0] + 1


def test_a_topic_far_ahead_of_the_other_does_not_fill_the_memory(shop: Shop) -> None:
    """One topic waits for the other: what is at hand stays bounded, and nothing stalls when the other
    arrives.
    """
    produce(shop.bootstrap, shop.clicks, views(shop, 4, 5000))
    produce(
        shop.bootstrap, shop.purchases, [shop.purchase(n % 4, 1, START + n * MINUTE) for n in range(5000)]
    )
    with shop.worker(max_in_flight="500", max_fetch_bytes="16384") as worker:
        worker.until_caught_up(shop.sources)
    assert len([trigger for trigger in shop.triggers() if trigger["rule"] == "every-view"]) == 20_000
