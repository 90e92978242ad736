"""The guards, one by one and in their order: pure functions of a match and what is known of the customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.decisions import experiments as arms
from stream.decisions import guards, limits
from stream.decisions.experiments import is_held_out
from stream.decisions.guards import MAX_DEFERRAL, Verdict
from stream.rules.durations import Period
from stream.rules.model import WHOLE, Channel, Limit, Policy, Quiet, Rule, Step, Subject
from tests.engine.enginekit import DAY, HOUR, T0  # T0 is 10:00 UTC

MAIL = Channel("mail", "triggers.mail", "marketing", ("customer", "email"), Limit(1, DAY), Quiet(540, 660))
WEB = Channel("web", "triggers.web")
POST = Channel("post", "triggers.post", "marketing_post", ("customer", "postal"))
UTC = Policy(timezone="UTC")
UTC_ZONE = ZoneInfo("UTC")
CALM = replace(MAIL, quiet=None)


@dataclass(frozen=True)
class Said:
    granted: bool = True
    at: int = 0
    basis: str | None = None
    expires: int | None = None


@dataclass(frozen=True)
class Match:
    """A candidate of which everything is in order, but for what a test changes."""

    rule: Rule
    customer_id: str = "c1"
    at: int = T0
    since: int = T0
    late: bool = False
    closed_by: str | None = None
    may_wait: bool = True
    group_claimed: bool = False
    suppressed: bool = False
    attributes: Mapping[str, Any] = field(default_factory=lambda: {"email": "a@b.example"})
    consents: Mapping[str, Said] = field(default_factory=lambda: {"marketing": Said()})
    sends: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def sent(self, counter: str) -> Sequence[int]:
        return self.sends.get(counter, ())

    def prior_sends(self, counter: str) -> Sequence[int]:
        return ()

    def address(self, channel: Channel) -> Any:
        assert channel.address is not None
        return self.attributes.get(channel.address[1])


def judge(match: Match, policy: Policy) -> Verdict:
    return guards.judge(match, policy, arms)


def rule(*channels: Channel, **more: Any) -> Rule:
    return Rule("r", "id", (Step(("view",)),), channels, **more)


def verdict(match: Match, policy: Policy = UTC) -> tuple[str, str | None, str]:
    found = judge(match, policy)
    return found.outcome, found.reason, found.channel.name


SENT = ("sent", None, "mail")


def held(reason: str, channel: str = "mail") -> tuple[str, str, str]:
    return ("suppressed", reason, channel)


BABY, ILL = Subject("baby", "baby_news"), Subject("illness", "illness")
ABOUT_BABIES = {"marketing": Said(), "baby_news": Said()}


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Match(rule(CALM, sensitive=(BABY,)), consents=ABOUT_BABIES), SENT),
        (Match(rule(CALM, sensitive=(BABY,))), held("consent")),
        (Match(rule(CALM, sensitive=(BABY,)), consents={"baby_news": Said()}), held("consent")),
        (Match(rule(CALM, sensitive=(BABY, ILL)), consents=ABOUT_BABIES), held("consent")),
        (
            Match(rule(CALM, sensitive=(BABY,)), consents={**ABOUT_BABIES, "baby_news": Said(granted=False)}),
            held("consent"),
        ),
        (
            Match(rule(CALM, sensitive=(BABY,)), consents={**ABOUT_BABIES, "baby_news": Said(expires=T0)}),
            held("consent"),
        ),
        # also on a channel that needs none, which all could be left for otherwise
        (Match(rule(WEB, sensitive=(BABY,)), consents={}), held("consent", "web")),
        (Match(rule(CALM, WEB, sensitive=(BABY,))), held("consent")),
        (Match(rule(WEB, sensitive=(BABY,)), consents={"baby_news": Said()}), ("sent", None, "web")),
    ],
)
def test_what_is_about_a_sensitive_subject_needs_consent_to_just_that(
    match: Match, expected: tuple[str, str | None, str]
) -> None:
    assert verdict(match) == expected


def test_what_nothing_refuses_is_sent() -> None:
    assert verdict(Match(rule(CALM))) == SENT


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
        (3, (0, 0, 0), DAY - 1, True),
        (3, (0, 0, 0), DAY, False),
    ],
)
def test_limits_roll(count: int, sent: tuple[int, ...], at: int, refused: bool) -> None:
    assert limits.is_used_up(Limit(count, DAY), sent, at, None) is refused
    limited = Match(rule(WEB, limit=Limit(count, DAY)), at=at, sends={"rule:r": sent})
    assert (judge(limited, UTC).reason == "limit") is refused


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
    limited = Match(rule(WEB, limit=limit), at=at, sends={"rule:r": sent})
    assert (judge(limited, UTC).reason == "limit") is refused
    assert judge(limited, Policy()).reason == "limit", "no zone known: fail closed"
    abroad = replace(limited, attributes={"timezone": "UTC"})
    assert (judge(abroad, Policy(timezone="Asia/Tokyo")).reason == "limit") is refused


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Match(rule(CALM), late=True), held("stale")),
        (Match(rule(CALM), closed_by="orders", late=True, suppressed=True), held("unless")),
        (Match(rule(CALM), suppressed=True), held("suppressed")),
        (Match(rule(CALM), consents={}), held("consent")),
        (Match(rule(CALM), consents={"marketing": Said(granted=False)}), held("consent")),
        (
            Match(rule(CALM), consents={"marketing": Said(at=T0 + 1)}),
            held("consent"),
        ),
        (Match(rule(CALM), consents={"other": Said()}), held("consent")),
        (Match(rule(CALM), consents={"marketing": Said(expires=T0 + 1)}), SENT),
        # `expires` is the first moment at which it no longer holds
        (Match(rule(CALM), consents={"marketing": Said(expires=T0)}), held("consent")),
        (Match(rule(CALM), consents={"marketing": Said(expires=0)}), held("consent")),
        (Match(rule(CALM), attributes={}), held("address")),
        (Match(rule(CALM), attributes={"email": ""}), held("address")),
        (Match(rule(CALM), group_claimed=True), held("group")),
        (Match(rule(CALM), sends={"channel:mail": (T0 - DAY + 1,)}), held("cap")),
        (Match(rule(CALM), sends={"channel:mail": (T0 - DAY,)}), SENT),
        (Match(rule(WEB), consents={}, attributes={}), ("sent", None, "web")),
    ],
)
def test_each_guard_refuses_with_its_reason(match: Match, expected: tuple[str, str | None, str]) -> None:
    assert verdict(match) == expected


def test_the_first_guard_that_refuses_gives_the_reason() -> None:
    """All of them refuse; each is mended in turn, and the next one's reason shows."""
    always = Policy(timezone="UTC", cap=Limit(1, DAY), holdout=WHOLE)
    match = Match(
        rule(MAIL, limit=Limit(1, DAY)),
        late=True, suppressed=True, group_claimed=True, attributes={}, consents={},
        sends={"rule:r": (T0,), "channel:mail": (T0,), "policy": (T0,)},
    )  # fmt: skip
    assert judge(match, always).reason == "stale"
    match = replace(match, late=False)
    assert judge(match, always).reason == "limit"
    match = replace(match, sends={"channel:mail": (T0,), "policy": (T0,)})
    assert judge(match, always).reason == "suppressed"
    match = replace(match, suppressed=False)
    assert judge(match, always).reason == "consent"
    match = replace(match, consents={"marketing": Said()})
    assert judge(match, always).reason == "address"
    match = replace(match, attributes={"email": "a@b.example"})
    assert judge(match, always).reason == "quiet"
    match = replace(match, at=T0 + 2 * HOUR)
    assert judge(match, always).reason == "group"
    match = replace(match, group_claimed=False)
    assert judge(match, always).reason == "cap"
    match = replace(match, sends={"policy": (T0,)})
    assert judge(match, always).reason == "cap"
    match = replace(match, sends={})
    assert judge(match, always) == Verdict("holdout", "holdout", MAIL, held_out_by=("policy",))
    assert judge(match, UTC) == Verdict("sent", None, MAIL)


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
        ((CALM, POST), {"sends": {"channel:mail": (T0,)}}, held("cap")),
    ],
)
def test_the_first_channel_that_can_be_used_is(
    channels: tuple[Channel, ...], changed: dict[str, Any], expected: tuple[str, str | None, str]
) -> None:
    assert verdict(replace(Match(rule(*channels)), **changed)) == expected


