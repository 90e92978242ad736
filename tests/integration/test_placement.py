"""Producers that hash keys in different ways, on a real Kafka: what doctor, `--check` and a worker say."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import asdict

from stream.doctor import run
from stream.events._murmur import partition_of
from tests.integration.shop import PARTITIONS, START, Shop
from tests.integration.test_doctor import settings_of
from tests.integration.test_worker import stream
from tests.kit.kafka import Produced, produce
from tests.kit.patience import eventually

CUSTOMERS = 40


def by_java(record: Produced) -> Produced:
    _, key, *rest = record
    assert key is not None
    return (partition_of(key, PARTITIONS), key, *rest)  # type: ignore[return-value]


def by_librdkafka(record: Produced) -> Produced:
    _, key, *rest = record
    assert key is not None
    return (zlib.crc32(key) % PARTITIONS, key, *rest)  # type: ignore[return-value]


def test_customers_torn_apart_by_two_producers_are_found_before_a_cap_is_overrun(shop: Shop) -> None:
    """Six messages went where one a day may: each half of a customer had a cap of its own."""
    views = [shop.click(customer, "view", START) for customer in range(CUSTOMERS)]
    produce(shop.bootstrap, shop.clicks, map(by_java, views))
    checked = {"broker": shop.bootstrap, "app_id": shop.prefix, "rules": str(shop.rules), "http_port": "0"}
    assert stream("worker", "--check", **checked).returncode == 0
    bought = [shop.purchase(customer, 10, START) for customer in range(CUSTOMERS)]
    produce(shop.bootstrap, shop.purchases, map(by_librdkafka, bought))
    refused = stream("worker", "--check", **checked)
    assert refused.returncode == 1
    assert "customers have records in two partitions" in refused.stderr
    assert "partitioner=murmur2_random" in refused.stderr
    assert "c1" not in refused.stderr.replace(shop.prefix, ""), "no customer is named"
    findings = [asdict(each) for each in asyncio.run(run.examine(settings_of(shop)))]
    assert {each["status"] for each in findings if each["check"] == "customers"} == {"error"}
    with shop.worker() as worker:
        worker.until_ready().until_caught_up(shop.sources)
        series = 'stream_misplaced_records_total{source="purchases"}'
        eventually(lambda: f"{series} 0.0" not in worker.get("/metrics")[1], "misplaced records are counted")
        assert 'stream_misplaced_records_total{source="clicks"} 0.0' in worker.get("/metrics")[1]
