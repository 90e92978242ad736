"""Poisonous records of every kind beside as many good ones: nothing ends, nothing good is lost, memory stays.

Short form: some thousands. `make attacks`: a million of each, in rounds, a minute for each hundred thousand.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.attacks.pace import LONG
from tests.integration.shop import PARTITIONS, Shop
from tests.kit.kafka import Produced, consume_all, create_topics, produce
from tests.kit.patience import eventually
from tests.kit.worker import Worker

ROUNDS, OF_EACH = (20, 50_000) if LONG else (2, 1_000)
GOOD_CUSTOMERS = 500
TOLD = 50  # one good event in so many is a purchase view that is told
MIB = 1 << 20
MAY_GROW = 100 * MIB

Poison = Callable[[int], bytes | None]


def event(**fields: object) -> bytes:
    return json.dumps({"event": "click", "customer_id": "p1", "ts": 1_772_445_600_000} | fields).encode()


# What makes a record no event: reason and the bytes of the nth of its kind.
DEAD: dict[str, tuple[str, Poison]] = {
    "nothing": ("json", lambda _: b""),
    "a tombstone": ("json", lambda _: None),
    "binary": ("json", lambda n: n.to_bytes(8, "big") * 20),
    "half an object": ("json", lambda _: event()[:-5]),
    "a list": ("json", lambda _: b"[" + event() + b"]"),
    "a number without end": ("json", lambda _: b"9" * 5_000),
    "UTF-16": ("json", lambda _: event().decode().encode("utf-16")),
    "half a character": ("json", lambda _: b'{"event": "click", "customer_id": "\xe2\x82"}'),
    "a number beyond numbers": (
        "json",
        lambda _: b'{"event": "click", "customer_id": "p1", "price": 1e400}',
    ),
    "half of a pair": ("json", lambda _: b'{"event": "click", "customer_id": "p3", "sku": "\\ud800"}'),
    "too deep": ("json", lambda _: b'{"a":' * 2_000 + b"1" + b"}" * 2_000),
    "nobody": ("customer", lambda _: event(customer_id=None)),
    "a list of customers": ("customer", lambda n: event(customer_id=[f"p{n}"])),
    "a customer without end": ("customer", lambda n: event(customer_id=f"{n}" * 300)),
    "no name": ("event", lambda _: event(event=None)),
    "a name that is an object": ("event", lambda _: event(event={"is": "click"})),
    "a time that is none": ("time", lambda _: event(ts="yesterday")),
    "a time of another world": ("time", lambda _: event(ts=1e300)),
}
# What is an event, however odd.
ODD: dict[str, Poison] = {
    "a customer of its own": lambda n: event(customer_id=f"p{n}"),
    "the year 9999": lambda _: event(ts=253_402_300_799_000),
    "a session": lambda n: event(session="s" * 2_000, n=n),
    "a price that is a text": lambda _: event(price="49,90"),
    "the same key twice": lambda _: b'{"event": "click", "event": "click", "customer_id": "p2"}',
    "control characters": lambda n: event(customer_id=f"p\r\n\0{n % 50}", sku="\x1b[2J"),
    "an id without end": lambda n: event(event_id="i" * 3_000 + str(n)),
    "a name of its own": lambda n: event(event=f"click{n}"),
}


class Flood:
    """What was sent so far, and what must come of it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.good = self.odd = 0
        self.told: list[str] = []
        self.dead: Counter[str] = Counter()

    def send(self, of_each: int) -> None:
        """So many good ones and so many bad ones, in turns."""
        kinds = [*DEAD.items(), *ODD.items()]
        records: list[Produced] = []
        for turn in range(of_each):
            records.append(self._good())
            _, kind = kinds[turn % len(kinds)]
            if isinstance(kind, tuple):
                reason, poison = kind
                self.dead[reason] += 1
            else:
                poison = kind
                self.odd += 1
            headers = [(b"\xff".decode("latin-1"), b"x" * 50)] if turn % 7 == 0 else []
            records.append((turn % PARTITIONS, b"p", poison(turn), None, headers))
        produce(self.shop.bootstrap, self.shop.clicks, records)

    def _good(self) -> Produced:
        self.good += 1
        customer, now = self.good % GOOD_CUSTOMERS, self.shop.now()
        if self.good % TOLD:
            return self.shop.click(customer, "look", now)
        self.told.append(f"g{self.good}")
        return self.shop.click(customer, "view", now, event_id=self.told[-1])


def resident(worker: Worker) -> int:
    assert worker.process is not None
    return int(psutil.Process(worker.process.pid).memory_info().rss)


@pytest.mark.timeout(7200 if LONG else 180)
def test_a_flood_of_poison_beside_good_records_loses_none_of_them(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    shop = Shop(kafka, prefix, tmp_path)
    create_topics(kafka, dict.fromkeys([*shop.sources, shop.web], PARTITIONS))
    flood = Flood(shop)
    with shop.worker(clock="wall") as worker:
        worker.until_ready()
        first = 0
        for _ in range(ROUNDS):
            flood.send(OF_EACH)
            worker.until_caught_up(shop.sources)
            first = first or resident(worker)
        eventually(lambda: worker.figures()["stream_lag_records"] == 0, "nothing is left to be read")
        figures, last = worker.figures(), resident(worker)
        assert worker.stop() == 0
    assert Counter(trigger["event"]["id"] for trigger in shop.triggers()) == Counter(flood.told)  # type: ignore[index]
    letters = [dict(each.headers) for each in consume_all(kafka, ["dead-letters"])]
    mine = [each for each in letters if each.get("topic") == shop.clicks.encode()]
    assert Counter(each["reason"].decode() for each in mine) == flood.dead
    places = [(each["partition"], each["offset"]) for each in mine]
    assert len(places) == len(set(places)), "each once"
    assert figures["stream_dead_letters_total"] == flood.dead.total()
    assert figures["stream_events_total"] == flood.good + flood.odd
    assert last - first < MAY_GROW, f"{first / MIB:.0f} MiB became {last / MIB:.0f}"
