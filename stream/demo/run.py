"""The demo from start to end: Kafka, topics, real data, a worker process, and a picture of what it does.

The data is loaded before the worker starts, so that every run gives the same triggers: a worker that works
off a backlog merges its topics by event time, while one that has read to the end of a topic does not wait for
it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from stream.broker.cluster import EmbeddedKafka
from stream.broker.supervisor import die_with_parent
from stream.decisions.wire import DECISIONS
from stream.demo.play import OLD_EVENTS, TOPICS, play
from stream.demo.view import DemoView
from stream.errors import StreamError
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import RuleSet
from stream.settings import Settings, load
from stream.topics.ensure import admin_client, create_topics

PACKAGED_RULES = Path(__file__).parent / "rules"  # where the wheel puts them
APP_ID = "demo"
METRICS_PORT = 9464
POLL_S = 0.1
STOP_S = 30.0
LOG_TAIL = 30


async def run(*, rules: Path, keep: bool, partitions: int, program: str) -> int:
    """Run the demo; returns the exit code. Raises StreamError where something cannot be started.

    `program`: how a reader calls the commands that come next.
    """
    rule_set = load_rules(rules)
    # Its warnings about topics that are just being made would tear the picture; what fails is raised.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console = Console()
    view = DemoView(
        console, rules={rule.name: [each.name for each in rule.channels] for rule in rule_set.rules}
    )
    console.print("Starting Apache Kafka; the first time it is fetched, 45 MB", highlight=False)
    kafka = EmbeddedKafka(console=console)
    await asyncio.to_thread(kafka.start)
    with tempfile.TemporaryDirectory(prefix="stream-demo-") as scratch, view:
        try:
            settings = load({}, _flags(kafka.bootstrap, rules), env_file=None)
            total = await _load_data(settings, partitions, view)
            view.on_stage("Starting a worker")
            async with _worker(settings, Path(scratch) / "worker.log") as worker:
                await _watch(settings, rule_set, worker, total, view)
                metrics = f"127.0.0.1:{settings.http_port}"
                view.finish(metrics=metrics, rules=str(rules), program=program)
                if keep:
                    await _until_interrupted(kafka.bootstrap, worker)
        finally:
            await asyncio.to_thread(kafka.stop)
    return 0


def _flags(bootstrap: str, rules: Path) -> dict[str, Any]:
    return {
        "broker": bootstrap,
        "app_id": APP_ID,
        "rules": str(rules),
        "clock": "event",
        "http_host": "127.0.0.1",
        "http_port": _free_port(METRICS_PORT),
        "log_format": "text",
    }


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _load_data(settings: Settings, partitions: int, view: DemoView) -> int:
    view.on_stage("Loading profiles, 18 months of purchases and six months of clicks into Kafka")
    async with admin_client(settings) as client:
        await create_topics(client, dict.fromkeys(TOPICS, OLD_EVENTS), partitions=partitions, replication=1)
    return await play(settings.broker, partitions, view.on_played)


@asynccontextmanager
async def _worker(settings: Settings, log_file: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A worker process with these settings; stopped as Kubernetes would, by SIGTERM."""
    flags = {name: getattr(settings, name) for name in _flags("", Path())}
    environment = {f"STREAM_{name.upper()}": str(value) for name, value in flags.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_")}
    process = _start(inherited | environment, log_file)
    try:
        yield process
        _check_alive(process, log_file)
    except StreamError:
        _check_alive(process, log_file)
        raise
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(process.wait, STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(environment: Mapping[str, str], log_file: Path) -> subprocess.Popen[bytes]:
    """In this thread, whose end is the worker's: a pool's thread may end before the demo does."""
    with log_file.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "stream", "worker"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches the demo, which stops the worker in order
            preexec_fn=die_with_parent(),
        )


def _check_alive(process: subprocess.Popen[bytes], log_file: Path) -> None:
    if process.poll() is not None:
        tail = "\n  ".join(log_file.read_text(errors="replace").splitlines()[-LOG_TAIL:])
        raise StreamError(f"the worker ended with exit code {process.returncode}:\n  {tail}")


async def _watch(
    settings: Settings, rules: RuleSet, worker: subprocess.Popen[bytes], total: int, view: DemoView
) -> None:
    """Show triggers and decisions as they are written, until all events are applied and all triggers are
    seen.
    """
    topics = [DECISIONS, *sorted({channel.topic for channel in rules.channels})]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker, auto_offset_reset="earliest")
    await consumer.start()
    loop = asyncio.get_running_loop()
    try:
        assignment = await _assign(consumer, topics, worker)
        before = (loop.time(), 0)
        while True:
            figures = await asyncio.to_thread(_scrape, settings.http_port)
            done = int(figures.get("stream_events_total", 0))
            now = loop.time()
            view.on_progress(done, total, (done - before[1]) / max(now - before[0], 1e-3))
            before = (now, done)
            await _show(consumer, view)
            if done >= total and figures.get("stream_lag_records") == 0:
                break
            if worker.poll() is not None:
                raise StreamError("the worker ended early")
        ends = await consumer.end_offsets(assignment)
        while any([await consumer.position(tp) < ends[tp] for tp in assignment]):
            await _show(consumer, view)
    finally:
        await consumer.stop()


async def _assign(
    consumer: AIOKafkaConsumer, topics: list[str], worker: subprocess.Popen[bytes]
) -> list[TopicPartition]:
    """Read these topics from the beginning, as soon as the worker has made them."""
    while True:
        found = await consumer._client.fetch_all_metadata()
        if all(found.partitions_for_topic(topic) for topic in topics):
            break
        if worker.poll() is not None:
            raise StreamError("the worker ended early")
        await asyncio.sleep(POLL_S)
    assignment = [TopicPartition(topic, n) for topic in topics for n in found.partitions_for_topic(topic)]
    consumer.assign(assignment)
    return assignment


async def _show(consumer: AIOKafkaConsumer, view: DemoView) -> None:
    for tp, records in (await consumer.getmany(timeout_ms=int(POLL_S * 1000))).items():
        show = view.on_decision if tp.topic == DECISIONS else view.on_trigger
        for record in records:
            show(orjson.loads(record.value))


def _scrape(port: int) -> Mapping[str, float]:
    """The worker's figures by metric name, summed over labels; nothing while it is not up yet."""
    figures: dict[str, float] = {}
    with suppress(OSError):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                figures[sample.name] = figures.get(sample.name, 0) + sample.value
    return figures


async def _until_interrupted(bootstrap: str, worker: subprocess.Popen[bytes]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # Only now: a reader may be quick.
    print(f"\nKafka is at {bootstrap}, the worker goes on. Ctrl-C ends both.")  # noqa: T201 - a command's output
    while not stop.is_set() and worker.poll() is None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL_S)
