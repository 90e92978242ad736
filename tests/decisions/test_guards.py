"""The guards, one by one and in their order, asked of real matches."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.decisions import limits
from stream.decisions._guards import Verdict
from stream.decisions.experiments import is_held_out
from stream.expression import parse
from stream.rules.durations import Period
from stream.rules.model import WHOLE, Channel, Limit, Policy, Quiet, Subject, Unless
from tests.decisions.guardkit import (
    CALM,
    EMAIL,
    GIVEN,
    MAIL,
    POST,
    UTC,
    WEB,
    Case,
    Said,
    Stage,
    rule,
    told,
)
from tests.engine.enginekit import DAY, HOUR, MINUTE, T0  # T0 is 10:00 UTC

UTC_ZONE = ZoneInfo("UTC")
SENT = ("sent", None, "mail")
ONE_A_DAY = replace(UTC, cap=Limit(1, DAY))
PARCEL = Channel("parcel", "triggers.parcel", None, ("customer", "home"), address_kind="object")


def held(reason: str, channel: str = "mail") -> tuple[str, str, str]:
    return ("suppressed", reason, channel)


BABY, ILL = Subject("baby", "baby_news"), Subject("illness", "illness")
ABOUT_BABIES = {"marketing": Said(), "baby_news": Said()}


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case(rule(CALM, sensitive=(BABY,)), consents=ABOUT_BABIES), SENT),
        (Case(rule(CALM, sensitive=(BABY,))), held("consent")),
        (Case(rule(CALM, sensitive=(BABY,)), consents={"baby_news": Said()}), held("consent")),
        (Case(rule(CALM, sensitive=(BABY, ILL)), consents=ABOUT_BABIES), held("consent")),
        (
            Case(rule(CALM, sensitive=(BABY,)), consents={**ABOUT_BABIES, "baby_news": Said(granted=False)}),
            held("consent"),
        ),
        (
            Case(rule(CALM, sensitive=(BABY,)), consents={**ABOUT_BABIES, "baby_news": Said(expires=T0)}),
            held("consent"),
        ),
        (
            Case(rule(CALM, sensitive=(BABY,)), consents={**ABOUT_BABIES, "baby_news": Said(at=T0 + 1)}),
            held("consent"),
        ),
        # also on a channel that needs none, which all could be left for otherwise
        (Case(rule(WEB, sensitive=(BABY,)), consents={}), held("consent", "web")),
        (Case(rule(CALM, WEB, sensitive=(BABY,))), held("consent")),
        (Case(rule(WEB, sensitive=(BABY,)), consents={"baby_news": Said()}), ("sent", None, "web")),
    ],
)
def test_what_is_about_a_sensitive_subject_needs_consent_to_just_that(
    case: Case, expected: tuple[str, str | None, str]
) -> None:
    assert case.told() == expected


def test_what_nothing_refuses_is_sent() -> None:
    assert Case(rule(CALM)).told() == SENT


@pytest.mark.parametrize(
    ("count", "sent", "at", "refused"),
    [
        (1, (), 0, False),
        (1, (0,), 0, True),
        (1, (0,), DAY - 1, True),
        (1, (0,), DAY, False),  # exactly as long ago as the limit lasts: out
        (2, (0,), 1, False),
        (2, (0, 10), 11, True),
        (2, (0, 10), DAY, False),
        (2, (0, 10), DAY - 1, True),
        (1, (500,), 100, True),  # sent for a later event, before a late one is judged
        (1, (0, 10), DAY + 9, True),  # of more than it asks for, as of a limit that was larger: the newest
        (1, (0, 10), DAY + 10, False),
        (3, (0, 0, 0), DAY - 1, True),
        (3, (0, 0, 0), DAY, False),
    ],
)
def test_limits_roll(count: int, sent: tuple[int, ...], at: int, refused: bool) -> None:
    assert limits.is_used_up(Limit(count, DAY), sent, at, None) is refused
    sends = [T0 + each for each in sent]
    limited = Case(rule(WEB, limit=Limit(count, DAY)), at=T0 + at, sends={"rule:r": sends})
    assert limited.told() == (held("limit", "web") if refused else ("sent", None, "web"))
    capped = replace(WEB, cap=Limit(count, DAY))
    limited = Case(rule(capped), at=T0 + at, sends={"channel:web": sends})
    assert limited.told() == (held("cap", "web") if refused else ("sent", None, "web"))
    overall = replace(UTC, cap=Limit(count, DAY))
    assert Case(rule(CALM), overall, at=T0 + at, sends={"policy": sends}).told() == (
        held("cap") if refused else SENT
    )


HOURS = st.integers(0, 60).map(lambda hour: hour * HOUR)
TIMES = st.lists(HOURS, max_size=12).map(sorted)
OVER: st.SearchStrategy[Period] = st.one_of(
    st.integers(1, 20).map(lambda hours: hours * HOUR), st.just("day")
)


@given(TIMES, st.integers(1, 3), OVER, st.data())
def test_what_a_crash_lost_is_sent_and_no_window_overrun(
    tried: list[int], count: int, over: Period, data: st.DataObject
) -> None:
    """Some of what was sent did not reach its topic, the rest is known of; then others are read first."""
    limit, sent = Limit(count, over), list[int]()
    for at in tried:
        if not limits.is_used_up(limit, sent, at, UTC_ZONE):
            sent.append(at)
    written = [at for at in sent if data.draw(st.booleans(), label=f"{at} was written")]
    prior, again = list(written), list[int]()
    for at in sent:
        if at in prior:
            prior.remove(at)
        else:
            assert not limits.is_used_up_before(limit, again, prior, at, UTC_ZONE)
        again.append(at)
    known = list(written)
    for at in data.draw(TIMES, label="read first"):
        if not limits.is_used_up_before(limit, [], known, at, UTC_ZONE):
            known = sorted([*known, at])
    for at in known:
        began = at - over if isinstance(over, int) else at // DAY * DAY - 1
        assert sum(began < each <= at for each in known) <= count


MIDNIGHT = T0 + 14 * HOUR


@pytest.mark.parametrize(
    ("limit", "sent", "at", "refused"),
    [
        (Limit(1, "day"), (T0,), MIDNIGHT - 1, True),
        (Limit(1, "day"), (T0,), MIDNIGHT, False),
        (Limit(1, "day"), (MIDNIGHT,), MIDNIGHT, True),
        (Limit(2, "day"), (T0,), T0 + 1, False),
        (Limit(2, "day"), (T0, T0 + 1), MIDNIGHT - 1, True),
        (Limit(2, "day"), (MIDNIGHT - 1, MIDNIGHT), MIDNIGHT + 1, False),
        (Limit(1, "day"), (MIDNIGHT,), MIDNIGHT - 1, True),  # a late event: sent for a later day
        (Limit(1, "week"), (T0,), MIDNIGHT, True),
        (Limit(1, "month"), (T0 - 2 * DAY,), T0, False),  # 28 February, 2 March
    ],
)
def test_limits_by_the_calendar(limit: Limit, sent: tuple[int, ...], at: int, refused: bool) -> None:
    limited = Case(rule(WEB, limit=limit), at=at, sends={"rule:r": sent})
    assert (limited.verdict().reason == "limit") is refused
    assert replace(limited, policy=Policy()).told() == held("limit", "web"), "no zone known: fail closed"
    abroad = replace(limited, attributes={"timezone": "UTC"}, policy=Policy(timezone="Asia/Tokyo"))
    assert (abroad.verdict().reason == "limit") is refused
    nowhere = replace(abroad, attributes={"timezone": "Mars/Base"})
    assert nowhere.told() == held("limit", "web"), "not the policy's in the place of one nobody can read"


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case(rule(CALM, rollout=1)), held("rollout")),
        (Case(rule(CALM, rollout=WHOLE)), SENT),
        (Case(rule(CALM), late=True), held("stale")),
        (Case(rule(CALM), suppressed=True), held("suppressed")),
        (Case(rule(CALM, exempt=("suppress",)), suppressed=True), SENT),
        (Case(rule(replace(CALM, exempt=("suppress",))), suppressed=True), SENT),
        (Case(rule(replace(CALM, suppress=parse("has(customer.email)")))), held("suppressed")),
        (Case(rule(replace(CALM, suppress=parse("has(customer.phone)")))), SENT),
        (Case(rule(replace(CALM, suppress=parse("customer.phone == '1'")))), held("suppressed")),  # an error
        (Case(rule(CALM), silenced=True), held("silenced")),
        (Case(rule(CALM, exempt=("silence",)), silenced=True), SENT),
        (Case(rule(WEB), silenced=True), ("sent", None, "web")),  # it needs no consent
        (Case(rule(CALM, WEB), silenced=True), ("sent", None, "web")),
        (Case(rule(CALM), consents={}), held("consent")),
        (Case(rule(CALM), consents={"marketing": Said(granted=False)}), held("consent")),
        (Case(rule(CALM), consents={"marketing": Said(at=T0)}), SENT),
        (Case(rule(CALM), consents={"marketing": Said(at=T0 + 1)}), held("consent")),
        (Case(rule(CALM), consents={"other": Said()}), held("consent")),
        (Case(rule(CALM), consents={"marketing": Said(expires=T0 + 1)}), SENT),
        # `expires` is the first moment at which it no longer holds
        (Case(rule(CALM), consents={"marketing": Said(expires=T0)}), held("consent")),
        (Case(rule(CALM), consents={"marketing": Said(expires=T0 - HOUR)}), held("consent")),
        (Case(rule(CALM), attributes={}), held("address")),
        (Case(rule(CALM), attributes={"email": ""}), held("address")),
        (Case(rule(CALM), attributes={"email": " "}), held("address")),
        (Case(rule(CALM), attributes={"email": "a" * 320}), SENT),
        (Case(rule(CALM), attributes={"email": "a" * 321}), held("address")),
        (Case(rule(CALM), attributes={"email": "a\nb"}), held("address")),
        (Case(rule(CALM), attributes={"email": "a\u00a0b"}), SENT),  # visible, though not printable
        (Case(rule(CALM), attributes={"email": {"of": "a@b.example"}}), held("address")),
        (Case(rule(PARCEL), attributes={"home": {"city": "Ulm"}}), ("sent", None, "parcel")),
        (Case(rule(PARCEL), attributes={"home": "Ulm"}), held("address", "parcel")),
        (Case(rule(PARCEL), attributes={"home": {}}), held("address", "parcel")),
        (Case(rule(CALM), group_claimed=True), held("group")),
        (Case(rule(CALM), sends={"channel:mail": (T0 - DAY + 1,)}), held("cap")),
        (Case(rule(CALM), sends={"channel:mail": (T0 - DAY,)}), SENT),
        (Case(rule(CALM, exempt=("cap",)), ONE_A_DAY, sends={"channel:mail": (T0,), "policy": (T0,)}), SENT),
        (Case(rule(CALM), ONE_A_DAY, sends={"policy": (T0 - DAY + 1,)}), held("cap")),
        (Case(rule(CALM), ONE_A_DAY, sends={"channel:mail": (T0,)}), held("cap")),
        (Case(rule(CALM), ONE_A_DAY, sends={"policy": (T0 - DAY,)}), SENT),
        (Case(rule(WEB), ONE_A_DAY, sends={"policy": (T0,)}), ("sent", None, "web")),  # it needs no consent
        (Case(rule(WEB), consents={}, attributes={}), ("sent", None, "web")),
        (Case(rule(WEB), replace(UTC, holdout=WHOLE)), ("holdout", "holdout", "web")),
        (Case(rule(WEB, holdout=WHOLE)), ("holdout", "holdout", "web")),
    ],
)
def test_each_guard_refuses_with_its_reason(case: Case, expected: tuple[str, str | None, str]) -> None:
    assert case.told() == expected


def test_the_first_guard_that_refuses_gives_the_reason() -> None:
    """All of them refuse; each is mended in turn, and the next one's reason shows.

    Whom the policy suppresses no rule writes to, so nobody has claimed the group of what is suppressed.
    """
    always = Policy(timezone="UTC", cap=Limit(1, DAY), holdout=WHOLE)
    case = Case(
        rule(MAIL, limit=Limit(1, DAY), rollout=1), always, suppressed=True, late=True, silenced=True,
        attributes={}, consents={},
        sends={"rule:r": (T0,), "channel:mail": (T0,), "policy": (T0,)},
    )  # fmt: skip
    assert case.verdict().reason == "rollout"
    case = replace(case, rule=replace(case.rule, rollout=WHOLE))
    assert case.verdict().reason == "stale"
    case = replace(case, late=False)
    assert case.verdict().reason == "limit"
    case = replace(case, sends={"channel:mail": (T0,), "policy": (T0,)})
    assert case.verdict().reason == "suppressed"
    case = replace(case, suppressed=False, group_claimed=True)
    assert (case.verdict().reason, case.verdict().silenced_by) == ("silenced", "hush")
    case = replace(case, silenced=False)
    assert case.verdict().reason == "consent"
    case = replace(case, consents=GIVEN)
    assert case.verdict().reason == "address"
    case = replace(case, attributes=EMAIL)
    assert case.verdict().reason == "quiet"
    case = replace(case, at=T0 + 2 * HOUR)
    assert case.verdict().reason == "group"
    case = replace(case, group_claimed=False)
    assert case.verdict().reason == "cap"
    case = replace(case, sends={"policy": (T0,)})
    assert case.verdict().reason == "cap"
    case = replace(case, sends={})
    assert case.told() == ("holdout", "holdout", "mail")
    assert case.verdict().held_out_by == ("policy",)
    assert replace(case, policy=UTC).told() == SENT


ORDER = (
    *("rollout", "late", "limit", "suppressed", "silenced", "consent", "address", "quiet", "group_claimed"),
    *("cap", "holdout"),
)
SPOILT: dict[str, dict[str, Any]] = {
    "rollout": {"rule": rule(MAIL, limit=Limit(1, DAY), quiet="drop", rollout=1)},
    "consent": {"consents": {}},
    "address": {"attributes": {}},
    "quiet": {"at": T0 + HOUR - 1},
    "limit": {"sends": {"rule:r": (T0,)}},
    "cap": {"sends": {"channel:mail": (T0,)}},
    "holdout": {"policy": replace(UTC, holdout=WHOLE)},
}
IN_TURN = set(combinations(ORDER, 2)) - {("suppressed", "group_claimed")}  # who is to have claimed it?


@pytest.mark.parametrize(("one", "other"), sorted(IN_TURN))
def test_of_two_guards_that_refuse_the_earlier_one_gives_the_reason(one: str, other: str) -> None:
    changed: dict[str, Any] = {"at": T0 + HOUR, "sends": {}}
    for each in (one, other):
        more = SPOILT.get(each, {each: True})
        changed |= more | ({"sends": {**changed["sends"], **more["sends"]}} if "sends" in more else {})
    case = replace(Case(rule(MAIL, limit=Limit(1, DAY), quiet="drop")), **changed)
    assert case.verdict().reason == {"late": "stale", "group_claimed": "group"}.get(one, one)


@pytest.mark.parametrize(
    ("channels", "changed", "expected"),
    [
        ((CALM, WEB), {}, SENT),
        ((CALM, WEB), {"consents": {}}, ("sent", None, "web")),
        ((CALM, WEB), {"attributes": {}}, ("sent", None, "web")),
        ((CALM, WEB), {"sends": {"channel:mail": (T0,)}}, ("sent", None, "web")),
        ((CALM, POST), {"consents": {"marketing_post": Said()}}, held("consent")),  # and no postal address
        ((POST, CALM), {"attributes": {}}, held("consent", "post")),
        ((CALM, WEB), {"attributes": {"email": "a", "preferred_channel": "web"}}, ("sent", None, "web")),
        ((CALM, WEB), {"attributes": {"email": "a", "preferred_channel": "fax"}}, SENT),
        ((CALM, WEB), {"attributes": {"email": "a", "preferred_channel": ["web"]}}, SENT),
        ((MAIL, WEB), {}, ("deferred", "quiet", "mail")),  # it waits for the channel that it prefers
        ((WEB, MAIL), {}, ("sent", None, "web")),
        ((MAIL, WEB), {"consents": {}}, ("sent", None, "web")),  # whether it is quiet there is not asked
        ((POST, MAIL), {}, ("deferred", "quiet", "mail")),
        ((CALM, POST), {"sends": {"channel:mail": (T0,)}}, held("cap")),
        # The reason is that of the one that the customer prefers, where none can be had.
        ((CALM, POST), {"attributes": {"email": "", "preferred_channel": "post"}}, held("consent", "post")),
    ],
)
def test_the_first_channel_that_can_be_used_is(
    channels: tuple[Channel, ...], changed: dict[str, Any], expected: tuple[str, str | None, str]
) -> None:
    assert replace(Case(rule(*channels)), **changed).told() == expected


PREFERS_WEB = {"email": "a@b.example", "postal": "x", "preferred_channel": "web"}
PREFERS_POST = {**PREFERS_WEB, "preferred_channel": "post"}
ALL_SAID = {"marketing": Said(), "marketing_post": Said()}


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        # The customer's own preference goes first, whatever its place in the rule's list, if it can be had.
        (Case(rule(CALM, POST, WEB), attributes=PREFERS_POST, consents=ALL_SAID), "post"),
        (Case(rule(CALM, POST, WEB), attributes=PREFERS_POST), "mail"),  # no consent for it
        (
            Case(rule(CALM, POST), attributes={**PREFERS_POST, "postal": ""}, consents=ALL_SAID),
            "mail",  # not to be reached by it
        ),
        (
            Case(
                rule(CALM, replace(WEB, cap=Limit(1, DAY))),
                attributes=PREFERS_WEB,
                sends={"channel:web": (T0,)},
            ),
            "mail",  # its cap is reached
        ),
        # Without one, the rule's order.
        (Case(rule(POST, CALM, WEB), attributes=PREFERS_WEB | {"preferred_channel": None}), "mail"),
        (Case(rule(WEB, CALM)), "web"),
        # The policy's cap closes what needs consent, and no other channel.
        (Case(rule(CALM, WEB), ONE_A_DAY, sends={"policy": (T0,)}), "web"),
        (Case(rule(CALM, WEB), ONE_A_DAY), "mail"),
    ],
)
def test_the_channel_is_the_first_that_is_preferred_consented_reachable_and_not_capped(
    case: Case, expected: str
) -> None:
    assert case.told() == ("sent", None, expected)


def test_where_all_channels_are_capped_the_reason_is_the_cap_of_the_first_that_could_be_had() -> None:
    capped = {"channel:mail": (T0,), "channel:web": (T0,), "channel:post": (T0,)}
    channels = replace(POST, cap=Limit(1, DAY)), CALM, replace(WEB, cap=Limit(1, DAY))
    assert Case(rule(*channels), sends=capped).told() == held("cap", "mail")
    assert Case(rule(*channels), sends=capped, attributes=PREFERS_WEB).told() == held("cap", "web")


# -- quiet hours


def test_quiet_hours_put_off_to_their_end() -> None:
    verdict = Case(rule(MAIL)).verdict()
    assert told(verdict) == ("deferred", "quiet", "mail")
    assert verdict.until == T0 + HOUR
    assert Case(rule(MAIL), at=T0 + HOUR).verdict().until == -1
    assert Case(rule(MAIL), at=T0 + HOUR).told() == SENT


def test_the_customers_own_zone_counts() -> None:
    rome = {"email": "a", "timezone": "Europe/Rome"}  # 11:00 there
    assert Case(rule(MAIL), attributes=rome).told() == SENT


def test_nobody_is_written_to_where_no_zone_is_known() -> None:
    assert Case(rule(MAIL), Policy()).told() == held("quiet")
    assert Case(rule(MAIL), attributes={"email": "a", "timezone": "Mars/Base"}).told() == held("quiet")


def test_a_rule_may_drop_what_quiet_hours_stop() -> None:
    assert Case(rule(MAIL, quiet="drop")).told() == held("quiet")
    assert Case(rule(CALM, quiet="drop")).told() == SENT


ALMOST_EVER = replace(MAIL, quiet=Quiet(601, 600))  # but for the minute from ten o'clock on


def judged_again(since: int, channel: Channel = ALMOST_EVER, **more: Any) -> Verdict:
    """The verdict at ten, of a message put off until then, in whose customer's new zone it is nine."""
    stage = Stage(rule(channel, **more))
    stage.profile(EMAIL, GIVEN, at=since - 1)
    (first,) = stage.decide("view", since).decisions
    assert first.outcome == "deferred"
    stage.profile({"timezone": "-01:00"}, at=since + 1)
    return stage.verdict("other", T0 + 1, "c2")


