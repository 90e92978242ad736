"""What held a message back, for the author of a rule: which guard, as it is written, and what used it up.

Pure. Tested by tests/authoring/rule_tests/test_held_back.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from stream.authoring.replay import why_unwritten
from stream.authoring.rule_tests.plays import Play
from stream.authoring.zones import unreadable_zone
from stream.decisions.calendar import zone_of
from stream.decisions.limits import is_used_up
from stream.expression import Node, unparse
from stream.hints import did_you_mean_zone
from stream.rules.durations import format_duration, format_rate
from stream.rules.model import Channel, Limit, Rule, RuleSet
from stream.rules.testcases import RuleTest
from stream.structs import Decision, Judgement

_BY_THE_CLOCK = ("limit", "cap", "quiet")  # what may ask for the customer's time zone
ARM_HOLDOUT = "the test says `arm: holdout`"
MOST = 5  # messages that are named which used up a limit


class Guard(NamedTuple):
    """A guard by where it is written: `rule`, `channel` or `policy`, its name, and its key there."""

    of: str
    name: str
    key: str


def guard_of(decision: Decision, test: RuleTest, rules: RuleSet, play: Play) -> Guard | None:
    """The guard that held a message back; None where that is nothing of which a test should be asked."""
    case = _case(decision, rules, around_of(decision, test, play))
    reason = decision.reason
    if reason == "limit":
        return Guard("rule", case.rule.name, "limit")
    if decision.silenced_by is not None:
        return Guard("rule", decision.silenced_by, "silences")
    if reason in ("consent", "address", "quiet"):
        return Guard("channel", case.channel.name, reason)
    if reason == "cap":
        return (
            Guard("policy", "", "cap")
            if case.own_cap() is None
            else Guard("channel", case.channel.name, "cap")
        )
    return None


def guards(rules: RuleSet) -> list[Guard]:
    """Those of a rule set that a test can show at work."""
    found = [Guard("rule", rule.name, "limit") for rule in rules.rules if rule.limit is not None]
    found += [Guard("rule", rule.name, "silences") for rule in rules.rules if rule.silences is not None]
    used = {channel.name: channel for rule in rules.rules for channel in rule.channels}
    for name, channel in used.items():
        written = (
            ("consent", channel.consent),
            ("address", channel.address),
            ("quiet", channel.quiet),
            ("cap", channel.cap),
        )
        found += [Guard("channel", name, key) for key, value in written if value is not None]
    if rules.policy.cap is not None and any(each.consent is not None for each in used.values()):
        found.append(Guard("policy", "", "cap"))
    return found


class Around(NamedTuple):
    """What was around a decision: the customer's attributes, how a time (ms) is shown, the messages that had
    used up limits and caps, what was judged, and why somebody is held out. `began`: since when messages are
    known, if not from the beginning.
    """

    attributes: Mapping[str, Any]
    shown: Callable[[int], str]
    used: Sequence[Decision]
    judged: Sequence[Judgement]
    held_out: str
    began: str | None = None


def explained(decision: Decision, rules: RuleSet, around: Around) -> str:
    """A guard's reason with what it says in the rule files, and what had used it up."""
    if decision.reason is None:
        return "it would have been sent, but for the rule's `mode: shadow`"
    reason = str(decision.reason)
    words = _WORDS[reason](_case(decision, rules, around)) if reason in _WORDS else None
    zone = unreadable_zone(around.attributes) if reason in _BY_THE_CLOCK else None
    if words and zone is not None:
        meant = did_you_mean_zone(zone) or "write e.g. Europe/Berlin"
        words += f"; the customer's `timezone`, `{zone}`, cannot be read ({meant})"
    return f"{reason}: {words}" if words else reason


def passed_over(sent: Decision, channel: str, test: RuleTest, rules: RuleSet, play: Play) -> str:
    """Why a message did not go out on a channel, but on another."""
    case = _case(sent, rules, around_of(sent, test, play))
    named = next((each for each in case.rule.channels if each.name == channel), None)
    if named is None:
        return f"rule `{case.rule.name}` does not send on `{channel}`"
    used = case.around.used
    if (cap := case._replace(channel=named).own_cap()) is not None:
        by = [each for each in used if each.channel == channel]
        return f"`{channel}` was passed over: its cap, {case.used_up(cap, by)}"
    asked = [f"the consent to `{named.consent}`"] if named.consent is not None else []
    asked += [f"an address at `{'.'.join(named.address)}`"] if named.address is not None else []
    asked += (
        ["room under the policy's cap"] if named.consent is not None and rules.policy.cap is not None else []
    )
    lacked = f"it lacked {' or '.join(asked)}, or " if asked else ""
    return f"`{channel}` was passed over: {lacked}the customer's `preferred_channel` is another"


# ---- in words ----


class _Held(NamedTuple):
    """A decision, with what its guards looked at."""

    decision: Decision
    rule: Rule
    channel: Channel
    rules: RuleSet
    around: Around

    def own_cap(self) -> Limit | None:
        """The channel's cap, if that was used up."""
        cap = self.channel.cap
        times = [each.at for each in self.around.used if each.channel == self.channel.name]
        where = zone_of(self.around.attributes, self.rules.policy)
        return cap if cap is not None and is_used_up(cap, times, self.decision.at, where) else None

    def used_up(self, limit: Limit, by: Sequence[Decision]) -> str:
        """A limit, and the newest messages that had used it up."""
        newest, rate = by[-limit.count :], format_rate(limit.count, limit.over)
        if len(newest) < limit.count and self.around.began is not None:
            return f"{rate} was used up, also by what was sent before {self.around.began}"
        if not newest:
            return f"{rate}, and without a time zone it counts as used up"
        shown = [self._shown(each) for each in newest[-MOST:]]
        more = f" and {len(newest) - MOST} before" if len(newest) > MOST else ""
        return f"{rate} was used up by the message{'s' * (len(newest) > 1)} at {', '.join(shown)}{more}"

    def _shown(self, decision: Decision) -> str:
        of = "" if decision.rule == self.rule.name else f" of `{decision.rule}`"
        return self.around.shown(decision.at) + of


