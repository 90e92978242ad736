"""Whatever a record of consents looks like: nothing is sent after what a human takes for a withdrawal."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stream.clock import Clock
from stream.engine import PartitionState, process
from stream.rules.model import Channel, Policy, Quiet, RuleSet, Source
from stream.structs import Batch, DeadLetter, Trigger
from tests.attacks.pace import LONG
from tests.engine.enginekit import CLICKS, DAY, HOUR, MINUTE, PROFILES, T0, WEATHER, Rec, Rules

MAIL = Channel("mail", "triggers.mail", "marketing")
POST = Channel("post", "triggers.post", "post")
NIGHT = Channel("night", "triggers.night", "marketing", quiet=Quiet(21 * 60, 8 * 60))
PORTAL = Source("portal", "shop.portal", ("customer",), kind="profile")  # a record's own time is Kafka's
ADA = "c1"


def the_rules() -> RuleSet:
    rules = Rules(CLICKS, PROFILES, PORTAL, WEATHER)
    rules.rule("hello", "view", channels=(MAIL,)).rule("letter", "view", channels=(POST,))
    rules.rule("later", "view", channels=(MAIL,), wait=10 * MINUTE)
    rules.rule("sleep", "night", channels=(NIGHT,)).rule("rain", "view", condition="context.weather.rain")
    rules.channels = (MAIL, POST, NIGHT)
    rules.policy = Policy(timezone="UTC")
    return rules.build()


RULES = the_rules()


@dataclass
class Shop:
    """A partition on the wall clock, which tests set; records get their offsets and Kafka's time."""

    now: int = T0
    rules: RuleSet = RULES
    by_event_time: bool = False
    state: PartitionState = field(default_factory=lambda: PartitionState(RULES))
    offsets: dict[str, int] = field(default_factory=dict)
    sent: list[Trigger] = field(default_factory=list)
    reasons: list[str | None] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    errors: dict[tuple[str, str], int] = field(default_factory=dict)

    def record(self, source: str, value: Any, *, stamped: int | None = None, key: bytes | None = None) -> Rec:
        offset = self.offsets[source] = self.offsets.get(source, -1) + 1
        raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        key = ADA.encode() if key is None else key
        return Rec(offset, self.now if stamped is None else stamped, raw, key)

    def play(self, records: Mapping[str, Sequence[Rec]] | None = None, ended: Any = None) -> None:
        names = frozenset(each.name for each in self.rules.sources) if ended is None else frozenset(ended)
        clock = Clock(wall=lambda: self.now, by_event_time=self.by_event_time)
        result = process(Batch(0, records or {}, names), self.rules, self.state, clock)
        self.sent += result.triggers
        self.reasons += [each.reason for each in result.decisions]
        self.letters += result.dead_letters
        for key, count in result.errors.items():
            self.errors[key] = self.errors.get(key, 0) + count

    def say(self, value: Any, source: str = "profiles", **more: Any) -> None:
        """A record of profiles comes now."""
        self.play({source: [self.record(source, value, **more)]})

    def grant(self, at: Any = None, *, source: str = "profiles", **more: Any) -> None:
        at = self.now if at is None else at
        self.say(about({"granted": True, "at": at, **more}), source)

    def is_written_to(self, event: str = "view", rule: str = "hello") -> bool:
        """Whether a click a second later sends something."""
        self.now += 1000
        before = len(self.sent)
        click = {"event": event, "customer": ADA, "ts": self.now}
        self.play({"clicks": [self.record("clicks", click)]})
        return any(each.decision.rule == rule for each in self.sent[before:])

    def restart(self, clean: bool = True) -> None:
        changed = self.state.take_changed()
        self.state = PartitionState(self.rules)
        for key, value in changed:
            self.state.load(key, value)


def about(marketing: Any, **more: Any) -> dict[str, Any]:
    return {"customer": ADA, "consents": {"marketing": marketing}, **more}


def a_granted_shop() -> Shop:
    """Ada has consented to everything, an hour ago."""
    shop = Shop(T0 - HOUR)
    yes = {"granted": True, "at": shop.now}
    shop.say({"customer": ADA, "attributes": {"name": "Ada"}, "consents": {"marketing": yes, "post": yes}})
    shop.now = T0
    assert shop.is_written_to()
    return shop


NO = {"granted": False, "at": T0 + 1000}
YES = {"granted": True, "at": T0 + 1000}
YES_THEN = {"granted": True, "at": T0 + 1500}

