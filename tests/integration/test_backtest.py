"""The same history through `stream backtest kafka:` and through a live worker gives the same decisions."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from stream.broker.cluster import EmbeddedKafka
from stream.clock import wall_ms
from stream.errors import BrokerError
from stream.history import topics
from stream.history._past import PastEvent, Reader
from stream.history.event_files import Between
from stream.history.pieces import Whence
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import Source
from stream.settings import load
from tests.integration.shop import MINUTE, PARTITIONS, START, Shop
from tests.kit.kafka import committed, consume_all, create_topics, produce

RULES = """
sources:
  clicks: {topic: PREFIX-clicks, event: event, customer: customer_id, time: ts}
  purchases: {topic: PREFIX-purchases, event: {is: purchase}, customer: customer_id}
  profiles: {topic: PREFIX-profiles, kind: profile, customer: customer_id}
traits:
  spend: {function: sum, of: purchase, field: amount}
channels:
  web: {topic: PREFIX-web, consent: marketing}
policy: {holdout: 10%, timezone: UTC}
rules:
  every-view:
    on: view
    send: {channel: web, content: {spend: "{{ traits.spend }}"}}
    limit: 2 per 10m
  cart-left:
    on: cart
    unless: {on: purchase, within: 30m}
    send: {channel: web, content: {text: "Still there?"}}
"""
CUSTOMERS = 30
ROUNDS = 12


def happenings(shop: Shop, amount: float) -> tuple[list[Any], list[Any]]:
    """Clicks and purchases of everybody, as `produce` takes them; each purchase is of this amount."""
    clicks, purchases = [], []
    for turn in range(ROUNDS):
        for n in range(CUSTOMERS):
            at = START + (turn * 5 + 1) * MINUTE + n
            clicks.append(shop.click(n, "cart" if (turn + n) % 5 == 0 else "view", at))
            if (turn + n) % 7 == 0:
                purchases.append(shop.purchase(n, amount, at + MINUTE))
    return clicks, purchases


def history(shop: Shop) -> None:
    """Views, carts and purchases of everybody; the times of purchases are Kafka's, the others' their own."""
    (shop.rules / "shop.yaml").write_text(RULES.replace("PREFIX", shop.prefix))
    create_topics(shop.bootstrap, {f"{shop.prefix}-profiles": PARTITIONS})
    consents = {"marketing": {"granted": True, "at": START}}
    profiles = [
        (
            n % PARTITIONS,
            f"c{n}".encode(),
            json.dumps({"customer_id": f"c{n}", "consents": consents}),
            START,
            (),
        )
        for n in range(0, CUSTOMERS, 2)
    ]
    produce(
        shop.bootstrap, f"{shop.prefix}-profiles", [(a, b, c.encode(), d, e) for a, b, c, d, e in profiles]
    )
    clicks, purchases = happenings(shop, 10.5)
    clicks.append((1, b"c1", b"no json", START + 90 * MINUTE, ()))
    clicks.append(
        (2, b"c2", json.dumps({"customer_id": "c2", "event": "view"}).encode(), START + 91 * MINUTE, ())
    )
    produce(shop.bootstrap, shop.clicks, clicks)
    produce(shop.bootstrap, shop.purchases, purchases)


def backtest(shop: Shop, *arguments: str, **settings: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The summary, and the decisions."""
    out = shop.folder / "out.jsonl"
    command = [
        sys.executable,
        "-m",
        "stream",
        "backtest",
        str(shop.rules),
        "kafka:",
        "--json",
        "--out",
        str(out),
    ]
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"STREAM_BROKER": shop.bootstrap, "STREAM_APP_ID": f"{shop.prefix}-elsewhere", **settings},
        cwd=shop.folder,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), [json.loads(line) for line in out.read_text().splitlines()]


def key_of(decision: dict[str, Any]) -> tuple[Any, ...]:
    names = ("trigger_id", "rule", "customer_id", "outcome", "reason", "channel", "at", "revision")
    return *(decision[name] for name in names), json.dumps(decision["event"])


