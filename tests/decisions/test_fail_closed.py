"""What is not known keeps a message back, from rule file to decision: a test for each thing not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream.rules.compiler.rule_set import load_rules
from tests.engine.enginekit import DAY, HOUR, SECOND, T0, World, rec

RULES = """
sources:
  clicks: {event: event, customer: customer, time: ts, id: id}
  profiles: {kind: profile, customer: customer, time: ts}
channels:
  mail: {topic: triggers.mail, consent: marketing, address: customer.email CHANNEL}
rules:
  r: {on: view, send: {channel: mail, content: {text: "Hello"}} RULE}
policy: {stale_after: 1h POLICY}
"""
EMAIL = {"email": "a@b.example"}
GIVEN = {"marketing": {"granted": True, "at": T0 - DAY}}


class Case:
    """A rule set with something added, and what becomes of one view."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world: World | None = None

    def outcome(
        self,
        *,
        channel: str = "",
        rule: str = "",
        policy: str = "",
        attributes: dict[str, Any] = EMAIL,
        consents: dict[str, Any] | None = GIVEN,
        at: int = T0 + SECOND,
    ) -> tuple[str, str | None]:
        text = RULES
        for name, added in (("CHANNEL", channel), ("RULE", rule), ("POLICY", policy)):
            text = text.replace(f" {name}", f", {added}" if added else "")
        (self.folder / "rules.yaml").write_text(text)
        self.world = World(load_rules(self.folder))
        profile = {"attributes": attributes} | ({} if consents is None else {"consents": consents})
        profiles = [rec(0, 0, **profile)]
        self.world.play({"clicks": [rec(0, at - T0, id="e1")], "profiles": profiles})
        (decision,) = self.world.decisions
        return decision.outcome, decision.reason

    @property
    def errors(self) -> dict[tuple[str, str], int]:
        assert self.world is not None
        return self.world.result.errors


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_where_all_is_known_it_is_sent(case: Case) -> None:
    assert case.outcome() == ("sent", None)


def test_without_any_record_of_a_consent_there_is_none(case: Case) -> None:
    assert case.outcome(consents=None) == ("suppressed", "consent")
    assert case.outcome(consents={}) == ("suppressed", "consent")
    assert case.outcome(consents={"marketing_post": GIVEN["marketing"]}) == ("suppressed", "consent")


def test_a_consent_that_was_withdrawn_or_is_not_given_yet_is_none(case: Case) -> None:
    withdrawn = {"marketing": {"granted": False, "at": T0 - DAY}}
    assert case.outcome(consents=withdrawn) == ("suppressed", "consent")
    to_come = {"marketing": {"granted": True, "at": T0 + HOUR}}
    assert case.outcome(consents=to_come) == ("suppressed", "consent")


def test_without_an_address_there_is_nowhere_to_send_it(case: Case) -> None:
    assert case.outcome(attributes={}) == ("suppressed", "address")
    assert case.outcome(attributes={"email": ""}) == ("suppressed", "address")


@pytest.mark.parametrize("zone", [None, "Mars/Base", "", 3, ["UTC"]])
def test_without_a_time_zone_it_may_be_night(case: Case, zone: Any) -> None:
    """The policy's is for those who say none, not for those who say one that nobody can read."""
    nobody_knows = EMAIL | ({} if zone is None else {"timezone": zone})
    quiet = 'quiet: "21:00-08:00"'  # and it is ten in the morning, UTC
    assert case.outcome(channel=quiet, attributes=nobody_knows) == ("suppressed", "quiet")
    assert case.outcome(channel=quiet, attributes=EMAIL | {"timezone": "UTC"}) == ("sent", None)
    expected = ("sent", None) if zone is None else ("suppressed", "quiet")
    assert case.outcome(channel=quiet, policy="timezone: UTC", attributes=nobody_knows) == expected


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_without_a_time_zone_a_limit_by_the_calendar_is_used_up(case: Case, period: str) -> None:
    rate = f"1000 per calendar {period}"
    assert case.outcome(rule=f"limit: {rate}") == ("suppressed", "limit")
    assert case.outcome(channel=f"cap: {rate}") == ("suppressed", "cap")
    assert case.outcome(policy=f"cap: {rate}") == ("suppressed", "cap")
    assert case.outcome(rule=f"limit: {rate}", policy=f"timezone: UTC, cap: {rate}") == ("sent", None)


LAST_DAY = 253_402_214_400_000  # 9999-12-31T00:00:00Z, which some systems write for "never"


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("at", [LAST_DAY, LAST_DAY + DAY - 1, LAST_DAY - 2 * DAY])
def test_an_event_at_the_end_of_all_calendars_does_not_stop_a_backtest(
    case: Case, zone: str, at: int
) -> None:
    """In some zones it is the year 10000 by then, which no calendar here knows."""
    local = {"at": at, "attributes": EMAIL | {"timezone": zone}}
    assert case.outcome(channel='quiet: "21:00-24:00"', **local) == ("suppressed", "quiet")
    assert case.outcome(rule="limit: 1 per calendar day", **local) == ("suppressed", "limit")
    assert case.outcome(rule="limit: 1 per 1d", **local) == ("sent", None)


@pytest.mark.parametrize(
    ("suppress", "attributes"),
    [
        ("customer.complained", {}),  # nobody has said so, or that they have not
        ("customer.complaints > 0", {"complaints": "many"}),
        ("customer.complaints[0] == 'late'", {"complaints": []}),
        ("timestamp(customer.since) < now", {"since": "long ago"}),
        ("customer.complained", {"complained": "yes"}),  # no truth value
    ],
)
def test_a_suppress_condition_that_ends_in_an_error_suppresses(
    case: Case, suppress: str, attributes: dict[str, Any]
) -> None:
    policy = f'suppress: "{suppress}"'
    assert case.outcome(policy=policy, attributes=EMAIL | attributes) == ("suppressed", "suppressed")
    assert case.errors[("clicks", "condition")] == 1, "and it is counted: somebody has to mend it"


def test_a_suppress_condition_that_does_not_hold_suppresses_nothing(case: Case) -> None:
    policy = 'suppress: "has(customer.complained) && customer.complained"'
    assert case.outcome(policy=policy) == ("sent", None)
    assert case.outcome(policy=policy, attributes=EMAIL | {"complained": False}) == ("sent", None)
    complained = EMAIL | {"complained": True}
    assert case.outcome(policy=policy, attributes=complained) == ("suppressed", "suppressed")
