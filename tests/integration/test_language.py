"""What rules can say, by a real worker on real Kafka: consents, sequences and quiet hours over restarts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stream.decisions.experiments import is_held_out
from tests.integration.shop import MINUTE, PARTITIONS, START, Shop
from tests.kit.kafka import consume_all, create_topics, produce
from tests.kit.patience import eventually
from tests.kit.worker import Worker

HOUR = 60 * MINUTE
RULES = """
sources:
  clicks: {topic: PREFIX-clicks, event: event, customer: customer_id, time: ts, id: event_id}
  profiles: {topic: PREFIX-profiles, kind: profile, customer: customer_id, time: ts}
segments:
  gold: customer.tier == 'gold'
channels:
  mail:
    {topic: PREFIX-mail, consent: marketing, address: customer.email, cap: 2 per 1d, quiet: "22:00-08:00"}
policy: {timezone: UTC, holdout: 10%}
rules:
  browse-then-cart:
    steps:
      - {on: view, where: event.price > 100, as: viewed}
      - {on: cart, where: event.sku == viewed.sku, within: 1h}
    if: segments.gold
    send:
      channel: mail
      content: {text: "{{ viewed.title }} for {{ customer.name }}"}
    goal: {on: purchase, within: 3d, value: amount}
"""
CUSTOMERS = 40
MIDDAY = START + 12 * HOUR


@pytest.fixture
def mails(kafka: str, shop: Shop) -> str:
    (shop.rules / "shop.yaml").write_text(RULES.replace("PREFIX", shop.prefix))
    create_topics(kafka, dict.fromkeys([f"{shop.prefix}-profiles", f"{shop.prefix}-mail"], PARTITIONS))
    return f"{shop.prefix}-mail"


def profiles(shop: Shop, at: int, *, granted: bool, step: int = 1) -> None:
    """Every `step`th customer's profile; the even ones are gold."""
    records = []
    for n in range(0, CUSTOMERS, step):
        body = {
            "customer_id": f"c{n}",
            "ts": at,
            "attributes": {
                "tier": "gold" if n % 2 == 0 else None,
                "name": f"N{n}",
                "email": f"c{n}@x.example",
            },
            "consents": {"marketing": {"granted": granted, "at": at, "basis": "form"}},
        }
        records.append((n % PARTITIONS, f"c{n}".encode(), json.dumps(body).encode(), at, ()))
    produce(shop.bootstrap, f"{shop.prefix}-profiles", records)


def clicks(shop: Shop, event: str, at: int, **fields: Any) -> None:
    produce(shop.bootstrap, shop.clicks, [shop.click(n, event, at + n, **fields) for n in range(CUSTOMERS)])


def caught_up(shop: Shop, worker: Worker) -> None:
    worker.until_caught_up([shop.clicks, f"{shop.prefix}-profiles"])


def decided(worker: Worker, outcome: str) -> int:
    """How many decisions the worker has counted. (The topic of all of them is every other test's, too.)"""
    _, text = worker.get("/metrics")
    lines = [line for line in text.splitlines() if line.startswith("stream_decisions_total{")]
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if f'outcome="{outcome}"' in line))


def held_out() -> set[str]:
    return {f"c{n}" for n in range(CUSTOMERS) if is_held_out(f"c{n}", "policy", 1_000)}


GOLD = {f"c{n}" for n in range(0, CUSTOMERS, 2)}


def test_a_sequence_goes_on_after_a_kill_and_says_on_what_consent_it_was_sent(shop: Shop, mails: str) -> None:
    profiles(shop, MIDDAY, granted=True)
    clicks(shop, "view", MIDDAY + MINUTE, price=120, sku="p1", title="Boots")
    with shop.worker(instance_id="a") as worker:
        caught_up(shop, worker)
        worker.kill()
        clicks(shop, "cart", MIDDAY + 30 * MINUTE, sku="p1")
        worker.start()
        caught_up(shop, worker)
        assert worker.stop() == 0, worker.log
    sent = [json.loads(each.value) for each in consume_all(shop.bootstrap, [mails])]
    assert sorted(each["customer_id"] for each in sent) == sorted(GOLD - held_out())
    assert GOLD & held_out()
    for each in sent:
        name = each["customer_id"]
        assert each["address"] == f"{name}@x.example"
        assert each["content"] == {"text": f"Boots for N{name[1:]}"}
        assert each["goal"] == {"on": ["purchase"], "within": "3d", "value": "amount"}
        assert each["consent"] == {
            "purpose": "marketing",
            "granted_at": "2026-01-01T12:00:00.000Z",
            "basis": "form",
            "expires_at": None,
        }


def test_what_quiet_hours_put_off_outlives_a_kill_and_a_withdrawal_stops_it(shop: Shop, mails: str) -> None:
    night = START + 23 * HOUR
    profiles(shop, MIDDAY, granted=True)
    clicks(shop, "view", night, price=120, sku="p1", title="Boots")
    clicks(shop, "cart", night + MINUTE, sku="p1")
    with shop.worker(instance_id="a") as worker:
        caught_up(shop, worker)
        eventually(lambda: decided(worker, "deferred") == len(GOLD), "all are put off")
        worker.kill()
        # Half of them change their minds before the morning.
        body = {"ts": night + HOUR, "consents": {"marketing": {"granted": False, "at": night + HOUR}}}
        withdrawals = [
            (
                n % PARTITIONS,
                f"c{n}".encode(),
                json.dumps({**body, "customer_id": f"c{n}"}).encode(),
                night,
                (),
            )
            for n in range(0, CUSTOMERS, 4)
        ]
        produce(shop.bootstrap, f"{shop.prefix}-profiles", withdrawals)
        clicks(shop, "other", night + 12 * HOUR)
        worker.start()
        caught_up(shop, worker)
        assert worker.stop() == 0, worker.log
    withdrawn = {f"c{n}" for n in range(0, CUSTOMERS, 4)}
    sent = [json.loads(each.value) for each in consume_all(shop.bootstrap, [mails])]
    assert sorted(each["customer_id"] for each in sent) == sorted(GOLD - withdrawn - held_out())
    assert {each["at"] for each in sent} == {"2026-01-02T08:00:00.000Z"}