def test_a_rule_may_say_how_long_it_waits() -> None:
    assert Case(rule(MAIL, quiet=HOUR)).told() == ("deferred", "quiet", "mail")
    assert Case(rule(MAIL, quiet=HOUR - 1)).told() == held("quiet")
    again = judged_again(T0 - 2 * HOUR, quiet=3 * HOUR)
    assert (again.outcome, again.until) == ("deferred", T0 + HOUR)
    assert told(judged_again(T0 - 2 * HOUR - 1, quiet=3 * HOUR)) == held("quiet"), "from the first judgement"


def test_what_was_put_off_for_a_day_expires() -> None:
    assert judged_again(T0 + HOUR - DAY).outcome == "deferred"
    assert told(judged_again(T0 + HOUR - DAY - 1)) == held("quiet")


MOST = 16  # messages of a rule that wait, of a customer


def test_where_too_many_wait_for_the_morning_one_more_is_refused() -> None:
    stage = Stage(rule(MAIL, WEB))
    stage.profile(EMAIL, GIVEN)
    for at in range(MOST - 1):
        stage.decide("view", T0 + at)
    assert told(stage.verdict("view", T0 + MOST)) == ("deferred", "quiet", "mail")
    stage.decide("view", T0 + MOST)
    assert told(stage.verdict("view", T0 + MOST + 1)) == held("quiet")
    # Where it is not quiet, none has to wait.
    stage.profile({"preferred_channel": "web"}, at=T0 + MOST)
    assert told(stage.verdict("view", T0 + MOST + 2)) == ("sent", None, "web")
    # Others' do not count.
    stage.profile(EMAIL, GIVEN, customer="c2")
    assert told(stage.verdict("view", T0 + MOST + 3, "c2")) == ("deferred", "quiet", "mail")


