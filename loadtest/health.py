"""How soon health is answered by a worker that is busy: `python -m loadtest.health`.

A real worker is probed as a kubelet does, `/live` and `/ready` in turn, each on a connection of its own and
every `--every` seconds, while it

    saturated    works off a backlog of the `wide` workload under REF-500
    restoring    restores customers from its changelog, with an empty disk and no state
    frozen       has a Kafka that accepts connections and answers nothing (SIGSTOP)
    cut          has no Kafka: it was killed

An answer counts, whatever it says; one that does not come within `TIMEOUT_S` counts as that long. The broker,
the worker and this program share the machine: what they take from each other is in the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from rich.console import Console
from rich.table import Table

from loadtest.load import create_topics, load
from loadtest.restore import APP, fill
from loadtest.rulesets import stage
from loadtest.worker import Worker
from loadtest.workloads import WORKLOADS
from stream.broker.cluster import EmbeddedKafka
from stream.errors import StreamError
from stream.settings import Settings
from stream.settings import load as load_settings
from stream.topics.ensure import admin_client

PROMISE_MS = 100.0
TIMEOUT_S = 5.0
PATIENCE_S = 300.0
PATHS = ("/live", "/ready")


@dataclass(slots=True)
class Probes:
    """What probes of one state found: milliseconds, and how often each status came (0: no answer)."""

    state: str
    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def late(self) -> int:
        return sum(each > PROMISE_MS for each in self.milliseconds)

    def at(self, percent: int) -> float:
        return quantiles(self.milliseconds, n=100, method="inclusive")[percent - 1]


@contextmanager
def probing(state: str, port: int, every: float) -> Iterator[Probes]:
    """Probe in a thread of its own while the block runs."""
    found, ended = Probes(state), threading.Event()

    def run() -> None:
        turn = 0
        while not ended.wait(every):
            path = PATHS[turn % len(PATHS)]
            turn += 1
            began = time.perf_counter()
            status = _probe(port, path)
            found.milliseconds.append((time.perf_counter() - began) * 1000)
            found.statuses[f"{path} {status}"] += 1

    thread = threading.Thread(target=run, name="prober")
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def _probe(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except OSError:
        return 0
    else:
        return answer.status
    finally:
        connection.close()


async def _until_listening(worker: Worker) -> None:
    while _probe(worker.port, "/live") != http.client.OK:
        worker.check()
        await asyncio.sleep(0.05)


async def _until_applied(worker: Worker, events: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (await worker.reading()).events < events:
        worker.check()
        if time.monotonic() > deadline:
            raise StreamError(f"not done within {PATIENCE_S:.0f} s", hint=worker.last_words())
        await asyncio.sleep(1)  # as often as a Prometheus in a hurry


async def busy(directory: Path, events: int, seconds: float, every: float) -> list[Probes]:
    """Saturated, then frozen, then cut."""
    found = []
    with EmbeddedKafka() as kafka:
        settings = _settings(kafka.bootstrap)
        async with admin_client(settings) as admin:
            await create_topics(admin, "", 1)
        loaded = await load(settings, WORKLOADS["wide"].generate(1, events), "")
        rules = stage("ref500", directory)
        with Worker(directory, rules, APP, {"STREAM_BROKER": kafka.bootstrap}) as worker:
            await _until_listening(worker)
            with probing("saturated", worker.port, every) as probes:
                await _until_applied(worker, loaded.records)
            found.append(probes)
            for state, number in (("frozen", signal.SIGSTOP), ("cut", signal.SIGKILL)):
                kafka.kill(0, number)
                with probing(state, worker.port, every) as probes:
                    await asyncio.sleep(seconds)
                worker.check()
                found.append(probes)
    return found


async def restoring(directory: Path, customers: int, every: float) -> Probes:
    """While so many customers are read from the changelog."""
    with EmbeddedKafka() as kafka:
        settings = _settings(kafka.bootstrap)
        rules = stage("ref500", directory)
        await fill(settings, rules, 200_000, customers)
        with Worker(directory, rules, APP, {"STREAM_BROKER": kafka.bootstrap}) as worker:
            await _until_listening(worker)
            with probing("restoring", worker.port, every) as probes:
                while not await worker.ready():
                    worker.check()
                    await asyncio.sleep(0.2)
            return probes


def _settings(broker: str) -> Settings:
    return load_settings({"STREAM_BROKER": broker, "STREAM_APP_ID": APP}, env_file=None)


async def run(events: int, customers: int, seconds: float, every: float) -> list[Probes]:
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        found = await busy(Path(first), events, seconds, every)
        return [*found, await restoring(Path(second), customers, every)]


def table(found: list[Probes]) -> Table:
    shown = Table(title="answers of /live and /ready, ms", title_justify="left")
    for heading in ("state", "probes", "p50", "p99", "max", f"over {PROMISE_MS:.0f} ms"):
        shown.add_column(heading, justify="left" if heading == "state" else "right")
    shown.add_column("answers")
    for each in found:
        figures = (each.at(50), each.at(99), max(each.milliseconds))
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(each.statuses.items()))
        shown.add_row(
            *(each.state, str(len(each.milliseconds)), *(f"{figure:.1f}" for figure in figures)),
            *(str(each.late), statuses),
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long Kafka is away")
    parser.add_argument("--every", type=float, default=0.05, help="seconds between two probes")
    given = parser.parse_args()
    found = asyncio.run(run(given.events, given.customers, given.seconds, given.every))
    Console(width=160).print(table(found))


if __name__ == "__main__":
    main()