# Beside something else that is wrong in the same record.
BESIDES: Mapping[str, dict[str, Any]] = {
    "another purpose is malformed": {"customer": ADA, "consents": {"marketing": NO, "post": "x"}},
    "another purpose has no time": {
        "customer": ADA,
        "consents": {"marketing": NO, "post": {"granted": True}},
    },
    "attributes are 17 KiB": about(NO, attributes={"text": "x" * 17_000}),
    "there are 201 attributes": about(NO, attributes={str(n): n for n in range(201)}),
    "an attribute's name is too long": about(NO, attributes={"n" * 129: 1}),
    "attributes are a list": about(NO, attributes=["x"]),
    "attributes are a text": about(NO, attributes="x"),
    "attributes are too deep to be kept": about(NO, attributes={"a": orjson.loads("[" * 600 + "]" * 600)}),
    "its basis is too long": about({**NO, "basis": "x" * 5000}),
    "its basis is a number": about({**NO, "basis": 7}),
    "its end cannot be read": about({**NO, "expires": "never"}),
    "a purpose's name is too long": {"customer": ADA, "consents": {"p" * 129: YES, "marketing": NO}},
    "it comes with 100 others": {
        "customer": ADA,
        "consents": {**{f"p{n}": YES for n in range(100)}, "marketing": NO},
    },
    "it has no time": about({"granted": False}),
    "its time is null": about({"granted": False, "at": None}),
    "its time cannot be read": about({"granted": False, "at": "yesterday"}),
    "its time is before 1970": about({"granted": False, "at": "0001-01-01T00:00:00Z"}),
    "its time was never set": about({"granted": False, "at": 0}),
    "its time is a date as a number": about({"granted": False, "at": 20260302}),
    "its time is in microseconds": about({"granted": False, "at": (T0 + 1000) * 1000}),
    "its time is a list": about({"granted": False, "at": [T0]}),
    "its time is a day": about({"granted": False, "at": "2026-03-02"}),
    "its time is 1e30": about({"granted": False, "at": 1e30}),
    "the record's time cannot be read": about(NO, ts="yesterday"),
    "the record's time is a day ahead": about(NO, ts=T0 + DAY),
    "the purpose has capitals": {"customer": ADA, "consents": {"Marketing": NO}},
    "the purpose has spaces": {"customer": ADA, "consents": {" marketing ": NO}},
    "the purpose has a zero-width space": {"customer": ADA, "consents": {"market\u200bing": NO}},
    "the purpose has zero-width spaces without end": {
        "customer": ADA,
        "consents": {"marketing" + "\u200b" * 500: NO},
    },
    "the purpose has a byte order mark": {"customer": ADA, "consents": {"\ufeffmarketing": NO}},
    "the purpose has a variation selector": {"customer": ADA, "consents": {"marketing\ufe0f": NO}},
    "the purpose is in full width": {"customer": ADA, "consents": {"\uff4darketing": NO}},
    "the purpose is in quotes": {"customer": ADA, "consents": {'"marketing"': NO}},
    "the purpose is in other quotes": {"customer": ADA, "consents": {"\u201emarketing\u201c": NO}},
    "the purpose is a star": {"customer": ADA, "consents": {"*": NO}},
    "the purpose is all": {"customer": ADA, "consents": {" All": NO}},
    "all of it is not clear": {"customer": ADA, "consents": {"*": "no"}},
    "its key has a capital": {"customer": ADA, "Consents": {"marketing": NO}},
    "its key is of one": {"customer": ADA, "consent": {"marketing": NO}},
    "its key has an invisible character": {"customer": ADA, "consents\u200b": {"marketing": NO}},
    "it stands under another key": {
        "customer": ADA,
        "consents": {"marketing": YES_THEN},
        "Consents": {"marketing": NO},
    },
    "a grant stands under another key": {
        "customer": ADA,
        "consents": {"marketing": NO},
        "Consents": {"marketing": YES_THEN},
    },
    "something unknown is beside it": about({**NO, "Granted": True, "until": "2027"}),
}


@pytest.mark.parametrize("record", BESIDES.values(), ids=BESIDES)
def test_a_withdrawal_counts_though_something_else_in_its_record_is_wrong(record: dict[str, Any]) -> None:
    shop = a_granted_shop()
    shop.now = T0 + 2000
    shop.say(record)
    assert not shop.is_written_to()
    shop.now += 3 * DAY
    assert not shop.is_written_to(), "it had forgotten two days later"


def test_the_rest_of_a_record_with_a_withdrawal_is_put_aside_whole() -> None:
    """A broken record's grants and attributes are not taken, and the record lies on `dead-letters`."""
    shop = a_granted_shop()
    shop.now = T0 + 2000
    bad = {"other": {**YES, "basis": 7}, "new": YES, "marketing": NO}
    shop.say({"customer": ADA, "attributes": {"name": None}, "consents": bad})
    assert [(each.source, each.reason, each.record.offset) for each in shop.letters] == [
        ("profiles", "profile", 1)
    ]
    assert shop.letters[0].detail == "consents: basis is no text of at most 1,024 characters"
    customer = shop.state.customers.get(ADA)
    assert customer.attributes == {"name": "Ada"}
    assert customer.consents is not None
    assert {purpose: each.granted for purpose, each in customer.consents.items()} == {
        "marketing": False,
        "post": True,
    }


@pytest.mark.parametrize(
    ("purpose", "named"),
    [("marketing", "consents.marketing"), ("ada@mail.example", "consents"), ("marketing: x", "consents")],
)
def test_a_dead_letter_says_which_consent_it_is_about_if_the_rules_know_it(purpose: str, named: str) -> None:
    """`consents: at is no time`, of a record with nine. What is no purpose may be somebody's address."""
    shop = Shop()
    shop.say({"customer": ADA, "consents": {purpose: {**YES, "at": "yesterday"}}})
    assert [each.detail for each in shop.letters] == [f"{named}: at is no time"]


