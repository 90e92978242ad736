"""The load test's account with exact windows, by hand and against the engine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from loadtest.micro import exact
from loadtest.micro.engine import compile_rules
from loadtest.rulesets import ref_rules
from loadtest.workloads import LoadEvent, dense

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_772_445_600_000


def events(*happenings: tuple[int, dict[str, Any]]) -> Iterator[LoadEvent]:
    for at, fields in happenings:
        yield "topic", 0, b"c", json.dumps({"customer_id": "c", "ts": START + at, **fields}).encode(), at


def view(at: int) -> tuple[int, dict[str, Any]]:
    return at, {"event": "product_view", "category": "cat0", "price": 5.0}


def cart(at: int) -> tuple[int, dict[str, Any]]:
    return at, {"event": "add_to_cart", "category": "cat0"}


def purchase(at: int, amount: float = 1.0) -> tuple[int, dict[str, Any]]:
    return at, {"event": "purchase", "store": "s0", "amount": amount}


def checkout(at: int) -> tuple[int, dict[str, Any]]:
    return at, {"event": "page_view", "page": "/checkout"}


def heartbeat(at: int) -> tuple[int, dict[str, Any]]:
    return at, {"event": "heartbeat"}


@pytest.mark.parametrize(
    ("happenings", "fired"),
    [
        # Of cat0 only interest-000 has a price below 5: from the third view in an hour, once a day.
        ([view(0), view(1), view(HOUR - 1), view(HOUR)], {"interest": 1}),
        ([view(0), view(1), view(HOUR)], {}),
        ([view(at) for at in (0, 1, 2, 24 * HOUR, 24 * HOUR + 1, 24 * HOUR + 2)], {"interest": 2}),
        # Store s0 is that of spender-000 (more than 100) and spender-050 (more than 300).
        ([purchase(0, 100.0), purchase(1, 0.01)], {"spender": 1}),
        ([purchase(0, 300.01)], {"spender": 2}),
        # cat0 is that of checkout-000 and -040.
        ([cart(0), checkout(30 * MINUTE - 1), heartbeat(30 * MINUTE)], {"checkout": 2}),
        ([checkout(0), cart(0), checkout(30 * MINUTE)], {}),
        # A second cart does not start the half hour again, a purchase at its very end ends it.
        ([cart(0), cart(20 * MINUTE), heartbeat(30 * MINUTE + 1)], {"cart": 1}),
        ([cart(0), purchase(30 * MINUTE), heartbeat(HOUR)], {}),
        ([cart(0), purchase(30 * MINUTE + 1), heartbeat(HOUR)], {"cart": 1}),
    ],
)
def test_each_family_fires_as_its_rule_says(
    happenings: list[tuple[int, dict[str, Any]]], fired: dict[str, int]
) -> None:
    assert exact.exactly(events(*happenings)) == Counter(fired)


def test_the_engine_fires_as_often_and_decides_what_the_model_decides(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exact.main(["--seeds", "1", "--events", "8000", "--model-events", "1500"]) == 0
    lines = capsys.readouterr().out.splitlines()
    families = [line.split() for line in lines[1:5]]
    assert [name for name, *_ in families] == ["interest", "spender", "checkout", "cart"]
    assert all(int(engine) > 0 for _, engine, _, _ in families)
    assert lines[5].endswith("decisions on 1,500 events are the reference model's")


def test_a_family_that_is_off_by_one_per_cent_is_seen() -> None:
    hundred = Counter(dict.fromkeys(("interest", "spender", "checkout", "cart"), 1000))
    assert exact.compare_families(hundred + Counter(cart=9), hundred)
    assert not exact.compare_families(hundred + Counter(cart=10), hundred)
    assert not exact.compare_families(hundred - Counter(cart=10), hundred)
    assert not exact.compare_families(Counter(cart=1), Counter())


def test_a_decision_in_another_place_is_seen() -> None:
    rules = compile_rules(ref_rules(exact.SIZE))
    decisions = exact.by_engine(rules, dense(events=500))
    assert len(decisions) > 2
    assert exact.first_difference(decisions, list(decisions)) is None
    assert exact.first_difference([decisions[1], decisions[0], *decisions[2:]], decisions)
    assert exact.first_difference(decisions[:-1], decisions)
    assert exact.first_difference(decisions, decisions[:-1])
