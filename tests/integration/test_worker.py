"""A worker among bad input and in a bad environment: a clear message; it lives, or ends, where it should."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping

import pytest
from aiokafka import TopicPartition

from tests.integration.shop import MINUTE, START, Shop
from tests.kit.kafka import committed, configure, consume_all, create_topics, produce
from tests.kit.patience import eventually

MEGABYTE = 1024 * 1024
GRACE_S = 30  # what Kubernetes gives a pod, if nobody says otherwise


def stream(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_")}
    return subprocess.run(
        [sys.executable, "-m", "stream", *arguments],
        env=environment | {f"STREAM_{name.upper()}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        check=False,
    )


def refused(shop: Shop, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start a worker that must refuse to; says so without a traceback."""
    ended = stream(
        "worker",
        **{"broker": shop.bootstrap, "app_id": shop.prefix, "rules": str(shop.rules), "http_port": "0"}
        | settings,
    )
    assert "Traceback" not in ended.stderr
    return ended


def dead_letters(shop: Shop) -> dict[int, dict[str, bytes]]:
    """The headers of what was set aside of this shop's clicks, by offset."""
    headers = (dict(record.headers) for record in consume_all(shop.bootstrap, ["dead-letters"]))
    return {int(each["offset"]): each for each in headers if each["topic"] == shop.clicks.encode()}


def test_each_kind_of_bad_record_is_set_aside_with_its_reason_and_the_worker_lives(shop: Shop) -> None:
    large = b'{"event": "view", "customer_id": "c0", "pad": "' + b"x" * (10 * MEGABYTE) + b'"}'
    bad = {
        "json": [b"", b"null", b"[1]", b'{"event": "view", ', b"\xff\xfe"],
        "customer": [b'{"event": "view"}', b'{"event": "view", "customer_id": ""}'],
        "event": [b'{"customer_id": "c0"}'],
        "time": [
            b'{"event": "view", "customer_id": "c0", "ts": "1823-05-01T00:00:00Z"}',
            b'{"event": "view", "customer_id": "c0", "ts": "yesterday"}',
        ],
        "size": [large],
    }
    values = [(reason, value) for reason, several in bad.items() for value in several]
    good = shop.click(0, "view", START)
    configure(shop.bootstrap, shop.clicks, {"max.message.bytes": "12000000"})  # ten times Kafka's own
    produce(shop.bootstrap, shop.clicks, [(0, b"c0", value, START, ()) for _, value in values] + [good])
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
        assert worker.figures()["stream_dead_letters_total"] == len(values)
        assert worker.get("/live")[0] == 200
    assert [each["reason"].decode() for _, each in sorted(dead_letters(shop).items())] == [
        r for r, _ in values
    ]
    letters = consume_all(shop.bootstrap, ["dead-letters"])
    (kept,) = [each for each in letters if ("size", str(len(large)).encode()) in each.headers]
    assert kept.value == large[:1024], "its beginning"
    assert len(shop.triggers()) == 1
    assert "x" * 100 not in worker.log


def test_a_time_from_the_next_century_does_not_move_the_clock(shop: Shop) -> None:
    """One device with a wrong clock must not make every customer's reminder due."""
    cart = shop.click(1, "cart", START)
    dreamer = (
        1,
        b"c5",
        b'{"event": "view", "customer_id": "c5", "ts": "2999-01-01T00:00:00Z"}',
        START + MINUTE,
        (),
    )
    produce(shop.bootstrap, shop.clicks, [cart, dreamer])
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
        assert worker.figures()["stream_event_errors_total"] == 1
    assert [trigger["rule"] for trigger in shop.triggers()] == ["every-view"]


def test_a_reminder_comes_by_the_wall_clock_when_nothing_else_happens(shop: Shop) -> None:
    rules = (shop.rules / "shop.yaml").read_text()
    (shop.rules / "shop.yaml").write_text(rules.replace("within: 30m", "within: 3s"))
    with shop.worker(clock="wall") as worker:
        worker.until_ready()
        produce(shop.bootstrap, shop.clicks, [shop.click(1, "cart", shop.now())])
        eventually(lambda: shop.triggers(), "the reminder")
        trigger = shop.triggers()[0]
        assert trigger["rule"] == "cart-left"
        assert worker.figures()["stream_trigger_latency_seconds_count"] == 0, "timers are no latency"


def test_no_kafka_at_the_address(shop: Shop) -> None:
    ended = refused(shop, broker="127.0.0.1:1")
    assert ended.returncode == 1
    assert "no Kafka answers at 127.0.0.1:1" in ended.stderr
    assert "STREAM_BROKER" in ended.stderr


def test_a_typo_in_a_rule_file_is_shown_with_its_place(shop: Shop) -> None:
    file = shop.rules / "shop.yaml"
    file.write_text(file.read_text().replace("traits.spend >=", "traits.spned >="))
    ended = refused(shop)
    assert ended.returncode == 1
    assert f"{file}:" in ended.stderr
    assert "spned" in ended.stderr
    assert "did you mean" in ended.stderr
    assert "spend" in ended.stderr


