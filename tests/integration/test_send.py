"""`stream send` on a real Kafka: where records go, and what is said when it cannot, or is stopped."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from stream.broker.cluster import EmbeddedKafka
from stream.events._murmur import partition_of
from stream.kafka.most_bytes import most_bytes_of
from stream.settings import load
from stream.topics.ensure import admin_client
from tests.integration.shop import PARTITIONS, Shop
from tests.kit.kafka import configure, consume_all, create_topics, delete_topics, end_offsets
from tests.kit.patience import eventually
from tests.kit.secure import SecureKafka

pytestmark = pytest.mark.kafka

Ended = subprocess.CompletedProcess[str]


def feed(shop: Shop, count: int, first: int = 0) -> Path:
    path = shop.folder / "feed.jsonl"
    lines = [
        json.dumps({"event": "view", "customer_id": f"c{n % 50}", "ts": 1767225600 + n, "event_id": f"e{n}"})
        for n in range(first, first + count)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def command(shop: Shop, file: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "stream", "send", str(file), "--source", "clicks"),
        *("--rules", str(shop.rules), "--broker", shop.bootstrap, *more),
    ]


def send(shop: Shop, file: Path, *more: str) -> Ended:
    return subprocess.run(command(shop, file, *more), capture_output=True, text=True, check=False)


def values(shop: Shop) -> list[dict[str, object]]:
    return [json.loads(each.value or b"") for each in consume_all(shop.bootstrap, [shop.clicks])]


def test_each_record_is_in_its_customers_partition_and_a_worker_answers_it(shop: Shop) -> None:
    ended = send(shop, feed(shop, 3000))
    assert ended.returncode == 0, ended.stderr
    assert f"sent 3,000 records to {shop.clicks} in {PARTITIONS} partitions" in ended.stderr
    found = consume_all(shop.bootstrap, [shop.clicks])
    assert sorted(json.loads(each.value or b"")["event_id"] for each in found) == sorted(
        f"e{n}" for n in range(3000)
    )
    for each in found:
        assert each.key == json.loads(each.value or b"")["customer_id"].encode()
        assert each.partition == partition_of(each.key, PARTITIONS)
    with shop.worker(clock="wall"):
        eventually(lambda: len(shop.triggers()) == 3000, "the worker has answered all")


def test_the_same_file_sent_twice_has_the_same_bytes(shop: Shop) -> None:
    file = feed(shop, 20)
    assert [send(shop, file).returncode, send(shop, file).returncode] == [0, 0]
    found = [each.value for each in consume_all(shop.bootstrap, [shop.clicks])]
    assert sorted(found) == sorted(file.read_bytes().splitlines() * 2)


def test_a_row_that_is_bad_is_left_out_and_with_stop_on_error_ends_it(shop: Shop) -> None:
    file = feed(shop, 10)
    file.write_text(file.read_text() + "{no json\n")
    ended = send(shop, file, "--stop-on-error")
    assert (ended.returncode, values(shop)) == (1, [])
    assert "first " + str(file) + ":11" in ended.stderr
    assert "--from-line 1" in ended.stderr
    ended = send(shop, file)
    assert (ended.returncode, len(values(shop))) == (1, 10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_is_told_how_to_go_on_and_nothing_is_missing_then(
    shop: Shop, number: signal.Signals
) -> None:
    file = feed(shop, 400)
    with subprocess.Popen(command(shop, file, "--rate", "50"), stderr=subprocess.PIPE, text=True) as running:
        eventually(lambda: len(values(shop)) > 20, "some are sent")
        running.send_signal(number)
        assert running.stderr is not None
        said = running.stderr.read()
    assert running.returncode == 128 + number
    again = re.search(r"go on with: stream send .* --from-line (\d+)$", said, re.MULTILINE)
    assert again is not None, said
    assert f"all before line {again[1]} is in Kafka" in said
    assert len(values(shop)) >= int(again[1]) - 1
    assert send(shop, file, "--from-line", again[1]).returncode == 0
    assert {each["event_id"] for each in values(shop)} == {f"e{n}" for n in range(400)}


def test_a_topic_that_is_missing_is_not_made(shop: Shop) -> None:
    delete_topics(shop.bootstrap, [shop.clicks])
    ended = send(shop, feed(shop, 1))
    assert ended.returncode == 1
    assert f"has no topic {shop.clicks}" in ended.stderr
    assert "stream topics --create" in ended.stderr
    assert end_offsets(shop.bootstrap, [shop.clicks]) == {}


def test_what_the_topic_does_not_take_is_left_out_and_the_rest_is_sent(shop: Shop) -> None:
    """One large record had its whole batch refused."""
    configure(shop.bootstrap, shop.clicks, {"max.message.bytes": "2000"})

    async def known() -> bool:
        async with admin_client(load({}, {"broker": shop.bootstrap}, None)) as client:
            return (await most_bytes_of(client, [shop.clicks]))[shop.clicks] == 2000

    eventually(lambda: asyncio.run(known()), "the topic says so")
    file = feed(shop, 100)
    large = {"event": "view", "customer_id": "c1", "ts": 1767225600, "event_id": "big", "x": "y" * 3000}
    file.write_text(json.dumps(large) + "\n" + file.read_text())
    ended = send(shop, file)
    assert ended.returncode == 1
    assert "max.message.bytes is 2,000" in ended.stderr
    assert len(values(shop)) == 100


@pytest.mark.parametrize("granted", [(), ("Describe", "DescribeConfigs")])
def test_who_may_not_write_is_told_which_permission_lacks(
    secure_kafka: SecureKafka, secure_shop: Shop, granted: Sequence[str]
) -> None:
    if granted:
        secure_kafka.grant({("topic", secure_shop.clicks): tuple(granted)})
    login: Mapping[str, str] = secure_kafka.login_as_guest()
    ended = subprocess.run(
        [*command(secure_shop, feed(secure_shop, 1))[:-2]],
        capture_output=True,
        text=True,
        check=False,
        env={f"STREAM_{name.upper()}": value for name, value in login.items()},
    )
    assert ended.returncode == 1, ended.stderr
    assert "grant" in ended.stderr
    assert "Write" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_who_stops_it_while_kafka_is_away_is_told_how_far_it_came(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        shop = Shop(kafka.bootstrap, "away", tmp_path)
        create_topics(kafka.bootstrap, {shop.clicks: PARTITIONS})
        running = subprocess.Popen(
            command(shop, feed(shop, 4000), "--rate", "50"), stderr=subprocess.PIPE, text=True
        )
        with running:
            eventually(lambda: len(values(shop)) > 20, "some are sent")
            there = len(values(shop))
            kafka.kill(0)
            assert running.stderr is not None
            waits = iter(running.stderr.readline, "")
            assert any("Kafka does not answer" in line for line in waits)
            running.send_signal(signal.SIGINT)
            said = running.stderr.read()
    assert running.returncode == 128 + signal.SIGINT
    again = re.search(r"--from-line (\d+)$", said, re.MULTILINE)
    assert again is not None, said
    assert there - 5 <= int(again[1]) - 1 <= 4000
    assert "Traceback" not in said


def test_sources_that_differ_in_partitions_were_filled_without_a_word(shop: Shop) -> None:
    """Two and five partitions place customers differently; a worker refuses them, and the file was in."""
    delete_topics(shop.bootstrap, [shop.purchases])
    create_topics(shop.bootstrap, {shop.purchases: PARTITIONS + 1})
    ended = send(shop, feed(shop, 10))
    assert ended.returncode == 0
    said = f"{shop.clicks} has {PARTITIONS} partitions, and {shop.purchases} {PARTITIONS + 1}: workers refuse"
    assert said in ended.stderr
