"""A customer with every kind of part, for the tests of states and of their byte form."""

from __future__ import annotations

from typing import Any

import orjson

from stream.rules.model import Channel, Limit, Policy, Quiet, Step
from tests.engine.enginekit import (
    BARE,
    CLICKS,
    DAY,
    HOUR,
    MINUTE,
    ORDERS,
    PROFILES,
    T0,
    WEATHER,
    Rec,
    Rules,
    World,
    rec,
)

NIGHTLY = Channel("nightly", "triggers.nightly", cap=Limit(2, DAY), quiet=Quiet(0, 20 * 60))


NEVER = Step(("never",), within=HOUR)
FUNCTIONS = ("mean", "min", "max", "first", "distinct", "top")


def everything() -> Rules:
    """A rule set that makes every kind of part."""
    rules = (
        Rules(CLICKS, ORDERS, PROFILES, WEATHER)
        .trait("views", "count", "view", over=HOUR)
        .trait("total", "count", "view")
        .trait("by_sku", "count", "view", per="sku", over=HOUR)
        .trait("spend", "sum", "purchase", field="amount", over=DAY)
        .trait("spend_at", "sum", "purchase", field="amount", per="store")
        .trait("page", "last", "view", field="page", over=HOUR)
        .trait("page_of", "last", "view", field="page", per="sku")
        .trait("rhythm", "gap", "view", over=DAY)
        .trait("rhythm_of", "gap", "view", per="sku")
        .rule("left", "cart", unless=("purchase", 30 * MINUTE))
        .rule("wished", "wish", unless=("purchase", DAY), key=("id",), stale_after=MINUTE)
        .rule("seen", "view", limit=(3, DAY))
        .rule(
            "paired", "", steps=(Step(("wish",), name="wish"), Step(("view",)), Step(("never",), within=HOUR))
        )
        .rule("open", "", steps=(Step(("cart",)), Step(("never",))))
        .rule("night", "wish", channels=(NIGHTLY,), group="g")
        .rule("timed", "cart", wait=MINUTE, group="g")
    )
    for name in FUNCTIONS:
        rules.trait(name, name, "view", field="n", over=DAY).trait(
            f"{name}_of", name, "view", field="n", per="sku"
        )
    rules.channels = (BARE, NIGHTLY)
    rules.policy = Policy(timezone="UTC", cap=Limit(5, DAY))
    return rules


def profile(offset: int, at: int, **parts: Any) -> Rec:
    data = {"customer": "c1", "ts": T0 + at, **parts}
    return Rec(offset, T0 + at, orjson.dumps(data))


def a_full_world() -> World:
    world = World(everything().build())
    skus = ["a", "ü", 7, 2**63 + 5, True, False, -3]
    pages = ["/home", "", None, 1.5, -(2**40), 2**64 - 1, True, False]
    records = [
        rec(n, n * 7 * MINUTE, "view", sku=skus[n % len(skus)], page=pages[n % len(pages)], n=n % 4)
        for n in range(30)
    ]
    more = [
        rec(30, 205 * MINUTE, "cart"),
        rec(31, 206 * MINUTE, "wish", id=12),
        rec(32, 207 * MINUTE, "view"),
    ]
    late = rec(33, 100 * MINUTE, "wish", id=True)
    orders = [rec(n, n * 50 * MINUTE, amount=n * 1.1, store=f"s{n}") for n in range(4)]
    said = {
        "mail": {"granted": True, "at": T0, "basis": "form"},
        "post": {"granted": False, "at": T0 + 1},
        "baby": {"granted": True, "at": T0, "expires": T0 + DAY},
    }
    profiles = [profile(0, 0, attributes={"tier": "gold", "tags": ["a", None]}, consents=said)]
    weather = [profile(0, 0, temperature=21.5, place={"city": "Oslo"})]
    world.play(
        {"clicks": [*records, *more, late], "orders": orders, "profiles": profiles, "weather": weather}
    )
    world.clicks(rec(34, 208 * MINUTE, "other"))
    outcomes = {(each.rule, each.outcome) for each in world.decisions}
    assert {("night", "deferred"), ("timed", "sent")} <= outcomes
    assert world.state.customers.timers == 6  # left, wished twice, paired, night twice
    return world