PREFERS_WEB = {"email": "a@b.example", "postal": "x", "preferred_channel": "web"}
PREFERS_POST = {**PREFERS_WEB, "preferred_channel": "post"}
ALL_SAID = {"marketing": Said(), "marketing_post": Said()}


@pytest.mark.parametrize(
    ("match", "policy", "expected"),
    [
        # The customer's own preference goes first, whatever its place in the rule's list, if it can be had.
        (Match(rule(CALM, POST, WEB), attributes=PREFERS_POST, consents=ALL_SAID), UTC, "post"),
        (Match(rule(CALM, POST, WEB), attributes=PREFERS_POST), UTC, "mail"),  # no consent for it
        (
            Match(rule(CALM, POST), attributes={**PREFERS_POST, "postal": ""}, consents=ALL_SAID),
            UTC,
            "mail",  # not to be reached by it
        ),
        (
            Match(
                rule(CALM, replace(WEB, cap=Limit(1, DAY))),
                attributes=PREFERS_WEB,
                sends={"channel:web": (T0,)},
            ),
            UTC,
            "mail",  # its cap is reached
        ),
        # Without one, the rule's order.
        (Match(rule(POST, CALM, WEB), attributes=PREFERS_WEB | {"preferred_channel": None}), UTC, "mail"),
        (Match(rule(WEB, CALM)), UTC, "web"),
        # The policy's cap closes what needs consent, and no other channel.
        (Match(rule(CALM, WEB), sends={"policy": (T0,)}), replace(UTC, cap=Limit(1, DAY)), "web"),
        (Match(rule(CALM, WEB)), replace(UTC, cap=Limit(1, DAY)), "mail"),
    ],
)
def test_the_channel_is_the_first_that_is_preferred_consented_reachable_and_not_capped(
    match: Match, policy: Policy, expected: str
) -> None:
    assert verdict(match, policy) == ("sent", None, expected)