def test_a_withdrawal_counts_though_its_customer_has_a_hundred_purposes() -> None:
    shop = a_granted_shop()
    shop.now = T0 + 1000
    shop.say({"customer": ADA, "consents": {f"p{n}": YES for n in range(98)}})
    shop.say({"customer": ADA, "consents": {"more": YES, "marketing": NO}})
    assert [each.reason for each in shop.letters] == ["profile"]
    assert not shop.is_written_to()
    assert shop.is_written_to(rule="letter")


# What says something of a purpose, and it is not clear what.
UNCLEAR: Mapping[str, Any] = {
    "false as a text": {**NO, "granted": "false"},
    "FALSE": {**NO, "granted": "FALSE"},
    "no": {**NO, "granted": "no"},
    "0": {**NO, "granted": 0},
    "null": {**NO, "granted": None},
    "an empty text": {**NO, "granted": ""},
    "a list": {**NO, "granted": [False]},
    "true as a text": {**YES, "granted": "true"},
    "1": {**YES, "granted": 1},
    "withdrawn": {"withdrawn": True, "at": T0 + 1000},
    "granted once, and withdrawn": {**YES, "withdrawn": True},
    "granted once, withdrawn at": {**YES, "withdrawn_at": "2026-03-02T10:00:01Z"},
    "granted once, and revoked": {**YES, "revoked_at": T0},
    "another word": {"status": "opted_out", "at": T0 + 1000},
    "another case": {"Granted": False, "at": T0 + 1000},
    "nothing": {},
    "only false": False,
    "only null": None,
    "only a word": "opt-out",
    "only 0": 0,
    "only true": True,
    "its history": [YES, NO],
    "granted once, and withdrawn, in another case": {**YES, "Withdrawn": True},
    "granted once, and withdrawn at, in another case": {**YES, "withdrawnAt": "2026-03-02T10:00:01Z"},
    "granted once, and revoked, in another case": {**YES, "revokedAt": T0},
    "granted once, and unsubscribed": {**YES, "unsubscribed": True},
    "granted once, and opted out": {**YES, "opt_out": True},
    "granted once, and another word": {**YES, "status": "withdrawn"},
    "granted, and not granted in another case": {**YES, "Granted": False},
    "granted, and not active": {**YES, "active": False},
    "granted, and valid until": {**YES, "valid_until": "2026-03-02T09:30:00Z"},
    "granted, and an end in another case": {**YES, "Expires": "2026-03-02T09:30:00Z"},
    "granted, and two ends": {**YES, "expires": "2027-03-02T10:00:00Z", "expires_at": T0},
    "granted until nobody knows when, as triggers call it": {**YES, "expires_at": "31.12."},
    "granted until nobody knows when": {**YES, "expires": "31.12."},
    "granted, nobody knows when, until": {"granted": True, "expires": "2026-03-01T00:00:00Z"},
}


@pytest.mark.parametrize("said", UNCLEAR.values(), ids=UNCLEAR)
def test_what_is_no_clear_grant_stops_its_purpose_and_is_counted(said: Any) -> None:
    shop = a_granted_shop()
    shop.now = T0 + 2000
    shop.say(about(said))
    assert [each.reason for each in shop.letters] == ["profile"]
    assert shop.errors[("profiles", "unknown_consent")] == 1
    assert not shop.is_written_to()
    assert shop.is_written_to(rule="letter"), "the other purpose was clear"
    shop.grant()
    assert shop.is_written_to(), "a clear grant afterwards counts"


@pytest.mark.parametrize(
    "beside",
    [
        {"source": "web form", "ip": "192.0.2.1", "version": 7, "vendor": "x", "sender": "y", "gender": "z"},
        {"disclosed_to": "a partner", "elapsed": 5, "settled": True, "revolution": 1},
        {"granted_at": "2026-03-02T10:00:00Z", "consent_id": "c-1", "accepted_by": "ada"},
        {"withdrawn": False, "opt_out": False, "unsubscribed": False, "revoked_at": None},
        {"status": "Opted-In", "active": True, "subscribed": "yes"},
    ],
    ids=[
        "where it came from",
        "words within words",
        "how it was given",
        "what did not happen",
        "how it stands",
    ],
)
def test_a_grant_with_more_about_it_was_no_consent(beside: dict[str, Any]) -> None:
    shop = a_granted_shop()
    shop.grant(T0 + 1000, **beside)
    shop.now = T0 + 2000
    assert shop.letters == []
    assert shop.is_written_to()


# Of a key that stands twice in an object most readers see the last one alone.
TWICE: Mapping[str, bytes] = {
    "consents, the second empty": b'{"customer": "c1", "consents": {"marketing": %(no)b}, "consents": {}}',
    "consents, the second null": b'{"customer": "c1", "consents": {"marketing": %(no)b}, "consents": null}',
    "consents, the first empty": b'{"customer": "c1", "consents": {}, "consents": {"marketing": %(no)b}}',
    "the purpose": b'{"customer": "c1", "consents": {"marketing": %(no)b, "marketing": %(yes)b}}',
    "the purpose, escaped": (
        b'{"customer": "c1", "consents": {"marketing": %(no)b, "m\\u0061rketing": %(yes)b}}'
    ),
    "the answer": (
        b'{"customer": "c1", "consents": {"marketing": {"granted": false, "at": %(at)d, "granted": true}}}'
    ),
    "the answer, no last": (
        b'{"customer": "c1", "consents": {"marketing": {"granted": true, "at": %(at)d, "granted": false}}}'
    ),
    "the time": (
        b'{"customer": "c1", "consents": {"marketing": {"granted": false, "at": %(at)d, "at": 1772000000}}}'
    ),
    "the end": (
        b'{"customer": "c1", "consents": {"marketing": {"granted": true, "at": %(at)d,'
        b' "expires": 1772000000, "expires": null}}}'
    ),
}


