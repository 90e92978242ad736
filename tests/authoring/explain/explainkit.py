"""Small histories, and what is told of a customer in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from stream.authoring.explain.findings import as_object
from stream.authoring.explain.timeline import Timeline, timeline
from stream.authoring.replay import Replay
from stream.history.changelog import KnownBefore
from stream.history.event_files import Between, event_files
from stream.history.topics import Beginning
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import RuleSet

RULES = """
sources:
  clicks: {event: event, customer: customer, time: ts, id: id, dedupe: 1d}
  profiles: {kind: profile, customer: customer}
traits:
  views: {function: count, of: view, over: 1d}
  by_sku: {function: count, of: view, per: sku, over: 1d}
segments:
  big: traits.views >= 3 || customer.vip
channels:
  web: {topic: triggers.web, consent: none}
  mail: {topic: triggers.mail, consent: news}
rules:
  viewed:
    on: view
    where: event.price > 10
    if: traits.views >= 2 && (segments.big || event.gift)
    send: {channel: web, content: {text: "{{ event.sku }}"}}
    limit: 1 per 1h
  left: {on: cart, unless: {on: buy, within: 30m}, send: {channel: web, content: {text: Hi}}}
  pair:
    steps: [{on: view}, {on: cart, within: 1h}]
    send: {channel: mail, content: {text: Hi}}
  never: {on: veiw, send: {channel: web, content: {text: Hi}}}
"""


def line(at: int, event: str, customer: str = "c1", **more: Any) -> dict[str, Any]:
    """An event, `at` minutes after the start."""
    hours, minutes = divmod(at, 60)
    time = f"2026-03-02T{10 + hours}:{minutes:02}:00Z"
    return {
        "source": "clicks",
        "event": event,
        "customer": customer,
        "ts": time,
        "id": f"e{at}{event}",
        **more,
    }


def rules_in(folder: Path, text: str = RULES) -> RuleSet:
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "rules.yaml").write_text(text)
    return load_rules(folder / "rules")


def tell(
    folder: Path,
    lines: Iterable[Mapping[str, Any] | bytes],
    customer: str = "c1",
    *,
    rules: RuleSet | None = None,
    between: Between | None = None,
    known: KnownBefore | None = None,
) -> Timeline:
    path = folder / "events.jsonl"
    path.write_bytes(
        b"".join((each if isinstance(each, bytes) else orjson.dumps(each)) + b"\n" for each in lines)
    )
    rules = rules or rules_in(folder)
    with event_files([str(path)], rules, between or Between()) as files:
        return timeline(rules, files, customer, known=known)


def known_after(folder: Path, lines: Iterable[Mapping[str, Any]], rules: RuleSet, at: int) -> KnownBefore:
    """What a worker knows of c1 after these, at a time in ms."""
    path = folder / "before.jsonl"
    path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in lines))
    replay = Replay(rules)
    with event_files([str(path)], rules) as files:
        for portion in files.batches():
            list(replay.feed(portion.records, files.names))
    records = dict(replay.state.take_changed())
    beginning = Beginning(0, {"clicks": 0})
    return KnownBefore("c1", rules.revision, at, "changelog/0/7", records[b"c1"], records[b""], beginning, {})


def found(told: Timeline, rule: str | None = None) -> dict[str, Any]:
    return as_object(told, rule)
