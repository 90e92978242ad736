"""Nothing of a customer in what a worker says: its log, its metrics, its answers, the words it dies with."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.shop import START, Shop
from tests.kit.kafka import LARGEST, configure, create_topics, produce
from tests.kit.patience import eventually
from tests.kit.worker import Worker

MEGABYTE = 1024 * 1024

# What belongs to people; each is in some record below, and must be nowhere else than in records.
PEOPLE = (
    "zoe-4711",
    "Zoë Miller",
    "zoe.miller@private.example",
    "+49 151 2345",
    "Rue Secrète 5",
    "Mars/Olympus",
)
CUSTOMER, NAME, ADDRESS, PHONE, STREET, ZONE = PEOPLE

RULES = """
sources:
  clicks: {topic: PREFIX-clicks, event: event, customer: customer_id, time: ts, id: event_id}
  purchases: {topic: PREFIX-purchases, event: {is: purchase}, customer: customer_id, time: ts, id: event_id}
  people: {topic: PREFIX-people, kind: profile, customer: customer_id}
traits:
  by_email: {function: count, of: view, per: email, over: 1d}
channels:
  web: {topic: PREFIX-web, consent: marketing, address: customer.email, quiet: "00:01-00:02"}
  open: {topic: PREFIX-open, consent: none}
rules:
  greeting:
    on: view
    if: traits.by_email[event.email] >= 1 && customer.name != ""
    send: {channel: web, content: {text: "Hello {{ customer.name }}, {{ event.email }}"}}
  fails-as-rendered:
    on: view
    send: {channel: open, content: {text: "{{ event.phone | divided_by: 2 }} {{ event.street }}"}}
  ends-in-an-error:
    on: view
    if: event.street > 5
    send: {channel: open, content: {text: "never"}}
  reminder:
    on: view
    key: event.email
    unless: {on: purchase, within: 1m}
    send: {channel: web, content: {text: "{{ event.street }}"}}
"""


@pytest.fixture
def crowd(shop: Shop) -> Shop:
    """The shop with rules that touch all of it, and every kind of record, good and bad, about people."""
    (shop.rules / "shop.yaml").write_text(RULES.replace("PREFIX", shop.prefix))
    people = f"{shop.prefix}-people"
    create_topics(shop.bootstrap, {people: 4, f"{shop.prefix}-open": 4})
    # A record of 13 MB is among them: larger than Kafka's default takes.
    configure(shop.bootstrap, shop.clicks, {"max.message.bytes": str(LARGEST)})
    shop.sources.append(people)
    key = CUSTOMER.encode()
    profile = {"customer_id": CUSTOMER, "attributes": {"name": NAME, "email": ADDRESS, "timezone": ZONE}}
    consent = {"marketing": {"granted": True, "at": "2025-01-01T00:00:00Z", "basis": NAME}}
    view = {
        "event": "view",
        "customer_id": CUSTOMER,
        "email": ADDRESS,
        "phone": PHONE,
        "street": STREET,
        "event_id": f"e-{CUSTOMER}",
    }
    profiles = [
        profile | {"consents": consent},
        profile | {"consents": {"marketing": {"granted": NAME, "at": ADDRESS}}},
        profile | {"attributes": [NAME, ADDRESS]},
        {"customer_id": CUSTOMER, "attributes": {NAME + "x" * 300: ADDRESS}},
    ]
    produce(shop.bootstrap, people, [(0, key, json.dumps(each).encode(), START, ()) for each in profiles])
    plain = json.dumps(view | {"ts": START}).encode()
    bad = [
        plain[:-9],
        plain.replace(b"view", b"\xff\xfe"),
        json.dumps(view | {"ts": ADDRESS}).encode(),
        json.dumps(view | {"ts": "2999-01-01T00:00:00Z"}).encode(),
        json.dumps({"event": "view", "email": ADDRESS}).encode(),
        json.dumps({"event": {"name": NAME}, "customer_id": CUSTOMER}).encode(),
        json.dumps({"event": "view", "customer_id": {"id": CUSTOMER}}).encode(),
        json.dumps(view | {"pad": ADDRESS * 500_000}).encode(),
        NAME.encode("utf-16"),
        b"[" * 5000 + key,
    ]
    headers = [("name", NAME.encode()), ("ce_subject", key)]
    values = [plain, *bad, plain.replace(b"e-zoe", b"e2-zoe")]
    produce(shop.bootstrap, shop.clicks, [(0, key, value, START, headers) for value in values])
    produce(
        shop.bootstrap, shop.purchases, [(0, key, b'{"customer_id": "%b", "amount": "' % key, START, headers)]
    )
    return shop


def hits(text: str) -> list[str]:
    """Whose data a text has, also as bytes or JSON would be printed."""
    forms = {each: (each, repr(each.encode())[2:-1], json.dumps(each)[1:-1]) for each in PEOPLE}
    return [each for each, several in forms.items() if any(form in text for form in several)]


def said(worker: Worker) -> str:
    """All that it says but to Kafka."""
    return "\n".join(
        [worker.log, *(worker.get(path)[1] for path in ("/metrics", "/live", "/ready", "/", "/x"))]
    )


def test_a_worker_says_nothing_of_its_customers(crowd: Shop) -> None:
    with crowd.worker() as worker:
        worker.until_ready()
        worker.signal(signal.SIGUSR1)
        eventually(lambda: "log_level_changed" in worker.log, "it says more")
        worker.until_caught_up(crowd.sources)
        figures = worker.figures()
        assert figures["stream_dead_letters_total"] >= 10
        assert figures["stream_event_errors_total"] >= 2
        assert figures["stream_decisions_total"] >= 3, "the people were there"
        eventually(lambda: '"checkpointed"' in worker.log, "lines of level DEBUG")
        worker.signal(signal.SIGUSR2)
        assert hits(said(worker)) == []
        assert worker.stop() == 0
    with crowd.worker(log_level="debug") as again:  # which reads the customers back
        again.until_ready()
        assert hits(said(again)) == []


@pytest.mark.parametrize("kind", ["record-fails", "thread-fails-on-a-record"])
def test_a_worker_that_dies_over_a_record_does_not_say_whose_it_was(crowd: Shop, kind: str) -> None:
    command: Sequence[str] = (sys.executable, "-m", "tests.integration.broken", kind, "worker")
    with crowd.worker(command=command) as worker:
        assert worker.wait() == 70
    lines = [json.loads(line) for line in worker.log.splitlines()]
    (failed,) = [line for line in lines if line["message"] == "failed"]
    assert failed["error"] == "KeyError"
    assert "Traceback" in failed["exception"]
    assert "_over_a_record" in failed["exception"], "where it was"
    assert hits(worker.log) == []


def test_a_worker_that_cannot_start_does_not_say_whose_fault_it_was(crowd: Shop, tmp_path: Path) -> None:
    command: Sequence[str] = (sys.executable, "-m", "tests.integration.broken", "start-fails", "worker")
    with crowd.worker(command=command) as worker:
        assert worker.wait() == 70
    assert '"failed"' in worker.log
    assert hits(worker.log) == []