@pytest.mark.parametrize("record", TWICE.values(), ids=TWICE)
def test_a_withdrawal_counts_though_its_key_stands_twice(record: bytes) -> None:
    shop = a_granted_shop()
    shop.now = T0 + 2000
    said = {b"no": json.dumps(NO).encode(), b"yes": json.dumps(YES_THEN).encode(), b"at": T0 + 1000}
    shop.say(record % said)
    assert [each.reason for each in shop.letters] == ["profile"]
    assert shop.errors[("profiles", "unknown_consent")] == 1
    assert not shop.is_written_to()
    shop.grant()
    assert shop.is_written_to(), "a clear grant afterwards counts"


def test_what_stands_twice_elsewhere_takes_nothing_away() -> None:
    shop = a_granted_shop()
    shop.say(
        b'{"customer": "c1", "attributes": {"a": 1, "a": {"b": 1, "b": 2}}, "consents": {"other": %b}}'
        % json.dumps({"granted": True, "at": T0}).encode()
    )
    assert not shop.letters
    assert shop.is_written_to()


def test_a_grant_of_everything_is_put_aside_and_grants_nothing() -> None:
    shop = Shop()
    shop.say({"customer": ADA, "consents": {"*": {"granted": True, "at": T0}}})
    assert [each.reason for each in shop.letters] == ["profile"]
    assert not shop.is_written_to()


def test_a_withdrawal_of_everything_is_of_what_nobody_knows_yet() -> None:
    """A grant of another purpose, of before, is read after it."""
    shop = a_granted_shop()
    shop.say({"customer": ADA, "consents": {"*": {"granted": False, "at": T0 + 1000}}})
    shop.now = T0 + MINUTE
    assert not shop.is_written_to(rule="letter")
    shop.restart()
    shop.say({"customer": ADA, "consents": {"post": {"granted": True, "at": T0 + 999}}})
    assert not shop.is_written_to(rule="letter")
    shop.say({"customer": ADA, "consents": {"post": {"granted": True, "at": T0 + 2000}}})
    assert shop.is_written_to(rule="letter"), "what was granted after it counts"
    assert not shop.is_written_to()


@pytest.mark.parametrize("name", ["Marketing", " marketing", "*"])
def test_a_grant_of_before_does_not_count_after_a_withdrawal_in_other_letters(name: str) -> None:
    shop = Shop()
    shop.say({"customer": ADA, "consents": {name: {"granted": False, "at": T0 - HOUR}}})
    shop.now += MINUTE
    shop.grant(T0 - 2 * HOUR)
    assert not shop.is_written_to()
    shop.grant(T0 - HOUR + 1)
    assert shop.is_written_to()


def test_a_consent_may_end_by_the_name_that_triggers_call_it() -> None:
    shop = a_granted_shop()
    shop.grant(T0, expires_at="2026-03-02T11:00:00Z", basis=None)
    assert not shop.letters
    assert shop.is_written_to()
    ends = {each.decision.rule: each.consent.expires_at for each in shop.sent if each.consent is not None}
    assert ends["hello"] == T0 + HOUR
    shop.now = T0 + HOUR
    assert not shop.is_written_to()


@pytest.mark.parametrize("consents", [False, "none", 0, [{"purpose": "marketing", "granted": False}]])
def test_consents_that_are_no_object_stop_every_purpose(consents: Any) -> None:
    shop = a_granted_shop()
    shop.now = T0 + 2000
    shop.say({"customer": ADA, "consents": consents})
    assert [each.reason for each in shop.letters] == ["profile"]
    assert shop.errors[("profiles", "unknown_consent")] == 1
    assert not shop.is_written_to()
    assert not shop.is_written_to(rule="letter")


@pytest.mark.parametrize("consents", [None, {}, []])
def test_consents_that_say_nothing_stop_nothing(consents: Any) -> None:
    """`[]` is how some languages write an empty object."""
    shop = a_granted_shop()
    shop.say({"customer": ADA, "consents": consents})
    assert ("profiles", "unknown_consent") not in shop.errors
    assert shop.is_written_to()


@pytest.mark.parametrize(
    "said",
    [{"granted": True}, {**YES, "at": "soon"}, {**YES, "basis": 7}, {**YES, "basis": "x" * 5000}],
    ids=str,
)
def test_a_grant_that_cannot_be_taken_takes_nothing_away(said: Any) -> None:
    shop = a_granted_shop()
    shop.say(about(said))
    assert [each.reason for each in shop.letters] == ["profile"]
    assert shop.is_written_to()
    assert shop.state.customers.get(ADA).consents["marketing"].at == T0 - HOUR


