"""Kafka goes away and comes back: the worker lives, goes on, and says nothing twice."""

from __future__ import annotations

import json
import time
from pathlib import Path

from stream.broker.cluster import EmbeddedKafka
from tests.integration.shop import MINUTE, PARTITIONS, START, Shop
from tests.integration.test_takeover import views
from tests.kit.kafka import create_topics, produce
from tests.kit.patience import eventually
from tests.kit.worker import short_session

AWAY_S = 15.0  # longer than a request is waited for


def test_all_brokers_die_under_load_and_come_back(tmp_path: Path) -> None:
    """A worker that is told to wait for Kafka must not need a restart, nor lose its place."""
    with EmbeddedKafka() as kafka:
        shop = Shop(kafka.bootstrap, "outage", tmp_path)
        create_topics(kafka.bootstrap, dict.fromkeys([*shop.sources, shop.web], PARTITIONS))
        with shop.worker(session_timeout=short_session()) as worker:
            for turn in range(10):
                produce(shop.bootstrap, shop.clicks, views(shop, 40, 50, START + 50 * turn * MINUTE))
            eventually(lambda: len(shop.triggers()) > 0, "it works")
            kafka.kill(0)
            time.sleep(AWAY_S)  # the outage itself: on a slow machine it is only longer
            assert worker.alive, worker.log
            kafka.restart(0)
            began = time.monotonic()
            eventually(lambda: len(shop.triggers()) >= 40 * 500, "all triggers")
            print(f"all triggers {time.monotonic() - began:.1f} s after the brokers were back")
            worker.until_caught_up(shop.sources)
            assert worker.stop() == 0
        starts = [line for line in worker.log.splitlines() if '"starting"' in line]
        assert len(starts) == 1, "nobody restarted it"
        shop.assert_seen_once(40, 500)


def test_who_looks_at_an_idle_worker_sees_that_kafka_is_away_and_one_line_says_so(tmp_path: Path) -> None:
    """Three minutes made 141 lines of its libraries, none of ours, and every figure looked well."""
    with EmbeddedKafka() as kafka:
        shop = Shop(kafka.bootstrap, "outage", tmp_path)
        create_topics(kafka.bootstrap, dict.fromkeys([*shop.sources, shop.web], PARTITIONS))
        with shop.worker(session_timeout=short_session()) as worker:
            worker.until_ready()
            before = len(worker.log.splitlines())
            assert worker.figures()["stream_kafka_away_seconds"] == 0
            kafka.kill(0)
            eventually(lambda: worker.said("kafka_away"), "it says so")
            eventually(lambda: worker.figures()["stream_kafka_away_seconds"] > AWAY_S, "it goes on counting")
            kafka.restart(0)
            eventually(lambda: worker.said("kafka_back"), "it says that it is back")
            eventually(lambda: worker.figures()["stream_kafka_away_seconds"] == 0, "and shows it")
            produce(shop.bootstrap, shop.clicks, views(shop, 8, 1))
            worker.until_caught_up(shop.sources)
            assert worker.stop() == 0
        (away,), (back,) = worker.said("kafka_away"), worker.said("kafka_back")
        assert back["seconds"] >= away["seconds"] > 0
        said = [json.loads(line) for line in worker.log.splitlines()[before:]]
        assert [line for line in said if not line["logger"].startswith("stream.")] == []
        assert len(said) < 20, "and all that follows a rebalance"


def test_a_worker_that_is_stopped_while_kafka_is_away_ends(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        shop = Shop(kafka.bootstrap, "outage", tmp_path)
        create_topics(kafka.bootstrap, dict.fromkeys([*shop.sources, shop.web], PARTITIONS))
        with shop.worker(session_timeout=short_session()) as worker:
            worker.until_ready()
            produce(shop.bootstrap, shop.clicks, views(shop, 40, 50))
            kafka.kill(0)
            worker.stop()
            assert json.loads(worker.log.splitlines()[-1])["message"] == "stopped"


def test_an_outage_while_a_worker_waits_for_its_topics_ended_it(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        shop = Shop(kafka.bootstrap, "outage", tmp_path)
        with shop.worker() as worker:
            eventually(lambda: not worker.alive or worker.said("waits_for_topics"), "it waits")
            kafka.kill(0)
            eventually(lambda: not worker.alive or worker.said("waits_for_kafka"), "it sees the outage")
            assert "Kafka" in worker.get("/ready")[1]
            kafka.restart(0)
            create_topics(kafka.bootstrap, dict.fromkeys([*shop.sources, shop.web], PARTITIONS))
            worker.until_ready()
            assert worker.stop() == 0
        assert len(worker.said("waits_for_kafka")) <= 3, "gone, and slow; not one a look"
