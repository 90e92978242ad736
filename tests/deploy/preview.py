"""Pictures of the dashboards: `make dashboards-preview` runs a shop for some minutes and draws them.

An embedded Kafka, two workers and later a third, customers that come and go, a rush, a producer that writes
rubbish for a while and rules that are refused; a Prometheus looks on. Pages go to build/dashboards, and where
there is a Chromium, pictures to docs/images, made small where there is a pngquant. SECONDS: how long it runs.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from deploy.dashboards import drawing
from deploy.dashboards.__main__ import FOLDER
from stream.broker.cluster import EmbeddedKafka
from tests.deploy.observed import ROOT, RULE_FILES, asked
from tests.kit.kafka import Produced, create_topics, free_port, produce
from tests.kit.prometheus import Prometheus, running
from tests.kit.worker import Worker

SECONDS = float(os.environ.get("SECONDS", "360"))
PARTITIONS = 8
CUSTOMERS = 20_000
SCRAPE_S = 2
RULES = """
sources:
  clickstream: {event: event, customer: customer_id}
  transactions: {event: {is: purchase}, customer: customer_id}
  profiles: {kind: profile, customer: customer_id}
traits:
  views: {function: count, of: view, per: category, over: 1h}
  spend: {function: sum, of: purchase, field: amount, over: 90d}
channels:
  email: {topic: triggers.email, consent: marketing_email, address: customer.email, cap: 2 per 1d}
  push: {topic: triggers.push, consent: none, cap: 3 per 1h, quiet: "QUIET"}
  web: {topic: triggers.web, consent: none}
policy: {timezone: UTC, cap: 3 per 7d, holdout: 5%}
rules:
  cart-abandoned: {on: cart, unless: {on: purchase, within: 20s},
    send: {channel: [email, web], content: {text: Hi}}}
  price-watch: {on: view, where: event.price > 150, limit: 2 per 1h,
    send: {channel: push, content: {text: Hi}}}
  category-fan: {on: view, if: "traits.views[event.category] >= 4", limit: 1 per 1h,
    send: {channel: web, content: {text: Hi}}}
  thank-you: {on: purchase, where: event.amount >= 120, holdout: 10%,
    send: {channel: email, content: {text: Hi}}}
  big-spender: {on: purchase, if: traits.spend > 300.0, limit: 1 per 30d,
    send: {channel: email, content: {text: Hi}}}
  sale-banner: {on: view, where: event.category == 'shoes', send: {channel: web, content: {text: Hi}}}
"""


def moment(second: float, chance: random.Random) -> Iterator[tuple[str, Produced]]:
    """What happens in one second of the shop, by topic."""
    rush = 1 + 0.6 * math.sin(second / 40) + (1.5 if 0.55 < second / SECONDS < 0.65 else 0)
    for _ in range(int(350 * rush)):
        customer = min(int(chance.expovariate(1 / (CUSTOMERS / 6))), CUSTOMERS - 1)
        event: dict[str, object] = {"customer_id": f"c{customer}"}
        kind = chance.random()
        topic = "clickstream"
        if kind < 0.1:
            topic, event["amount"] = "transactions", round(chance.uniform(5, 220), 2)
        elif kind < 0.2:
            event |= {"event": "cart"}
        else:
            category = chance.choice(("shoes", "shirts", "hats", "bags", "books"))
            event |= {"event": "view", "category": category, "price": round(chance.uniform(10, 200))}
        value = json.dumps(event).encode()
        if topic == "clickstream" and 0.3 < second / SECONDS < 0.4 and chance.random() < 0.02:
            value = value[:-3]
        yield topic, (customer % PARTITIONS, event["customer_id"].encode(), value, None, ())  # type: ignore[attr-defined]


def profiles() -> list[Produced]:
    told = []
    for customer in range(0, CUSTOMERS, 2):
        body = {
            "customer_id": f"c{customer}",
            "attributes": {"email": f"c{customer}@example.com"},
            "consents": {"marketing_email": {"granted": customer % 8 != 0, "at": "2026-01-01T00:00:00Z"}},
        }
        told.append((customer % PARTITIONS, f"c{customer}".encode(), json.dumps(body).encode(), None, ()))
    return told


def play(bootstrap: str, folder: Path) -> None:
    """Run the shop, then draw."""
    rules = folder / "rules"
    rules.mkdir()
    quiet = "-".join(time.strftime("%H:%M", time.gmtime(time.time() + each * SECONDS)) for each in (0.5, 0.7))
    (rules / "shop.yaml").write_text(RULES.replace("QUIET", quiet))
    create_topics(bootstrap, dict.fromkeys(["clickstream", "transactions", "profiles"], PARTITIONS))
    produce(bootstrap, "profiles", profiles())

    ports = {name: free_port() for name in ("worker-0", "worker-1", "worker-2")}
    first, other, third = (
        Worker(
            bootstrap,
            "preview",
            rules,
            folder / f"{name}.log",
            store="rocksdb",
            data_dir=str(folder / name),
            instance_id=name,
            standby_replicas="1",
            commit_interval="1",
            store_customers="4000",
            session_timeout="6",
            http_port=str(port),
        )
        for name, port in ports.items()
    )
    for each in (first, other):
        each.start().until_ready()
    chance, began = random.Random(7), time.time()
    try:
        with running(folder / "prometheus", ports, RULE_FILES, f"{SCRAPE_S}s") as seen:
            while (second := time.time() - began) < SECONDS:
                by_topic: dict[str, list[Produced]] = {}
                for topic, record in moment(second, chance):
                    by_topic.setdefault(topic, []).append(record)
                for topic, records in by_topic.items():
                    produce(bootstrap, topic, records)
                if second > 0.45 * SECONDS and third.process is None:
                    third.start()
                if second > 0.8 * SECONDS and third.alive:
                    third.stop()
                broken = rules / "broken.yaml"
                if not 0.7 < second / SECONDS < 0.75:
                    broken.unlink(missing_ok=True)
                elif not broken.exists():
                    broken.write_text("rules: {oops: {}}\n")
                time.sleep(max(began + second + 1 - time.time(), 0))
            draw(seen, began + 20, time.time() - SCRAPE_S)
    finally:
        for each in (first, other, third):
            if each.alive:
                each.stop()


def draw(prometheus: Prometheus, start: float, end: float) -> None:
    pages = ROOT / "build/dashboards"
    pages.mkdir(parents=True, exist_ok=True)
    span = drawing.Span(start, end, max((end - start) / 180, SCRAPE_S))
    browser = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    for path in sorted(FOLDER.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))

        def expression(query: str) -> str:
            return asked(query, interval="20s", time=f"{int(end - start)}s").replace("[15m]", "[2m]")

        page = pages / f"{path.stem}.html"
        page.write_text(drawing.page(document, prometheus, span, expression), encoding="utf-8")
        print(page)
        if browser is not None:
            width, height = drawing.size(document)
            picture = ROOT / f"docs/images/{path.stem}.png"
            picture.parent.mkdir(exist_ok=True)
            options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
            size = f"--window-size={width},{height}"
            command = [browser, *options, size, f"--screenshot={picture}", page.as_uri()]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            if smaller := shutil.which("pngquant"):
                subprocess.run([smaller, "--force", "--ext=.png", "64", picture], check=True)
            print(picture)


def main() -> int:
    """Run it in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="stream-preview-") as name, EmbeddedKafka() as kafka:
        play(kafka.bootstrap, Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
