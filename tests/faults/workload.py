"""What the shop of a trial does: its rules, and its customers' events from a seed.

One source: with several, the order between two topics is a matter of what is at hand when, and the outcome
would not be a function of the topics alone (several sources are the business of tests/reference and
tests/integration).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from stream.demo.play import partition_of

START = 1_767_225_600_000  # 2026-01-01T00:00:00Z
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
PARTITIONS = 4
LAST = "last"  # an event that nobody asks for; its time has everything fire that waits

RULES = """
sources:
  clicks: {topic: PREFIX-clicks, event: event, customer: customer, time: ts, id: id}
traits:
  views: {function: count, of: view, over: 4h}
  spend: {function: sum, of: purchase, field: amount}
channels:
  web: {topic: PREFIX-web, consent: none}
  push: {topic: PREFIX-push, consent: none, cap: 20 per 1d}
rules:
  every-view:
    on: view
    send: {channel: web, content: {text: "{{ event.id }}"}}
  busy:
    on: view
    if: traits.views >= 3
    send: {channel: [push, web], content: {text: "so many"}}
    limit: 3 per 1h
  cart-left:
    on: cart
    unless: {on: purchase, within: 30m}
    send: {channel: web, content: {text: "Still there?"}}
  looked-and-put:
    steps:
      - {on: view}
      - {on: cart, within: 10m}
    send: {channel: push, content: {text: "A good choice"}}
  thanks:
    on: purchase
    if: traits.spend > 100
    send: {channel: push, content: {text: "Thank you"}}
    limit: 5 per 1d
"""
# Another revision, whose decisions are the same.
OTHER = RULES.replace("limit: 5 per 1d", "limit: 5 per 1d\n    goal: {on: purchase, within: 3d}")
BROKEN = RULES.replace("on: purchase\n    if", "onn: purchase\n    if")
MULTIPLIED = ("view", "view", "view", "view", "view", "cart", "cart", "purchase")


@dataclass(frozen=True)
class Produced:
    partition: int
    key: bytes
    value: bytes


class Customers:
    """Customers and their events, in an order of its own for each seed. Ids of events never come twice."""

    def __init__(self, seed: int, customers: int, *, poison: float = 0.0, skew: int = 0) -> None:
        self._dice = random.Random(seed)
        self._names = [f"c{number}" for number in range(customers)]
        self._poison = poison
        self._skew = skew  # producers' clocks are wrong by up to so many milliseconds
        self._now = START
        self._ids = iter(range(1 << 60))

    def events(self, count: int) -> Iterator[Produced]:
        for _ in range(count):
            self._now += self._dice.randrange(4 * SECOND)
            name = self._dice.choice(self._names)
            if self._dice.random() < self._poison:
                yield self._record(name, self._dice.choice((b"{", b"[]", b'{"event": "view"}', b"\xff")))
            else:
                yield self.event(name, self._dice.choice(MULTIPLIED))

    def event(self, name: str, event: str) -> Produced:
        at = self._now + self._dice.randint(-self._skew, self._skew)
        body = {"customer": name, "event": event, "ts": at, "id": f"e{next(self._ids)}"}
        if event == "purchase":
            body["amount"] = self._dice.randint(1, 60)
        return self._record(name, json.dumps(body).encode())

    def each(self, event: str) -> Iterator[Produced]:
        """One event of every customer."""
        return (self.event(name, event) for name in self._names)

    def pass_time(self, milliseconds: int) -> None:
        self._now += milliseconds

    def last(self) -> Iterator[Produced]:
        """In each partition an event of ten hours later: all that waits is due by then."""
        self._now += 10 * HOUR + self._skew
        found: dict[int, str] = {}
        for number in range(10_000):
            found.setdefault(partition_of(f"z{number}".encode(), PARTITIONS), f"z{number}")
        return (self.event(name, LAST) for name in found.values())

    def _record(self, name: str, value: bytes) -> Produced:
        key = name.encode()
        return Produced(partition_of(key, PARTITIONS), key, value)
