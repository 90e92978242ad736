"""What a fired trigger costs a worker: the match, its guards, three texts, two records, its share of sending.

    python -m loadtest.micro.fired [--events 20000] [--rounds 9]

Microseconds of the processor's time for one trigger: minimum, median, maximum of the rounds. `all` is from
the event to batches that aiokafka's producer sends as they are, the sum of the next two: one event of 250
bytes fires one rule, with a limit, a consent, an address, a cap, a holdout and a policy's cap to be judged,
and leads to a trigger and a decision, which `engine` packs, too. `sending` makes batches of the records and
gives these their checksums. `event` is the same events under a name that no rule wants, to compare with.
Garbage is collected as in a worker. What Kafka's client does with a batch is not in it: its share of a
request, for hundreds of records.
"""

from __future__ import annotations

import argparse
import gc
import re
import time
from collections.abc import Iterator, Mapping
from statistics import median

import orjson

from loadtest.micro.engine import FAR, PARTITION, PER_BATCH, Read, compile_rules
from loadtest.workloads import START_MS
from stream.clock import Clock
from stream.decisions.wire import Origin
from stream.engine import PartitionState, process
from stream.kafka._batch import RecordBatch
from stream.kafka._packed import PackedRecords
from stream.rules.model import RuleSet
from stream.runtime.app import GC_THRESHOLDS
from stream.runtime.outbox import BATCH_BYTES
from stream.structs import Batch, Target
from stream.worker._writer import RecordWriter

CONSENTS = {"mail": {"granted": True, "at": "2026-03-01T10:00:00Z", "basis": "double opt-in"}}
RULES = """\
sources:
  clicks: {event: event, customer: customer_id, time: ts, id: event_id}
  profiles: {kind: profile, customer: customer_id}
traits:
  views_7d: {function: count, of: view, per: category, over: 7d}
  spend_90d: {function: sum, of: view, field: price, over: 90d}
channels:
  email: {topic: triggers.email, consent: mail, address: customer.email, cap: 1 per 1d, FORMAT}
policy: {cap: 3 per 7d, holdout: 0.5%, timezone: Europe/Berlin}
rules:
  viewed:
    on: view
    where: event.price >= 50
    if: traits.views_7d[event.category] >= 1
    send:
      channel: email
      content:
        subject: SUBJECT
        body: BODY
        link: "https://shop.example/{{ event.category }}?sku={{ event.sku }}&session={{ event.session }}"
    limit: 1 per 7d
    goal: {on: purchase, within: 3d, value: amount}
"""
SUBJECT = "\"{{ customer.first_name | default: 'Hello' }}, still thinking about {{ event.category }}?\""
BODY = '"We put {{ event.title }} aside for you: {{ event.price }} euros, {{ traits.spend_90d }} so far."'
PLAIN = "      content: {text: x}\\n"
SETS = {
    "plain": re.sub(r"(?m)^      content:\n(?:        .*\n)+", PLAIN, RULES).replace(", FORMAT", ""),
    "text": RULES.replace("SUBJECT", SUBJECT).replace("BODY", BODY).replace(", FORMAT", ""),
    "branches": RULES.replace("SUBJECT", SUBJECT)
    .replace("BODY", '"{% if traits.spend_90d > 10 %}' + BODY[1:-1] + '{% else %}Welcome{% endif %}"')
    .replace(", FORMAT", ""),
    "html": RULES.replace("SUBJECT", SUBJECT).replace("BODY", BODY).replace("FORMAT", "format: html"),
    "money, date": RULES.replace("SUBJECT", SUBJECT)
    .replace("BODY", "\"{{ event.price | money: 'EUR' }} until {{ now | date: 'long' }}, {{ event.title }}\"")
    .replace(", FORMAT", ""),
}


def _value(number: int, name: str) -> bytes:
    event = {
        "event": name, "customer_id": f"c{number:06}", "ts": START_MS + number, "event_id": f"e{number:08}",
        "sku": f"p{number % 1999}", "category": f"cat{number % 40}", "title": f"Shoe & Co {number % 1999}",
        "price": 50 + number % 20_000 / 100, "session": f"{number:016x}", "device": "mobile",
    }  # fmt: skip
    return orjson.dumps(event)


def profiles(count: int) -> Batch:
    values = (
        {
            "customer_id": f"c{number:06}",
            "attributes": {"email": f"c{number}@brand.example", "first_name": "Ada", "locale": "de"},
            "consents": CONSENTS,
        }
        for number in range(count)
    )
    records = [Read(at, START_MS, orjson.dumps(value), b"c") for at, value in enumerate(values)]
    return Batch(PARTITION, {"profiles": records}, frozenset(("clicks", "profiles")))


def batches(count: int, name: str) -> Iterator[Batch]:
    for start in range(0, count, PER_BATCH):
        numbers = range(start, min(start + PER_BATCH, count))
        records = [Read(number, START_MS + number, _value(number, name), b"c") for number in numbers]
        yield Batch(PARTITION, {"clicks": records}, frozenset(("clicks", "profiles")))


def put(packed: Mapping[Target, PackedRecords]) -> None:
    """What the outbox and aiokafka's sender do in turn."""
    for records in packed.values():
        waiting = PackedRecords()
        waiting.extend(records)
        sent = 0
        while sent < waiting.size:
            batch = RecordBatch(waiting, sent, BATCH_BYTES, FAR)
            batch._build()
            sent = batch.end


def measure(rules: RuleSet, known: Batch, played: list[Batch], strange: list[Batch]) -> tuple[float, ...]:
    """us of one trigger: all, engine, sending, and of an event that fires nothing."""
    writer = RecordWriter(
        Origin("stream", PARTITION, rules.revision, {"clicks": "clicks", "profiles": "profiles"})
    )
    spent = []
    fired = events = 0
    for batches in (played, strange):
        state, clock = PartitionState(rules), Clock(wall=lambda: FAR, by_event_time=True)
        process(known, rules, state, clock, limit=1 << 30)
        taken = [0, 0]
        for batch in batches:
            start = time.thread_time_ns()
            result = process(batch, rules, state, clock, limit=1 << 30, sink=writer)
            triggers = sum(writer.channels.values())
            packed = writer.take(FAR)
            decided = time.thread_time_ns()
            put(packed)
            sent = time.thread_time_ns()
            taken = [taken[0] + decided - start, taken[1] + sent - decided]
            fired += triggers
            events += sum(result.events.values())
        spent.append([each / 1000 for each in taken])
    if fired < events / 2 * 0.99 or fired > events / 2:
        raise AssertionError(f"{fired} of {events} events fired: this measures something else")
    (engine, sending), (nothing, *_) = spent
    return tuple(each / fired for each in (engine + sending, engine, sending, nothing))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    known = profiles(given.events)
    played, strange = (list(batches(given.events, name)) for name in ("view", "look"))
    rules = {name: compile_rules({"rules.yaml": text}) for name, text in SETS.items()}
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in rules}
    for _ in range(given.rounds):
        for name, each in rules.items():
            gc.collect()
            found[name].append(measure(each, known, played, strange))
    columns = ("all", "engine", "sending", "event")
    print(f"{'us per trigger':16}" + "".join(f"{each:>22}" for each in columns))
    for name, rounds in found.items():
        shown = (
            f"{min(each):.1f} / {median(each):.1f} / {max(each):.1f}" for each in zip(*rounds, strict=True)
        )
        print(f"{name:16}" + "".join(f"{each:>22}" for each in shown))


if __name__ == "__main__":
    main()
