"""The example brand's rules: their own tests, and what they do on the demo's data.

What is expected of the demo is counted here from profiles and events in plain Python, not by the engine; what
the policy and the channels say is repeated here on purpose.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from stream.authoring.replay import Replay, ReplayedRecord
from stream.authoring.rule_tests.run import run
from stream.clock import Clock
from stream.demo.data import PROFILES, WEATHER, DemoEvent, events
from stream.demo.play import partition_of
from stream.engine import PartitionState, process
from stream.rules.compiler.rule_set import check_rules, load_rules
from stream.rules.model import RuleSet
from stream.rules.testcases import RuleTest
from stream.structs import Batch, Decision, Trigger

RULES = Path(__file__).parents[2] / "rules"
CHECKED = check_rules(RULES)
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
SOURCES = frozenset({"clickstream", "transactions", "profiles", "weather"})

CONSENTS = {
    "email": "marketing_email",
    "push": "push",
    "direct_mail": "marketing_post",
    "phone": "marketing_phone",
}
ADDRESSES = {
    "email": "email",
    "push": "push_token",
    "direct_mail": "postal_address",
    "phone": "phone",
}
CAPS = {"email": (1, DAY_MS), "push": (1, DAY_MS), "direct_mail": (2, 90 * DAY_MS), "phone": (1, 60 * DAY_MS)}
QUIET = {"email": (21, 8), "push": (21, 8), "phone": (20, 9)}  # hours of the day
GROUPS = ({"cart-left-behind", "loyal-cart-left-behind"}, {"lapsed-big-spender", "lapsed-top-customer"})
HELD_OUT = {"cart-left-behind": 1_000, "lapsed-big-spender": 1_000}  # of 10,000, besides the policy's 500

# Rules that may speak to somebody who waits for an answer from us.
SERVICE = {"payment-failed", "checkout-broken", "support-chat-open"}
PURCHASE_RULES = {"second-purchase", "regular-customer", "lapsed-big-spender", "lapsed-top-customer"}


@dataclass(frozen=True, slots=True)
class FakeRecord:
    offset: int
    timestamp: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Fact:
    """An event as it is counted here."""

    time: int
    name: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    triggers: list[Trigger]
    decisions: list[Decision]
    errors: Counter[tuple[str, str]]


def is_held_out(customer: str, rule: str) -> bool:
    """As docs/experiments.md says that it can be computed outside."""

    def number(salt: str) -> int:
        digest = blake2b(f"{customer}\0{salt}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % 10_000

    return number("policy") < 500 or number(f"rule:{rule}") < HELD_OUT.get(rule, 0)


def is_quiet(channel: str, at: int, attributes: dict[str, Any]) -> bool:
    if channel not in QUIET:
        return False
    zone = ZoneInfo(attributes.get("timezone", "Europe/Berlin"))
    start, end = QUIET[channel]
    hour = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).hour
    return hour >= start or hour < end


def most_within(times: Iterable[int], window: int) -> int:
    """The most that any window holds; what is exactly a window apart is in two."""
    ordered = sorted(times)
    return max((sum(at - window < each <= at for each in ordered) for at in ordered), default=0)


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load_rules(RULES)


@pytest.fixture(scope="module")
def history() -> list[DemoEvent]:
    return list(events())


@pytest.fixture(scope="module")
def facts(history: list[DemoEvent]) -> dict[str, list[Fact]]:
    """What each customer did, in order."""
    by_customer: dict[str, list[Fact]] = defaultdict(list)
    for event in history:
        if event.topic not in (PROFILES, WEATHER):
            value = orjson.loads(event.value)
            fact = Fact(event.time_ms, value.get("event", "purchase"), value)
            by_customer[value["customer_id"]].append(fact)
    return by_customer


@pytest.fixture(scope="module")
def profiles(history: list[DemoEvent]) -> dict[str, dict[str, Any]]:
    return {event.key.decode(): orjson.loads(event.value) for event in history if event.topic == PROFILES}


@pytest.fixture(scope="module")
def outcome(rules: RuleSet, history: list[DemoEvent]) -> Outcome:
    return played(rules, history)


def played(rules: RuleSet, history: Iterable[DemoEvent]) -> Outcome:
    """A history through the engine, as one partition and on the clock of the events."""
    records: dict[str, list[FakeRecord]] = {source: [] for source in SOURCES}
    for event in history:
        of_topic = records[event.topic]
        of_topic.append(FakeRecord(len(of_topic), event.time_ms, event.key, event.value))
    state, clock = PartitionState(rules), Clock(by_event_time=True)
    all_of_it = Outcome([], [], Counter())
    batch = Batch(partition=0, records=records, ended=SOURCES)
    while True:
        result = process(batch, rules, state, clock)
        assert not result.dead_letters
        all_of_it.triggers.extend(result.triggers)
        all_of_it.decisions.extend(result.decisions)
        all_of_it.errors.update(result.errors)
        if not result.more:
            return all_of_it
        batch = Batch(partition=0, ended=SOURCES)


def fired(outcome: Outcome, rule: str) -> list[Decision]:
    return [each.decision for each in outcome.triggers if each.decision.rule == rule]


@pytest.mark.parametrize("test", CHECKED.tests, ids=lambda test: test.name)
def test_rules_do_what_their_own_tests_say(test: RuleTest, rules: RuleSet) -> None:
    assert run(test, rules).failures == ()


def test_every_rule_has_a_test_in_which_it_speaks(rules: RuleSet) -> None:
    assert {each.rule for test in CHECKED.tests for each in test.expect} >= {
        rule.name for rule in rules.rules
    }


def test_every_guard_refuses_in_a_test(rules: RuleSet) -> None:
    reasons = {each.reason for test in CHECKED.tests for each in run(test, rules).held_back}
    assert reasons == {
        *("unless", "stale", "limit", "suppressed", "consent", "address", "quiet", "group", "cap", "holdout")
    }


def test_the_check_finds_nothing() -> None:
    assert not CHECKED.diagnostics


def test_every_rule_says_what_it_is_how_often_it_may_speak_and_what_for(rules: RuleSet) -> None:
    for rule in rules.rules:
        assert rule.describe
        assert rule.limit is not None
        assert rule.goals


def test_every_rule_fires(rules: RuleSet, outcome: Outcome) -> None:
    sent = Counter(each.decision.rule for each in outcome.triggers)
    assert set(sent) == {rule.name for rule in rules.rules}
    assert min(sent.values()) >= 10
    assert {(each.decision.rule, each.decision.channel) for each in outcome.triggers} == {
        (rule.name, channel.name) for rule in rules.rules for channel in rule.channels
    }


def test_every_guard_but_stale_holds_something_back(outcome: Outcome) -> None:
    """Nothing is late: a backlog is worked off in the order of event time."""
    assert {each.reason for each in outcome.decisions} == {
        *(None, "limit", "suppressed", "consent", "address", "quiet", "group", "cap", "holdout")
    }


def test_no_condition_and_no_content_fails(outcome: Outcome) -> None:
    assert not outcome.errors
    for trigger in outcome.triggers:
        assert all(trigger.content.values())
        assert not [text for text in trigger.content.values() if re.search(r"[{}]|None|nil", text)]


def test_every_banner_has_a_visit_to_be_shown_in(outcome: Outcome) -> None:
    assert all(each.address for each in outcome.triggers if each.decision.channel == "web")


def test_nothing_is_sent_without_consent_and_address(
    outcome: Outcome, profiles: dict[str, dict[str, Any]]
) -> None:
    for trigger in outcome.triggers:
        channel, profile = trigger.decision.channel, profiles[trigger.decision.customer_id]
        assert "do_not_contact" not in profile["attributes"]
        if channel in CONSENTS:
            assert profile["consents"][CONSENTS[channel]]["granted"]
            assert trigger.consent is not None
            assert trigger.consent.purpose == CONSENTS[channel]
            assert trigger.consent.basis == profile["consents"][CONSENTS[channel]]["basis"]
            assert trigger.address == profile["attributes"][ADDRESSES[channel]]


def test_nobody_hears_of_a_child_who_did_not_ask_to(
    outcome: Outcome, profiles: dict[str, dict[str, Any]]
) -> None:
    judged = [each for each in outcome.decisions if each.rule == "expecting-parents"]
    for each in judged:
        profile = profiles[each.customer_id]
        assert "due_date" in profile["attributes"]
        asked = profile["consents"].get("pregnancy", {}).get("granted", False)
        assert (each.reason == "consent") <= (not asked)
        assert each.outcome not in ("sent", "holdout") or asked
    assert Counter(each.reason for each in judged)["consent"] > 10
    for trigger in outcome.triggers:
        assert [proof.subject for proof in trigger.sensitive] == (
            ["pregnancy"] if trigger.decision.rule == "expecting-parents" else []
        )


def test_a_hot_day_is_one_where_the_visitor_is(outcome: Outcome, history: list[DemoEvent]) -> None:
    days = {
        (event.key.decode(), event.time_ms // DAY_MS): orjson.loads(event.value)["temperature"]
        for event in history
        if event.topic == WEATHER
    }
    for trigger in outcome.triggers:
        if trigger.decision.rule == "hot-day":
            degrees = days[trigger.decision.customer_id, trigger.decision.at // DAY_MS]
            assert degrees >= 25
            assert trigger.content["banner"].startswith(f"{degrees} degrees today.")


def test_preference_decides_between_channels(outcome: Outcome, profiles: dict[str, dict[str, Any]]) -> None:
    """`checkout-left` names push first: e-mail is for those who prefer it, or cannot be pushed to."""
    by_preference = Counter()
    for trigger in fired(outcome, "checkout-left"):
        profile = profiles[trigger.customer_id]
        pushed = profile["consents"].get("push", {}).get("granted") and "push_token" in profile["attributes"]
        mailed = profile["consents"].get("marketing_email", {}).get("granted")
        if pushed and mailed and "email" in profile["attributes"]:
            preferred = profile["attributes"].get("preferred_channel", "push")
            by_preference[preferred == trigger.channel, preferred] += 1
    assert by_preference[True, "email"]
    assert by_preference[True, "push"]
    # The cap of the preferred one may be used up.
    assert by_preference[False, "email"] + by_preference[False, "push"] <= 3


def test_nobody_is_woken(outcome: Outcome, profiles: dict[str, dict[str, Any]]) -> None:
    put_off = 0
    for trigger in outcome.triggers:
        decision = trigger.decision
        attributes = profiles[decision.customer_id]["attributes"]
        assert not is_quiet(decision.channel, decision.at, attributes), decision
    for decision in outcome.decisions:
        if decision.reason == "quiet":
            assert is_quiet(decision.channel, decision.at, profiles[decision.customer_id]["attributes"])
            put_off += 1
    assert put_off > 1_000


def test_nobody_gets_more_than_the_caps_and_limits(rules: RuleSet, outcome: Outcome) -> None:
    """Those who are held out included: they use up caps and limits as if they had been sent to."""
    counted: dict[tuple[str, str], list[int]] = defaultdict(list)
    for decision in outcome.decisions:
        if decision.outcome in ("sent", "holdout"):
            counted[decision.customer_id, decision.channel].append(decision.at)
            counted[decision.customer_id, decision.rule].append(decision.at)
            if decision.channel in CONSENTS:
                counted[decision.customer_id, "policy"].append(decision.at)
    limits = {rule.name: (rule.limit.count, rule.limit.over) for rule in rules.rules if rule.limit}
    for name, (most, window) in {**CAPS, **limits, "policy": (3, 7 * DAY_MS)}.items():
        of_name = [times for (_, counter), times in counted.items() if counter == name]
        assert max(most_within(times, window) for times in of_name) <= most, name


def test_of_a_group_one_rule_speaks_for_one_event(outcome: Outcome) -> None:
    for group in GROUPS:
        spoken = Counter(
            (each.customer_id, each.event.id)
            for each in outcome.decisions
            if each.rule in group and each.outcome in ("sent", "holdout")
        )
        assert set(spoken.values()) == {1}


def test_the_control_groups_are_those_that_the_hash_says(outcome: Outcome) -> None:
    judged = [each for each in outcome.decisions if each.outcome in ("sent", "holdout")]
    for each in judged:
        assert (each.outcome == "holdout") == is_held_out(each.customer_id, each.rule)
    assert {each.rule for each in judged if each.outcome == "holdout"} >= set(HELD_OUT)


def test_variants_share_the_carts(outcome: Outcome) -> None:
    drawn = Counter(each.variant for each in fired(outcome, "cart-left-behind"))
    assert set(drawn) == {"delivery", "question"}
    assert min(drawn.values()) > 0.4 * drawn.total()


def test_the_second_purchase_is_answered_where_it_may_be(
    outcome: Outcome, facts: dict[str, list[Fact]], profiles: dict[str, dict[str, Any]]
) -> None:
    may: dict[str, int] = {}
    for customer, done in facts.items():
        bought = [fact.time for fact in done if fact.name == "purchase"]
        attributes, consents = profiles[customer]["attributes"], profiles[customer]["consents"]
        if (
            len(bought) >= 2
            and "do_not_contact" not in attributes
            and "email" in attributes
            and consents.get("marketing_email", {}).get("granted")
            and not is_held_out(customer, "second-purchase")
        ):
            may[customer] = bought[1]
    thanked = {each.customer_id: each.at for each in fired(outcome, "second-purchase")}
    assert len(thanked) == len(fired(outcome, "second-purchase"))
    assert thanked.keys() <= may.keys()
    for customer, at in thanked.items():
        if is_quiet("email", may[customer], profiles[customer]["attributes"]):
            assert may[customer] < at < may[customer] + 11 * HOUR_MS
        else:
            assert at == may[customer]
    mailed = defaultdict(list)
    for trigger in outcome.triggers:
        if trigger.decision.channel == "email":
            mailed[trigger.decision.customer_id].append(trigger.decision.at)
    end = max(done[-1].time for done in facts.values())
    for customer in may.keys() - thanked.keys():  # they had another mail that day, or it is still quiet
        assert may[customer] > end - 11 * HOUR_MS or any(
            may[customer] - DAY_MS < at < may[customer] + 11 * HOUR_MS for at in mailed[customer]
        )


def test_a_broken_checkout_is_answered_at_once(
    outcome: Outcome, facts: dict[str, list[Fact]], profiles: dict[str, dict[str, Any]]
) -> None:
    expected = []
    for customer, done in facts.items():
        answered = -DAY_MS
        for fact in done:
            free = fact.time - answered >= DAY_MS and "do_not_contact" not in profiles[customer]["attributes"]
            if fact.name == "checkout_bug" and free:
                answered = fact.time
                if not is_held_out(customer, "checkout-broken"):
                    expected.append((customer, fact.time))
    assert sorted((each.customer_id, each.at) for each in fired(outcome, "checkout-broken")) == sorted(
        expected
    )


def test_a_failed_payment_is_called_back_unless_it_was_made_good(
    outcome: Outcome, facts: dict[str, list[Fact]], profiles: dict[str, dict[str, Any]]
) -> None:
    quarter = 15 * MINUTE_MS
    expected = []
    for customer, done in facts.items():
        called = -DAY_MS
        for fact in done:
            if fact.name != "payment_error" or "do_not_contact" in profiles[customer]["attributes"]:
                continue
            due = fact.time + quarter
            later = [each for each in done if fact.time < each.time <= due]
            if any(each.name in ("purchase", "payment_error") for each in later) or due - called < DAY_MS:
                continue
            called = due
            if not is_held_out(customer, "payment-failed"):
                expected.append((customer, due))
    assert sorted((each.customer_id, each.at) for each in fired(outcome, "payment-failed")) == sorted(
        expected
    )


def test_a_checkout_was_left_where_its_cart_was_filled(
    outcome: Outcome, facts: dict[str, list[Fact]]
) -> None:
    left = [each for each in outcome.triggers if each.decision.rule == "checkout-left"]
    for trigger in left:
        each = trigger.decision
        paying = each.at - 20 * MINUTE_MS
        session = trigger.content["link"].partition("session=")[2]
        visit = [fact for fact in facts[each.customer_id] if fact.value.get("session") == session]
        assert any(fact.name == "payment_details" and fact.time == paying for fact in visit)
        assert any(fact.name == "add_to_cart" and 0 <= paying - fact.time <= HOUR_MS for fact in visit)
        settled = {"purchase", "payment_error", "checkout_bug", "support_chat"}
        assert not [f for f in facts[each.customer_id] if f.name in settled and paying < f.time <= each.at]


def test_whoever_buys_within_the_half_hour_is_not_reminded(
    outcome: Outcome, facts: dict[str, list[Fact]]
) -> None:
    reminders = fired(outcome, "cart-left-behind")
    for each in reminders:
        left = each.event.time  # half an hour ago, or in the evening before
        assert each.timed
        assert any(fact.name == "add_to_cart" and fact.time == left for fact in facts[each.customer_id])
        assert not [f for f in facts[each.customer_id] if f.name == "purchase" and left < f.time <= each.at]


def test_marketing_keeps_quiet_for_three_days_after_a_support_chat(
    outcome: Outcome, facts: dict[str, list[Fact]]
) -> None:
    marketing = [
        each.decision for each in outcome.triggers if each.decision.rule not in SERVICE | PURCHASE_RULES
    ]
    held_back = 0
    for each in marketing:
        done = facts[each.customer_id]
        assert not [
            f for f in done if f.name == "support_chat" and each.at - 3 * DAY_MS < f.time <= each.at
        ], each
        held_back += any(fact.name == "support_chat" for fact in done)
    assert held_back  # customers who did chat, but long ago, hear from us again


def test_big_spenders_have_lapsed_and_have_spent(outcome: Outcome, facts: dict[str, list[Fact]]) -> None:
    for rule, least in (("lapsed-big-spender", 300), ("lapsed-top-customer", 800)):
        for each in fired(outcome, rule):
            bought = [
                fact for fact in facts[each.customer_id] if fact.name == "purchase" and fact.time <= each.at
            ]
            due = bought[-1].time + 120 * DAY_MS
            assert due <= each.at < due + 14 * HOUR_MS  # put off from the evening to the morning
            # The window of a year is kept in 60 slices: up to one slice more may count.
            since = due - 365 * DAY_MS - 7 * DAY_MS
            assert sum(fact.value["amount"] for fact in bought if fact.time > since) >= least - 0.01


def test_postcards_go_to_those_who_look_and_do_not_buy(
    outcome: Outcome, facts: dict[str, list[Fact]]
) -> None:
    for each in fired(outcome, "browsing-without-buying"):
        done = facts[each.customer_id]
        assert not [f for f in done if f.name == "purchase" and each.at - 90 * DAY_MS < f.time <= each.at]
        assert sum(f.name == "product_view" and each.at - 15 * DAY_MS < f.time <= each.at for f in done) >= 8


def test_wish_list_reminders_go_to_phones_only(outcome: Outcome, facts: dict[str, list[Fact]]) -> None:
    for each in fired(outcome, "wish-list-waiting"):
        visits = [fact for fact in facts[each.customer_id] if fact.value.get("platform") == "mobile"]
        assert any(each.at - 31 * DAY_MS < fact.time <= each.at for fact in visits)


def test_readme_shows_what_the_demo_prints(rules: RuleSet, history: list[DemoEvent]) -> None:
    """Its excerpt of the summary, on the demo's four partitions: each has a watermark of its own."""
    readme = (RULES.parent / "README.md").read_text(encoding="utf-8")
    block = re.search(
        r"^```text\nRule +Channel +Sent +Held back\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL
    )
    assert block is not None
    sent: Counter[tuple[str, str]] = Counter()
    held_back: dict[str, Counter[str]] = defaultdict(Counter)
    for number in range(4):
        outcome = played(rules, (each for each in history if partition_of(each.key, 4) == number))
        sent.update((each.decision.rule, each.decision.channel) for each in outcome.triggers)
        for each in outcome.decisions:
            if each.outcome not in ("sent", "deferred"):
                held_back[each.rule][each.reason or ""] += 1
    for line in block[1].splitlines():
        rule, channel, count, reasons = re.split(r" {2,}", line)
        assert sent[rule, channel] == int(count)
        shown = [f"{reason} {n:,}" for reason, n in held_back[rule].most_common()]
        assert reasons in (", ".join(shown), ", ".join([*shown[: reasons.count(",")], "…"]))


def test_a_customer_of_whom_no_weather_is_known_is_no_error_of_a_rule() -> None:
    """`has(context.weather.temperature)` is an error without a record: each visit of most people was one."""
    rules = load_rules(RULES)
    visit = {"event": "home", "customer_id": "c1", "ts": "2026-03-02T10:00:00Z", "session": "s1"}
    record = ReplayedRecord(0, 0, orjson.dumps(visit))
    (result,) = Replay(rules).feed({"clickstream": [record]}, SOURCES)
    assert result.events == {"clickstream": 1}
    assert result.condition_errors == {}
