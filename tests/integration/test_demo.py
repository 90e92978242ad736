"""The demo's data and rules through real workers, and the demo itself as somebody starts it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import psutil
import pytest

from stream.demo.play import OLD_EVENTS, TOPICS, play
from stream.rules.compiler.rule_set import load_rules
from tests.kit.kafka import consume_all, create_topics, end_offsets
from tests.kit.patience import eventually
from tests.kit.worker import Worker

PROJECT = Path(__file__).resolve().parents[2]
PARTITIONS = 4
DEATHS = 3


@pytest.fixture
def history(kafka: str) -> list[str]:
    """The demo's topics with its data; returns the channels' topics."""
    channels = sorted({channel.topic for channel in load_rules(PROJECT / "rules").channels})
    create_topics(kafka, dict.fromkeys([*TOPICS, *channels], PARTITIONS), OLD_EVENTS)
    asyncio.run(play(kafka, PARTITIONS, lambda done, total: None))
    return channels


def run(bootstrap: str, app_id: str, folder: Path, channels: list[str], deaths: int = 0) -> list[dict]:
    """Play the history through workers of one group, of which so many die at work; the triggers of all."""
    before = end_offsets(bootstrap, channels)
    # As in production: a member that comes back under its name is let in at once.
    settings = {"clock": "event", "instance_id": "pod-0"}
    dying = (sys.executable, "-m", "tests.integration.broken", "dies-at-work", "worker")
    for turn in range(deaths):
        log = folder / f"{app_id}-{turn}.log"
        with Worker(bootstrap, app_id, PROJECT / "rules", log, dying, **settings) as worker:
            assert worker.wait() == -signal.SIGKILL, worker.log
    with Worker(bootstrap, app_id, PROJECT / "rules", folder / f"{app_id}.log", **settings) as worker:
        worker.until_caught_up(TOPICS)
        assert worker.stop() == 0, worker.log
    return [
        orjson.loads(record.value)
        for record in consume_all(bootstrap, channels)
        if record.offset >= before[record.topic, record.partition]
    ]


def test_a_worker_killed_in_the_middle_gives_the_same_triggers(
    kafka: str, history: list[str], tmp_path: Path
) -> None:
    whole = run(kafka, "demo-whole", tmp_path, history)
    count = len(whole)
    assert count > 8_000
    torn = run(kafka, "demo-torn", tmp_path, history, DEATHS)
    by_id = {trigger["trigger_id"]: trigger for trigger in whole}
    assert len(by_id) == count, "no trigger twice without a crash"
    again = {trigger["trigger_id"]: trigger for trigger in torn}
    assert again.keys() == by_id.keys()
    for trigger_id, trigger in again.items():
        assert trigger | {"sent_at": None} == by_id[trigger_id] | {"sent_at": None}


def start_demo(*arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_")}
    return subprocess.Popen(
        [sys.executable, "-m", "stream", "demo", *arguments],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_demo_ends_by_itself_with_a_summary_and_leaves_nothing_behind() -> None:
    demo = start_demo()
    family = psutil.Process(demo.pid)
    seen: set[psutil.Process] = set()
    assert demo.stdout is not None
    text = ""
    with demo.stdout:
        for line in demo.stdout:
            text += line
            seen.update(family.children(recursive=True))
    assert demo.wait() == 0, text
    assert "128,540" in text  # events, profiles and the weather
    assert "cart-left-behind" in text
    assert "Traceback" not in text
    assert seen, "Kafka and a worker were seen"
    eventually(lambda: not [each for each in seen if each.is_running()], "no process is left")


def test_ctrl_c_ends_a_kept_demo_and_all_that_it_started() -> None:
    demo = start_demo("--keep")
    family = psutil.Process(demo.pid)
    assert demo.stdout is not None
    with demo.stdout:
        for line in demo.stdout:
            if "Ctrl-C" in line:
                break
        started = family.children(recursive=True)
        assert started
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
    assert demo.wait() == 0
    eventually(lambda: not [each for each in started if each.is_running()], "no process is left")


def test_a_demo_that_is_killed_leaves_no_worker_behind(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "stream", "demo", "--keep"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as demo:

        def workers() -> list[psutil.Process]:
            children = psutil.Process(demo.pid).children()
            return [each for each in children if each.is_running() and "worker" in each.cmdline()]

        (worker,) = eventually(workers, "it has a worker")
        demo.kill()
        eventually(lambda: not worker.is_running(), "the worker ends with it")
