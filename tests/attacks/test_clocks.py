"""Producers whose clocks are wrong: nothing is early, nothing is late, and nobody else notices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from stream.clock import LATEST, Clock
from stream.engine import PartitionState, process
from stream.rules.model import Channel, Policy, Quiet, RuleSet
from stream.state._codec import decode_reached, encode_reached
from stream.structs import Batch, Decision
from tests.engine.enginekit import CLICKS, DAY, HOUR, MINUTE, ORDERS, PROFILES, T0, WEATHER, Rec, Rules, rec

NIGHT = Channel("night", "triggers.night", quiet=Quiet(9 * 60, 18 * 60))  # T0 is at 10:00
YEAR_9999 = LATEST - DAY
SOURCES = {"clicks", "orders", "profiles", "weather"}


def the_rules() -> RuleSet:
    rules = Rules(CLICKS, ORDERS, PROFILES, WEATHER)
    rules.rule("hello", "view").rule("sleep", "view", channels=(NIGHT,))
    rules.rule("remind", "cart", unless=("purchase", 30 * MINUTE))
    rules.policy = Policy(timezone="UTC", stale_after=30 * DAY)
    return rules.build()


RULES = the_rules()


@dataclass
class Shop:
    """A partition on the wall clock, which tests set."""

    now: int = T0
    by_event_time: bool = False
    state: PartitionState = field(default_factory=lambda: PartitionState(RULES))
    decisions: list[Decision] = field(default_factory=list)
    errors: dict[tuple[str, str], int] = field(default_factory=dict)
    watermark: int | None = None
    bad: list[str] = field(default_factory=list)

    def play(self, records: Mapping[str, Sequence[Rec]] | None = None, lagging: Sequence[str] = ()) -> None:
        clock = Clock(wall=lambda: self.now, by_event_time=self.by_event_time)
        result = process(Batch(0, records or {}, frozenset(SOURCES - {*lagging})), RULES, self.state, clock)
        self.decisions += result.decisions
        self.bad += [each.reason for each in result.dead_letters]
        self.errors.update(result.errors)
        self.watermark = result.watermark

    def fired(self) -> list[tuple[str, str, int]]:
        return [(each.rule, each.reason or each.outcome, each.at - T0) for each in self.decisions]

    @property
    def reached(self) -> dict[str, int]:
        reached: dict[str, int] = decode_reached(dict(self.state.take_changed())[b""])[0]
        return reached


def ahead(offset: int, stamped: int = YEAR_9999, source: str = "clicks", **fields: Any) -> Rec:
    """A record of somebody else whose producer lives in the year 9999."""
    if source == "profiles":
        data = {"customer": "c9", "ts": YEAR_9999, "attributes": {"a": 1}, **fields}
    else:
        data = {"event": "cart", "customer": "c9", "ts": YEAR_9999, **fields}
    return Rec(offset, stamped, json.dumps(data).encode(), b"c9")


def after_an_outage(*between: Rec, source: str = "clicks") -> Shop:
    """Ada left a cart 3 h ago and bought it 10 minutes later; both are still to be read, and so is the rest.

    She also looked at something 2 h ago, in a topic that is read faster.
    """
    shop = Shop(T0 + 3 * HOUR)
    cart = rec(0, 0, "cart", customer="ada")
    bought = rec(50, 10 * MINUTE, "purchase", customer="ada")
    later = rec(0, HOUR, "profile", customer="ada", amount=1)
    records: dict[str, list[Rec]] = {"clicks": [cart], "weather": [later]}
    records.setdefault(source, []).extend(between)
    # All that is at hand; the purchase comes with the next batch.
    shop.play(records, lagging=["clicks", source])
    shop.play({"clicks": [bought]}, lagging=["clicks", source])
    shop.play()
    return shop


def test_a_purchase_in_the_backlog_still_cancels() -> None:
    assert after_an_outage().fired() == []


@pytest.mark.parametrize("stamped", [YEAR_9999, LATEST, 1 << 62, T0 + 4 * HOUR])
def test_somebody_elses_clock_does_not_make_a_reminder_early(stamped: int) -> None:
    """Its time says that the backlog has been read."""
    shop = after_an_outage(ahead(1, stamped), ahead(2, stamped, ts=stamped))
    assert [each for each in shop.fired() if each[0] == "remind" and each[2] < 2 * HOUR] == []
    assert [each.customer_id for each in shop.decisions] == []


def test_nor_does_that_of_another_source() -> None:
    shop = after_an_outage(ahead(0, source="profiles"), source="profiles")
    assert shop.fired() == []
    assert shop.errors[("profiles", "future_time")] == 1


def test_an_event_from_the_year_9999_is_of_now_and_counted() -> None:
    shop = Shop()
    shop.play({"clicks": [ahead(0, event="view")]})
    assert shop.fired() == [("hello", "sent", 0), ("sleep", "quiet", 0)], "and it is quiet now"
    assert shop.errors == {("clicks", "future_time"): 1}
    assert shop.decisions[0].event.time == T0


@pytest.mark.parametrize("stamped", [T0 + HOUR, YEAR_9999, LATEST + 1, 1 << 60])
def test_a_record_without_a_time_whose_own_is_ahead_is_of_now(stamped: int) -> None:
    shop = Shop()
    data = {"event": "view", "customer": "c1"}
    shop.play({"clicks": [Rec(0, stamped, json.dumps(data).encode())]})
    assert not shop.bad
    assert shop.fired()[0] == ("hello", "sent", 0)
    assert shop.errors == {("clicks", "future_time"): 1}


def test_an_event_that_is_ahead_in_a_record_without_a_time_is_of_now() -> None:
    shop = Shop()
    shop.play({"clicks": [ahead(0, -1, event="view")]})
    assert shop.fired()[0] == ("hello", "sent", 0)


@pytest.mark.parametrize("name", ["clicks", "profiles", "weather"])
def test_nothing_that_a_producer_says_is_beyond_the_wall_clock(name: str) -> None:
    shop = Shop()
    shop.play({name: [ahead(0, source=name), ahead(1, T0, source=name)]}, lagging=[name])
    assert shop.watermark is not None
    assert shop.watermark <= T0
    assert max(shop.reached.values()) <= T0
    shop = Shop()  # five minutes are let pass as they are; not as how far the source is
    shop.play({name: [ahead(0, T0, source=name, ts=T0 + 4 * MINUTE)]}, lagging=[name])
    assert max(shop.reached.values()) <= T0


def test_a_tombstone_from_the_year_9999_moves_nothing() -> None:
    shop = after_an_outage(Rec(0, YEAR_9999, None, b"c9"), source="profiles")
    assert shop.fired() == []


@pytest.mark.parametrize("beyond", [YEAR_9999, T0 + 4 * HOUR])
def test_a_state_that_has_reached_the_year_9999_is_mended_when_it_is_read(beyond: int) -> None:
    """An earlier release wrote it; since then a purchase would no longer cancel."""
    shop = Shop(T0 + 3 * HOUR)
    shop.state.load(b"", encode_reached({"clicks": beyond, "orders": beyond}))
    cart, bought = rec(0, 0, "cart"), rec(1, 10 * MINUTE, "purchase")
    shop.play({"clicks": [cart]}, lagging=["clicks"])
    shop.play({"clicks": [bought]}, lagging=["clicks"])
    shop.play()
    assert shop.fired() == []
    assert max(shop.reached.values()) <= shop.now


def test_a_timer_of_who_lives_in_the_year_9999_is_not_early_either() -> None:
    shop = Shop()
    shop.play({"clicks": [rec(0, 0, "cart", customer="c9"), ahead(1)]})
    assert shop.fired() == []
    shop.now += 30 * MINUTE + 1
    shop.play()
    assert shop.fired() == [("remind", "sent", 30 * MINUTE)]


def test_where_events_are_the_clock_the_year_9999_is_a_time_like_others() -> None:
    shop = Shop(LATEST, by_event_time=True)
    shop.play({"clicks": [rec(0, 0, "cart"), ahead(1)]})
    assert shop.fired() == [("remind", "sent", 30 * MINUTE)]
    assert shop.watermark == YEAR_9999


# --- where the customer's own clock stands -----------------------------------------------------

# 10:00 UTC is in the channel's quiet hours, 9:00 to 18:00, by the policy's zone.
AWAKE = Policy(timezone="Pacific/Honolulu")  # midnight there: nothing would be quiet


def reason_in(zone: Any) -> str | None:
    """What becomes of a message at 10:00 UTC, for somebody with this attribute `timezone`."""
    rules = Rules(CLICKS, PROFILES).rule("sleep", "view", channels=(NIGHT,))
    rules.policy = AWAKE
    state = PartitionState(rules.build())
    profile = {"customer": "c1", "ts": T0, "attributes": {"timezone": zone}}
    records = {"profiles": [Rec(0, T0, json.dumps(profile).encode())], "clicks": [rec(0, 1)]}
    batch = Batch(0, records, frozenset(SOURCES))
    result = process(batch, state.rules, state, Clock(wall=lambda: T0 + 1))
    (decision,) = result.decisions
    # What cannot be read has no end to wait for; where it can be, it is put off.
    assert result.errors.get(("profiles", "timezone"), 0) == (decision.outcome == "suppressed")
    return decision.reason


@pytest.mark.parametrize(
    "zone",
    [
        *(
            "",
            " ",
            "Europe/Berln",
            "CET/Berlin",
            "Berlin",
            "local",
            "localtime",
            "Factory",
            "2",
            "+2h",
            "+15:00",
        ),
        *("UTC+25", "+02:60", "+02:00:00", "--02:00", "٠٢:٠٠", "+٠٢", "Z" * 1000, "../../etc/passwd"),
        *(5, 0, -5, 2.5, True, False, [], ["Europe/Rome"], {}, {"name": "Europe/Rome"}),
    ],
    ids=repr,
)
def test_who_is_somewhere_that_nobody_can_read_is_not_where_the_policy_is(zone: Any) -> None:
    """By the policy's zone it would be sent, at whatever hour it is where they are."""
    assert reason_in(zone) == "quiet"


@pytest.mark.parametrize(
    ("zone", "awake"),
    [
        (None, True),  # not known: the policy's
        *(
            (each, True)
            for each in ("-05:00", "-0500", "-5", "-05", "UTC-5", "GMT-05:00", "utc -5", "\u22125")
        ),
        *((each, True) for each in ("america/new_york", "AMERICA/NEW_YORK", " America/New_York ")),
        *((each, True) for each in ("America/New York", "+14:00", "-02:00", "UTC+8", "+08:00")),
        *(
            (each, False)
            for each in ("Z", "z", "utc", "UTC", "gmt", "+00:00", "UTC+2", "+0530", "+02", "Gmt+2")
        ),
        *((each, False) for each in ("europe/berlin", "Etc/GMT-2", "-01:00", "cet")),
    ],
)
def test_offsets_and_names_in_any_case_are_read(zone: str | None, awake: bool) -> None:
    reason = reason_in(zone)
    assert reason == (None if awake else "quiet")
