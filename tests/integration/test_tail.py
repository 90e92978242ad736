"""`stream tail` on a real Kafka, beside a worker: what is seen, how it ends, and that it leaves no trace."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from stream.settings import load
from stream.topics.ensure import admin_client
from tests.integration.shop import MINUTE, START, Shop
from tests.kit.kafka import produce
from tests.kit.patience import eventually
from tests.kit.secure import SecureKafka

pytestmark = pytest.mark.kafka


def command(shop: Shop, *arguments: str) -> list[str]:
    own = ["--rules", str(shop.rules), "--broker", shop.bootstrap, "--app-id", shop.prefix]
    return [sys.executable, "-m", "stream", "tail", *arguments, *own]


def tail(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(shop, *arguments), capture_output=True, text=True, check=False)


def worked(shop: Shop) -> None:
    """A worker has judged views; two led to a decision that is not sent, as the limit is one a year."""
    produce(shop.bootstrap, shop.purchases, [shop.purchase(1, 200.0, START)])
    views = [shop.click(1, "view", START + n * MINUTE) for n in range(1, 4)]
    produce(shop.bootstrap, shop.clicks, [*views, (0, b"k", b"no json", START, ())])
    own = {"decisions_topic": f"{shop.prefix}-decided", "dead_letters_topic": f"{shop.prefix}-dead"}
    with shop.worker(**own) as worker:
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0


def of_its_own(shop: Shop) -> list[str]:
    return ["--decisions-topic", f"{shop.prefix}-decided", "--dead-letters-topic", f"{shop.prefix}-dead"]


def test_what_was_decided_sent_and_put_aside_is_seen(shop: Shop) -> None:
    worked(shop)
    own = of_its_own(shop)
    ended = tail(shop, "--why-not", "--since", "1h", "--once", *own)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) == 2
    assert all(
        re.search(r"Z  big-spender +suppressed +limit  web  on view  ~\w{8}$", each)
        for each in ended.stdout.splitlines()
    )
    assert "2 records: suppressed 2\n         2  limit\n" in ended.stderr
    everything = tail(shop, "--since", "1h", "--once", *own).stdout
    assert "dead letter" in everything
    assert f"was {shop.clicks}/0/" in everything
    assert "c1" not in everything.replace(shop.prefix, "")
    found: list[dict[str, Any]] = [
        json.loads(line)
        for line in tail(
            shop, "web", "--since", "1h", "--once", "--json", "--personal", *own
        ).stdout.splitlines()
    ]
    assert len(found) == 4
    assert {each["customer"] for each in found} == {"c1"}
    assert found[0]["record"]["content"]
    assert len(tail(shop, "--rule", "every-view", "--since", "1h", "--once", *own).stdout.splitlines()) == 3
    of_one = tail(shop, "--customer", "c1", "--since", "2026-01-01T00:00:00Z", "--once", *own).stdout
    assert of_one.count(" event ") == 4
    assert len(tail(shop, "--since", "1h", "-n", "2", *own).stdout.splitlines()) == 2


def test_what_comes_is_seen_at_once_and_ctrl_c_ends_it_with_a_summary(shop: Shop) -> None:
    running = subprocess.Popen(
        command(shop, "clicks"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with running:
        assert running.stdout is not None
        assert running.stderr is not None

        first: list[bool] = []
        looking = threading.Thread(target=lambda: first.append(bool(running.stdout.readline())))  # type: ignore[union-attr]
        looking.start()

        def came() -> bool:
            produce(shop.bootstrap, shop.clicks, [shop.click(1, "view", START)])
            return bool(first)

        eventually(came, "a line")
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate()
    assert running.returncode == 0
    assert "records: event " in errors or "1 record: event 1" in errors
    assert "Traceback" not in errors


def test_it_leaves_no_group_behind(shop: Shop) -> None:
    produce(shop.bootstrap, shop.clicks, [shop.click(1, "view", START)])

    async def groups() -> set[str]:
        async with admin_client(load({}, {"broker": shop.bootstrap}, None)) as client:
            return {name for name, *_ in await client.list_consumer_groups()}

    before = asyncio.run(groups())
    assert tail(shop, "clicks", "--since", "2026-01-01T00:00:00Z", "-n", "1").returncode == 0
    assert asyncio.run(groups()) == before


def test_who_reads_it_and_goes_sees_no_traceback(shop: Shop) -> None:
    produce(shop.bootstrap, shop.clicks, [shop.click(1, "view", START + n) for n in range(3000)])
    shell = " ".join(f"'{each}'" for each in command(shop, "clicks", "--since", "2026-01-01T00:00:00Z"))
    ended = subprocess.run(f"{shell} | head -n 2", shell=True, capture_output=True, text=True, check=False)
    assert len(ended.stdout.splitlines()) == 2
    assert "Traceback" not in ended.stderr
    assert "Broken" not in ended.stderr


def test_a_topic_that_is_missing_is_said(shop: Shop) -> None:
    ended = tail(shop, "decisions", "--decisions-topic", f"{shop.prefix}-none")
    assert ended.returncode == 1
    assert "stream topics --create" in ended.stderr


def test_who_may_not_read_is_told_which_permission_lacks(
    secure_kafka: SecureKafka, secure_shop: Shop
) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "stream", "tail", "clicks", "--rules", str(secure_shop.rules)],
        capture_output=True,
        text=True,
        check=False,
        env={f"STREAM_{name.upper()}": value for name, value in secure_kafka.login_as_guest().items()},
    )
    assert refused.returncode == 1
    assert "grant Describe and Read" in refused.stderr
    secure_kafka.grant({("topic", secure_shop.clicks): ("Describe",)})
    produce(secure_kafka.plain, secure_shop.clicks, [secure_shop.click(1, "view", START)])

    def unread() -> bool:
        again = subprocess.run(
            [*refused.args, "--since", "2026-01-01T00:00:00Z", "--once"],
            capture_output=True,
            text=True,
            check=False,
            env={f"STREAM_{name.upper()}": value for name, value in secure_kafka.login_as_guest().items()},
        )
        assert again.returncode == 1
        assert "grant Describe and Read" in again.stderr
        return True

    eventually(unread, "it may describe, and not read")
