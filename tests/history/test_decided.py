"""Decisions as workers wrote them: whose they are, and what is none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from stream.decisions.wire import iso_time
from stream.history.decided import DecidedLive
from stream.structs import Decision, EventRef
from tests.engine.enginekit import T0, Rec

ONE = Decision("t1", "hello", "c1", "suppressed", "stale", None, None, EventRef("view", "e1", T0), T0)


def written(revision: str, one: Decision, app: str = "shop", key: bytes = b"c1", **other: Any) -> Rec:
    event = {"name": one.event.name, "id": one.event.id, "time": "2026-03-02T10:00:00.000Z"}
    said = {
        "trigger_id": one.trigger_id,
        "rule": one.rule,
        "revision": revision,
        "customer_id": one.customer_id,
        "outcome": one.outcome,
        "reason": one.reason,
        "channel": one.channel,
        "variant": one.variant,
        "event": event,
        "at": iso_time(one.at),
        **other,
    }
    headers = (("ce_app", app.encode()),)
    return replace(Rec(7, T0 + 5, json.dumps(said).encode(), key), headers=headers)


def test_a_customers_decisions_of_this_app_are_taken() -> None:
    found = DecidedLive("shop", "decisions")
    found.take(
        [written("r1", ONE), written("r1", ONE, key=b"c10"), written("r1", ONE, "other")],
        b"c1",
        "decisions/3",
    )
    (one,) = found.decisions
    assert (one.rule, one.outcome, one.reason, one.event, one.at) == (
        "hello",
        "suppressed",
        "stale",
        "e1",
        T0,
    )
    assert (one.written, one.place) == (T0 + 5, "decisions/3/7")
    assert found.others == {"other": 1}


@pytest.mark.parametrize(
    "other",
    [{"at": "yesterday"}, {"trigger_id": 5}, {"event": None}, {"event": {"name": "view"}}, {"rule": []}],
)
def test_what_is_no_decision_is_left_out_whatever_its_headers_say(other: dict[str, Any]) -> None:
    found = DecidedLive("shop", "decisions")
    broken = replace(written("r1", ONE), value=b"{")
    found.take([written("r1", ONE, **other), broken, replace(broken, value=None)], b"c1", "decisions/3")
    assert found.decisions == []
