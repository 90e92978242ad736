"""What decisions add up to: matches that were put off count once, rules in each other's way are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream.authoring.backtest import run as backtests
from stream.authoring.backtest.findings import as_object
from stream.events._times import parse_time
from stream.history.event_files import Between, event_files
from stream.rules.compiler.rule_set import load_rules

SOURCES = """
sources:
  clicks: {event: event, customer: customer, time: ts, id: id}
  profiles: {kind: profile, customer: customer}
channels:
  web: {topic: triggers.web, consent: none}
  mail: {topic: triggers.mail, consent: mail, cap: 1 per 1d, quiet: "21:00-08:00"}
"""


def found_of(
    folder: Path, rules: str, events: list[dict[str, Any]], until: str | None = None, examples: int = 3
) -> dict[str, Any]:
    """All that a backtest finds, as programs see it."""
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "all.yaml").write_text(SOURCES + rules)
    (folder / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, events)))
    compiled = load_rules(folder / "rules")
    times = Between(until=parse_time(until) if until else None)
    with event_files([str(folder / "events.jsonl")], compiled, times) as files:
        done = backtests.run(compiled, files, examples=examples)
    found: dict[str, Any] = json.loads(json.dumps(as_object(done)))
    return found


def click(ts: str, event: str = "view", customer: str = "c1", **more: Any) -> dict[str, Any]:
    return {
        "source": "clicks",
        "event": event,
        "customer": customer,
        "ts": f"{ts}Z",
        "id": f"{event}{ts}",
        **more,
    }


def consents(customer: str = "c1") -> dict[str, Any]:
    given = {"mail": {"granted": True, "at": "2026-01-01T00:00:00Z"}}
    return {"source": "profiles", "customer": customer, "consents": given}


VIEWED = "{on: view, send: {channel: CHANNEL, content: {text: '{{ event.id }}'}}"


def rule(channel: str, more: str = "") -> str:
    return VIEWED.replace("CHANNEL", channel) + (f", {more}}}" if more else "}")


def test_a_message_that_quiet_hours_put_off_counted_as_two_matches(tmp_path: Path) -> None:
    rules = f"policy: {{timezone: UTC}}\nrules:\n  night: {rule('mail')}"
    events = [consents(), click("2026-03-02T22:00:00"), click("2026-03-03T22:00:00", id="later")]
    found = found_of(tmp_path, rules, events)["rules"]["night"]
    assert (found["matches"], found["put_off"], found["still_put_off"]) == (2, 2, 1)
    assert found["removed"] == {}
    assert found["days"] == {"2026-03-03": {"mail": 1}}
    assert [hour for hour, count in enumerate(found["hours"]["mail"]) if count] == [8]


def test_days_and_hours_are_the_policys(tmp_path: Path) -> None:
    rules = f"policy: {{timezone: Asia/Kathmandu}}\nrules:\n  seen: {rule('web')}"
    found = found_of(tmp_path, rules, [click("2026-03-02T18:14:59"), click("2026-03-02T18:15:00")])
    assert found["zone"] == "Asia/Kathmandu"
    assert found["rules"]["seen"]["days"] == {"2026-03-02": {"web": 1}, "2026-03-03": {"web": 1}}
    assert {hour: count for hour, count in enumerate(found["rules"]["seen"]["hours"]["web"]) if count} == {
        23: 1,
        0: 1,
    }


def test_of_a_group_the_rule_that_went_is_named(tmp_path: Path) -> None:
    first, second = rule("web", "group: one, priority: 2"), rule("web", "group: one")
    found = found_of(
        tmp_path,
        f"rules:\n  first: {first}\n  second: {second}",
        [click("2026-03-02T10:00:00", customer=each) for each in "ab"],
    )
    assert found["collisions"] == [{"rule": "second", "other": "first", "reason": "group", "count": 2}]


def test_of_a_full_cap_the_last_message_that_counts_is_named(tmp_path: Path) -> None:
    """The banner in between counts for no cap."""
    rules = f"""policy: {{timezone: UTC}}