def test_a_withdrawal_without_a_customer_is_of_whom_its_key_names() -> None:
    shop = a_granted_shop()
    shop.now = T0 + 2000
    shop.say({"consents": {"marketing": NO}})
    assert [each.reason for each in shop.letters] == ["customer"]
    assert not shop.is_written_to()


def test_an_old_record_that_is_not_clear_takes_nothing_newer_away() -> None:
    shop = a_granted_shop()
    shop.say(about({"granted": "false", "at": T0 - DAY}))
    assert shop.is_written_to()


# --- clocks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [1, MINUTE, DAY, 7000 * 365 * DAY])
@pytest.mark.parametrize("stamped", ["rightly", "wrongly"])
def test_a_grant_from_a_clock_that_is_ahead_does_not_outlast_a_withdrawal(ahead: int, stamped: str) -> None:
    shop = Shop()
    shop.say(about({"granted": True, "at": T0 + ahead}), stamped=T0 + (ahead if stamped == "wrongly" else 0))
    shop.now += 1000
    assert shop.is_written_to(), "a time ahead of the clock counts as arrival"
    shop.say(about({"granted": False, "at": shop.now}))
    assert not shop.is_written_to()
    shop.now += 2 * DAY
    assert not shop.is_written_to()


@pytest.mark.parametrize("source", ["profiles", "portal"])
def test_nor_when_both_are_read_much_later(source: str) -> None:
    """After an outage: by the clock of who reads, the withdrawal is older than the grant's arrival."""
    shop = Shop(T0 + 2 * HOUR)
    grant = shop.record("profiles", about({"granted": True, "at": T0 + DAY}, ts=T0), stamped=T0 + DAY)
    withdrawal = about({"granted": False, "at": T0 + 1000}, ts=T0 + 1000)
    shop.play({"profiles": [grant]})
    shop.restart()
    shop.play({source: [shop.record(source, withdrawal, stamped=T0 + 1000)]})
    assert not shop.is_written_to()


def test_nor_when_the_time_that_it_named_has_passed() -> None:
    shop = Shop()
    shop.say(about({"granted": True, "at": T0 + DAY}))
    shop.restart()
    shop.now = T0 + 2 * DAY
    shop.say(about({"granted": False, "at": T0 + HOUR}), stamped=T0 + HOUR)
    assert not shop.is_written_to()


@pytest.mark.parametrize("purpose", ["marketing", "Marketing ", "*"])
def test_a_withdrawal_was_forgotten_for_one_before_it_when_a_grant_of_a_wrong_clock_lay_between(
    purpose: str,
) -> None:
    """A grant that had waited in another topic counted after it."""
    shop = Shop()
    shop.say(about({"granted": False, "at": T0}))
    shop.now = T0 + MINUTE
    shop.grant(T0 + DAY)
    shop.say({"customer": ADA, "consents": {purpose: {"granted": False, "at": T0 - HOUR}}})
    shop.grant(T0 - MINUTE, source="portal")
    assert not shop.is_written_to()
    shop.grant()
    assert shop.is_written_to()


def test_a_withdrawal_was_forgotten_for_a_deletion_that_had_been_under_way_for_long() -> None:
    shop = Shop()
    shop.say(about({"granted": False, "at": T0}))
    shop.say(None, stamped=T0 - DAY)
    shop.grant(T0 - HOUR, source="portal")
    assert not shop.is_written_to()
    shop.grant()
    assert shop.is_written_to()


def test_a_withdrawal_from_a_clock_that_is_ahead_keeps_nobody_from_consenting_anew() -> None:
    shop = a_granted_shop()
    shop.say(about({"granted": False, "at": T0 + 300 * DAY}))
    assert not shop.is_written_to()
    shop.now += MINUTE
    shop.grant()
    assert shop.is_written_to()


@pytest.mark.parametrize("order", list(itertools.permutations([True, False])), ids=str)
def test_of_one_moment_the_withdrawal_wins(order: tuple[bool, bool]) -> None:
    shop = Shop()
    for granted in order:
        shop.say(about({"granted": granted, "at": T0}))
    assert not shop.is_written_to()


def test_a_day_without_an_hour_is_over_before_a_withdrawal_is_older() -> None:
    """A grant in the morning, and a withdrawal at noon of which only the day was noted."""
    shop = a_granted_shop()
    shop.grant("2026-03-02T09:59:59Z")
    shop.say(about({"granted": False, "at": "2026-03-02"}))
    assert not shop.is_written_to()


