"""A backtest that is stopped leaves nothing behind, says so in one line, and ends as a shell expects."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.patience import eventually

RULES = """
sources: {clicks: {event: event, customer: customer, time: ts}}
channels: {web: {topic: t, consent: none}}
rules: {seen: {on: view, send: {channel: web, content: {text: Hi}}}}
"""
NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "rules").mkdir()
    (folder / "rules" / "shop.yaml").write_text(RULES)
    with (folder / "events.jsonl").open("w") as file:
        for number in range(400_000):
            event = {"event": "view", "customer": f"c{number % 50_000}", "ts": 1_772_445_600 + number}
            file.write(json.dumps(event) + "\n")
    return folder


@pytest.fixture
def store(shop: Path) -> Iterator[Path]:
    (folder := shop / "store").mkdir()
    yield folder
    folder.rmdir()


def started(shop: Path, *arguments: str, before: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "stream", "backtest", "rules", "events.jsonl", *arguments]
    return subprocess.Popen(
        [*before.split(), *command],
        cwd=shop,
        env={**os.environ, "STREAM_STORE_CUSTOMERS": "1000"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_it_plays(process: subprocess.Popen[str], store: Path) -> None:
    """Until customers go to disk."""
    eventually(lambda: process.poll() is not None or any(store.rglob("CURRENT")), "it plays")
    assert process.poll() is None, process.communicate()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_stopped_backtest_left_customers_on_the_disk_and_half_of_its_decisions(
    shop: Path, store: Path, number: signal.Signals
) -> None:
    (shop / "out.jsonl").write_text("of yesterday")
    there = sorted(each.name for each in shop.iterdir())
    options = ("--store", "rocksdb", "--data-dir", "store", "--out", "out.jsonl", "--report", "report.html")
    with started(shop, *options) as process:
        until_it_plays(process, store)
        process.send_signal(number)
        process.send_signal(number)  # somebody is impatient
        out, errors = process.communicate()
    assert (process.returncode, out) == (128 + number, "")
    assert errors == f"stopped by {number.name}: nothing half done is left\n"
    assert list(store.iterdir()) == []
    assert sorted(each.name for each in shop.iterdir()) == there
    assert (shop / "out.jsonl").read_text() == "of yesterday"


def test_what_is_to_outlive_its_terminal_does(shop: Path, store: Path) -> None:
    """`nohup` has a hang-up ignored."""
    options = ("--store", "rocksdb", "--data-dir", "store")
    with started(shop, *options, before="nohup") as process:
        until_it_plays(process, store)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", NUMBERS)
def test_a_backtest_that_waits_for_kafka_is_stopped_too(shop: Path, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {**os.environ, "STREAM_BROKER": f"127.0.0.1:{silent.getsockname()[1]}"}
        command = [sys.executable, "-m", "stream", "backtest", "rules", "kafka:"]
        with subprocess.Popen(command, cwd=shop, env=env, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = silent.accept()
            process.send_signal(number)
            _, errors = process.communicate()
            connection.close()
    assert (process.returncode, errors) == (
        128 + number,
        f"stopped by {number.name}: nothing half done is left\n",
    )


def test_a_signal_in_the_middle_of_a_constructor_printed_the_traceback_of_a_half_made_object() -> None:
    program = """if True:
        import os, signal
        from stream.cli.stopping import tidy
        class Half:
            def __init__(self):
                os.kill(os.getpid(), signal.SIGTERM)
                self.whole = True
            def __del__(self):
                assert self.whole
        with tidy():
            Half()
    """
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "SIGTERM: nothing half done is left" in found.stderr
    assert "Exception ignored" not in found.stderr
