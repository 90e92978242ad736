"""Restoring a worker with an empty disk: customers a second from the changelog, until it is ready.

    python -m loadtest.restore [--customers 1000000] [--rounds 3] [--store rocksdb]

The changelog is filled with the states of the `wide` workload under REF-500, under new ids until there are
`--customers`; then a real worker is started on it, and killed when it is ready, `--rounds` times. Seconds are
the worker's own (`restored` in its log); it is probed meanwhile. With a store on disk it is started once more
each time, on the disk that the killed one left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from types import MappingProxyType

from aiokafka import AIOKafkaProducer

from loadtest.load import create_topics
from loadtest.micro.state import _play
from loadtest.rulesets import stage
from loadtest.worker import Worker
from loadtest.workloads import PARTITIONS, partition_of
from stream.broker.cluster import EmbeddedKafka
from stream.rules.compiler.rule_set import load_rules
from stream.settings import Settings, load
from stream.structs import OwnTopics
from stream.topics.ensure import admin_client, ensure_topics

APP = "restored"
BATCH_BYTES = 256 * 1024


def _values(rules: Path, events: int, customers: int) -> Iterator[tuple[bytes, bytes]]:
    """(key, byte form) of so many customers."""
    state = _play(load_rules(rules), events)
    known = [(key, value) for key, value in state.take_changed() if key]
    for number in range(customers):
        key, value = known[number % len(known)]
        yield b"%b-%d" % (key, number), value


async def fill(settings: Settings, rules: Path, events: int, customers: int) -> int:
    """Write so many customers into the changelog of `APP`, as `events` leave them; gives the bytes."""
    async with admin_client(settings) as admin:
        await create_topics(admin, "", 1)
    await ensure_topics(settings, load_rules(rules))
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker, max_batch_size=BATCH_BYTES)
    await producer.start()
    size, topic = 0, OwnTopics(APP).changelog
    batches = {number: producer.create_batch() for number in range(PARTITIONS)}
    for key, value in _values(rules, events, customers):
        number = partition_of(key)
        size += len(value)
        if batches[number].append(key=key, value=value, timestamp=None) is None:
            await producer.send_batch(batches[number], topic, partition=number)
            batches[number] = producer.create_batch()
            batches[number].append(key=key, value=value, timestamp=None)
    for number, batch in batches.items():
        await producer.send_batch(batch, topic, partition=number)
    await producer.stop()
    return size


async def measure(
    settings: Settings, folder: Path, rules: Path, store: str, more: Mapping[str, str] = MappingProxyType({})
) -> tuple[float, int, int, int]:
    """(seconds of the restore, records read, customers, peak memory) of one worker. `more`: its settings."""
    told = {**more, "STREAM_BROKER": settings.broker, "STREAM_LOG_FORMAT": "json", "STREAM_INSTANCE_ID": "a"}
    with Worker(folder, rules, APP, {**told, "STREAM_STORE": store}) as worker:
        began = time.monotonic()
        probes = 0
        while not await worker.ready():
            worker.check()
            probes += 1
            await asyncio.sleep(0.1)
        log = (folder / f"{APP}.log").read_text(encoding="utf-8").splitlines()
        restored = next(json.loads(line) for line in log if '"restored"' in line)
        print(f"ready after {time.monotonic() - began:.1f} s, {probes} probes answered meanwhile")
        await asyncio.sleep(1.5)  # the gauges are set once a second
        customers = (await worker.reading()).customers
        return restored["seconds"], restored["records"], customers, worker.peak_memory()


async def run(customers: int, rounds: int, events: int, store: str) -> None:
    with EmbeddedKafka() as kafka, tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        rules = stage("ref500", directory)
        settings = load({"STREAM_BROKER": kafka.bootstrap, "STREAM_APP_ID": APP}, env_file=None)
        size = await fill(settings, rules, events, customers)
        print(f"{customers:,} customers in the changelog, {size / customers:.0f} bytes each")
        taken = []
        for number in range(rounds):
            folder = directory / str(number)
            folder.mkdir()
            seconds, _, found, memory = await measure(settings, folder, rules, store)
            if store == "memory":
                assert found == customers, f"{found} customers came back of {customers}"
            taken.append(customers / seconds)
            print(f"{customers / seconds:,.0f} customers/s, peak memory {memory / 2**20:,.0f} MiB")
            if store != "memory":
                seconds, records, _, memory = await measure(settings, folder, rules, store)
                disk = sum(file.stat().st_size for file in folder.rglob("*.sst"))
                print(
                    f"on its disk ({disk / 2**20:,.0f} MiB) in {seconds:.2f} s, {records:,} records read, "
                    f"peak memory {memory / 2**20:,.0f} MiB"
                )
        print(f"customers/s: {min(taken):,.0f} / {median(taken):,.0f} / {max(taken):,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--store", choices=["memory", "rocksdb"], default="memory")
    given = parser.parse_args()
    asyncio.run(run(given.customers, given.rounds, given.events, given.store))


if __name__ == "__main__":
    main()
