"""A backtest decides what a worker would have decided, and says so in files and figures."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream.demo.data import events

RULES = """
sources:
  clicks: {event: event, customer: customer, time: ts, id: id}
channels:
  web: {topic: triggers.web, consent: none}
rules:
  viewed: {on: view, send: {channel: web, content: {text: "{{ event.id }}"}}, limit: 1 per 1h}
  left: {on: cart, unless: {on: buy, within: 30m}, send: {channel: web, content: {text: Hi}}, limit: 1 per 1d}
"""


def line(at: int, event: str, **more: Any) -> dict[str, Any]:
    minutes, seconds = divmod(at, 60)
    return {
        "event": event,
        "customer": "c1",
        "ts": f"2026-03-02T10:{minutes:02}:{seconds:02}Z",
        "id": f"e{at}",
        **more,
    }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text(RULES)
    history = [line(0, "view"), line(60, "view"), line(120, "cart"), line(130, "view", customer=None)]
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, history)))
    return tmp_path


def backtest(place: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream", "backtest", "rules", "events.jsonl", *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def test_the_summary_says_what_was_sent_and_why_not(place: Path) -> None:
    shown = json.loads(backtest(place, "--json").stdout)
    assert shown["events"] == {"clicks": 3}
    assert shown["dead_letters"] == [{"source": "clicks", "reason": "customer", "count": 1}]
    assert shown["rules"]["viewed"] == {
        "outcomes": {"sent": 1, "suppressed": 1},
        "reasons": {"limit": 1},
        "channels": {"web": 1},
        "unwritten": [],
    }
    assert (shown["open_timers"], shown["customers"]) == (1, 1)
    assert shown["until"] == "2026-03-02T10:02:00.000Z"


def test_reminders_fire_where_time_moves_on(place: Path) -> None:
    shown = json.loads(backtest(place, "--json", "--until", "2026-03-02T10:33:00Z").stdout)
    assert shown["rules"]["left"]["outcomes"] == {"sent": 1}
    assert (shown["open_timers"], shown["until"]) == (0, "2026-03-02T10:33:00.000Z")


def test_decisions_are_written_as_a_worker_writes_them(place: Path) -> None:
    backtest(place, "--out", "out.jsonl")
    sent, held_back = map(json.loads, (place / "out.jsonl").read_text().splitlines())
    assert (sent["outcome"], sent["content"], sent["sent_at"]) == ("sent", {"text": "e0"}, None)
    assert (held_back["outcome"], held_back["reason"]) == ("suppressed", "limit")
    assert [each["goals"] for each in (sent, held_back)] == [[], []]
    assert held_back["event"] == {"name": "view", "id": "e60", "time": "2026-03-02T10:01:00.000Z"}


def test_repeats_of_a_source_are_left_out_and_said(place: Path) -> None:
    (place / "rules" / "all.yaml").write_text(RULES.replace("id: id", "id: id, dedupe: 1d"))
    events = place / "events.jsonl"
    events.write_bytes(events.read_bytes() + b"\n" + orjson.dumps(line(0, "view")))
    assert json.loads(backtest(place, "--json").stdout)["repeats"] == {"clicks": 1}
    assert "as their id had come before (dedupe): clicks 1" in backtest(place).stdout


def test_people_see_a_table(place: Path) -> None:
    out = backtest(place).stdout
    assert "viewed" in out
    assert "limit 1" in out
    assert "1 records of clicks are not events: customer" in out


def test_messages_that_could_not_be_written_said_neither_field_nor_variable(place: Path) -> None:
    (place / "rules" / "all.yaml").write_text(RULES.replace("event.id", "event.sku"))
    assert "2 × `text` of viewed could not be written: there is no `event.sku`" in backtest(place).stdout
    shown = json.loads(backtest(place, "--json", "--out", "out.jsonl").stdout)
    unwritten = {"field": "text", "variable": "event.sku"}
    assert shown["rules"]["viewed"]["unwritten"] == [{**unwritten, "count": 2}]
    assert json.loads((place / "out.jsonl").read_text().splitlines()[0])["unwritten"] == unwritten


def test_a_time_that_is_none_is_wrong_usage(place: Path) -> None:
    assert "--until" in backtest(place, "--until", "tomorrow", code=2).stderr


def test_rules_with_errors_are_not_played(place: Path) -> None:
    (place / "rules" / "more.yaml").write_text("rules: {x: {on: view, sent: {}}}")
    assert "did you mean `send`" in backtest(place, code=1).stderr


def test_the_demo_gives_the_same_however_its_lines_are_mixed(tmp_path: Path) -> None:
    """The order between two sources in the files does not matter: their events are merged by time."""
    rules = Path(__file__).parents[2] / "rules"
    by_source: dict[str, list[bytes]] = {}
    for event in events():
        value = {**orjson.loads(event.value), "source": event.topic}
        by_source.setdefault(event.topic, []).append(orjson.dumps(value))
    results = []
    for order in (sorted(by_source), sorted(by_source, reverse=True)):
        mixed = [each for name in order for each in by_source[name]]
        (tmp_path / "events.jsonl").write_bytes(b"\n".join(mixed))
        command = [sys.executable, "-m", "stream", "backtest", str(rules), "events.jsonl", "--out", "out"]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        results.append(Counter((tmp_path / "out").read_text().splitlines()))
    assert results[0] == results[1]
    assert results[0].total() > 10_000