@pytest.mark.parametrize(
    "at",
    [
        *(
            "20260302",
            "2026W101",
            "2026-W10-1",
            "2026-W10",
            "2026W10",
            "2026-061",
            "2026-03-02T10",
            "20260302T10",
        ),
        *("2026-03-02T10:00Z", "2026-03-02 10:00", "2026-03-02T12:00+02:00", "20260302T1000Z"),
        *("2026-03-02T10:00:00Z", "2026-03-02T05:00:00-05:00", T0 // 1000, T0 / 1000),
        *("2026-03-02T10:00:00.5Z", "2026-03-02T10:00:00,54Z"),
    ],
)
def test_a_withdrawal_is_of_the_end_of_what_its_time_says(at: Any) -> None:
    """A program that notes days, minutes or seconds had withdrawn before the grant that it took back."""
    shop = Shop(T0 + 545)
    shop.grant()
    shop.now = T0 + 560
    shop.say(about({"granted": False, "at": at}))
    assert not shop.is_written_to()
    shop.grant(T0 + 561)
    assert shop.is_written_to(), "it is not later than its arrival"


def test_a_withdrawal_of_a_second_is_of_no_longer_than_that() -> None:
    shop = Shop()
    shop.say(about({"granted": False, "at": "2026-03-02T00:00:00Z"}))
    shop.grant("2026-03-02T00:00:01Z")
    assert shop.is_written_to()


def test_a_grant_in_a_state_of_an_earlier_release_loses_to_a_withdrawal() -> None:
    """It kept times ahead of the clock as they came."""
    shop = Shop(by_event_time=True)
    shop.grant(T0 + DAY)
    state = dict(shop.state.take_changed())[ADA.encode()]
    shop = Shop(offsets=shop.offsets)
    shop.state.load(ADA.encode(), state)
    shop.say(about({"granted": False, "at": T0}))
    assert not shop.is_written_to()
    shop.now += 2 * DAY
    assert not shop.is_written_to()


# --- the profile is gone -----------------------------------------------------------------------


NOTHING = [
    None,
    b"",
    b"null",
    b"null ",
    b"null\n",
    b" ",
    b"\r\n",
    b'""',
    b'" "',
    b"\xef\xbb\xbfnull",
    b"\xef\xbb\xbf",
]


@pytest.mark.parametrize("value", NOTHING)
@pytest.mark.parametrize("key", [b"c1", b'"c1"', b'{"customer": "c1"}'])
def test_somebody_who_was_deleted_gets_nothing_any_more(value: bytes | None, key: bytes) -> None:
    shop = a_granted_shop()
    shop.say(value, key=key)
    assert not shop.letters
    assert not shop.is_written_to()
    customer = shop.state.customers.get(ADA)
    assert customer.attributes is None
    assert customer.consents is not None
    assert [(name, each.granted) for name, each in customer.consents.items()] == [("*", False)]
    shop.restart()
    assert not shop.is_written_to()


@pytest.mark.parametrize("at", [-2 * HOUR, -1, 0])
def test_a_grant_of_before_a_deletion_does_not_count_after_it(at: int) -> None:
    """It lay in another topic, or was sent again."""
    shop = a_granted_shop()
    shop.say(None)
    shop.restart()
    shop.now += MINUTE
    shop.grant(T0 + at, source="portal")
    assert not shop.is_written_to()
    shop.say(None, stamped=T0 - DAY)  # a second one, which had been under way for long
    shop.grant(T0 + at, source="portal")
    assert not shop.is_written_to()


def test_nor_of_somebody_of_whom_only_events_were_known() -> None:
    shop = Shop()
    assert not shop.is_written_to()
    shop.say(None)
    shop.now += MINUTE
    shop.grant(T0)
    assert not shop.is_written_to()


def test_what_waits_for_somebody_who_was_deleted_is_not_sent() -> None:
    shop = a_granted_shop()
    shop.now = T0 + 12 * HOUR
    assert not shop.is_written_to("night", "sleep")
    assert shop.reasons[-1] == "quiet"
    shop.say(None)
    shop.now = T0 + DAY
    before = len(shop.sent)
    shop.play()
    assert len(shop.sent) == before
    assert shop.reasons[-1] == "consent"


def test_who_was_deleted_may_come_back() -> None:
    shop = a_granted_shop()
    shop.say(None)
    shop.now += MINUTE
    shop.grant()
    assert shop.is_written_to()


@pytest.mark.parametrize("key", [None, b"", b"\xff\xfe", b"x" * 2000], ids=["none", "empty", "bytes", "long"])
def test_a_tombstone_of_nobody_is_put_aside(key: bytes | None) -> None:
    shop = a_granted_shop()
    shop.play({"profiles": [Rec(9, shop.now, None, key)]})
    assert [each.reason for each in shop.letters] == ["customer"]
    assert shop.is_written_to()


def test_a_tombstone_among_events_is_put_aside_as_before() -> None:
    shop = a_granted_shop()
    shop.say(None, "clicks")
    assert [each.reason for each in shop.letters] == ["json"]
    assert shop.is_written_to()


def test_context_that_was_deleted_is_gone() -> None:
    shop = a_granted_shop()
    shop.say({"customer": ADA, "rain": True, "ts": shop.now}, "weather")
    assert shop.is_written_to(rule="rain")
    shop.say(None, "weather")
    assert not shop.is_written_to(rule="rain")
    assert not shop.letters
    assert shop.is_written_to(rule="hello"), "the profile is another source's"


# --- any order of anything ---------------------------------------------------------------------

# How people and programs say that somebody has withdrawn: the consent, and whether it says when.
WITHDRAWALS: Sequence[tuple[dict[str, Any], bool]] = (
    ({"granted": False}, True),
    ({"granted": False}, False),
    ({"granted": False, "basis": 7}, True),
    ({"granted": False, "basis": "x" * 2000, "expires": "never"}, True),
    ({"granted": "false"}, True),
    ({"granted": "no"}, False),
    ({"granted": 0}, True),
    ({"granted": None}, True),
    ({"withdrawn": True}, True),
    ({"granted": True, "revoked_at": "2026-03-02T10:00:00Z"}, True),
    ({"status": "opted out"}, False),
    ({"granted": True, "withdrawnAt": "2026-03-02T10:00:00Z"}, True),
    ({"granted": True, "opt_out": True}, True),
    ({"granted": True, "Granted": False}, True),
    ({"granted": True, "valid_until": "2026-03-02"}, True),
)
# How they write whom or what it is of.
NAMES = ("marketing", "marketing", "Marketing", " marketing", "market\u200bing", '"marketing"', "*", "ALL")
KEYS = ("consents", "consents", "consents", "Consents", "consent")
NEIGHBOURS: Sequence[dict[str, Any]] = (
    {},
    {"attributes": {"name": "Ada"}},
    {"attributes": {"text": "x" * 17_000}},
    {"attributes": {"n" * 129: 1}},
    {"attributes": ["x"]},
    {"ts": "yesterday"},
    {"ts": T0 + 7000 * 365 * DAY},
    {"consents": {"post": True}},
    {"consents": {"p" * 200: {"granted": True, "at": T0}}},
    {"consents": {f"p{n}": {"granted": True, "at": T0} for n in range(120)}},
)
STEPS = st.lists(st.binary(min_size=8, max_size=8), min_size=3, max_size=30)
DELAYS = (0, 0, 1, 1000, MINUTE, HOUR, 9 * HOUR, DAY)
AHEAD = (0, 0, 0, 1, 1000, 4 * MINUTE, HOUR, DAY, 7000 * 365 * DAY)


class Word(NamedTuple):
    """One thing that Ada said of marketing, as whoever reads the records in this order understands it.

    `believed`: when she said it. `doubtful`: nobody knows; any withdrawal that is read later may be later.
    `gone`: she was deleted: what was said before counts no more, nor what is read later and was said before.
    `arrived`: when its record came.
    """

    granted: bool
    believed: int
    doubtful: bool = False
    gone: bool = False
    arrived: int = 0


def may_be_written_to(words: Sequence[Word]) -> bool:
    """Whether she has said yes, and not no after it."""
    gone = max((n for n, each in enumerate(words) if each.gone), default=-1)
    refusals = [(n, each) for n, each in enumerate(words) if not each.granted]
    return any(
        not any(no.believed >= yes.believed or (yes.doubtful and m > n) for m, no in refusals)
        for n, yes in enumerate(words)
        if yes.granted and n > gone
    )


@dataclass
class Story:
    """What happens to Ada, step by step; each byte of a step is a choice."""

    shop: Shop = field(default_factory=Shop)
    words: list[Word] = field(default_factory=list)
    read: list[tuple[str, Rec, Word]] = field(default_factory=list)  # since the last checkpoint
    held: list[tuple[str, Any, Word, int]] = field(default_factory=list)  # written, and not read yet
    kept: tuple[dict[bytes, bytes], list[Word]] = field(default_factory=lambda: ({}, []))

    def step(self, step: bytes) -> None:
        shop, faces = self.shop, list(step)
        shop.now += DELAYS[faces[1] % len(DELAYS)]
        self.check()
        match faces[0] % 8:
            case 0 | 1:
                self.click(faces[2])
            case 2 | 3:
                self.write(*self.grant(faces), hold=faces[7] % 4 == 3)
            case 4 | 5:
                self.write(*self.withdrawal(faces), hold=faces[7] % 4 == 3)
            case 6 if faces[2] % 3 == 0:
                self.write("profiles", None, Word(False, shop.now, gone=True), shop.now, hold=False)
            case 6:
                for source, value, word, stamped in self.held:
                    self.write(source, value, word, stamped, hold=False)
                self.held.clear()
            case 7:
                self.checkpoint() if faces[2] % 2 else self.crash(faces[3:])
        self.check()

    def grant(self, faces: Sequence[int]) -> tuple[str, Any, Word, int]:
        said, stamped = self.clocks(faces)
        source = ("profiles", "portal")[faces[2] % 2]
        return source, about({"granted": True, "at": said}), Word(True, said), stamped

    def withdrawal(self, faces: Sequence[int]) -> tuple[str, Any, Word, int]:
        said, stamped = self.clocks(faces)
        form, dated = WITHDRAWALS[faces[5] % len(WITHDRAWALS)]
        record = {**NEIGHBOURS[faces[6] % len(NEIGHBOURS)]}
        consent = {**form, "at": said} if dated else form
        # It stands first or last among the others.
        others = record.pop("consents", {})
        name = NAMES[(faces[6] + faces[7]) % len(NAMES)]
        consents = {**others, name: consent} if faces[6] > 127 else {name: consent, **others}
        source = ("profiles", "portal")[faces[2] % 2]
        return (
            source,
            {"customer": ADA, **record, KEYS[faces[7] // 4 % len(KEYS)]: consents},
            Word(False, said if dated else -1),
            stamped,
        )

    def clocks(self, faces: Sequence[int]) -> tuple[int, int]:
        """When she is said to have spoken, and Kafka's time of the record."""
        ahead = AHEAD[faces[3] % len(AHEAD)]
        spoken = self.shop.now - (0, 0, 1000, HOUR)[faces[4] % 4]
        return spoken + ahead, self.shop.now + (ahead if faces[4] > 127 else 0)

    def write(self, source: str, value: Any, word: Word, stamped: int, *, hold: bool) -> None:
        if hold:
            self.held.append((source, value, word, stamped))
        else:
            self.apply(source, self.shop.record(source, value, stamped=stamped), word)

    def apply(self, source: str, record: Rec, word: Word) -> None:
        known = self.shop.state.customers.get(ADA) is not None
        self.shop.play({source: [record]})
        self.read.append((source, record, word))
        if word.gone and not known:
            return  # of somebody whom nobody knows nothing is kept
        now = self.shop.now
        arrived = min(record.timestamp, now)
        if word.believed > now or word.believed < 0:
            word = word._replace(believed=arrived, doubtful=word.granted and word.believed > now)
        self.words.append(word._replace(arrived=arrived))

    def click(self, face: int) -> None:
        click = {"event": ("view", "night")[face % 2], "customer": ADA, "ts": self.shop.now}
        self.shop.play({"clicks": [self.shop.record("clicks", click)]})

    def checkpoint(self) -> None:
        states, _ = self.kept
        states.update(self.shop.state.take_changed())
        self.kept, self.read = (states, list(self.words)), []

    def crash(self, faces: Sequence[int]) -> None:
        """A new owner, who reads again what came since the checkpoint: each source in its order."""
        states, words = self.kept
        self.shop.state, self.words = PartitionState(RULES), list(words)
        for key, value in states.items():
            self.shop.state.load(key, value)
        again, self.read = self.read, []
        if faces[0] % 2:
            again.sort(key=lambda each: each[0])
        for source, record, word in again:
            self.apply(source, record, word)
            self.check()

    def check(self) -> None:
        """Lets fire what is due; nothing goes that must not.

        A timer that is read again goes as it went the first time: before what came after its deadline.
        """
        self.shop.play()
        for trigger in self.shop.sent:
            if trigger.consent is not None and trigger.consent.purpose == "marketing":
                known = [word for word in self.words if word.arrived <= trigger.decision.at]
                assert may_be_written_to(known), trigger
        self.shop.sent.clear()


@settings(max_examples=1000 if LONG else 250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
# A click, a grant, a checkpoint, a withdrawal an hour later, a crash: `later` was due between the last two.
@example([bytes((*step, *[0] * (8 - len(step)))) for step in ((0,), (2,), (7, 0, 1), (4, 5), (7,))])
def test_nothing_is_sent_after_a_withdrawal(steps: list[bytes]) -> None:
    """Malformed neighbours, clocks ahead, ties, records read again, topics that lag, restarts."""
    story = Story()
    for step in steps:
        story.step(step)


def test_and_who_has_consented_is_written_to() -> None:
    """The stories above do send: they would notice."""
    story, sent = Story(), 0
    dice = random.Random(1)
    for _ in range(300):
        story.shop.sent.clear()
        story.step(dice.randbytes(8))
        sent += story.shop.reasons.count(None)
        story.shop.reasons.clear()
    assert sent > 20


def test_a_customer_without_room_for_grounds_does_not_forget_that_a_grant_is_doubtful() -> None:
    """A withdrawal counted for nothing: the grant was dated ahead, and its mark went with its long basis."""
    shop = Shop()
    said = {"granted": True, "at": T0 + 365 * DAY, "basis": "b" * 1000}
    shop.say({"customer": ADA, "consents": dict.fromkeys([*(f"p{n}" for n in range(90)), "marketing"], said)})
    assert shop.is_written_to()
    shop.state.customers.most_bytes = 20_000
    shop.say({"customer": ADA, "attributes": {"name": "Ada"}})
    shop.state.take_changed()
    shop.say(about({"granted": False, "at": T0 - 30 * DAY}))
    assert not shop.is_written_to()


def test_a_tombstone_of_nobody_makes_nobody() -> None:
    """Each deletion that was played again made a customer, for ever."""
    shop = Shop()
    for source in ("profiles", "weather"):
        shop.play({source: [shop.record(source, None, key=b"c%d" % number) for number in range(50)]})
    assert len(shop.state.customers) == 0


def test_purposes_without_end_cost_as_much_as_they_are_many() -> None:
    """A record of 100 kB held the worker for a sixth of a second, uncounted."""
    shop = Shop()
    shop.say({"customer": ADA, "consents": {f"p{n}": {"granted": True, "at": T0} for n in range(100)}})
    withdrawn = {f"q{n}": {"granted": False, "at": T0} for n in range(10_000)}
    record = shop.record("profiles", {"customer": ADA, "consents": withdrawn})
    names = frozenset(each.name for each in RULES.sources)
    clock = Clock(wall=lambda: shop.now)
    result = process(Batch(0, {"profiles": [record]}, names), RULES, shop.state, clock)
    assert result.work >= 10_000
