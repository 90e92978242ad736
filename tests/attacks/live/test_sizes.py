"""A worker on a real Kafka, whose topics take what Kafka's own defaults say or less, and large events."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.attacks.sizes import LARGE, RULES
from tests.kit.kafka import consume_all, create_topics, produce
from tests.kit.worker import Worker

DEFAULT, SMALL = "1048588", "100000"
NAMES = {f"c{number}": events for number, events in enumerate(LARGE.values())}


def test_a_worker_lives_on_whatever_the_size_of_what_comes(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Each of these ended it with 70, at each start again; at the third one the events were gone."""
    clicks, web, changelog = f"{prefix}-clicks", f"{prefix}-web", f"{prefix}-customers-changelog"
    create_topics(kafka, {clicks: 1}, {"max.message.bytes": "2000000"})
    create_topics(kafka, {f"{prefix}-mail": 1}, {"max.message.bytes": DEFAULT})
    create_topics(kafka, {web: 1}, {"max.message.bytes": SMALL})
    create_topics(kafka, {changelog: 1}, {"max.message.bytes": DEFAULT, "cleanup.policy": "compact"})
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shop.yaml").write_text(RULES.replace("PREFIX", prefix))
    now, records = int(time.time() * 1000), []
    for customer, events in {**NAMES, "good": [{"event": "view", "sku": "shoe"}]}.items():
        for number, event in enumerate(events):
            body = {"customer": customer, "ts": now, "id": f"{customer}-{number}"} | dict(event)
            records.append((0, customer.encode(), json.dumps(body).encode(), now, ()))
    produce(kafka, clicks, records)
    worker = Worker(kafka, prefix, tmp_path / "rules", tmp_path / "worker.log")
    with worker:
        worker.until_ready().until_caught_up([clicks])
        assert worker.stop() == 0, worker.log
    with worker:
        worker.until_ready()
        assert worker.stop() == 0, worker.log
    views = [json.loads(each.value) for each in consume_all(kafka, [web])]
    told = [each["customer_id"] for each in views if each["rule"] == "every-view"]
    wanted = [name for name, events in NAMES.items() for each in events if each["event"] == "view"]
    assert told == [*wanted, "good"], "all in their order, each once"
    assert not worker.said("failed")