def test_a_setting_with_a_typo(shop: Shop) -> None:
    ended = refused(shop, brokr="127.0.0.1:9092")
    assert ended.returncode == 2
    assert "STREAM_BROKR" in ended.stderr
    assert "STREAM_BROKER" in ended.stderr


def test_a_taken_port(shop: Shop) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = refused(shop, http_host="127.0.0.1", http_port=str(port))
    assert ended.returncode == 2
    assert str(port) in ended.stderr
    assert "STREAM_HTTP_PORT" in ended.stderr


def test_sources_with_unequal_partition_counts(shop: Shop) -> None:
    file = shop.rules / "shop.yaml"
    create_topics(shop.bootstrap, {f"{shop.purchases}2": 3})
    file.write_text(file.read_text().replace(f"topic: {shop.purchases}", f"topic: {shop.purchases}2"))
    ended = refused(shop)
    assert ended.returncode == 1
    assert f"{shop.purchases}2 has 3" in ended.stderr
    assert f"{shop.clicks} has 4" in ended.stderr


def test_check_tests_everything_and_ends(shop: Shop) -> None:
    ended = stream(
        "worker", "--check", broker=shop.bootstrap, app_id=shop.prefix, rules=str(shop.rules), http_port="0"
    )
    assert ended.returncode == 0, ended.stderr
    assert "3 rules" in ended.stdout
    assert "4 partitions" in ended.stdout


def test_a_corrupt_changelog_stops_the_worker_and_names_the_record_not_the_customer(shop: Shop) -> None:
    changelog = f"{shop.prefix}-customers-changelog"
    create_topics(shop.bootstrap, {changelog: 4}, {"cleanup.policy": "compact"})
    produce(shop.bootstrap, changelog, [(2, b"someone@example.com", b"\x01garbage", None, ())])
    with shop.worker() as worker:
        assert worker.wait() == 70
    assert f"{changelog}/2 offset 0" in worker.log
    assert "someone@example.com" not in worker.log


def settled(figures: Mapping[str, float]) -> Mapping[str, float]:
    """The figures, once those that are measured now and then have come to rest; before, none."""
    rest = figures.get("stream_customers") == 8 and figures.get("stream_lag_records") == 0
    return figures if rest else {}


def test_health_says_when_it_is_ready_and_metrics_are_there(shop: Shop) -> None:
    produce(shop.bootstrap, shop.clicks, [shop.click(c, "view", START) for c in range(8)])
    with shop.worker() as worker:
        worker.until_ready().until_caught_up(shop.sources)
        status, body = worker.get("/live")
        assert status == 200
        assert json.loads(body)["status"] == "ok"
        assert worker.get("/nothing")[0] == 404
        figures = eventually(
            lambda: settled(worker.figures()), "eight customers, and nothing that is not committed"
        )
        assert figures["stream_triggers_total"] == 8
        assert figures["stream_trigger_latency_seconds_count"] == 8
        assert "c1" not in {part.strip('"') for part in worker.get("/metrics")[1].split("=")}


def test_offsets_of_a_kept_partition_are_committed_after_a_rebalance(shop: Shop) -> None:
    with shop.worker("a") as first, shop.worker("b") as second:
        first.until_ready()
        second.until_ready()
        assert second.stop() == 0
        produce(shop.bootstrap, shop.clicks, [shop.click(c, "view", START) for c in range(4)])
        first.until_caught_up(shop.sources)
    offsets = committed(shop.bootstrap, shop.prefix, [shop.clicks])
    assert offsets == {TopicPartition(shop.clicks, number): 1 for number in range(4)}


@pytest.mark.parametrize("command", [["--help"], ["worker", "--help"], ["--version"]])
def test_help_is_there(command: list[str]) -> None:
    assert stream(*command).returncode == 0


def test_wrong_usage_is_2() -> None:
    assert stream("worker", "--brokr", "x").returncode == 2


def test_kill_term_drains_commits_and_ends_within_the_grace_period(shop: Shop) -> None:
    """What was applied is durable and committed, and whoever goes on reads none of it again."""
    each = 1000
    for turn in range(2):
        start = START + turn * each * MINUTE
        produce(
            shop.bootstrap,
            shop.clicks,
            [shop.click(c, "view", start + n * MINUTE) for n in range(each) for c in range(4)],
        )
    with shop.worker() as worker:
        eventually(lambda: worker.figures().get("stream_events_total", 0) > 0, "it is in the midst of it")
        worker.signal(signal.SIGTERM)
        assert worker.until_ended(seconds=GRACE_S) == 0, worker.log
        assert '"stopped"' in worker.log
        done = sum(committed(shop.bootstrap, shop.prefix, [shop.clicks]).values())
        assert done > 0
        told = [view for views in shop.views().values() for view in views]
        assert len(told) == done, "a trigger for each event that is committed, and for no other"
        worker.start().until_ready().until_caught_up(shop.sources)
        assert worker.figures()["stream_repeats_total"] == 0
    shop.assert_seen_once(4, 2 * each)
