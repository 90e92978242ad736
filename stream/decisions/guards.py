"""Guards: what may keep a match from being sent. Pure functions; the first that refuses gives the reason.

The order: `stale`, `limit`, `suppressed`, `consent`, `address`, `quiet`, `group`, `cap`, `holdout`. A guard
that lacks what it needs to know refuses: guards fail closed. Before them all, what the rule's `unless` has
closed while it was put off is over.

Consent is the channel's, and that of every sensitive subject that the rule is about, whatever the channel: a
channel that needs none does not show a pregnancy either.

A rule may name several channels. The one that is sent on is the first, in the order of preference, that has
consent, an address and room under its cap; the customer's own preference (attribute `preferred_channel`) goes
first if the rule names it. Where no channel is left, the reason is that of the first one. Whether it is quiet
is asked of the chosen channel only. A held-out customer uses up limit and caps exactly as if sent to.

Limits and caps are in `limits`.
Tested by tests/decisions/test_guards.py, and by the reference model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, NamedTuple, Protocol

from stream.decisions import quiet
from stream.decisions.addresses import is_address
from stream.decisions.calendar import END, zone_of
from stream.decisions.experiments import POLICY
from stream.decisions.limits import is_used_up, is_used_up_before
from stream.rules.model import Channel, Limit, Policy, Quiet, Rule, Share, Variant
from stream.structs import DecisionReason, Holdout, Outcome, PriorDecision, SuppressionReason

MAX_DEFERRAL = (
    24 * 3_600_000
)  # ms; a message that could not go out by then never goes, if its rule says nothing


class ConsentView(Protocol):
    """What a customer has said for a purpose, at `at` (ms), and on what ground.

    `expires`: the first ms at which it no longer holds; None: it does until it is withdrawn.
    """

    @property
    def granted(self) -> bool: ...
    @property
    def at(self) -> int: ...
    @property
    def basis(self) -> str | None: ...
    @property
    def expires(self) -> int | None: ...


class Arms(Protocol):
    """Draws experiment arms: the module `experiments`, or what a test puts in its place."""

    def is_held_out(self, customer: str, salt: str, share: Share) -> bool: ...
    def variant_of(self, customer: str, rule: str, variants: Sequence[Variant]) -> Variant: ...


class MatchView(Protocol):
    """What guards see of a match, as of `at` (ms).

    `late`: it comes too late. `since`: when it was first judged, if quiet hours put it off, else `at`.
    `closed_by`: while it was put off an event of this source closed it; None: nothing did. `group_claimed`:
    another rule of its group has claimed this event. `may_wait`: not too many messages of the rule wait for
    the end of quiet hours.
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
    def closed_by(self) -> str | None: ...
    @property
    def may_wait(self) -> bool: ...
    @property
    def group_claimed(self) -> bool: ...
    @property
    def suppressed(self) -> bool: ...
    @property
    def attributes(self) -> Mapping[str, Any]: ...
    @property
    def consents(self) -> Mapping[str, ConsentView]: ...

    def sent(self, counter: str) -> Sequence[int]: ...
    def prior_sends(self, counter: str) -> Sequence[int]: ...
    def address(self, channel: Channel) -> Any: ...


class Verdict(NamedTuple):
    """What becomes of a match. `until`: when one that is deferred is judged again."""

    outcome: Outcome
    reason: DecisionReason | None
    channel: Channel
    until: int | None = None
    held_out_by: tuple[Holdout, ...] = ()


def judge(match: MatchView, policy: Policy, arms: Arms) -> Verdict:
    """Asks the guards in their order."""
    rule = match.rule
    channels = rule.channels if len(rule.channels) == 1 else _by_preference(match)
    first = channels[0]
    if match.closed_by is not None:
        return Verdict("suppressed", "unless", first)
    if match.late:
        return Verdict("suppressed", "stale", first)
    if rule.limit is not None and _is_used_up(match, f"rule:{rule.name}", rule.limit, policy):
        return Verdict("suppressed", "limit", first)
    if match.suppressed:
        return Verdict("suppressed", "suppressed", first)
    # The cap comes after quiet and group: it decides between channels, and is the reason only at the end.
    chosen, reason = _choose(match, channels, policy)
    if reason not in (None, "cap"):
        return Verdict("suppressed", reason, first)
    if chosen.quiet is not None and (verdict := _quiet(match, chosen, chosen.quiet, policy)):
        return verdict
    if match.group_claimed:
        return Verdict("suppressed", "group", chosen)
    if reason is not None:
        return Verdict("suppressed", "cap", chosen)
    if (policy.holdout or rule.holdout) and (by := _held_out_by(match, policy, arms)):
        return Verdict("holdout", "holdout", chosen, held_out_by=by)
    return Verdict("sent", None, chosen)


