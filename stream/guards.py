"""Guards: what may keep a match from being sent. Pure functions; the first that refuses gives the reason.

The order: `stale`, `limit`, `suppressed`, `consent`, `address`, `quiet`, `group`, `cap`, `holdout`. A guard
that lacks what it needs to know refuses: guards fail closed.

A rule may name several channels. The one that is sent on is the first, in the order of preference, that has
consent, an address and room under its cap; the customer's own preference (attribute `preferred_channel`) goes
first if the rule names it. Where no channel is left, the reason is that of the first one. Whether it is quiet
is asked of the chosen channel only. A held-out customer uses up limit and caps exactly as if sent to.
Tested by tests/unit/test_guards.py, and by the reference model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from stream import quiet
from stream.arms import POLICY
from stream.program import Channel, Limit, Policy, Quiet, Rule, Share, Variant
from stream.structs import Outcome, Told

MAX_DEFERRAL = 24 * 3_600_000  # ms; a message that could not go out by then never goes


class Consent(Protocol):
    """What a customer has said for a purpose, at `at` (ms), and on what ground."""

    @property
    def granted(self) -> bool: ...
    @property
    def at(self) -> int: ...
    @property
    def basis(self) -> str | None: ...


class Arms(Protocol):
    """Who draws experiment arms: the module `stream.arms`, or what a test puts in its place."""

    def is_held_out(self, customer: str, salt: str, share: Share) -> bool: ...
    def variant_of(self, customer: str, rule: str, variants: Sequence[Variant]) -> Variant: ...


class Candidate(Protocol):
    """What guards see of a match, as of `at` (ms).

    `late`: the event of its last step was too old when it came. `deferred`: it has been put off by quiet
    hours, and was first judged at `since`. `group_taken`: another rule of its group has taken this event.
    """

    @property
    def rule(self) -> Rule: ...
    @property
    def customer_id(self) -> str: ...
    @property
    def at(self) -> int: ...
    @property
    def since(self) -> int: ...
    @property
    def late(self) -> bool: ...
    @property
    def deferred(self) -> bool: ...
    @property
    def group_taken(self) -> bool: ...
    @property
    def suppressed(self) -> bool: ...
    @property
    def attributes(self) -> Mapping[str, Any]: ...
    @property
    def consents(self) -> Mapping[str, Consent]: ...

    def sent(self, counter: str) -> Sequence[int]: ...
    def address(self, channel: Channel) -> Any: ...


class Verdict(NamedTuple):
    """What becomes of a match. `until`: when one that is deferred is judged again."""

    outcome: Outcome
    reason: str | None
    channel: Channel
    until: int | None = None


def judge(candidate: Candidate, policy: Policy, arms: Arms) -> Verdict:
    """Asks the guards in their order."""
    rule = candidate.rule
    channels = rule.channels if len(rule.channels) == 1 else _by_preference(candidate)
    first = channels[0]
    if candidate.late and not candidate.deferred:
        return Verdict("suppressed", "stale", first)
    if rule.limit is not None and _is_used_up(candidate, f"rule:{rule.name}", rule.limit):
        return Verdict("suppressed", "limit", first)
    if candidate.suppressed:
        return Verdict("suppressed", "suppressed", first)
    # The cap comes after quiet and group: it decides between channels, and is the reason only at the end.
    chosen, reason = _choose(candidate, channels, policy)
    if reason not in (None, "cap"):
        return Verdict("suppressed", reason, first)
    if chosen.quiet is not None and (verdict := _quiet(candidate, chosen, chosen.quiet, policy)):
        return verdict
    if candidate.group_taken:
        return Verdict("suppressed", "group", chosen)
    if reason is not None:
        return Verdict("suppressed", "cap", chosen)
    if policy.holdout or rule.holdout:
        customer = candidate.customer_id
        if (policy.holdout and arms.is_held_out(customer, POLICY, policy.holdout)) or (
            rule.holdout and arms.is_held_out(customer, f"rule:{rule.name}", rule.holdout)
        ):
            return Verdict("holdout", "holdout", chosen)
    return Verdict("sent", None, chosen)


def repeat(candidate: Candidate, policy: Policy, told: Told) -> Verdict:
    """The verdict that was given before a crash, though its effects were lost: what was said stays said."""
    channels = candidate.rule.channels
    channel = next((each for each in channels if each.name == told.channel), channels[0])
    if told.outcome != "deferred":
        return Verdict(told.outcome, told.reason, channel)
    again = None if channel.quiet is None else _quiet(candidate, channel, channel.quiet, policy)
    return again or Verdict("suppressed", "quiet", channel)


def counters(rule: Rule, channel: Channel, policy: Policy) -> list[tuple[str, Limit]]:
    """What a send, or a held-out one, uses up: the counters' names and their limits."""
    used = [(f"rule:{rule.name}", rule.limit), (f"channel:{channel.name}", channel.cap)]
    if channel.consent is not None:
        used.append(("policy", policy.cap))
    return [(name, limit) for name, limit in used if limit is not None]


def is_used_up(limit: Limit, sent: Sequence[int], at: int) -> bool:
    """Whether `limit.count` sends lie after `at - limit.over`; what was sent exactly `over` ago is out.

    `sent` ascends and holds at least the newest `limit.count` times.
    """
    return len(sent) >= limit.count and sent[-limit.count] > at - limit.over


def has_consent(candidate: Candidate, channel: Channel) -> bool:
    """Whether the channel needs none, or the customer had given it by then."""
    if channel.consent is None:
        return True
    consent = candidate.consents.get(channel.consent)
    return consent is not None and consent.granted and consent.at <= candidate.at


def _by_preference(candidate: Candidate) -> list[Channel]:
    preferred = candidate.attributes.get("preferred_channel")
    return sorted(candidate.rule.channels, key=lambda channel: channel.name != preferred)


def _choose(candidate: Candidate, channels: Sequence[Channel], policy: Policy) -> tuple[Channel, str | None]:
    """The first channel that nothing keeps closed; else the first one whose cap does; else the first one."""
    closed = []
    for channel in channels:
        reason = _refusal(candidate, channel, policy)
        if reason is None:
            return channel, None
        closed.append((channel, reason))
    return next((each for each in closed if each[1] == "cap"), closed[0])


def _refusal(candidate: Candidate, channel: Channel, policy: Policy) -> str | None:
    if channel.consent is not None and not has_consent(candidate, channel):
        return "consent"
    if channel.address is not None and candidate.address(channel) in (None, ""):
        return "address"
    if channel.cap is not None and _is_used_up(candidate, f"channel:{channel.name}", channel.cap):
        return "cap"
    if channel.consent is None or policy.cap is None:
        return None
    return "cap" if _is_used_up(candidate, "policy", policy.cap) else None


def _quiet(candidate: Candidate, channel: Channel, hours: Quiet, policy: Policy) -> Verdict | None:
    """Put off to the end of the quiet hours; refused where they never end, or for too long."""
    where = quiet.zone_of(candidate.attributes, policy)
    until = None
    if where is not None:
        until = quiet.ends_at(hours, where, candidate.at)
        if until is None:
            return None
    if until is None or candidate.rule.quiet == "drop" or until > candidate.since + MAX_DEFERRAL:
        return Verdict("suppressed", "quiet", channel)
    return Verdict("deferred", "quiet", channel, until)


def _is_used_up(candidate: Candidate, counter: str, limit: Limit) -> bool:
    return is_used_up(limit, candidate.sent(counter), candidate.at)
