"""Profile updates: what is taken over, what is refused whole, and the bounds."""

from __future__ import annotations

import random
from operator import itemgetter
from typing import Any

import orjson
import pytest

from stream.clock import Clock
from stream.rules.model import Channel
from tests.engine.enginekit import CLICKS, DAY, HOUR, MINUTE, PROFILES, T0, Rec, Rules, World, rec

POST = Channel("post", "triggers.post", "post")
MAIL = Channel("mail", "triggers.mail", "marketing", ("customer", "email"))


def a_world() -> World:
    rules = Rules(CLICKS, PROFILES).rule("hello", "view", channels=(MAIL,))
    rules.channels = (MAIL,)
    return World(rules.build())


def updates(*parts: dict[str, Any]) -> dict[str, list[Rec]]:
    records = [{"customer": "c1", "ts": T0 + n, **each} for n, each in enumerate(parts)]
    return {"profiles": [Rec(n, T0 + n, orjson.dumps(each)) for n, each in enumerate(records)]}


def consent(at: int, granted: bool = True, **more: Any) -> dict[str, Any]:
    return {"consents": {"marketing": {"granted": granted, "at": T0 + at, **more}}}


def reason_after(*parts: dict[str, Any]) -> str | None:
    """Why a message a minute later is not sent; None if it is."""
    world = a_world()
    result = world.play(updates(*parts))
    assert not result.dead_letters
    world.clicks(rec(0, MINUTE))
    return world.decisions[-1].reason


EMAIL = {"attributes": {"email": "a@b.example"}}


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([EMAIL, consent(0)], None),
        ([consent(0), EMAIL], None),
        ([{**EMAIL, **consent(0)}], None),
        ([{**EMAIL, **consent(0)}, {"attributes": {"name": "Ada"}}], None),  # attributes merge
        ([{**EMAIL, **consent(0)}, {"attributes": {"email": None}}], "address"),  # null removes
        ([{**EMAIL, **consent(0)}, {"attributes": None, "consents": None}], None),
        ([EMAIL], "consent"),
        ([{**EMAIL, **consent(0, granted=False)}], "consent"),
        ([{**EMAIL, **consent(5)}, consent(4, granted=False)], None),  # older than what is held
        ([{**EMAIL, **consent(5)}, consent(5, granted=False)], "consent"),  # as old: the newer record counts
        ([{**EMAIL, **consent(2 * MINUTE)}], "consent"),  # given after the message would go
        ([{**EMAIL, **consent(0, expires=T0 + MINUTE)}], "consent"),  # from that moment on it is none
        ([{**EMAIL, **consent(0, expires=T0 + MINUTE + 1)}], None),
        ([{**EMAIL, **consent(0, expires=None)}], None),
        ([{**EMAIL, **consent(0, expires=T0)}, consent(1)], None),  # renewed
    ],
)
def test_what_is_known_after_some_updates(parts: list[dict[str, Any]], reason: str | None) -> None:
    assert reason_after(*parts) == reason


@pytest.mark.parametrize(
    "bad",
    [
        {"attributes": []},
        {"attributes": "x"},
        {"attributes": {"n" * 129: 1}},
        {"attributes": {str(n): n for n in range(201)}},
        {"attributes": {"text": "x" * 16_384}},
        {"consents": []},
        {"consents": {"marketing": {"granted": True}}},
        {"consents": {"marketing": {"granted": True, "at": "soon"}}},
        {"consents": {"marketing": {"granted": True, "at": T0, "basis": 1}}},
        {"consents": {"marketing": {"granted": True, "at": T0, "basis": "x" * 1025}}},
        {"consents": {"p" * 129: {"granted": True, "at": T0}}},
        {"consents": {str(n): {"granted": True, "at": T0} for n in range(101)}},
    ],
    ids=lambda bad: str(bad)[:60],
)
def test_what_cannot_be_taken_is_put_aside_whole(bad: dict[str, Any]) -> None:
    assert reason_beside(bad) is None


@pytest.mark.parametrize(
    "unclear",
    [
        {"consents": "none"},
        {"consents": {"marketing": True}},
        {"consents": {"marketing": {"granted": "yes", "at": T0}}},
        {"consents": {"marketing": {"granted": True, "at": T0, "expires": "2027"}}},
        {"consents": {"marketing": {"granted": True, "at": T0, "expires": "never"}}},
        {"consents": {"marketing": {"granted": True, "at": T0, "expires": -1}}},
        {"consents": {"marketing": {"granted": True, "at": T0, "expires": False}}},
        {"consents": {"marketing": {"granted": True, "at": T0, "expires": []}}},
    ],
    ids=lambda bad: str(bad)[:90],
)
def test_what_is_not_clear_of_a_purpose_counts_as_withdrawn(unclear: dict[str, Any]) -> None:
    assert reason_beside(unclear) == "consent"