def _held_out_by(match: MatchView, policy: Policy, arms: Arms) -> tuple[Holdout, ...]:
    """The control groups that a customer is in: of both, lift is told apart by each."""
    customer, rule = match.customer_id, match.rule
    by: list[Holdout] = []
    if policy.holdout and arms.is_held_out(customer, POLICY, policy.holdout):
        by.append("policy")
    if rule.holdout and arms.is_held_out(customer, f"rule:{rule.name}", rule.holdout):
        by.append("rule")
    return tuple(by)


def repeat(match: MatchView, policy: Policy, prior: PriorDecision, arms: Arms) -> Verdict:
    """The verdict that was given before a crash, though its effects were lost: what was said stays said."""
    channels = match.rule.channels
    channel = next((each for each in channels if each.name == prior.channel), channels[0])
    if prior.outcome != "deferred":
        by = _held_out_by(match, policy, arms) if prior.outcome == "holdout" else ()
        return Verdict(prior.outcome, prior.reason, channel, held_out_by=by)
    again = None if channel.quiet is None else _quiet(match, channel, channel.quiet, policy)
    return again or Verdict("suppressed", "quiet", channel)


def has_consent(match: MatchView, channel: Channel) -> bool:
    """Whether the customer had consented to all that a message needs: to the channel, if it needs a consent,
    and to each sensitive subject that the rule is about.
    """
    if channel.consent is not None and not consents_to(match, channel.consent):
        return False
    return all(consents_to(match, subject.consent) for subject in match.rule.sensitive)


def consents_to(match: MatchView, purpose: str) -> bool:
    """Whether a consent for a purpose had been given by then, and has not expired."""
    consent = match.consents.get(purpose)
    if consent is None or not consent.granted or consent.at > match.at:
        return False
    return consent.expires is None or match.at < consent.expires


def _by_preference(match: MatchView) -> list[Channel]:
    preferred = match.attributes.get("preferred_channel")
    return sorted(match.rule.channels, key=lambda channel: channel.name != preferred)


def _choose(
    match: MatchView, channels: Sequence[Channel], policy: Policy
) -> tuple[Channel, SuppressionReason | None]:
    """The first channel that nothing keeps closed; else the first one whose cap does; else the first one."""
    closed = []
    for channel in channels:
        reason = _refusal(match, channel, policy)
        if reason is None:
            return channel, None
        closed.append((channel, reason))
    return next((each for each in closed if each[1] == "cap"), closed[0])


def _refusal(match: MatchView, channel: Channel, policy: Policy) -> SuppressionReason | None:
    if (channel.consent is not None or match.rule.sensitive) and not has_consent(match, channel):
        return "consent"
    if channel.address is not None and not is_address(match.address(channel), channel.address_kind):
        return "address"
    if channel.cap is not None and _is_used_up(match, f"channel:{channel.name}", channel.cap, policy):
        return "cap"
    if channel.consent is None or policy.cap is None:
        return None
    return "cap" if _is_used_up(match, "policy", policy.cap, policy) else None


def _quiet(match: MatchView, channel: Channel, hours: Quiet, policy: Policy) -> Verdict | None:
    """Put off to the end of the quiet hours; refused where that is never, or too late, or too many wait."""
    where = _where(match, policy)
    until = None
    if where is not None:
        until = quiet.ends_at(hours, where, match.at)
        if until is None:
            return None
    if until is None or until > match.since + _patience(match.rule) or not match.may_wait:
        return Verdict("suppressed", "quiet", channel)
    return Verdict("deferred", "quiet", channel, until)


def _patience(rule: Rule) -> int:
    """How long, in ms from its first judgement on, a message may wait for quiet hours to end."""
    if isinstance(rule.quiet, int):
        return rule.quiet
    return 0 if rule.quiet == "drop" else MAX_DEFERRAL


def _where(match: MatchView, policy: Policy) -> tzinfo | None:
    """The zone by whose clocks the customer is judged; None where it is not known, or its calendar ends."""
    return zone_of(match.attributes, policy) if match.at < END else None


def _is_used_up(match: MatchView, counter: str, limit: Limit, policy: Policy) -> bool:
    where = None if isinstance(limit.over, int) else _where(match, policy)
    sent, at = match.sent(counter), match.at
    if prior := match.prior_sends(counter):
        return is_used_up_before(limit, sent, prior, at, where)
    return is_used_up(limit, sent, at, where)