def around_of(decision: Decision, test: RuleTest, play: Play) -> Around:
    """Of a decision in a test."""
    return Around(test.customer.attributes, test.shown, play.used(decision), play.judged, ARM_HOLDOUT)


def _case(decision: Decision, rules: RuleSet, around: Around) -> _Held:
    rule = next(each for each in rules.rules if each.name == decision.rule)
    channel = next((each for each in rule.channels if each.name == decision.channel), rule.channels[0])
    return _Held(decision, rule, channel, rules, around)


def _limit(case: _Held) -> str | None:
    own = [each for each in case.around.used if each.rule == case.rule.name]
    return None if case.rule.limit is None else case.used_up(case.rule.limit, own)


def _cap(case: _Held) -> str | None:
    used = case.around.used
    if (own := case.own_cap()) is not None:
        by = [each for each in used if each.channel == case.channel.name]
        return f"of channel `{case.channel.name}`, {case.used_up(own, by)}"
    if case.rules.policy.cap is None:
        return None
    consented = {each.name for each in case.rules.channels if each.consent is not None}
    by = [each for each in used if each.channel in consented]
    return f"of the policy, {case.used_up(case.rules.policy.cap, by)}"


def _consent(case: _Held) -> str:
    subjects = [each.consent for each in case.rule.sensitive]
    needed = [each for each in (case.channel.consent, *subjects) if each is not None]
    purposes = " and ".join(f"`{each}`" for each in needed)
    given = "that" if len(needed) == 1 else "all of these"
    return f"it takes {purposes}, and the customer has not given {given}"


def _address(case: _Held) -> str:
    path = ".".join(case.channel.address or ())
    return f"channel `{case.channel.name}` sends to `{path}`, and no address is there"


def _quiet(case: _Held) -> str | None:
    if (quiet := case.channel.quiet) is None:
        return None
    hours = "-".join(f"{each // 60:02}:{each % 60:02}" for each in (quiet.start, quiet.end))
    said = f"{hours} on channel `{case.channel.name}`"
    if case.decision.outcome == "deferred":
        return f"{said}, and it waits for their end"
    if case.rule.quiet == "drop":
        return f"{said}, and its rule says `quiet: drop`"
    return f"{said}, and their end is later than it may wait, or not known for want of a time zone"


def _suppressed(case: _Held) -> str | None:
    """The policy's `suppress`, or the channel's own where that is known to have held."""
    own, general = case.channel.suppress, case.rules.policy.suppress
    name, parts = case.channel.name, dict[str, tuple[str, Node]]()
    parts |= {} if own is None else {f"suppress {name}": (f"the `suppress` of channel `{name}`", own)}
    parts |= {} if general is None else {"suppress": ("the policy's `suppress`", general)}
    for part, (what, suppress) in parts.items():
        judged = [each for each in case.around.judged if each.part == part and each.at == case.decision.at]
        failed = [term.text for each in judged for term in each.terms if term.outcome == "error"]
        if failed:
            shown = "; ".join(dict.fromkeys(failed))
            return f"{what} ended in an error, which counts: {shown}"
        if any(each.held for each in judged) or part == list(parts)[-1]:
            return f"{what} holds: {unparse(suppress)}"
    return None


def _silenced(case: _Held) -> str | None:
    by = next((each for each in case.rules.rules if each.name == case.decision.silenced_by), None)
    if by is None or by.silences is None:
        return None
    sent = [each for each in case.around.used if each.rule == by.name]
    when = f" when it was sent at {case.around.shown(sent[-1].at)}" if sent else ""
    return f"`{by.name}` silenced other rules for {format_duration(by.silences)}{when}"


def _stale(case: _Held) -> str | None:
    own = case.rule.stale_after
    allowed = case.rules.policy.stale_after if own is None else own
    return None if allowed is None else f"it came later than `stale_after: {format_duration(allowed)}`"


def _group(case: _Held) -> str:
    group = {each.name for each in case.rules.rules if each.group == case.rule.group}
    at = case.decision.at
    others = [each.rule for each in case.around.used if each.at == at and each.rule in group]
    by = f"`{others[-1]}`" if others else "another rule"
    return f"{by} of the group `{case.rule.group}` has answered that event"


def _content(case: _Held) -> str | None:
    failed = case.decision.unwritten
    return None if failed is None else why_unwritten(failed, case.decision.variant)


_WORDS: Mapping[str, Callable[[_Held], str | None]] = {
    "limit": _limit,
    "cap": _cap,
    "consent": _consent,
    "address": _address,
    "quiet": _quiet,
    "suppressed": _suppressed,
    "silenced": _silenced,
    "stale": _stale,
    "group": _group,
    "content": _content,
    "rollout": lambda case: f"the customer is outside of the rule's `rollout: {case.rule.rollout / 100:g}%`",
    "unless": lambda case: "that event came while quiet hours put it off",
    "holdout": lambda case: case.around.held_out,
    "size": lambda case: "the message is larger than its topic takes",
}