def test_where_all_channels_are_capped_the_reason_is_the_cap_of_the_first_that_could_be_had() -> None:
    capped = {"channel:mail": (T0,), "channel:web": (T0,), "channel:post": (T0,)}
    post, web = replace(POST, cap=Limit(1, DAY)), replace(WEB, cap=Limit(1, DAY))
    assert verdict(Match(rule(post, CALM, web), sends=capped)) == held("cap", "mail")
    assert verdict(Match(rule(post, CALM, web), sends=capped, attributes=PREFERS_WEB)) == held("cap", "web")


def test_quiet_hours_put_off_to_their_end() -> None:
    assert judge(Match(rule(MAIL)), UTC) == Verdict("deferred", "quiet", MAIL, T0 + HOUR)


def test_the_customers_own_zone_counts() -> None:
    rome = {"email": "a", "timezone": "Europe/Rome"}  # 11:00 there
    assert verdict(Match(rule(MAIL), attributes=rome)) == SENT


def test_nobody_is_written_to_where_no_zone_is_known() -> None:
    assert verdict(Match(rule(MAIL)), Policy()) == held("quiet")


def test_a_rule_may_drop_what_quiet_hours_stop() -> None:
    assert verdict(Match(rule(MAIL, quiet="drop"))) == held("quiet")


def test_a_rule_may_say_how_long_it_waits() -> None:
    assert judge(Match(rule(MAIL, quiet=HOUR)), UTC).outcome == "deferred"
    assert verdict(Match(rule(MAIL, quiet=HOUR - 1))) == held("quiet")
    again = Match(rule(MAIL, quiet=3 * HOUR), since=T0 - 2 * HOUR)
    assert judge(again, UTC).outcome == "deferred"
    assert verdict(replace(again, since=again.since - 1)) == held("quiet"), "from the first judgement on"


def test_where_too_many_wait_for_the_morning_one_more_is_refused() -> None:
    assert verdict(Match(rule(MAIL), may_wait=False)) == held("quiet")
    assert verdict(Match(rule(CALM), may_wait=False)) == SENT


def test_what_was_put_off_for_a_day_expires() -> None:
    waiting = Match(rule(MAIL), since=T0 + HOUR - MAX_DEFERRAL)
    assert judge(waiting, UTC).outcome == "deferred"
    assert verdict(replace(waiting, since=waiting.since - 1)) == held("quiet")


def test_a_decision_says_which_holdouts_hold_out() -> None:
    for policy, rules, by in (
        (WHOLE, 0, ("policy",)),
        (0, WHOLE, ("rule",)),
        (WHOLE, WHOLE, ("policy", "rule")),
    ):
        found = judge(Match(rule(WEB, holdout=rules)), Policy(holdout=policy))
        assert (found.outcome, found.held_out_by) == ("holdout", by)
    assert judge(Match(rule(WEB, holdout=WHOLE), suppressed=True), UTC).held_out_by == ()


def test_a_rules_holdout_holds_out_by_its_own_hash() -> None:
    tested = rule(WEB, holdout=5_000)
    found = {judge(Match(tested, f"c{n}"), UTC).outcome == "holdout" for n in range(50)}
    assert found == {True, False}
    assert all(
        (judge(Match(tested, f"c{n}"), UTC).outcome == "holdout") is is_held_out(f"c{n}", "rule:r", 5_000)
        for n in range(50)
    )


def test_a_send_uses_up_the_rule_its_channel_and_the_policy() -> None:
    policy = Policy(cap=Limit(3, DAY))
    assert limits.counters(rule(MAIL, limit=Limit(2, HOUR)), MAIL, policy) == [
        ("rule:r", Limit(2, HOUR)),
        ("channel:mail", Limit(1, DAY)),
        ("policy", Limit(3, DAY)),
    ]
    assert limits.counters(rule(WEB), WEB, policy) == []