def reason_beside(bad: dict[str, Any]) -> str | None:
    """Why a message is not sent after such an update, which is put aside; None if it is."""
    world = a_world()
    result = world.play(updates({**EMAIL, **consent(0)}, {"attributes": {"email": None}, **bad}))
    assert [letter.reason for letter in result.dead_letters] == ["profile"]
    assert result.positions == {"profiles": 2}
    world.clicks(rec(0, MINUTE))
    return world.decisions[-1].reason


def test_a_grant_in_a_record_that_is_put_aside_only_shortens() -> None:
    """A consent that was to end in an hour must not go on for ever because its record has a mistake."""
    mistake = {"attributes": {"n" * 129: 1}}
    for ends, reason in ((T0 + 1000, "consent"), (T0 + DAY, None)):
        world = a_world()
        soon = consent(1, expires=ends)
        world.play(updates({**EMAIL, **consent(0)}, {**soon, **mistake}, {**consent(2), **mistake}))
        world.clicks(rec(0, MINUTE))
        assert world.decisions[-1].reason == reason
        assert world.state.customers.get("c1").consents["marketing"].expires == ends  # type: ignore[union-attr, index]


def test_a_profile_outlives_a_restart() -> None:
    world = a_world()
    world.play(updates({**EMAIL, **consent(0, basis="form", expires="2026-03-03T10:00:00Z")}))
    other = World(world.rules)
    for key, value in world.state.take_changed():
        other.state.load(key, value)
    other.state.customers.rebuild_timers()
    (trigger,) = other.clicks(rec(0, MINUTE)).triggers
    assert trigger.address == "a@b.example"
    assert trigger.consent is not None
    assert trigger.consent == ("marketing", T0, "form", T0 + DAY)
    (held_back,) = other.clicks(rec(1, DAY)).decisions
    assert held_back.reason == "consent"


def test_of_a_thousand_who_withdraw_meanwhile_none_is_sent_to_afterwards() -> None:
    """Withdrawals, events and timers in a race, in whatever portions they come."""
    rules = Rules(CLICKS, PROFILES)
    rules.rule("at_once", "view", channels=(POST,)).rule("later", "view", channels=(POST,), wait=MINUTE)
    rules.channels = (POST,)
    world, dice = World(rules.build()), random.Random(7)
    seen = {f"c{n}": dice.randrange(3 * MINUTE) for n in range(1000)}
    gone = {
        who: max(at + dice.choice((-1, 0, 1, MINUTE - 1, MINUTE, MINUTE + 1)), 0) for who, at in seen.items()
    }
    clicks = [rec(n, at, customer=who) for n, (who, at) in enumerate(sorted(seen.items(), key=itemgetter(1)))]
    given = [(-1, who, {"granted": True, "at": T0}) for who in seen]
    taken = [(at, who, {"granted": False, "at": T0 + at}) for who, at in gone.items()]
    said = sorted(given + taken, key=itemgetter(0))
    profiles = [
        Rec(n, T0 + at, orjson.dumps({"customer": who, "ts": T0 + at, "consents": {"post": consent}}))
        for n, (at, who, consent) in enumerate(said)
    ]
    sent = []
    while clicks or profiles:
        portion = {"clicks": clicks[: dice.randrange(50)], "profiles": profiles[: dice.randrange(90)]}
        del clicks[: len(portion["clicks"])], profiles[: len(portion["profiles"])]
        ended = [name for name, rest in (("clicks", clicks), ("profiles", profiles)) if not rest]
        sent += world.play(portion, ended=ended).triggers
    world.clock = Clock(wall=lambda: T0 + HOUR)
    sent += world.play().triggers
    decisions = {(each.decision.rule, each.decision.customer_id) for each in sent}
    # Of one moment, events of `clicks` come before those of `profiles`, and those before timers.
    assert decisions == {("at_once", who) for who in seen if seen[who] <= gone[who]} | {
        ("later", who) for who in seen if seen[who] + MINUTE < gone[who]
    }
    assert {each.reason for each in world.decisions} == {None, "consent"}


def test_attributes_beside_the_customers_id_were_lost_without_a_word() -> None:
    (letter,) = a_world().play(updates({"email": "a@b.example"})).dead_letters
    assert (letter.reason, letter.detail) == ("profile", "neither attributes nor consents")
    assert (
        not a_world().play(updates({"attributes": {}}, {"consents": {}}, {"attributes": None})).dead_letters
    )


def test_bounds_hold_over_several_updates() -> None:
    world = a_world()
    many = [{"attributes": {f"{n}-{m}": m for m in range(100)}} for n in range(3)]
    result = world.play(updates(*many))
    assert [letter.record.offset for letter in result.dead_letters] == [2]