def test_what_is_closed_while_it_is_put_off_is_over_whatever_else_refuses() -> None:
    stage = Stage(rule(MAIL, unless=Unless(("buy",), MINUTE), limit=Limit(1, DAY)))
    stage.profile(EMAIL, GIVEN)
    stage.decide("view", T0)
    (first,) = stage.decide("other", T0 + 2 * MINUTE, "c2").decisions
    assert first.outcome == "deferred"
    stage.sent({"rule:r": (T0,)})
    stage.profile({"email": None, "complained": True}, {"marketing": Said(granted=False, at=T0)}, at=T0)
    assert told(stage.verdict("buy", T0 + 30 * MINUTE)) == held("unless")


# -- groups


@pytest.mark.parametrize(
    ("more", "first", "reason"),
    [
        ({"channels": (WEB,)}, "sent", "group"),
        ({"channels": (WEB,), "holdout": WHOLE}, "holdout", "group"),
        ({"channels": (MAIL,)}, "deferred", "group"),
        ({"channels": (MAIL,), "quiet": "drop"}, "suppressed", None),  # what goes nowhere claims nothing
        ({"channels": (WEB,), "group": "other"}, "sent", None),
        ({"channels": (WEB,), "priority": -1}, "sent", None),  # it comes after
    ],
)
def test_a_group_is_claimed_by_what_goes_out_is_held_out_or_waits(
    more: dict[str, Any], first: str, reason: str | None
) -> None:
    of = {"group": "g", "priority": 1, **more}
    stage = Stage(rule(CALM, group="g"), rule(*of.pop("channels"), name="first", **of))
    stage.profile(EMAIL, GIVEN)
    assert stage.verdict("view", T0).reason == reason
    decisions = {each.rule: each.outcome for each in stage.decide("view", T0 + 1).decisions}
    assert decisions["first"] == ("suppressed" if of["priority"] < 0 else first)