rules:
  early: {rule("mail", "priority: 2")}
  banner: {rule("web", "priority: 1")}
  late: {rule("mail").replace("view", "buy")}
"""
    events = [
        consents(),
        click("2026-03-02T10:00:00"),
        click("2026-03-02T11:00:00", "buy"),
        click("2026-03-02T12:00:00"),
    ]
    found = found_of(tmp_path, rules, events)
    assert found["collisions"] == [
        {"rule": "late", "other": "early", "reason": "cap", "count": 1},
        {"rule": "early", "other": "early", "reason": "cap", "count": 1},
    ]


def test_messages_per_customer_and_channel(tmp_path: Path) -> None:
    events = [
        click(f"2026-03-02T10:{minute:02}:00", customer=who)
        for who, many in (("a", 1), ("b", 3))
        for minute in range(many)
    ]
    found = found_of(
        tmp_path, f"rules:\n  seen: {rule('web')}", [*events, click("2026-03-02T11:00:00", "home", "c")]
    )
    told = {
        "messages": 4,
        "customers": 2,
        "mean": 2.0,
        "p50": 1,
        "p99": 3,
        "worst": 3,
        "counts": [[1, 1, 1], [2, 2, 0], [3, 3, 1]],
    }
    assert found["messages"] == {"per_customer": told, "per_channel": {"web": told}}
    assert found["rules"]["seen"]["per_customer"] == told


@pytest.mark.parametrize("examples", [0, 1, 3])
def test_the_first_messages_are_shown_with_their_texts(tmp_path: Path, examples: int) -> None:
    events = [click(f"2026-03-02T10:0{minute}:00") for minute in range(4)]
    found = found_of(tmp_path, f"rules:\n  seen: {rule('web')}", events, examples=examples)
    shown = found["rules"]["seen"]["examples"]
    assert [each["content"]["text"] for each in shown] == [
        f"view2026-03-02T10:0{n}:00" for n in range(examples)
    ]
    assert all(each["customer"] == "c1" and each["at"].endswith("Z") for each in shown)


def test_nothing_and_one_event_can_be_told(tmp_path: Path) -> None:
    rules = f"rules:\n  seen: {rule('web', 'goal: {on: buy, within: 1d}')}"
    for events in ([], [click("2026-03-02T10:00:00")]):
        found = found_of(tmp_path, rules, events)
        assert found["rules"]["seen"]["matches"] == len(events)
        assert found["rules"]["seen"]["plan"]["too_few"] is not None


def test_what_a_rule_in_shadow_mode_would_send_is_told_apart_and_shown(tmp_path: Path) -> None:
    mode = "mode: shadow, priority: 1, group: g, goal: {on: buy, within: 1d}"
    rules = f"rules:\n  shadow: {rule('web', mode)}\n  live: {rule('web', 'group: g')}"
    events = [click("2026-03-02T10:00:00"), click("2026-03-02T11:00:00", "buy")]
    found = found_of(tmp_path, rules, events)
    shadow, live = found["rules"]["shadow"], found["rules"]["live"]
    assert (shadow["matches"], shadow["outcomes"], shadow["removed"]) == (1, {"shadow": 1}, {"shadow": 1})
    assert shadow["per_customer"]["messages"] == 0
    assert [each["content"] for each in shadow["examples"]] == [{"text": "view2026-03-02T10:00:00"}]
    assert live["outcomes"] == {"sent": 1}
    assert found["collisions"] == [], "the shadow is in nobody's way"
    assert found["messages"]["per_customer"]["messages"] == 1


def test_what_would_have_kept_a_shadow_back_is_told(tmp_path: Path) -> None:
    rules = f"rules:\n  shadow: {rule('mail', 'mode: shadow')}"
    found = found_of(tmp_path, rules, [click("2026-03-02T10:00:00")])["rules"]["shadow"]
    assert (found["outcomes"], found["removed"]) == ({"shadow": 1}, {"consent": 1})
    assert found["examples"] == []
