"""What keeps a match from being sent, worked out by hand from the contract.

Asked of the model with all guards on, and of the engine. The arms are
those that `printf 'CUSTOMER\\0SALT' | b2sum -l 64` gives, as a number, modulo 10,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from stream.clock import LATEST
from stream.content.template import Template
from stream.expression import parse
from stream.rules.durations import Calendar
from stream.rules.model import WHOLE, Channel, Exemption, Limit, Policy, Quiet, Rule, Subject, Trait, Variant

from .changes import Change
from .conftest import by_engine
from .examples import DAY, HOUR, MINUTE, WEB, Happening, history, rule, rule_set, step, told, unless
from .histories import START, History
from .model import Message, Outcome
from .player import expected_of

EMAIL = Channel("email", "triggers.email", consent="mail")
MAIL: Happening = (0, "profile", {"consents": {"mail": {"granted": True, "at": START, "basis": "form"}}})


REASONS = (
    *("rollout", "stale", "limit", "suppressed", "silenced"),
    *("consent", "address", "quiet", "group", "cap", "holdout"),
)


@pytest.mark.parametrize("first", range(len(REASONS)))
def test_the_first_that_refuses_gives_the_reason(first: int) -> None:
    """A match that all guards refuse, with more and more of them switched off."""
    channel = replace(EMAIL, address=("customer", "email"), cap=Limit(1, DAY), quiet=Quiet(11 * 60, 12 * 60))
    parts = {"channels": (channel,), "limit": Limit(1, DAY), "quiet": "drop", "group": "g"}
    rules = rule_set(
        view("r", **parts, rollout=1, holdout=WHOLE),  # held out at first: this uses up the limit and the cap
        view("top", priority=1, group="g", condition="event.top", stale_after=DAY, silences=DAY),
        policy=Policy(timezone="UTC", stale_after=1, suppress=parse("has(customer.complaint)")),
    )
    spoilt = {"attributes": {"email": None, "complaint": "many"}}
    happenings: list[Happening] = [
        (0, "profile", {**MAIL[2], "attributes": {"email": "a@b.example"}}),
        (1, "view", {}),
        (2, "profile", {**spoilt, **consent(2, granted=False)[2]}),
        (90 * MINUTE + 2, "x", {}),
        (90 * MINUTE, "view", {"top": True}),
    ]
    decisions = expected_of(history(rules, happenings), frozenset(REASONS[first:])).decisions
    assert [each.reason for each in decisions if each.rule == "r"][-1] == REASONS[first]


def view(name: str, **parts: Any) -> Rule:
    return rule(name, step("view"), **parts)


def outcome_of(world: History) -> Outcome:
    by_engine(world)  # it compares itself with the model
    return expected_of(world)


def judged(rules: Any, happenings: Sequence[Happening]) -> list[tuple[int, str, str]]:
    return told(outcome_of(history(rules, happenings)).decisions)


def judged_with(
    rules: Any, happenings: Sequence[Happening], changes: Sequence[Change]
) -> list[tuple[int, str, str]]:
    return told(outcome_of(history(rules, happenings, changes)).decisions)


def sent(rules: Any, happenings: Sequence[Happening]) -> list[Message]:
    return outcome_of(history(rules, happenings)).triggers


def reasons(rules: Any, happenings: Sequence[Happening]) -> list[str]:
    return [reason for _, _, reason in judged(rules, happenings)]


# -- stale

STALE = rule_set(view("r"), view("t", wait=100), policy=Policy(stale_after=10))


def test_an_event_that_is_too_late_fires_nothing() -> None:
    late: list[Happening] = [(50, "x", {}), (40, "view", {}), (39, "view", {}), (141, "y", {})]
    assert judged(STALE, late) == [(40, "r", "sent"), (39, "r", "stale"), (139, "t", "sent")]
    # The instance that the late one replaced, or that a timely one replaces.
    timely: list[Happening] = [(50, "x", {}), (39, "view", {}), (45, "view", {}), (146, "y", {})]
    assert judged(STALE, timely) == [(39, "r", "stale"), (45, "r", "sent"), (145, "t", "sent")]


def test_what_waits_is_stale_only_if_its_time_was_over_when_it_came() -> None:
    waits = rule_set(view("t", wait=100), policy=Policy(stale_after=10))
    for came, reason in ((101, "sent"), (90, "sent"), (89, "stale")):
        happenings: list[Happening] = [(200, "x", {}), (came, "view", {}), (300, "y", {})]
        assert judged(waits, happenings) == [(came + 100, "t", reason)]


def test_an_outage_makes_a_timer_stale_after_a_day_or_what_its_rule_says() -> None:
    rules = rule_set(view("a", wait=9), view("b", wait=10), view("c", wait=9, stale_after=2 * DAY))
    live = replace(history(rules, [(0, "view", {})]), wall=START + DAY + 10, by_event_time=False)
    assert told(outcome_of(live).decisions) == [(9, "a", "stale"), (9, "c", "sent"), (10, "b", "sent")]


def test_a_purchase_closes_what_quiet_hours_have_put_off() -> None:
    reminder = rule("r", step("view"), unless=unless("buy", MINUTE), channels=quiet(10, 11))
    night: list[Happening] = [
        (0, "view", {}),
        (2 * MINUTE, "x", {}),
        (30 * MINUTE, "buy", {}),
        (DAY, "y", {}),
    ]
    assert judged(rule_set(reminder, policy=Policy(timezone="UTC")), night) == [
        (MINUTE, "r", "quiet"),
        (30 * MINUTE, "r", "unless"),
    ]


def test_a_rules_own_stale_after_goes_before_the_policys() -> None:
    rules = rule_set(view("r", stale_after=0), view("s"), policy=Policy(stale_after=10))
    assert reasons(rules, [(50, "x", {}), (49, "view", {})]) == ["stale", "sent"]


def test_only_the_last_steps_lateness_matters() -> None:
    rules = rule_set(rule("r", step("a"), step("b")), policy=Policy(stale_after=0))
    assert reasons(rules, [(50, "x", {}), (10, "a", {}), (50, "b", {})]) == ["sent"]
    assert reasons(rules, [(50, "x", {}), (50, "a", {}), (10, "b", {})]) == ["stale"]


def test_a_late_event_is_counted_by_traits_all_the_same() -> None:
    rules = rule_set(
        view("r", condition="traits.views == 2"),
        traits=[Trait("views", "1" * 16, "count", ("view",))],
        policy=Policy(stale_after=10),
    )
    assert judged(rules, [(50, "x", {}), (0, "view", {}), (50, "view", {})]) == [(50, "r", "sent")]


def test_live_the_wall_clock_says_what_is_late() -> None:
    world = history(STALE, [(40, "view", {}), (39, "view", {})])
    live = replace(world, wall=START + 50, by_event_time=False)
    # Both are judged by the clock, which stands at 50; the first `t` was replaced and waits still.
    assert told(outcome_of(live).decisions) == [(40, "r", "sent"), (39, "r", "stale")]


# -- suppressed


@pytest.mark.parametrize(
    ("suppress", "reason"),
    [
        ("customer.complained", "suppressed"),  # an error: fail closed
        ("has(customer.complained)", "sent"),
        ("traits.views > 0", "suppressed"),
        ("segments.calm", "sent"),
        ("1", "suppressed"),  # no bool: fail closed
    ],
)
def test_what_the_policy_suppresses(suppress: str, reason: str) -> None:
    rules = rule_set(
        view("r"),
        traits=[Trait("views", "1" * 16, "count", ("view",))],
        segments={"calm": "traits.views > 5"},
        policy=Policy(suppress=parse(suppress)),
    )
    assert reasons(rules, [(0, "view", {})]) == [reason]


@pytest.mark.parametrize(
    ("parts", "channel", "reason"),
    [
        ({}, replace(WEB, suppress=parse("has(customer.complained)")), "suppressed"),
        ({}, replace(WEB, suppress=parse("has(customer.moved)")), "sent"),
        ({}, replace(WEB, suppress=parse("customer.moved")), "suppressed"),  # an error: fail closed
        ({"exempt": ("suppress",)}, replace(WEB, suppress=parse("true")), "sent"),
    ],
)
def test_what_a_channel_suppresses(parts: dict[str, Any], channel: Channel, reason: str) -> None:
    rules = rule_set(view("r", channels=(channel,), **parts))
    complained = (0, "profile", {"attributes": {"complained": True}})
    assert reasons(rules, [complained, (1, "view", {})]) == [reason]


def test_who_is_suppressed_is_written_to_on_a_channel_that_is_not() -> None:
    """The policy holds the call centre's own task as little as the channel's own `suppress` does."""
    calls = Channel("calls", "triggers.calls", exempt=("suppress",))
    mail = replace(EMAIL, suppress=parse("has(customer.complained)"))
    complained = (0, "profile", {**MAIL[2], "attributes": {"complained": True}})
    for policy in (Policy(), Policy(suppress=parse("has(customer.complained)"))):
        rules = rule_set(view("r", channels=(mail, calls)), policy=policy)
        found = expected_of(history(rules, [complained, (1, "view", {})])).decisions
        assert [(each.outcome, each.channel) for each in found] == [("sent", "calls")]


# -- silenced

SILENT = (
    rule("sorry", step("complaint"), silences=DAY),
    view("r", channels=(EMAIL,)),
    view("web"),
)


@pytest.mark.parametrize(("after", "reason"), [(0, "silenced"), (DAY - 1, "silenced"), (DAY, "sent")])
def test_what_a_rule_silences_from_its_sending_on(after: int, reason: str) -> None:
    found = expected_of(
        history(rule_set(*SILENT), [MAIL, (5, "complaint", {}), (5 + after, "view", {})])
    ).decisions
    assert [each.reason or "sent" for each in found] == ["sent", reason, "sent"], "the web needs no consent"
    assert found[1].silenced_by == ("sorry" if reason == "silenced" else None)


def test_a_rule_does_not_silence_itself_and_one_of_another_customer_nobody() -> None:
    rules = rule_set(view("r", channels=(EMAIL,), silences=DAY))
    assert reasons(rules, [MAIL, (1, "view", {}), (2, "view", {})]) == ["sent", "sent"]
    elsewhere = (1, "complaint", {"customer_id": "c2"})
    assert reasons(rule_set(*SILENT[:2]), [MAIL, elsewhere, (2, "view", {})]) == ["sent", "sent"]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"holdout": WHOLE}, "silenced"),  # who is held out counts as sent to
        ({"mode": "shadow"}, "sent"),
        ({"condition": "false"}, "sent"),
        ({"content": {"text": Template("{{ event.nothing }}")}}, "sent"),  # it was not sent
    ],
)
def test_what_has_not_been_sent_silences_nobody(parts: dict[str, Any], reason: str) -> None:
    rules = rule_set(rule("sorry", step("complaint"), **{"silences": DAY, **parts}), SILENT[1])
    found = reasons(rules, [MAIL, (1, "complaint", {}), (2, "view", {})])
    assert found[-1] == reason


def test_what_quiet_hours_put_off_is_silenced_as_of_their_end() -> None:
    night = replace(EMAIL, quiet=Quiet(10 * 60, 12 * 60))
    rules = rule_set(SILENT[0], view("r", channels=(night,)), policy=Policy(timezone="UTC"))
    happenings: list[Happening] = [MAIL, (1, "view", {}), (HOUR, "complaint", {}), (3 * HOUR, "x", {})]
    assert told(expected_of(history(rules, happenings)).decisions) == [
        (1, "r", "quiet"),
        (HOUR, "sorry", "sent"),
        (2 * HOUR, "r", "silenced"),
    ]


def test_a_channel_that_is_not_silenced_is_taken() -> None:
    rules = rule_set(SILENT[0], view("r", channels=(EMAIL, WEB)))
    happenings: list[Happening] = [MAIL, (1, "view", {}), (2, "complaint", {}), (3, "view", {})]
    found = expected_of(history(rules, happenings)).decisions
    assert [each.channel for each in found] == ["email", "web", "web"]


# -- exempt


@pytest.mark.parametrize("of", ["rule", "channel"])
@pytest.mark.parametrize(
    ("exempt", "refused"),
    [
        ((), "suppressed"),
        (("suppress",), "silenced"),
        (("suppress", "silence"), "quiet"),
        (("suppress", "silence", "quiet"), "cap"),
        (("suppress", "cap", "silence", "quiet"), "sent"),
    ],
)
def test_what_is_exempt_gets_through(of: str, exempt: tuple[Exemption, ...], refused: str) -> None:
    channel = replace(EMAIL, quiet=Quiet(10 * 60, 12 * 60), cap=Limit(1, DAY))
    first = replace(channel, name="first", quiet=None)
    if of == "channel":
        channel = replace(channel, exempt=exempt)
    rules = rule_set(
        rule("sorry", step("complaint"), channels=(first,), silences=DAY),
        view("r", channels=(channel,), quiet="drop", exempt=exempt if of == "rule" else ()),
        policy=Policy(timezone="UTC", cap=Limit(1, DAY), suppress=parse("has(customer.c)")),
    )
    spoilt = (2, "profile", {"attributes": {"c": 1}})
    assert reasons(rules, [MAIL, (1, "complaint", {}), spoilt, (3, "view", {})])[-1] == refused


def test_consent_is_asked_of_what_is_exempt_from_everything() -> None:
    everything: tuple[Exemption, ...] = ("suppress", "cap", "silence", "quiet")
    rules = rule_set(view("r", channels=(EMAIL,), exempt=everything))
    assert reasons(rules, [(1, "view", {})]) == ["consent"]


def test_what_is_exempt_from_caps_uses_them_up() -> None:
    capped = replace(EMAIL, cap=Limit(1, DAY))
    rules = rule_set(view("r", channels=(capped,), exempt=("cap",)), rule("s", step("x"), channels=(capped,)))
    happenings: list[Happening] = [MAIL, (1, "view", {}), (2, "view", {}), (3, "x", {})]
    assert reasons(rules, happenings) == ["sent", "sent", "cap"]


# -- consent, address and the choice of a channel


def consent(at: int, *, granted: bool = True, since: Any = START, **fields: Any) -> Happening:
    return (at, "profile", {"consents": {"mail": {"granted": granted, "at": since}}, **fields})


@pytest.mark.parametrize(
    ("updates", "reason"),
    [
        ([], "consent"),
        ([consent(0)], "sent"),
        ([consent(0, customer_id="c2")], "consent"),
        ([consent(0, granted=False)], "consent"),
        ([consent(0), consent(1, granted=False, since=START + 1)], "consent"),
        ([consent(0), consent(1, granted=False)], "consent"),  # as old as the one held: it is taken
        ([consent(0), consent(1, granted=False, since=START - 1)], "sent"),  # older
        ([consent(0, since=START + 5)], "sent"),
        ([consent(0, since=START + 6)], "consent"),  # not yet
        ([consent(0, since="2026-03-02T11:00:00+01:00")], "sent"),
    ],
)
def test_consent(updates: list[Happening], reason: str) -> None:
    assert reasons(rule_set(view("r", channels=(EMAIL,))), [*updates, (5, "view", {})]) == [reason]


def test_a_trigger_says_which_consent_it_goes_by() -> None:
    [message] = sent(rule_set(view("r", channels=(EMAIL,))), [MAIL, (5, "view", {})])
    assert message.consent == {
        "purpose": "mail",
        "granted_at": START,
        "basis": "form",
        "expires_at": None,
    }


@pytest.mark.parametrize(
    ("expires", "reason"),
    [
        (START + 6, "sent"),
        (START + 5, "consent"),  # the first moment at which it no longer holds
        (START, "consent"),  # as it began
        (START - 1, "consent"),
        (None, "sent"),
        ("2026-03-02T11:00:00.006+01:00", "sent"),
    ],
)
def test_a_consent_that_has_expired_is_none(expires: Any, reason: str) -> None:
    given = consent(0)
    given[2]["consents"]["mail"]["expires"] = expires
    rules = rule_set(view("r", channels=(EMAIL,)))
    assert reasons(rules, [given, (5, "view", {})]) == [reason]


def test_a_consent_that_expires_is_asked_as_of_the_deadline_of_a_timer() -> None:
    """However late the clock comes to it: what was allowed at its deadline is sent, what was not is not."""
    given = consent(0)
    given[2]["consents"]["mail"]["expires"] = START + 30
    rules = rule_set(view("early", channels=(EMAIL,), wait=29), view("late", channels=(EMAIL,), wait=30))
    assert judged(rules, [given, (0, "view", {}), (DAY, "x", {})]) == [
        (29, "early", "sent"),
        (30, "late", "consent"),
    ]


def test_a_withdrawal_stops_all_that_comes_due_after_it() -> None:
    """Every event that comes after it, and every timer, `unless` and put-off message that was waiting."""
    night = replace(EMAIL, name="night", quiet=Quiet(9 * 60, 11 * 60))
    rules = rule_set(
        view("at_once", channels=(EMAIL,)),
        view("waits", channels=(EMAIL,), wait=MINUTE),
        view("reminds", channels=(EMAIL,), unless=unless("buy", MINUTE)),
        view("put_off", channels=(night,)),
        rule("two_steps", step("view"), step("x"), channels=(EMAIL,)),
        policy=Policy(timezone="UTC"),
    )
    given, withdrawn = consent(0), consent(10, granted=False, since=START + 10)
    happenings: list[Happening] = [given, (5, "view", {}), withdrawn, (20, "view", {}), (21, "x", {})]
    assert judged(rules, [*happenings, (DAY, "y", {})]) == [
        (5, "at_once", "sent"),
        (5, "put_off", "quiet"),
        (20, "at_once", "consent"),
        (20, "put_off", "consent"),
        (21, "two_steps", "consent"),
        (MINUTE + 20, "reminds", "consent"),
        (MINUTE + 20, "waits", "consent"),
        (HOUR, "put_off", "consent"),
    ]
    again = consent(MINUTE, since=START + MINUTE)
    assert [reason for _, _, reason in judged(rules, [*happenings, again, (DAY, "y", {})])][-3:] == [
        *("sent", "sent", "sent"),  # and a consent that is given anew lets them go
    ]


# -- sensitive subjects

BABY = Subject("baby", "baby_news", events=("nursery",))


def consents(at: int, **said: bool) -> Happening:
    given = {purpose: {"granted": granted, "at": START + at} for purpose, granted in said.items()}
    return (at, "profile", {"consents": given})


@pytest.mark.parametrize(
    ("updates", "mail", "web"),
    [
        ([], "consent", "consent"),
        ([consents(0, mail=True)], "consent", "consent"),
        ([consents(0, baby_news=True)], "consent", "sent"),
        ([consents(0, mail=True, baby_news=True)], "sent", "sent"),
        ([consents(0, mail=True, baby_news=True), consents(1, baby_news=False)], "consent", "consent"),
        ([consents(0, mail=True, baby=True)], "consent", "consent"),  # the purpose counts, not the subject
    ],
)
def test_what_is_about_a_sensitive_subject_needs_a_consent_of_its_own(
    updates: list[Happening], mail: str, web: str
) -> None:
    rules = rule_set(
        rule("mail", step("nursery"), channels=(EMAIL,), sensitive=(BABY,)),
        rule("web", step("nursery"), sensitive=(BABY,)),
    )
    assert reasons(rules, [*updates, (5, "nursery", {})]) == [mail, web]


def test_a_withdrawal_of_the_subjects_consent_stops_what_waits() -> None:
    rules = rule_set(rule("r", step("nursery"), wait=MINUTE, sensitive=(BABY,)))
    given, withdrawn = consents(0, baby_news=True), consents(10, baby_news=False)
    assert judged(rules, [given, (5, "nursery", {}), (DAY, "x", {})]) == [(MINUTE + 5, "r", "sent")]
    assert judged(rules, [given, (5, "nursery", {}), withdrawn, (DAY, "x", {})]) == [
        (MINUTE + 5, "r", "consent")
    ]


def test_a_trigger_says_which_consents_to_subjects_it_goes_by() -> None:
    rules = rule_set(rule("r", step("nursery"), channels=(EMAIL,), sensitive=(BABY,)))
    baby = {"granted": True, "at": START + 1, "basis": "asked in the shop", "expires": START + DAY}
    (message,) = sent(rules, [MAIL, (1, "profile", {"consents": {"baby_news": baby}}), (5, "nursery", {})])
    assert message.consent is not None
    assert message.consent["purpose"] == "mail"
    assert message.sensitive == [
        {
            "subject": "baby",
            "consent": {
                "purpose": "baby_news",
                "granted_at": START + 1,
                "basis": "asked in the shop",
                "expires_at": START + DAY,
            },
        }
    ]


# -- what third parties know


def test_what_a_third_party_said_last_counts_and_fires_nothing() -> None:
    rules = rule_set(
        view("warm", condition="context.weather.temperature > 20"),
        view("wet", condition="context.weather.rain"),
        rule("of_weather", step("weather")),
    )
    happenings: list[Happening] = [
        (1, "view", {}),
        (2, "weather", {"temperature": 25, "rain": False}),
        (3, "view", {}),
        (4, "weather", {"rain": True}),  # all of it: the temperature is not known any more
        (5, "view", {}),
        (6, "view", {"customer_id": "c2"}),
        (7, "weather", {"customer_id": "c2", "temperature": 25}),
        (8, "view", {"customer_id": "c2"}),
    ]
    assert judged(rules, happenings) == [(3, "warm", "sent"), (5, "wet", "sent"), (8, "warm", "sent")]


def test_what_a_third_party_said_may_be_shown_and_named_by_segments() -> None:
    template = Template("{% if segments.warm %}{{ context.weather.temperature }}{% endif %}")
    rules = rule_set(
        view("r", content={"t": template}), segments={"warm": "context.weather.temperature > 20"}
    )
    happenings: list[Happening] = [(1, "view", {}), (2, "weather", {"temperature": 25}), (3, "view", {})]
    assert [each.content["t"] for each in sent(rules, happenings)] == ["", "25"]


def test_news_of_the_weather_fires_what_is_due_before_it() -> None:
    rules = rule_set(view("r", wait=10, condition="context.weather.rain"))
    rain: Happening = (9, "weather", {"rain": True})
    assert judged(rules, [(0, "view", {}), rain, (11, "weather", {})]) == [(10, "r", "sent")]
    assert judged(rules, [(0, "view", {}), rain, (10, "weather", {}), (11, "x", {})]) == []
    [message] = sent(rule_set(view("r")), [MAIL, (5, "view", {})])
    assert message.consent is None


@pytest.mark.parametrize(
    ("attributes", "reason", "address"),
    [
        ({}, "address", None),
        ({"email": ""}, "address", None),
        ({"email": "a@b.example"}, "sent", "a@b.example"),
        ({"email": {"street": "x"}}, "address", None),
        ({"email": ["a@b.example"]}, "address", None),
        ({"email": "a@b.example\r\nBcc: c@d.example"}, "address", None),
        ({"email": " "}, "address", None),
        ({"email": "a" * 320}, "sent", "a" * 320),
        ({"email": "a" * 321}, "address", None),
    ],
)
def test_address(attributes: dict[str, Any], reason: str, address: Any) -> None:
    channel = Channel("post", "triggers.post", address=("customer", "email"))
    happenings: list[Happening] = [(0, "profile", {"attributes": attributes}), (5, "view", {})]
    rules = rule_set(view("r", channels=(channel,)))
    assert reasons(rules, happenings) == [reason]
    assert [message.address for message in sent(rules, happenings)] == ([address] if address else [])


@pytest.mark.parametrize(
    ("street", "reason"),
    [
        ({"street": "x\ny", "zip": 1, "more": [None, {"a": ""}]}, "sent"),
        ({"street": "x\ry"}, "address"),
        ({"street": "", "zip": 1}, "address"),
        ({"street": ["x"] * 63}, "sent"),
        ({"street": ["x"] * 64}, "address"),
        ({"a": {"b": {"c": {"d": "x"}}}}, "sent"),
        ({"a": {"b": {"c": {"d": {}}}}, "e": "x"}, "address"),
        ({"street": "x" * 4090}, "sent"),
        ({"street": "x" * 4091}, "address"),
        ("x", "address"),
    ],
)
def test_an_address_in_parts(street: Any, reason: str) -> None:
    channel = replace(POST, address_kind="object")
    happenings: list[Happening] = [(0, "profile", {"attributes": {"street": street}}), (5, "view", {})]
    assert reasons(rule_set(view("r", channels=(channel,))), happenings) == [reason]


def channel_of(rules: Any, happenings: Sequence[Happening]) -> list[tuple[str | None, str]]:
    decisions = outcome_of(history(rules, happenings)).decisions
    return [(each.channel, each.reason or each.outcome) for each in decisions]


POST = Channel("post", "triggers.post", address=("customer", "street"))


def test_the_first_channel_that_may_be_used_is_used() -> None:
    rules = rule_set(view("r", channels=(EMAIL, POST, WEB)))
    assert channel_of(rules, [(5, "view", {})]) == [("web", "sent")]
    assert channel_of(rules, [MAIL, (5, "view", {})]) == [("email", "sent")]
    street: Happening = (1, "profile", {"attributes": {"street": "x"}})
    assert channel_of(rules, [street, (5, "view", {})]) == [("post", "sent")]
    prefers: Happening = (2, "profile", {"attributes": {"preferred_channel": "web"}})
    assert channel_of(rules, [MAIL, street, prefers, (5, "view", {})]) == [("web", "sent")]
    elsewhere: Happening = (2, "profile", {"attributes": {"preferred_channel": "fax"}})
    assert channel_of(rules, [MAIL, street, elsewhere, (5, "view", {})]) == [("email", "sent")]


def test_if_no_channel_may_be_used_the_reason_is_that_of_the_first() -> None:
    assert channel_of(rule_set(view("r", channels=(EMAIL, POST))), [(5, "view", {})]) == [
        ("email", "consent")
    ]
    assert channel_of(rule_set(view("r", channels=(POST, EMAIL))), [(5, "view", {})]) == [("post", "address")]
    capped = replace(WEB, cap=Limit(1, DAY))
    views: list[Happening] = [(5, "view", {}), (6, "view", {})]
    assert channel_of(rule_set(view("r", channels=(EMAIL, capped))), views) == [
        ("web", "sent"),
        ("web", "cap"),  # nothing is to be had by email anyway
    ]


def test_what_is_refused_before_a_channel_is_chosen_names_the_first() -> None:
    rules = rule_set(view("r", channels=(EMAIL, WEB), limit=Limit(1, DAY)))
    views: list[Happening] = [(0, "view", {}), (1, "view", {})]
    assert channel_of(rules, views) == [("web", "sent"), ("email", "limit")]


def test_a_channel_whose_cap_is_reached_is_passed_over() -> None:
    capped = replace(WEB, cap=Limit(1, MINUTE))
    views: list[Happening] = [(0, "view", {}), (1, "view", {}), (MINUTE, "view", {})]
    rules = rule_set(view("r", channels=(capped, Channel("app", "triggers.app"))))
    assert channel_of(rules, views) == [("web", "sent"), ("app", "sent"), ("web", "sent")]
    assert channel_of(rule_set(view("r", channels=(capped,))), views) == [
        ("web", "sent"),
        ("web", "cap"),
        ("web", "sent"),
    ]


# -- quiet: the worlds start on Monday, 2 March 2026, at 10:00 UTC, 11:00 in Berlin


def quiet(start: int, end: int, **parts: Any) -> tuple[Channel, ...]:
    return (Channel("web", "triggers.web", quiet=Quiet(start * 60, end * 60), **parts),)


def at_home(zone: Any) -> Happening:
    return (0, "profile", {"attributes": {"timezone": zone}})


NIGHT = quiet(21, 8)
BERLIN = Policy(timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("at", "end"),
    [
        (10 * HOUR - 1, None),  # 20:59:59.999
        (10 * HOUR, 21 * HOUR),
        (13 * HOUR, 21 * HOUR),  # midnight
        (21 * HOUR - 1, 21 * HOUR),
        (21 * HOUR, None),  # 08:00
    ],
)
def test_in_quiet_hours_it_is_deferred_to_their_end(at: int, end: int | None) -> None:
    rules = rule_set(view("r", channels=NIGHT), policy=BERLIN)
    happenings: list[Happening] = [(at, "view", {}), (2 * DAY, "x", {})]
    outcome = outcome_of(history(rules, happenings))
    expected = [(at, "r", "sent")] if end is None else [(at, "r", "quiet"), (end, "r", "sent")]
    assert told(outcome.decisions) == expected
    assert [each.outcome for each in outcome.decisions[:-1]] == ["deferred"] * (len(expected) - 1)
    assert len({each.trigger_id for each in outcome.decisions}) == 1
    assert outcome.decisions[-1].timed is (end is not None)


def test_the_customers_own_zone_goes_before_the_policys() -> None:
    rules = rule_set(view("r", channels=NIGHT), policy=BERLIN)
    end: Happening = (2 * DAY, "x", {})
    # 15:30 in Kolkata at the start: 21:00 is five and a half hours later, when it is 16:30 in Berlin.
    kolkata = [at_home("Asia/Kolkata"), (5 * HOUR + 30 * MINUTE, "view", {}), end]
    assert judged(rules, kolkata) == [
        (5 * HOUR + 30 * MINUTE, "r", "quiet"),
        (16 * HOUR + 30 * MINUTE, "r", "sent"),
    ]
    for unreadable in ("Mars/Base", 3, "", "../UTC"):
        assert reasons(rules, [at_home(unreadable), (10 * HOUR - 1, "view", {}), end]) == ["quiet"]
    for written in ("asia/kolkata", "+05:30", "UTC+5:30", " Asia/Kolkata "):
        assert judged(rules, [at_home(written), *kolkata[1:]]) == judged(rules, kolkata)
    # Not known is another matter than not readable: then the policy's counts.
    assert reasons(rules, [at_home(None), (10 * HOUR - 1, "view", {}), end]) == ["sent"]
    assert reasons(rules, [at_home(None), (10 * HOUR, "view", {}), end]) == ["quiet", "sent"]


def test_without_any_zone_it_is_always_quiet() -> None:
    rules = rule_set(view("r", channels=quiet(1, 2)))
    decisions = outcome_of(history(rules, [(0, "view", {}), (5 * DAY, "x", {})])).decisions
    assert [(each.outcome, each.reason) for each in decisions] == [("suppressed", "quiet")]
    assert reasons(rules, [at_home("UTC"), (1, "view", {})]) == ["sent"]


def test_quiet_drop_drops() -> None:
    rules = rule_set(view("r", channels=NIGHT, quiet="drop"), policy=BERLIN)
    decisions = outcome_of(history(rules, [(12 * HOUR, "view", {}), (2 * DAY, "x", {})])).decisions
    assert [(each.outcome, each.reason) for each in decisions] == [("suppressed", "quiet")]


def test_a_rule_may_say_how_long_its_message_waits() -> None:
    rules = rule_set(
        view("a", channels=NIGHT, quiet=9 * HOUR),
        view("b", channels=NIGHT, quiet=9 * HOUR - 1),
        policy=BERLIN,
    )
    happenings: list[Happening] = [(12 * HOUR, "view", {}), (2 * DAY, "x", {})]  # 23:00: nine hours
    decisions = outcome_of(history(rules, happenings)).decisions
    assert [(each.rule, each.outcome) for each in decisions] == [
        ("a", "deferred"),
        ("b", "suppressed"),
        ("a", "sent"),
    ]


def milliseconds(*parts: int) -> int:
    return round(datetime(*parts, tzinfo=UTC).timestamp() * 1000) - START


@pytest.mark.parametrize(
    ("at", "hours", "ends"),
    [
        # 29 March: 02:00 to 03:00 is left out, in Berlin. 02:30 is 03:30, an hour and a half after 02:00.
        ((2026, 3, 28, 23), (23, 2.5), (2026, 3, 29, 1, 30)),
        ((2026, 3, 28, 23), (23, 8), (2026, 3, 29, 6)),
        # 25 October: 02:00 to 03:00 comes twice. The second 02:30 is 01:30 UTC.
        ((2026, 10, 24, 22), (23, 2.5), (2026, 10, 25, 1, 30)),
        ((2026, 10, 25, 0, 10), (23, 2.5), (2026, 10, 25, 1, 30)),
        ((2026, 10, 24, 22), (23, 8), (2026, 10, 25, 7)),
    ],
)
def test_when_the_clocks_change(
    at: tuple[int, ...], hours: tuple[float, float], ends: tuple[int, ...]
) -> None:
    night = Channel("web", "triggers.web", quiet=Quiet(*(round(hour * 60) for hour in hours)))
    rules = rule_set(view("r", channels=(night,)), policy=BERLIN)
    happenings: list[Happening] = [(milliseconds(*at), "view", {}), (milliseconds(2027, 1, 1), "x", {})]
    assert judged(rules, happenings) == [
        (milliseconds(*at), "r", "quiet"),
        (milliseconds(*ends), "r", "sent"),
    ]


def test_a_deferred_message_is_judged_anew_by_the_guards_but_not_by_its_if() -> None:
    rules = rule_set(
        view("r", channels=quiet(10, 11, consent="mail"), condition="traits.views == 1", limit=Limit(1, DAY)),
        rule("s", step("y"), limit=Limit(1, DAY)),
        traits=[Trait("views", "1" * 16, "count", ("view",))],
        policy=Policy(timezone="UTC", stale_after=0),
    )
    end: Happening = (2 * HOUR, "x", {})
    assert judged(rules, [MAIL, (1, "view", {}), (2, "view", {}), end]) == [
        (1, "r", "quiet"),
        (HOUR, "r", "sent"),
    ]
    withdrawn = consent(3, granted=False, since=START + 3)
    assert reasons(rules, [MAIL, (1, "view", {}), withdrawn, end]) == ["quiet", "consent"]


def test_two_deferred_messages_meet_at_the_end_of_the_quiet_time() -> None:
    rules = rule_set(
        rule("a", step("view"), channels=quiet(10, 11), group="g"),
        rule("b", step("buy"), channels=quiet(10, 11), group="g", priority=1),
        rule("c", step("buy"), channels=quiet(10, 11), limit=Limit(1, DAY)),
        policy=Policy(timezone="UTC"),
    )
    happenings: list[Happening] = [(1, "view", {}), (2, "buy", {}), (3, "buy", {}), (2 * HOUR, "x", {})]
    assert judged(rules, happenings) == [
        (1, "a", "quiet"),
        (2, "b", "quiet"),
        (2, "c", "quiet"),
        (3, "b", "quiet"),
        (3, "c", "quiet"),
        (HOUR, "b", "sent"),
        (HOUR, "b", "sent"),
        (HOUR, "a", "group"),
        (HOUR, "c", "sent"),
        (HOUR, "c", "limit"),
    ]


def test_the_content_of_a_deferred_message_is_rendered_when_it_goes() -> None:
    content = {"text": Template("{{ event.sku }} {{ customer.name }}")}
    rules = rule_set(view("r", channels=quiet(10, 11), content=content), policy=Policy(timezone="UTC"))
    named: Happening = (5, "profile", {"attributes": {"name": "Ann"}})
    [message] = sent(rules, [(1, "view", {"sku": "s"}), named, (2 * HOUR, "x", {})])
    assert dict(message.content) == {"text": "s Ann"}
    assert (message.decision.at, message.decision.event.time) == (START + HOUR, START + 1)


def test_a_message_is_deferred_for_a_day_at_most() -> None:
    """The customer moves to where it is quiet when the quiet time at home ends, again and again."""
    rules = rule_set(view("r", channels=NIGHT), policy=BERLIN)
    happenings: list[Happening] = [
        (12 * HOUR, "view", {}),  # 23:00 in Berlin: until 08:00, at 21 h
        (13 * HOUR, "profile", {"attributes": {"timezone": "America/New_York"}}),
        # At 21 h it is 02:00 in New York: until 08:00, at 27 h.
        (22 * HOUR, "profile", {"attributes": {"timezone": "Pacific/Auckland"}}),
        # At 27 h it is 02:00 in Auckland: until 08:00, at 33 h. Then 09:00 in Berlin.
        (28 * HOUR, "profile", {"attributes": {"timezone": "Pacific/Honolulu"}}),
        # At 33 h it is 09:00 in Honolulu: nothing is in the way.
        (3 * DAY, "x", {}),
    ]
    assert judged(rules, happenings) == [
        (12 * HOUR, "r", "quiet"),
        (21 * HOUR, "r", "quiet"),
        (27 * HOUR, "r", "quiet"),
        (33 * HOUR, "r", "sent"),
    ]
    # In Dubai it is 23:00 then: until 08:00, at 42 h, which is 30 h after the first judgement.
    to_dubai: Happening = (28 * HOUR, "profile", {"attributes": {"timezone": "Asia/Dubai"}})
    moved = [*happenings[:3], to_dubai, happenings[-1]]
    decisions = outcome_of(history(rules, moved)).decisions
    assert [(each.at - START, each.outcome) for each in decisions][-1] == (33 * HOUR, "suppressed")


def test_a_deferred_message_is_no_open_instance() -> None:
    rules = rule_set(rule("r", step("view"), wait=10, channels=quiet(10, 11)), policy=Policy(timezone="UTC"))
    happenings: list[Happening] = [(0, "view", {}), (20, "view", {}), (2 * HOUR, "x", {})]
    assert judged(rules, happenings) == [
        (10, "r", "quiet"),
        (30, "r", "quiet"),
        (HOUR, "r", "sent"),
        (HOUR, "r", "sent"),
    ]


# -- group


def test_one_rule_of_a_group_fires_for_an_event() -> None:
    rules = rule_set(
        view("a", group="g"), view("b", group="g", priority=1, limit=Limit(1, 10)), view("c", group="h")
    )
    assert judged(rules, [(0, "view", {}), (5, "view", {})]) == [
        (0, "b", "sent"),
        (0, "a", "group"),
        (0, "c", "sent"),
        # What is suppressed leaves the group to the next.
        (5, "b", "limit"),
        (5, "a", "sent"),
        (5, "c", "sent"),
    ]


def test_a_failed_content_leaves_the_group_to_the_next() -> None:
    failing = {"text": Template("{{ event.missing }}")}
    rules = rule_set(view("a", group="g", content=failing, limit=Limit(1, DAY)), view("b", group="g"))
    assert reasons(rules, [(0, "view", {}), (1, "view", {})]) == ["content", "sent", "content", "sent"]


def test_two_events_of_one_moment_are_two_causes_and_a_timer_a_third() -> None:
    rules = rule_set(
        view("a", group="g"), rule("b", step("buy"), group="g"), rule("c", step("x"), wait=5, group="g")
    )
    happenings: list[Happening] = [(0, "x", {}), (5, "view", {}), (5, "buy", {}), (6, "y", {})]
    assert judged(rules, happenings) == [(5, "a", "sent"), (5, "b", "sent"), (5, "c", "sent")]


def test_timers_of_a_group_compete_for_a_deadline_of_a_customer() -> None:
    rules = rule_set(
        rule("a", step("x"), wait=10, group="g"), rule("b", step("y"), wait=5, group="g", priority=1)
    )
    happenings: list[Happening] = [
        (0, "x", {}),
        (0, "x", {"customer_id": "c2"}),
        (5, "y", {}),
        (6, "y", {"customer_id": "c2"}),
        (20, "z", {}),
    ]
    # Those of the other customer are due one after the other.
    assert judged(rules, happenings) == [
        (10, "b", "sent"),
        (10, "a", "group"),
        (10, "a", "sent"),
        (11, "b", "sent"),
    ]


# -- limit and caps


def test_a_cap_rolls_over_all_rules_of_a_channel_and_customer() -> None:
    capped = (replace(WEB, cap=Limit(2, 10)),)
    rules = rule_set(view("a", channels=capped), rule("b", step("buy"), channels=capped))
    happenings: list[Happening] = [
        (0, "view", {}),
        (5, "buy", {}),
        (9, "view", {"customer_id": "c2"}),
        (9, "view", {}),
        (10, "view", {}),  # what was sent exactly ten ago is out
        (11, "buy", {}),
        (15, "buy", {}),
    ]
    assert reasons(rules, happenings) == ["sent", "sent", "sent", "cap", "sent", "cap", "sent"]


def test_the_policys_cap_counts_what_needs_consent() -> None:
    rules = rule_set(
        view("m", channels=(EMAIL,), limit=Limit(9, DAY)),
        view("w", priority=1),
        policy=Policy(cap=Limit(1, 10)),
    )
    assert reasons(rules, [MAIL, (0, "view", {})]) == ["sent", "consent"]  # the profile comes after it
    assert reasons(rules, [MAIL, (1, "view", {}), (2, "view", {})]) == ["sent", "sent", "sent", "cap"]
    either = rule_set(view("m", channels=(EMAIL, WEB)), policy=Policy(cap=Limit(1, 10)))
    assert channel_of(either, [MAIL, (1, "view", {}), (2, "view", {})]) == [
        ("email", "sent"),
        ("web", "sent"),
    ]


def test_the_limit_is_asked_before_the_consent_and_the_cap_after() -> None:
    rules = rule_set(view("r", channels=(replace(EMAIL, cap=Limit(1, DAY)),), limit=Limit(1, DAY)))
    withdrawn = consent(2, granted=False, since=START + 2)
    assert reasons(rules, [MAIL, (1, "view", {}), withdrawn, (3, "view", {})]) == ["sent", "limit"]
    unlimited = rule_set(replace(rules.rules[0], limit=None))
    assert reasons(unlimited, [MAIL, (1, "view", {}), withdrawn, (3, "view", {})]) == ["sent", "consent"]
    assert reasons(unlimited, [MAIL, (1, "view", {}), (3, "view", {})]) == ["sent", "cap"]


def test_quiet_is_asked_before_the_cap() -> None:
    channel = quiet(11, 12, cap=Limit(1, DAY))
    rules = rule_set(view("r", channels=channel), policy=Policy(timezone="UTC"))
    happenings: list[Happening] = [(0, "view", {}), (1, "view", {}), (HOUR, "view", {}), (3 * HOUR, "x", {})]
    assert reasons(rules, happenings) == ["sent", "cap", "quiet", "cap"]


# -- by the calendar: the worlds start on Monday, 2 March 2026, at 10:00 UTC, 11:00 in Berlin


def by_calendar(count: int, period: Calendar, zone: str | None = "Europe/Berlin") -> Any:
    return rule_set(view("r", limit=Limit(count, period)), policy=Policy(timezone=zone))


def sent_at(rules: Any, *views: int | Happening) -> list[int]:
    """Which of the views are answered."""
    happenings = [each if isinstance(each, tuple) else (each, "view", {}) for each in views]
    return [at for at, _, reason in judged(rules, happenings) if reason == "sent"]


MIDNIGHT = 13 * HOUR  # in Berlin


def test_a_calendar_day_ends_at_midnight_where_the_customer_is() -> None:
    daily = by_calendar(1, "day")
    assert sent_at(daily, 0, MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 1) == [0, MIDNIGHT]
    # Late in the evening and early in the morning are two days: the author has said so.
    assert sent_at(daily, MIDNIGHT - 1, MIDNIGHT) == [MIDNIGHT - 1, MIDNIGHT]
    rolling = rule_set(view("r", limit=Limit(1, DAY)))
    assert sent_at(rolling, MIDNIGHT - 1, MIDNIGHT) == [MIDNIGHT - 1]
    kolkata = at_home("Asia/Kolkata")  # midnight is 8 h 30 min away
    assert sent_at(daily, kolkata, 0, 8 * HOUR, 9 * HOUR, MIDNIGHT) == [0, 9 * HOUR]


def test_a_calendar_week_begins_on_monday_and_a_month_with_its_first_day() -> None:
    monday = 6 * DAY + MIDNIGHT
    assert sent_at(by_calendar(1, "week"), 0, MIDNIGHT, monday - 1, monday) == [0, monday]
    april = milliseconds(2026, 3, 31, 22)
    assert sent_at(by_calendar(1, "month"), 0, monday, april - 1, april) == [0, april]


def test_so_many_a_calendar_day() -> None:
    assert sent_at(by_calendar(3, "day"), 0, 1, 2, 3, MIDNIGHT - 1, MIDNIGHT) == [0, 1, 2, MIDNIGHT]


def test_a_calendar_day_may_have_23_or_25_hours() -> None:
    spring, autumn = milliseconds(2026, 3, 28, 23), milliseconds(2026, 10, 24, 22)
    for begins, hours in ((spring, 23), (autumn, 25)):
        ends = begins + hours * HOUR
        assert sent_at(by_calendar(1, "day"), begins, ends - 1, ends) == [begins, ends]


def test_a_customer_who_moves_is_counted_where_they_are_now() -> None:
    """A new day begins in Berlin; in New York it is still the old day, in Kolkata the new one for hours."""
    daily = by_calendar(1, "day")
    west: Happening = (MIDNIGHT - 1, "profile", {"attributes": {"timezone": "America/New_York"}})
    east: Happening = (MIDNIGHT + 2, "profile", {"attributes": {"timezone": "Asia/Kolkata"}})
    assert sent_at(daily, 0, west, MIDNIGHT, MIDNIGHT + 1) == [0]
    assert sent_at(daily, 0, west, MIDNIGHT, east, MIDNIGHT + 3) == [0, MIDNIGHT + 3]


def test_without_any_zone_a_limit_by_the_calendar_is_used_up() -> None:
    nowhere = by_calendar(1, "day", None)
    assert reasons(nowhere, [(0, "view", {})]) == ["limit"]
    assert reasons(nowhere, [at_home("Mars/Base"), (0, "view", {})]) == ["limit"]
    assert reasons(nowhere, [at_home("UTC"), (1, "view", {})]) == ["sent"]
    capped = replace(WEB, cap=Limit(1, "day"))
    assert channel_of(rule_set(view("r", channels=(capped,))), [(0, "view", {})]) == [("web", "cap")]
    either = rule_set(view("r", channels=(capped, Channel("app", "triggers.app"))))
    assert channel_of(either, [(0, "view", {})]) == [("app", "sent")]
    policy = Policy(cap=Limit(9, "month"))
    everywhere = rule_set(view("r", channels=(EMAIL,)), policy=policy)
    assert channel_of(everywhere, [MAIL, (1, "view", {})]) == [("email", "cap")]


def test_a_late_event_finds_no_room_in_a_day_that_is_over() -> None:
    """Of what was sent only the newest is known: whether the day before had room nobody can say."""
    assert sent_at(by_calendar(1, "day"), MIDNIGHT, MIDNIGHT - 1) == [MIDNIGHT]


# -- holdout and variants

EVERYBODY = ("c1", "c2", "c3", "c4", "c5", "c6")


def arms(rules: Any) -> list[str]:
    views: list[Happening] = [(0, "view", {"customer_id": customer}) for customer in EVERYBODY]
    return reasons(rules, views)


@pytest.mark.parametrize(
    ("share", "universal", "held"),
    [
        (4_929, 0, {"c2", "c6"}),
        (4_930, 0, {"c1", "c2", "c6"}),
        (0, 113, set()),
        (0, 114, {"c1"}),
        (180, 1_887, {"c1", "c2", "c4", "c6"}),
    ],
)
def test_who_is_held_out(share: int, universal: int, held: set[str]) -> None:
    rules = rule_set(view("r", holdout=share), policy=Policy(holdout=universal))
    expected = ["holdout" if customer in held else "sent" for customer in EVERYBODY]
    assert arms(rules) == expected
    decisions = outcome_of(history(rules, [(0, "view", {"customer_id": "c1"})])).decisions
    assert [each.outcome for each in decisions] == [expected[0]]


def test_a_rule_that_is_off_uses_up_nothing_until_the_time_is_over() -> None:
    capped = (replace(WEB, cap=Limit(1, DAY)),)
    first = view("r", channels=capped, group="g", priority=1, limit=Limit(1, DAY), holdout=WHOLE)
    rules = rule_set(first, view("s", group="g", channels=capped))
    happenings: list[Happening] = [(at, "view", {}) for at in (0, 9, 10)]
    world = history(rules, happenings, off={"r": START + 10})
    found = outcome_of(world).decisions
    assert told(found) == [
        *((0, "r", "disabled"), (0, "s", "sent")),
        *((9, "r", "disabled"), (9, "s", "cap")),
        *((10, "r", "cap"), (10, "s", "cap")),
    ]
    assert (found[0].outcome, found[0].held_out_by) == ("suppressed", ())


def test_the_instances_of_a_rule_that_is_off_go_on_and_what_comes_due_is_over() -> None:
    quiet = (replace(WEB, quiet=Quiet(11 * 60, 12 * 60)),)
    rules = rule_set(
        rule("r", step("a"), step("b")),
        rule("t", step("a"), wait=10),
        view("q", channels=quiet),
        policy=Policy(timezone="UTC"),
    )
    off = dict.fromkeys(("r", "t", "q"), LATEST)
    happenings: list[Happening] = [
        *((0, "a", {}), (5, "x", {}), (20, "x", {}), (21, "b", {})),
        *((90 * MINUTE, "view", {}), (95 * MINUTE, "x", {}), (150 * MINUTE, "x", {})),
    ]
    # What was put off is judged when the quiet hours end, as it is put off: not at the switch.
    changes = [Change(1, rules, off=off), Change(3, rules, off={}), Change(5, rules, off=off)]
    assert judged_with(rules, happenings, changes) == [
        (10, "t", "disabled"),
        (21, "r", "sent"),
        (90 * MINUTE, "q", "quiet"),
        (120 * MINUTE, "q", "disabled"),
    ]


@pytest.mark.parametrize(
    ("share", "inside"),  # mod 10,000 the numbers are 4,779, 6,964, 6,275, 8,804, 9,430 and 3,392
    [
        (3_392, set()),
        (3_393, {"c6"}),
        (4_779, {"c6"}),
        (6_276, {"c1", "c3", "c6"}),
        (WHOLE, set(EVERYBODY)),
    ],
)
def test_to_whom_a_rule_is_rolled_out(share: int, inside: set[str]) -> None:
    rules = rule_set(view("r", rollout=share, limit=Limit(1, DAY)), policy=Policy(holdout=0))
    assert arms(rules) == ["sent" if customer in inside else "rollout" for customer in EVERYBODY]


def test_who_is_outside_of_a_roll_out_uses_up_nothing_and_is_in_no_control_group() -> None:
    capped = (replace(WEB, cap=Limit(1, DAY)),)
    first = view("r", rollout=1, holdout=WHOLE, channels=capped, group="g", priority=1, limit=Limit(1, DAY))
    rules = rule_set(first, view("s", group="g", channels=capped), policy=Policy(holdout=0))
    happenings: list[Happening] = [(0, "view", {}), (1, "view", {})]
    assert judged(rules, happenings) == [
        (0, "r", "rollout"),
        (0, "s", "sent"),
        (1, "r", "rollout"),
        (1, "s", "cap"),
    ]
    outside = outcome_of(history(rules, happenings)).decisions[0]
    assert (outside.outcome, outside.held_out_by) == ("suppressed", ())


def test_a_rule_in_shadow_mode_says_what_it_would_do_and_does_nothing() -> None:
    capped = (replace(WEB, cap=Limit(1, DAY)),)
    shadow = view("r", mode="shadow", channels=capped, group="g", priority=1, limit=Limit(1, DAY))
    rules = rule_set(shadow, view("s", group="g", channels=capped))
    happenings: list[Happening] = [(0, "view", {}), (1, "view", {})]
    played = outcome_of(history(rules, happenings))
    assert [(each.rule, each.outcome, each.reason) for each in played.decisions] == [
        ("r", "shadow", None),
        ("s", "sent", None),
        ("r", "shadow", "cap"),  # not `limit`: it has sent nothing
        ("s", "suppressed", "cap"),
    ]
    assert [each.decision.rule for each in played.triggers] == ["s"]


def test_a_rule_in_shadow_mode_holds_nobody_out_and_waits_for_the_end_of_quiet_hours() -> None:
    quiet = (replace(WEB, quiet=Quiet(11 * 60, 12 * 60)),)
    rules = rule_set(
        view("r", mode="shadow", channels=quiet, holdout=WHOLE, group="g", priority=1),
        view("s", group="g"),
        policy=Policy(timezone="UTC"),
    )
    happenings: list[Happening] = [(90 * MINUTE, "view", {}), (150 * MINUTE, "x", {})]
    found = outcome_of(history(rules, happenings)).decisions
    assert [(each.rule, each.outcome, each.reason, each.held_out_by) for each in found] == [
        ("r", "deferred", "quiet", ()),
        ("s", "sent", None, ()),
        ("r", "shadow", "holdout", ()),
    ]


def test_a_held_out_customer_uses_up_limit_caps_and_group() -> None:
    capped = (replace(WEB, cap=Limit(1, DAY)),)
    rules = rule_set(
        view("r", holdout=4_930, limit=Limit(1, DAY), channels=capped, group="g", priority=1),
        view("s", group="g"),
        rule("t", step("buy"), channels=capped),
    )
    happenings: list[Happening] = [(0, "view", {}), (1, "buy", {}), (2, "view", {})]
    assert judged(rules, happenings) == [
        (0, "r", "holdout"),
        (0, "s", "group"),
        (1, "t", "cap"),
        (2, "r", "limit"),
        (2, "s", "sent"),
    ]


def test_the_universal_control_group_uses_up_limits_and_all_caps() -> None:
    capped = replace(EMAIL, cap=Limit(2, DAY))
    rules = rule_set(
        view("r", channels=(capped,), limit=Limit(1, DAY)),
        rule("s", step("buy"), channels=(capped,)),
        rule("t", step("x"), channels=(Channel("sms", "triggers.sms", consent="mail"),)),
        policy=Policy(holdout=114, cap=Limit(3, DAY)),
    )
    actions: list[Happening] = [
        (at, name, {}) for at, name in enumerate(("view", "view", "buy", "buy", "x", "x"), 1)
    ]
    assert reasons(rules, [MAIL, *actions]) == ["holdout", "limit", "holdout", "cap", "holdout", "cap"]
    everybody_is_sent = replace(rules, policy=replace(rules.policy, holdout=0))
    assert reasons(everybody_is_sent, [MAIL, *actions]) == ["sent", "limit", "sent", "cap", "sent", "cap"]


def test_the_decision_on_who_is_held_out_says_what_they_would_have_got() -> None:
    variants = (Variant("a", 5_000, {"text": Template("a")}), Variant("b", 5_000, {"text": Template("b")}))
    rules = rule_set(view("r", channels=(EMAIL, WEB), variants=variants, holdout=WHOLE))
    views: list[Happening] = [(1, "view", {"customer_id": customer}) for customer in EVERYBODY]
    outcome = outcome_of(history(rules, [MAIL, *views]))
    open_to_all = rule_set(view("r", channels=(EMAIL, WEB), variants=variants))
    told = outcome_of(history(open_to_all, [MAIL, *views]))
    assert outcome.triggers == []
    assert {each.outcome for each in outcome.decisions} == {"holdout"}
    would_be = [(each.channel, each.variant) for each in outcome.decisions]
    assert would_be == [(each.channel, each.variant) for each in told.decisions]
    assert {channel for channel, _ in would_be} == {"email", "web"}
    assert {variant for _, variant in would_be} == {"a", "b"}


def test_who_would_have_got_what_cannot_be_rendered_is_not_held_out_of_it() -> None:
    """Else the control group would be larger than what it is compared with."""
    failing = {"text": Template("{{ event.missing }}")}
    rules = rule_set(view("r", content=failing, holdout=WHOLE, limit=Limit(1, DAY)))
    assert reasons(rules, [(0, "view", {}), (1, "view", {"missing": "x"})]) == ["content", "holdout"]


def test_variants_are_for_shares_of_the_customers() -> None:
    # The highest of share / -ln u, as the vectors of tests/decisions/test_experiments.py have u.
    shares = (("x", 3_682), ("y", 1_701), ("z", 4_617))
    variants = tuple(Variant(name, share, {"text": Template(f"{name}!")}) for name, share in shares)
    rules = rule_set(view("r", variants=variants))
    views: list[Happening] = [(0, "view", {"customer_id": customer}) for customer in EVERYBODY]
    messages = sent(rules, views)
    assert [each.decision.variant for each in messages] == ["z", "z", "y", "z", "y", "x"]
    assert [each.content["text"] for each in messages] == ["z!", "z!", "y!", "z!", "y!", "x!"]


def test_of_a_rule_sixteen_messages_wait_and_a_seventeenth_is_refused_with_a_reason() -> None:
    """It once took the place of the first one, of which nobody heard again: no decision said so."""
    rules = rule_set(view("r", channels=NIGHT), policy=BERLIN)
    night: list[Happening] = [(11 * HOUR + number, "view", {}) for number in range(17)]
    decisions = outcome_of(history(rules, [*night, (2 * DAY, "x", {})])).decisions
    assert [each.outcome for each in decisions[:17]] == ["deferred"] * 16 + ["suppressed"]
    assert decisions[16].reason == "quiet"
    went = [each.trigger_id for each in decisions[17:]]
    assert went == [each.trigger_id for each in decisions[:16]]
