"""A shop for the integration tests: its topics, rules and events; each test has one of its own."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.kit.kafka import consume_all
from tests.kit.worker import WORKER, Worker

PARTITIONS = 4
START = 1_767_225_600_000  # 2026-01-01T00:00:00Z
MINUTE = 60_000

RULES = """
sources:
  clicks: {topic: PREFIX-clicks, event: event, customer: customer_id, time: ts, id: event_id}
  purchases: {topic: PREFIX-purchases, event: {is: purchase}, customer: customer_id, time: ts, id: event_id}
traits:
  spend: {function: sum, of: purchase, field: amount}
  views: {function: count, of: view}
channels:
  web: {topic: PREFIX-web, consent: none}
rules:
  every-view:
    on: view
    send: {channel: web, content: {views: "{{ traits.views }}", spend: "{{ traits.spend }}"}}
  big-spender:
    on: view
    if: traits.spend >= 100
    send: {channel: web, content: {text: "Welcome back"}}
    limit: 1 per 365d
  cart-left:
    on: cart
    unless: {on: purchase, within: 30m}
    send: {channel: web, content: {text: "Still there?"}}
"""


class Shop:
    """Topics, rules and events of one test. `login`: further settings of its workers, which the kit does not
    need.
    """

    def __init__(
        self, bootstrap: str, prefix: str, folder: Path, login: Mapping[str, str] | None = None
    ) -> None:
        self.bootstrap = bootstrap
        self.login = login or {}
        self.prefix = prefix
        self.folder = folder
        self.clicks, self.purchases, self.web = f"{prefix}-clicks", f"{prefix}-purchases", f"{prefix}-web"
        self.sources = [self.clicks, self.purchases]
        self.rules = folder / "rules"
        self.rules.mkdir()
        (self.rules / "shop.yaml").write_text(RULES.replace("PREFIX", prefix))
        self._ids = iter(range(1_000_000))

    def worker(self, name: str = "a", command: Sequence[str] = WORKER, **settings: str) -> Worker:
        return Worker(
            self.bootstrap,
            self.prefix,
            self.rules,
            self.folder / f"{name}.log",
            command,
            **{"clock": "event", **self.login} | settings,
        )

    def now(self) -> int:
        """The wall clock in milliseconds."""
        return int(time.time() * 1000)

    def click(
        self, customer: int, event: str, at: int, **fields: object
    ) -> tuple[int, bytes, bytes, int, tuple[()]]:
        return self._record(customer, at, {"event": event} | fields)

    def purchase(self, customer: int, amount: float, at: int) -> tuple[int, bytes, bytes, int, tuple[()]]:
        return self._record(customer, at, {"amount": amount})

    def _record(
        self, customer: int, at: int, fields: dict[str, object]
    ) -> tuple[int, bytes, bytes, int, tuple[()]]:
        name = f"c{customer}"
        body = {"customer_id": name, "ts": at, "event_id": f"e{next(self._ids)}"} | fields
        return customer % PARTITIONS, name.encode(), json.dumps(body).encode(), at, ()

    def triggers(self) -> list[dict[str, object]]:
        """What lies on the channel's topic, in the order of its partitions."""
        return [json.loads(record.value) for record in consume_all(self.bootstrap, [self.web])]

    def views(self) -> dict[str, list[str]]:
        """What the triggers say of each customer's views."""
        seen: dict[str, list[str]] = {}
        for trigger in self.triggers():
            if trigger["rule"] == "every-view":
                seen.setdefault(trigger["customer_id"], []).append(trigger["content"]["views"])  # type: ignore[index, arg-type, call-overload]
        return seen

    def assert_seen_once(self, customers: int, turns: int) -> None:
        """Every view of everybody was counted once, and told once, in order."""
        assert set(Counter(each["trigger_id"] for each in self.triggers()).values()) == {1}
        expected = [str(n) for n in range(1, turns + 1)]
        assert self.views() == {f"c{customer}": expected for customer in range(customers)}

    def views_of(self, customer: int) -> list[str]:
        return [
            trigger["content"]["views"]  # type: ignore[index]
            for trigger in self.triggers()
            if trigger["rule"] == "every-view" and trigger["customer_id"] == f"c{customer}"
        ]