def test_a_group_is_claimed_for_one_event_and_one_customer() -> None:
    stage = Stage(
        rule(CALM, group="g"),
        rule(WEB, name="first", group="g", priority=1, limit=Limit(1, DAY)),
    )
    stage.profile(EMAIL, GIVEN)
    stage.profile(EMAIL, GIVEN, customer="c2")
    found = stage.verdicts(("view", T0, "c1"), ("view", T0 + 1, "c1"), ("view", T0 + 2, "c2"))
    assert [each.reason for each in found] == ["group", None, "group"]


def test_rules_whose_timers_fire_at_once_claim_their_group_from_each_other() -> None:
    waits = {"wait": MINUTE, "group": "g"}
    stage = Stage(rule(CALM, **waits), rule(WEB, name="first", priority=1, **waits))
    stage.profile(EMAIL, GIVEN)
    stage.profile(EMAIL, GIVEN, customer="c2")
    stage.verdicts(("view", T0, "c1"))
    assert [each.reason for each in stage.verdicts(("other", T0 + HOUR, "c2"))] == ["group"]


# -- control groups


def test_a_decision_says_which_holdouts_hold_out() -> None:
    for policy, rules, by in (
        (WHOLE, 0, ("policy",)),
        (0, WHOLE, ("rule",)),
        (WHOLE, WHOLE, ("policy", "rule")),
    ):
        found = Case(rule(WEB, holdout=rules), Policy(holdout=policy)).verdict()
        assert (found.outcome, found.held_out_by) == ("holdout", by)
    assert Case(rule(WEB, holdout=WHOLE), suppressed=True).verdict().held_out_by == ()


