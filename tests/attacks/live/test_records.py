"""What a producer can write to a real Kafka, with Kafka's own limits, and one worker that reads it all.

Everything is sent first; then the worker starts, is killed in the middle of its recovery's reach, and starts
again. Which bytes do what is in tests/attacks/test_records.py.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from tests.integration.shop import PARTITIONS, Shop
from tests.integration.test_worker import refused, stream
from tests.kit.batches import CODECS, Made, batch, send
from tests.kit.kafka import consume_all, create_topics, end_offsets, produce
from tests.kit.patience import eventually

MIB = 1 << 20
MOST_RESIDENT = 700 * MIB


@pytest.fixture
def shop(kafka: str, prefix: str, tmp_path: Path) -> Shop:
    shop = Shop(kafka, prefix, tmp_path)
    create_topics(kafka, dict.fromkeys([*shop.sources, shop.web], PARTITIONS))
    return shop


class Told:
    """Views of one customer each, by name, and what is bad between them."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.names: list[str] = []
        self.batches: list[tuple[bytes, int]] = []

    def view(self, name: str, *headers: tuple[bytes, bytes | None]) -> Made:
        self.names.append(name)
        body = {"event": "view", "customer_id": name, "ts": self.shop.now(), "event_id": name}
        return b"c0", json.dumps(body).encode(), headers

    def add(self, *made: Made | bytes, codec: str = "none", **odd: int) -> None:
        now = self.shop.now()
        self.batches.append((batch(made, codec, timestamp=now, **odd), len(made)))


async def abort(bootstrap: str, topic: str, value: bytes) -> None:
    """The last thing on the topic: a transaction that does not come off."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic}-aborting")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, value, partition=0)
        await producer.abort_transaction()
    finally:
        await producer.stop()


def test_whatever_a_producer_writes_no_worker_ends_and_no_good_record_is_lost(shop: Shop) -> None:
    """Each of these ended the worker with 70, and again at each start."""
    told = Told(shop)
    for codec in CODECS:
        told.add(told.view(f"by {codec}"), codec=codec)
    told.add(told.view("name that is not utf-8", (b"\xff", b"v")), told.view("null", (b"h", None)))
    told.add(told.view("many headers", *[(b"h", b"v")] * 10_000))
    told.add(told.view("before"), (b"c0", bytes(30 * MIB), ()), told.view("after"), codec="gzip")
    told.add((b"c0", bytes(48 * MIB), ()), codec="zstd")
    told.add((b"c0", b"not json", [(b"ce_cause", b"x"), (b"ce_app", b"x"), (b"reason", b"fine")]))
    told.add((b"c0", b"{" + b"x" * 900_000, [(b"h", b"v" * 90_000)]))
    told.add(told.view("written by ourselves", (b"ce_app", shop.prefix.encode())))
    told.names.remove("written by ourselves")
    told.add(told.view("last"))
    asyncio.run(send(shop.bootstrap, shop.clicks, 0, *told.batches))
    aborted = told.view("aborted")[1]
    assert aborted is not None
    asyncio.run(abort(shop.bootstrap, shop.clicks, aborted))
    told.names.remove("aborted")
    # What says that it is ours: in a dead letter of the release before, and by whoever can write there.
    here = [("topic", shop.clicks.encode()), ("partition", b"0"), ("ce_app", shop.prefix.encode())]
    forged = [("ce_cause", b"x"), ("offset", b"9000000000000000"), *here]
    with shop.worker() as worker:
        worker.until_ready()
        worker.until_caught_up(shop.sources)
        eventually(lambda: worker.figures()["stream_lag_records"] == 0, "nothing is left to be read")
        assert psutil.Process(worker.process.pid if worker.process else 0).memory_info().rss < MOST_RESIDENT
        produce(shop.bootstrap, "dead-letters", [(0, None, b"{", None, forged), (0, None, b"{", None, here)])
        worker.kill()
        worker.start().until_ready()
        eventually(lambda: len(worker.said("recalled")) > 0, "the worker has read what was forged")
        produce(shop.bootstrap, shop.clicks, [shop.click(0, "view", shop.now())])
        told.names.append("c0")
        worker.until_caught_up(shop.sources)
        assert worker.said("recalled")[-1]["not_recalled"] == 1
        assert worker.stop() == 0
    assert sorted(shop.views()) == sorted(told.names)
    letters = [dict(record.headers) for record in consume_all(shop.bootstrap, ["dead-letters"])]
    mine = [each for each in letters if each["topic"] == shop.clicks.encode() and "reason" in each]
    assert sorted(each["reason"] for each in mine) == [b"json", b"json", b"own", b"size", b"size"]
    assert {each.get("producer-ce_cause") for each in mine} == {None, b"x"}


def test_an_operator_can_put_a_record_aside(shop: Shop) -> None:
    """There was no way past a record: the changelog's positions win over the group's offsets."""
    produce(shop.bootstrap, shop.clicks, [shop.click(0, "view", shop.now()) for _ in range(4)])
    with shop.worker(skip=f"{shop.clicks}/0/1-2") as worker:
        worker.until_ready()
        worker.until_caught_up(shop.sources)
        assert [each["offset"] for each in worker.said("skips")] == ["1-2"]
        assert [each["offset"] for each in worker.said("skipped")] == [1, 2]
        assert worker.stop() == 0
    assert shop.views_of(0) == ["1", "2"]
    tp = TopicPartition("dead-letters", 0)
    assert end_offsets(shop.bootstrap, ["dead-letters"])[tp] >= 2
    letters = [dict(each.headers) for each in consume_all(shop.bootstrap, ["dead-letters"])]
    mine = [each for each in letters if each["topic"] == shop.clicks.encode()]
    assert [(each["reason"], each["offset"]) for each in mine] == [(b"skipped", b"1"), (b"skipped", b"2")]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("clicks/0/1", "the topic of source clicks is {clicks}"),
        ("{clicks}/99/1", "its partitions are 0 to"),
        ("{clicks}/0/7", "beyond the end, which is 0"),
    ],
)
def test_a_skip_of_what_is_not_there_was_taken_and_skipped_nothing(
    shop: Shop, place: str, words: str
) -> None:
    checked = {"broker": shop.bootstrap, "app_id": shop.prefix, "rules": str(shop.rules), "http_port": "0"}
    ended = stream("worker", "--check", **checked, skip=place.format(clicks=shop.clicks))
    assert ended.returncode == 2
    assert words.format(clicks=shop.clicks) in ended.stderr
    if "beyond" not in words:
        assert refused(shop, skip=place.format(clicks=shop.clicks)).returncode == 2
