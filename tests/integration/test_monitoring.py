"""A real Prometheus scrapes a real worker: alerts and dashboards find what they ask for."""

from __future__ import annotations

import json
import math
import time
from functools import partial
from itertools import count
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from deploy.dashboards import drawing
from deploy.dashboards.__main__ import FOLDER
from tests.deploy.observed import (
    ROOT,
    RULE_FILES,
    asked,
    expressions,
    names,
    panels,
    recorded,
    rule_expressions,
    rules,
)
from tests.integration.shop import PARTITIONS, START, Shop
from tests.kit.kafka import create_topics, produce
from tests.kit.patience import eventually, scaled
from tests.kit.prometheus import Prometheus, running

NOON = START + 12 * 3_600_000
RULES = """
sources:
  clicks: {topic: PREFIX-clicks, event: event, customer: customer_id, time: ts, id: event_id}
policy: {timezone: UTC}
channels:
  web: {topic: PREFIX-web, consent: none}
  mail: {topic: PREFIX-mail, consent: none, quiet: "08:00-20:00"}
rules:
  every-view: {on: view, send: {channel: web, content: {text: Hi}}}
  once: {on: view, limit: 1 per 365d, send: {channel: web, content: {text: Hi}}}
  compared: {on: view, holdout: 50%, send: {channel: web, content: {text: Hi}}}
  asks-in-vain: {on: view, if: event.nothing > 1, send: {channel: web, content: {text: Hi}}}
  mistaken: {on: view, if: event.size > 1, send: {channel: web, content: {text: Hi}}}
  at-night: {on: cart, send: {channel: mail, content: {text: Hi}}}
"""
DOCUMENTS = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}


def has_data(prometheus: Prometheus, expression: str) -> bool:
    """Whether a query gives a number; an AssertionError if it does not parse."""
    return any(not math.isnan(float(series["value"][1])) for series in prometheus.query(expression))


def test_every_panel_has_data_and_every_rule_works(shop: Shop, tmp_path: Path) -> None:
    (shop.rules / "shop.yaml").write_text(RULES.replace("PREFIX", shop.prefix))
    create_topics(shop.bootstrap, {f"{shop.prefix}-mail": PARTITIONS})
    every = max(round(scaled(1)), 1)  # seconds between two scrapes, and how long one may take
    rates = f"{10 * every}s"
    missing = {(name, each) for name, document in DOCUMENTS.items() for each in expressions(document, rates)}
    turns = count()
    with shop.worker(store="rocksdb", data_dir=str(tmp_path / "data")) as worker:
        worker.until_ready()
        with running(tmp_path / "prometheus", {"a": worker.port}, RULE_FILES, f"{every}s") as prometheus:

            def go_on() -> None:
                """Customers go on: a rate is one only between two scrapes."""
                at = NOON + 1000 * next(turns)
                events = [
                    shop.click(customer, event, at, size="large")
                    for customer in range(20)
                    for event in ("view", "cart")
                ]
                produce(shop.bootstrap, shop.clicks, [(*event[:3], None, ()) for event in events])

            def all_have_data() -> bool:
                go_on()
                missing.difference_update({each for each in missing if has_data(prometheus, each[1])})
                assert not missing, f"without data: {sorted(missing)}"
                return True

            def drawn(name: str) -> bool:
                """Whether each panel has a line: data in more than one moment of the last seconds."""
                go_on()
                span = drawing.Span(time.time() - 8 * every, time.time(), every)
                page = drawing.page(DOCUMENTS[name], prometheus, span, partial(asked, interval=rates))
                graphs = sum(each["type"] != "table" for each in panels(DOCUMENTS[name]))
                return "no data" not in page and page.count("<polyline") >= graphs

            eventually(all_have_data, "every panel has data")
            groups = prometheus.get("rules")["groups"]
            judged = [rule for group in groups for rule in group["rules"]]
            assert len(judged) == len(list(rules()))
            assert [rule for rule in judged if rule["health"] == "err"] == []
            for name in DOCUMENTS:
                eventually(lambda name=name: drawn(name), f"{name} is drawn")
        exposed = {
            sample.name
            for family in text_string_to_metric_families(worker.get("/metrics")[1])
            for sample in family.samples
        }
    wanted = set().union(*(names(each) for each in rule_expressions()))
    for document in DOCUMENTS.values():
        wanted |= set().union(*(names(each) for each in expressions(document)))
    assert wanted - recorded() <= exposed
    documented = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    bare = {each.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for each in exposed}
    assert [
        each for each in sorted(bare) if each.startswith("stream_") and f"`{each}`" not in documented
    ] == []