def test_a_rules_holdout_holds_out_by_its_own_hash() -> None:
    stage = Stage(rule(WEB, holdout=5_000))
    found = [stage.verdict("view", T0 + n, f"c{n}").outcome == "holdout" for n in range(50)]
    assert set(found) == {True, False}
    assert found == [is_held_out(f"c{n}", "rule:r", 5_000) for n in range(50)]


def test_who_is_held_out_uses_up_limit_and_caps() -> None:
    limited = rule(CALM, holdout=WHOLE, limit=Limit(1, DAY))
    stage = Stage(limited, policy=ONE_A_DAY)
    stage.profile(EMAIL, GIVEN)
    (first,) = stage.decide("view", T0).decisions
    assert first.outcome == "holdout"
    sends = {name: stage.state.customers.sends("c1", name) for name in ("rule:r", "channel:mail", "policy")}
    assert sends == {"rule:r": [T0], "channel:mail": [T0], "policy": [T0]}
    assert told(stage.verdict("view", T0 + 1)) == held("limit")


def test_what_is_suppressed_or_put_off_uses_up_nothing() -> None:
    stage = Stage(rule(MAIL, limit=Limit(1, DAY)), policy=ONE_A_DAY)
    stage.decide("view", T0)
    stage.profile(EMAIL, GIVEN, at=T0)
    stage.decide("view", T0 + 1)
    sends = [stage.state.customers.sends("c1", name) for name in ("rule:r", "channel:mail", "policy")]
    assert sends == [[], [], []]


def test_a_send_uses_up_the_rule_its_channel_and_the_policy() -> None:
    policy = Policy(cap=Limit(3, DAY))
    assert limits.counters(rule(MAIL, limit=Limit(2, HOUR)), MAIL, policy) == [
        ("rule:r", Limit(2, HOUR)),
        ("channel:mail", Limit(1, DAY)),
        ("policy", Limit(3, DAY)),
    ]
    assert limits.counters(rule(WEB), WEB, policy) == []