def test_a_backtest_of_the_topics_decides_what_a_worker_does(shop: Shop) -> None:
    history(shop)
    topics = [*shop.sources, f"{shop.prefix}-profiles"]
    with shop.worker() as worker:
        worker.until_caught_up(topics)
        assert worker.stop() == 0, worker.log
    rules = {"every-view", "cart-left"}
    lived = [json.loads(each.value) for each in consume_all(shop.bootstrap, ["decisions"])]
    customers = {each["trigger_id"] for each in shop.triggers()}
    summary, played = backtest(shop)
    revision = summary["revision"]
    lived = [each for each in lived if each["rule"] in rules and each["revision"] == revision]
    assert sorted(map(key_of, played)) == sorted(map(key_of, lived))
    assert {each["outcome"] for each in played} == {"sent", "suppressed", "holdout"}
    assert {each["trigger_id"] for each in played if each["outcome"] == "sent"} == customers
    assert any(each["event"]["id"].startswith(f"{shop.clicks}/") for each in played)
    assert summary["dead_letters"][0]["first"].startswith(f"{shop.clicks}/1/")
    # Nobody's group has moved, and there is none of ours.
    assert committed(shop.bootstrap, f"{shop.prefix}-elsewhere", topics) == {}


def test_what_is_explained_from_the_topics_is_what_a_backtest_of_them_decides(shop: Shop) -> None:
    history(shop)
    _, played = backtest(shop)
    for customer in ("c1", "c2", "c6"):
        command = [sys.executable, "-m", "stream", "explain", str(shop.rules), "kafka:"]
        settings = {"STREAM_BROKER": shop.bootstrap, "STREAM_APP_ID": f"{shop.prefix}-elsewhere"}
        command += ["--customer", customer, "--json"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env=settings, cwd=shop.folder
        )
        told = [each for moment in json.loads(done.stdout)["moments"] for each in moment["decisions"]]
        expected = [each for each in played if each["customer_id"] == customer]
        assert [each["trigger_id"] for each in told] == [each["trigger_id"] for each in expected], customer
        assert told


def test_events_are_those_between_two_times_and_consents_those_of_before(shop: Shop) -> None:
    """Without the profiles of before nobody would have consented to anything."""
    history(shop)
    since, until = START + 16 * MINUTE, START + 31 * MINUTE
    times = [f"--since={since}", f"--until={until}"]
    summary, played = backtest(shop, *times)
    assert summary["events"]["clicks"] == 3 * CUSTOMERS
    assert summary["events"]["profiles"] == CUSTOMERS // 2
    assert any(each["outcome"] == "sent" for each in played)
    assert summary["until"] == "2026-01-01T00:31:00.000Z"
    assert any(each.startswith("events of before --since were not read") for each in summary["notes"])
    assert wall_ms() > until


def test_a_topic_that_is_not_there_is_named(shop: Shop) -> None:
    """It was waited for without a word."""
    (shop.rules / "shop.yaml").write_text(RULES.replace("PREFIX", shop.prefix))
    done = subprocess.run(
        [sys.executable, "-m", "stream", "backtest", str(shop.rules), "kafka:"],
        capture_output=True,
        text=True,
        check=False,
        env={"STREAM_BROKER": shop.bootstrap},
        cwd=shop.folder,
    )
    assert done.returncode == 1
    assert f"Kafka has no topic {shop.prefix}-profiles" in done.stderr


def test_what_a_worker_is_told_to_skip_was_played(shop: Shop) -> None:
    history(shop)
    everything, _ = backtest(shop)
    skip = f"{shop.clicks}/1/0-4,{shop.clicks}/2/7,elsewhere/0/1"
    summary, _ = backtest(shop, STREAM_SKIP=skip)
    assert summary["events"]["clicks"] == everything["events"]["clicks"] - 6
    assert f"6 records of {shop.clicks} are not read by a worker either: skipped" in summary["notes"]


