"""The two reference workloads, **dense** and **wide**: seeded, reproducible streams of events.

Both are clicks (90%) and purchases (10%) of numbered customers, JSON of about 200 bytes, on two topics of 8
partitions; record key = customer id, timestamp = the event's time. The README says what stands in the events.
The same name and seed give the same bytes, and a shorter run is the beginning of a longer one.

Every event takes six 32-bit draws, whether it uses them or not, so event n's draws are at a fixed place in
the generator's output. A draw is reduced by modulo: a relative bias below 2e-5. What can be rendered once is
rendered once (customers, prices, halves of the JSON), so that an event costs one unpacking and one f-string:
about 3 µs.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from aiokafka.partitioner import murmur2

CLICKSTREAM = "clickstream"
TRANSACTIONS = "transactions"
PARTITIONS = 8

START_MS = 1_772_409_600_000  # 2026-03-02T00:00:00Z, a Monday, and well before any clock that runs this
SESSION_MS = 1_800_000
HEARTBEAT_AFTER_MS = 7_200_000

PAGES = ("/home", "/shoes", "/shoes/run", "/bags", "/cart", "/checkout", "/help", "/account")
DEVICES = ("ios", "android", "desktop")
REFERRERS = ("google", "direct", "email", "fb")
SKUS = 2000
CATEGORIES = 40
STORES = 50
PREFERRED_STORES = 5

DRAWS = struct.Struct("<6I")
EVENTS_PER_CHUNK = 4096


# One record to produce: topic, partition number, key, JSON value, event time in milliseconds.
# A bare tuple: building a named one would be nearly a third of the generator's time.
LoadEvent = tuple[str, int, bytes, bytes, int]


def dense(seed: int = 1, events: int = 400_000) -> Iterator[LoadEvent]:
    """2,000 customers, 270 ms of event time between events (400,000 are 30 hours), habits, many timers.

    Half of a customer's clicks are in one category (customer number mod 40), and the five stores from
    (number x 7) mod 50 on are the customer's. After the `events` come 4,000 heartbeats, one for each customer
    and topic, two hours later than the last event, so that every timer comes due.
    """
    yield from _events("dense", seed, events, customers=2_000, spacing_us=270_000, habits=True)
    yield from _heartbeats(2_000, START_MS + max(events - 1, 0) * 270 + HEARTBEAT_AFTER_MS)


def wide(seed: int = 1, events: int = 3_000_000) -> Iterator[LoadEvent]:
    """50,000 customers, 100 events per millisecond of event time, no habits: every draw is uniform."""
    yield from _events("wide", seed, events, customers=50_000, spacing_us=10, habits=False)


def long(seed: int, events: int, customers: int, days: int) -> Iterator[LoadEvent]:
    """As wide, of so many customers, and evenly over so many days: a history for backtests."""
    spacing = days * 86_400_000_000 // events
    yield from _events("long", seed, events, customers=customers, spacing_us=spacing, habits=False)


def paced(seed: int, events: int, rate: int) -> Iterator[LoadEvent]:
    """As wide, of 5,000 customers, at so many events a second of event time."""
    yield from _events("wide", seed, events, customers=5_000, spacing_us=1_000_000 // rate, habits=False)


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload by name: its generator of (seed, events), and how many events it is measured with.

    `heartbeats` is how many records come on top of the events.
    """

    generate: Callable[[int, int], Iterator[LoadEvent]]
    events: int
    heartbeats: int = 0


WORKLOADS = {"dense": Workload(dense, 400_000, heartbeats=4_000), "wide": Workload(wide, 3_000_000)}


def partition_of(key: bytes) -> int:
    """Where Kafka's default partitioner puts a key, among PARTITIONS."""
    return int((murmur2(key) & 0x7FFF_FFFF) % PARTITIONS)


def _events(
    name: str, seed: int, events: int, *, customers: int, spacing_us: int, habits: bool
) -> Iterator[LoadEvent]:
    ids, keys, partitions = _customers(customers)
    stores = STORES if not habits else PREFERRED_STORES
    # 100 equally likely outcomes: 10 purchases, and of the 90 clicks 60%, 30% and 10%.
    heads = [""] * 10
    for event, share in (("page_view", 54), ("product_view", 27), ("add_to_cart", 9)):
        heads += [f'{{"event":"{event}","customer_id":"'] * share
    visits = [f'","device":"{device}","referrer":"{referrer}' for device in DEVICES for referrer in REFERRERS]
    cents = [f"{n // 100}.{n % 100:02d}" for n in range(30_001)]

    for first, draws in _draws(name, seed, events):
        for i, (who, kind, where, what, group, money) in enumerate(draws, first):
            number = who % customers
            customer = ids[number]
            elapsed_ms = i * spacing_us // 1000
            time_ms = START_MS + elapsed_ms
            kind %= 100
            if kind < 10:
                store = (number * 7 + where % stores) % STORES if habits else where % stores
                text = (
                    f'{{"event":"purchase","customer_id":"{customer}","ts":{time_ms},"event_id":"e{i}",'
                    f'"amount":{cents[money % 20_001]},"currency":"EUR","items":{1 + what % 5},'
                    f'"store":"s{store}","channel":"web"}}'
                )
                yield TRANSACTIONS, partitions[number], keys[number], text.encode(), time_ms
                continue
            # The upper half of 80 outcomes is the favourite category, or, without habits, the 40 once more.
            group %= 2 * CATEGORIES
            if group >= CATEGORIES:
                group = number % CATEGORIES if habits else group - CATEGORIES
            text = (
                f'{heads[kind]}{customer}","ts":{time_ms},"event_id":"e{i}","page":"{PAGES[where & 7]}",'
                f'"sku":"p{what % SKUS}","category":"cat{group}{visits[(where >> 3) % 12]}",'
                f'"session":"{customer}-{elapsed_ms // SESSION_MS}","price":{cents[money % 30_001]}}}'
            )
            yield CLICKSTREAM, partitions[number], keys[number], text.encode(), time_ms


def _draws(name: str, seed: int, events: int) -> Iterator[tuple[int, Iterator[tuple[int, ...]]]]:
    """The draws of the events in chunks: the number of the first event, and six draws for each."""
    generator = random.Random(f"{name}:{seed}")
    for first in range(0, events, EVENTS_PER_CHUNK):
        wanted = min(EVENTS_PER_CHUNK, events - first)
        yield first, DRAWS.iter_unpack(generator.randbytes(DRAWS.size * wanted))


@cache
def _customers(count: int) -> tuple[list[str], list[bytes], list[int]]:
    """Ids, record keys and partition numbers by customer number."""
    ids = [f"c{number:05d}" for number in range(count)]
    keys = [each.encode() for each in ids]
    return ids, keys, [partition_of(key) for key in keys]


def _heartbeats(customers: int, time_ms: int) -> Iterator[LoadEvent]:
    people = list(zip(*_customers(customers), strict=True))
    for topic, letter in ((CLICKSTREAM, "c"), (TRANSACTIONS, "t")):
        for number, (customer, key, partition) in enumerate(people):
            value = (
                f'{{"event":"heartbeat","customer_id":"{customer}","ts":{time_ms},'
                f'"event_id":"h{letter}{number}"}}'
            )
            yield topic, partition, key, value.encode(), time_ms
