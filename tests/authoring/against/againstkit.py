"""Two rule sets in a folder, a past in a file, and what a comparison says of them."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson

from stream.authoring.against.findings import as_object
from stream.authoring.against.run import compare, reading
from stream.history.event_files import Between, event_files
from stream.rules.compiler.rule_set import load_rules

RULES = """
sources:
  people: {kind: profile, customer: customer, time: ts}
  clicks: {event: event, customer: customer, time: ts, id: id}
channels:
  web: {topic: triggers.web, consent: none}
  mail: {topic: triggers.mail, consent: mail}
traits:
  views: {function: count, of: view, over: 7d}
segments:
  keen: traits.views >= 2
rules:
  viewed: {on: view, send: {channel: web, content: {text: Hello}}, limit: 1 per 1h}
  left:
    on: cart
    where: event.price >= 50
    unless: {on: buy, within: 30m}
    if: traits.views >= 1
    send: {channel: web, content: {text: "{{ event.id }}"}}
    limit: 1 per 1d
"""


def line(minute: int, event: str, customer: str = "c1", **more: Any) -> dict[str, Any]:
    hour, minutes = divmod(minute, 60)
    return {
        "event": event,
        "customer": customer,
        "ts": f"2026-03-02T{10 + hour:02}:{minutes:02}:00Z",
        "id": f"e{minute}-{customer}",
        **more,
    }


PAST = (
    line(0, "view"),
    line(10, "view"),
    line(20, "cart", price=60),
    line(25, "view", "c2"),
    line(30, "cart", "c2", price=40),
    line(35, "cart", "c3", price=60),
    line(40, "buy", "c3"),
    line(90, "view", "c4"),
)


def placed(folder: Path, live: str, new: str, past: Sequence[dict[str, Any]] = PAST) -> Path:
    """Write it all down."""
    for name, rules in (("live", live), ("new", new)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "all.yaml").write_text(rules, encoding="utf-8")
    (folder / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, past)))
    return folder


def compared(
    folder: Path,
    change: tuple[str, str] | None = None,
    *,
    live: str = RULES,
    new: str | None = None,
    past: Sequence[dict[str, Any]] = PAST,
    until: int | None = None,
    examples: int = 3,
    out: BytesIO | None = None,
) -> dict[str, Any]:
    """What is found where `change`, a text and what takes its place, is made to the rules that are live."""
    if new is None:
        new = live.replace(*change) if change else live
        assert change is None or new != live
    placed(folder, live, new, past)
    sets = {name: load_rules(folder / name) for name in ("live", "new")}
    inputs = [str(folder / "events.jsonl")]
    read_by = reading(sets["new"], sets["live"], inputs)
    with event_files(inputs, read_by, Between(until=until)) as files:
        found = compare(sets["live"], sets["new"], files, out=out, examples=examples)
    return as_object(found, {"new": "new", "live": "live"})