def test_a_plan_is_made_of_topics_too(shop: Shop) -> None:
    """It said that `kafka:` stands alone."""
    history(shop)
    command = [
        sys.executable,
        "-m",
        "stream",
        "events",
        "infer",
        "kafka:",
        "--rules",
        str(shop.rules),
        "--json",
    ]
    env = {"STREAM_BROKER": shop.bootstrap}
    until = ("--until", str(START + 16 * MINUTE))
    found = []
    for arguments in ((), until):
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, check=True, env=env, cwd=shop.folder
        )
        assert json.loads(done.stdout)["events"]["purchase"]["fields"]["amount"] == "number"
        found.append(int(done.stderr.partition(" events of ")[0].replace(",", "")))
    assert (
        found[0]
        > found[1]
        == 3 * CUSTOMERS + sum((turn + n) % 7 == 0 for turn in range(3) for n in range(CUSTOMERS))
    )


def large(shop: Shop) -> None:
    """More than one fetch brings."""
    for partition in range(PARTITIONS):
        value = json.dumps({"customer_id": "c1", "event": "view", "pad": "x" * 400_000}).encode()
        produce(shop.bootstrap, shop.clicks, [(partition, b"c1", value, START, ())] * 40)


def test_a_kafka_that_goes_away_was_waited_for_without_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "PATIENCE_S", 5.0)
    with EmbeddedKafka() as kafka:
        shop = Shop(kafka.bootstrap, "away", tmp_path)
        create_topics(kafka.bootstrap, dict.fromkeys(shop.sources, PARTITIONS))
        large(shop)
        read = []

        def take(events: Iterable[PastEvent]) -> None:
            if not read:
                kafka.kill(0)
            read.extend(events)

        def reader_of(source: Source, origin: Whence) -> Reader:
            return Reader(rules.sources, origin, fixed=source.name)

        rules = load_rules(shop.rules)
        settings = load({"STREAM_BROKER": kafka.bootstrap}, env_file=None)
        with pytest.raises(BrokerError) as caught:
            asyncio.run(
                topics.read_topics(
                    settings, rules.sources, Between(), reader_of, take, lambda done, total: None
                )
            )
    assert "Kafka went away while topics were read: no answer for 5 seconds" in str(caught.value)
    places = {each.place for each in read}
    (first, *_) = re.findall(r"away-clicks/\d+/\d+", str(caught.value))
    topic, partition, offset = first.split("/")
    assert first not in places
    assert int(offset) == 0 or f"{topic}/{partition}/{int(offset) - 1}" in places


def test_files_of_what_the_topics_hold_are_decided_as_by_the_worker_ids_included(shop: Shop) -> None:
    """Where a source maps an id: then a file needs no topic, partition and offset."""
    clicks, purchases = happenings(shop, 60.5)
    # Time goes on as far in each partition as in the file.
    clicks += [shop.click(n, "view", START + 600 * MINUTE) for n in range(PARTITIONS)]
    produce(shop.bootstrap, shop.clicks, clicks)
    produce(shop.bootstrap, shop.purchases, purchases)
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0, worker.log
    revision = load_rules(shop.rules).revision
    lived = [json.loads(each.value) for each in consume_all(shop.bootstrap, ["decisions"])]
    lived = [each for each in lived if each["revision"] == revision]
    files = []
    for source, records in (("clicks", clicks), ("purchases", purchases)):
        path = shop.folder / f"{source}.jsonl"
        path.write_bytes(b"".join(value + b"\n" for _, _, value, _, _ in records))
        files.append(f"{source}={path}")
    out = shop.folder / "of-files.jsonl"
    command = [
        sys.executable,
        "-m",
        "stream",
        "backtest",
        str(shop.rules),
        *files,
        "--out",
        str(out),
        "--sort",
    ]
    subprocess.run(command, capture_output=True, text=True, check=True, cwd=shop.folder)
    played = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(map(key_of, played)) == sorted(map(key_of, lived))
    assert {each["rule"] for each in played} == {"every-view", "big-spender", "cart-left"}
    sent = {each["trigger_id"] for each in played if each["outcome"] == "sent"}
    assert sent == {each["trigger_id"] for each in shop.triggers()}
