"""What may keep a match from being sent, in the contract's order; the first that refuses gives the reason.

Each guard is one method that says whether it refuses, and each can be left out by its name.

Reading: before all others comes `unless`: it refuses what its event has closed while it was deferred.
Reading: `disabled` refuses what is judged of a rule that is off as of before the time until which it is.
Reading: `rollout` refuses who has the number of (customer, `rollout:` and the rule's name), mod 10,000, at or
above the share. Whoever it refuses is in no control group.
Reading: `disabled`, `rollout`, `stale` and `limit` are asked before a channel is chosen; what they refuse
names the first channel of the rule's list, in which the customer's `preferred_channel`, if it is there, goes
before the others.
Reading: the channel is the first of this list that is not suppressed, not silenced, has consent and an
address, and whose cap is not reached; if the caps of all such are reached, the first such; if there is none
such, the first of the list.
Reading: a channel is suppressed by the policy and by its own `suppress`. It is silenced if it needs consent
and another rule with `silences` was sent, or held out, later than so long ago; the first such rule, by
priority and name, is named.
Reading: what rule or channel are exempt from does not refuse there. What is exempt from caps uses them up.
Reading: `policy.cap` counts and holds the channels that need consent; a channel without is never held by
it.
Reading: an address is a text of 1 to 320 characters, not only spaces and without invisible ones; or of the
channel's `kind: object` an object of at most 4,096 characters, 64 parts and 4 levels, that says something.
Reading: a consent counts from its `at` on and before its `expires`, compared with the time of the judgement.
Reading: a rule about sensitive subjects needs the consent of each, on whatever channel.
Reading: the zone is the customer's attribute `timezone`, or the policy's if there is none or it is null. It
is an IANA name in any case, or an offset from UTC of 14 h at most. With none, or one that cannot be read, the
time is always quiet and has no end, so nothing can be deferred to it.
Reading: the quiet time ends at its local wall time; of two instants with this time, or none, the later.
Reading: a message is deferred as often as it meets quiet hours, but not past 24 h (or what the rule's `quiet`
says) after it was first judged: then it is suppressed (`quiet`).
Reading: a rule takes its group by being sent, deferred or held out, for one event, or, fired by timers, for
one customer and deadline, until another deadline's timer takes one (a late event can open what is due before
that). It does not stand in its own way: two instances of it may fire together.
Reading: a limit by the calendar counts what went on the same or a later day (week from Monday, month) of the
zone in which the customer is now; without a zone it is used up.
Reading: a held-out customer was sent to as far as limit and caps are concerned, on the channel chosen.
Reading: arms are int(blake2b(customer NUL salt, 8 bytes), big endian); held out where it is, mod 10,000,
below the share; the variant is the one with the highest share / -ln((int + 0.5) / 2^64), its name in the
salt.
Reading: what was sent counts for the limits that were there then, under their names (a rule's, a channel's,
the policy's). A limit remembers as many sends as it allows: one that is raised may know of fewer.
Reading: a variant is chosen after all guards, so only what was sent, held out, or failed on its content, has
one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone, tzinfo
from hashlib import blake2b
from math import log
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from stream.rules.durations import Calendar
from stream.rules.model import Channel, Limit, Quiet, Rule, RuleSet, Variant
from stream.structs import Holdout

from .profiles import Profile
from .records import EPOCH, look_up

ORDER = (
    *("unless", "disabled", "rollout", "stale", "limit", "suppressed", "silenced"),
    *("consent", "address", "quiet", "group", "cap", "holdout"),
)
BEFORE_CHANNELS = ORDER[: ORDER.index("suppressed")]
REACHING = ("suppressed", "silenced", "consent", "address")
EXEMPTIONS = {"suppressed": "suppress", "silenced": "silence", "quiet": "quiet", "cap": "cap"}
VARIANTS = "variants"  # no guard, but switched on and off like one
ALL = frozenset((*ORDER, VARIANTS))
DAY = 24 * 3_600_000
PERIODS: Mapping[Calendar, Callable[[datetime], tuple[int, ...]]] = {
    "day": lambda now: (now.year, now.month, now.day),
    "week": lambda now: now.isocalendar()[:2],
    "month": lambda now: (now.year, now.month),
}
# What counts sends: ("rule", its name), ("channel", its name), ("policy", ""), ("silences", a rule's name).
Counter = tuple[str, str]
# Without a name for where the machine stands, and one for a clock that was never set.
ZONES = {name.casefold(): name for name in available_timezones() - {"localtime", "Factory"}}


@dataclass(frozen=True)
class Match:
    """What is judged: `at` is the time of the judgement, `first` that of the first one, if it was deferred.

    `cause`: what a group's rules compete for. `closed`: its `unless` has come. `suppressing`: the policy's
    `suppress` holds; `suppressed_on`: the channels whose own does.
    """

    rule: Rule
    customer: str
    profile: Profile
    event: Mapping[str, Any]
    at: int
    first: int | None
    late: bool
    closed: bool
    suppressing: bool
    suppressed_on: frozenset[str]
    cause: object


class Guards:
    """The guards of one partition, and what they remember."""

    def __init__(self, rules: RuleSet, enabled: Collection[str], off: Mapping[str, int]) -> None:
        assert set(enabled) <= ALL
        self.rules = rules
        self.off = off  # the rules that are off, and until when
        self.enabled = frozenset(enabled)
        self.sends: dict[tuple[str, Counter], list[int]] = {}  # when, ascending, by customer and counter
        self.takers: dict[tuple[object, str], str] = {}  # (cause, group): the rule that took it
        self.timed: dict[str, object] = {}  # customer: the deadline at which a timer last took a group

    def verdict(self, match: Match) -> tuple[Channel, str | None]:
        """The channel, and the first guard that refuses; None: it may be sent."""
        channels = self.preference(match)
        if reason := self.refusal(BEFORE_CHANNELS, match, channels[0]):
            return channels[0], reason
        reachable = [each for each in channels if self.refusal(REACHING, match, each) is None]
        free = [each for each in reachable if self.refusal(("cap",), match, each) is None]
        [channel, *_] = free or reachable or channels
        return channel, self.refusal(ORDER, match, channel)

    def preference(self, match: Match) -> list[Channel]:
        channels = list(match.rule.channels)
        if self.enabled & {*REACHING, "cap"}:
            preferred = match.profile.attributes.get("preferred_channel")
            channels.sort(key=lambda channel: channel.name != preferred)
        return channels

    def refusal(self, guards: Sequence[str], match: Match, channel: Channel) -> str | None:
        for guard in guards:
            if guard in self.enabled and self.refuses(guard, match, channel):
                return guard
        return None

    def refuses(self, guard: str, match: Match, channel: Channel) -> bool:
        if EXEMPTIONS.get(guard) in (*match.rule.exempt, *channel.exempt):
            return False
        return bool(getattr(self, guard)(match, channel))

    def take(self, match: Match, channel: Channel, outcome: str) -> None:
        """Remember what was done with a match."""
        if match.rule.group is not None:
            if isinstance(match.cause, tuple) and self.timed.get(match.customer) != match.cause:
                former = self.timed.get(match.customer)
                self.takers = {taken: rule for taken, rule in self.takers.items() if taken[0] != former}
                self.timed[match.customer] = match.cause
            self.takers[match.cause, match.rule.group] = match.rule.name
        if outcome in ("sent", "holdout"):
            for counter, limit in self.limits(match.rule, channel).items():
                times = sorted((*self.sends.get((match.customer, counter), ()), match.at))
                self.sends[match.customer, counter] = times[-limit.count :]

    def limits(self, rule: Rule, channel: Channel) -> dict[Counter, Limit]:
        """What counts a message of a rule on a channel."""
        limits = {("rule", rule.name): rule.limit, ("channel", channel.name): channel.cap}
        if channel.consent is not None:
            limits["policy", ""] = self.rules.policy.cap
        if rule.silences is not None:
            limits["silences", rule.name] = Limit(1, rule.silences)
        return {counter: limit for counter, limit in limits.items() if limit is not None}

    def exhausted(self, kinds: Collection[str], match: Match, channel: Channel) -> bool:
        """Whether a limit has had so many; what went exactly the limit's duration ago is out."""
        for counter, limit in self.limits(match.rule, channel).items():
            times = self.sends.get((match.customer, counter), [])
            if counter[0] in kinds and self.counted(limit, times, match) >= limit.count:
                return True
        return False

    def counted(self, limit: Limit, times: Sequence[int], match: Match) -> int:
        """How many of the times count against a limit."""
        if isinstance(limit.over, int):
            return sum(at > match.at - limit.over for at in times)
        zone = self.zone_of(match)
        if zone is None:
            return limit.count
        period = PERIODS[limit.over]
        return sum(period(local(at, zone)) >= period(local(match.at, zone)) for at in times)

    def change(self, rules: RuleSet, *, keeps_all: bool) -> None:
        """Go over to other rules: what was counted stays, where it is still limited, or `keeps_all`."""
        self.rules = rules
        counters = {("rule", each.name) for each in rules.rules if each.limit is not None}
        counters |= {("channel", each.name) for each in rules.channels if each.cap is not None}
        counters |= {("silences", each.name) for each in rules.rules if each.silences is not None}
        counters |= {("policy", "")} if rules.policy.cap is not None else set()
        self.sends = {key: times for key, times in self.sends.items() if keeps_all or key[1] in counters}

    # -- one method for each guard: whether it refuses

    def unless(self, match: Match, channel: Channel) -> bool:
        return match.closed

    def disabled(self, match: Match, channel: Channel) -> bool:
        return match.at < self.off.get(match.rule.name, 0)

    def rollout(self, match: Match, channel: Channel) -> bool:
        return arm(match.customer, f"rollout:{match.rule.name}") >= match.rule.rollout

    def stale(self, match: Match, channel: Channel) -> bool:
        return match.late

    def limit(self, match: Match, channel: Channel) -> bool:
        return self.exhausted(("rule",), match, channel)

    def suppressed(self, match: Match, channel: Channel) -> bool:
        return match.suppressing or channel.name in match.suppressed_on

    def silenced(self, match: Match, channel: Channel) -> bool:
        return channel.consent is not None and self.silenced_by(match) is not None

    def consent(self, match: Match, channel: Channel) -> bool:
        needed = {subject.consent for subject in match.rule.sensitive}
        needed |= set() if channel.consent is None else {channel.consent}
        held = {purpose for purpose, each in match.profile.consents.items() if each.holds(match.at)}
        return not needed <= held

    def address(self, match: Match, channel: Channel) -> bool:
        if channel.address is None:
            return False
        address = address_of(match, channel)
        if channel.address_kind == "object":
            return not isinstance(address, dict) or not says_something(address)
        return not isinstance(address, str) or len(address) > 320 or not address.strip() or unseen(address)

    def quiet(self, match: Match, channel: Channel) -> bool:
        if channel.quiet is None:
            return False
        zone = self.zone_of(match)
        return zone is None or is_quiet(channel.quiet, local(match.at, zone))

    def group(self, match: Match, channel: Channel) -> bool:
        if match.rule.group is None:
            return False
        return self.takers.get((match.cause, match.rule.group), match.rule.name) != match.rule.name

    def cap(self, match: Match, channel: Channel) -> bool:
        return self.exhausted(("channel", "policy"), match, channel)

    def holdout(self, match: Match, channel: Channel) -> bool:
        return bool(self.held_out_by(match))

    # -- what follows from them

    def deferred_to(self, match: Match, channel: Channel) -> int | None:
        """When a match that `quiet` refused is judged again; None: never."""
        zone = self.zone_of(match)
        if match.rule.quiet == "drop" or zone is None or channel.quiet is None:
            return None
        end = end_of(channel.quiet, local(match.at, zone), zone)
        first = match.at if match.first is None else match.first
        longest = DAY if match.rule.quiet == "defer" else match.rule.quiet
        return end if end - first <= longest else None

    def silenced_by(self, match: Match) -> str | None:
        """The first rule that silences a match."""
        for rule in self.rules.rules:
            if rule.silences is not None and rule.name != match.rule.name:
                times = self.sends.get((match.customer, ("silences", rule.name)), [])
                if any(at > match.at - rule.silences for at in times):
                    return rule.name
        return None

    def held_out_by(self, match: Match) -> tuple[Holdout, ...]:
        """The control groups that the customer is in."""
        shares: dict[Holdout, tuple[str, int]] = {
            "policy": ("policy", self.rules.policy.holdout),
            "rule": (f"rule:{match.rule.name}", match.rule.holdout),
        }
        return tuple(by for by, (salt, share) in shares.items() if arm(match.customer, salt) < share)

    def zone_of(self, match: Match) -> tzinfo | None:
        own = match.profile.attributes.get("timezone")
        return zone_named(self.rules.policy.timezone if own is None else own)

    def variant(self, match: Match) -> Variant | None:
        if VARIANTS not in self.enabled:
            return None
        scores = {
            each.share
            / -log((number(match.customer, f"variant:{match.rule.name}:{each.name}") + 0.5) / 2**64): each
            for each in match.rule.variants
        }
        return scores[max(scores)] if scores else None


def zone_named(written: Any) -> tzinfo | None:
    if not isinstance(written, str):
        return None
    name = written.strip().casefold()
    if found := ZONES.get(name.replace(" ", "_")):
        return ZoneInfo(found)
    if name == "z":
        return ZoneInfo("UTC")
    name = name.removeprefix("utc").removeprefix("gmt").strip().replace("\u2212", "-")
    sign, digits = name[:1], name[1:].strip()
    hours, _, minutes = digits.partition(":") if ":" in digits else (digits, "", "")
    if ":" not in digits and len(digits) > 2:
        hours, minutes = digits[:-2], digits[-2:]
    fits = (
        hours.isdecimal() and len(hours) <= 2 and (len(minutes) == 2 or (not minutes and ":" not in digits))
    )
    if (
        sign not in ("+", "-")
        or not fits
        or not f"{hours}{minutes}".isascii()
        or not f"0{minutes}".isdecimal()
    ):
        return None
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if offset > timedelta(hours=14) or int(minutes or 0) > 59:
        return None
    return timezone(offset if sign == "+" else -offset)


def address_of(match: Match, channel: Channel) -> Any:
    assert channel.address is not None
    return look_up({"customer": match.profile.attributes, "event": match.event}, channel.address, None)


def unseen(text: str) -> bool:
    """Whether there is a character that ends a line, moves a cursor or shows nothing."""
    return any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text)


def says_something(address: dict[str, Any]) -> bool:
    """Whether an object of an address is within its bounds, and has at least one text."""
    texts: list[str] = []
    counted = 0

    def visit(value: Any, level: int) -> bool:
        nonlocal counted
        if isinstance(value, str):
            texts.append(value)
        if not isinstance(value, dict | list):
            return True
        counted += len(value)
        inner = list(value.values()) if isinstance(value, dict) else value
        return level <= 4 and all(visit(each, level + 1) for each in inner)

    def names(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [*value, *(name for each in value.values() for name in names(each))]
        return [name for each in value for name in names(each)] if isinstance(value, list) else []

    if not visit(address, 1) or counted > 64:
        return False
    keys = names(address)
    if sum(map(len, [*texts, *keys])) > 4096:
        return False
    seen = all(not unseen(text.replace("\n", "")) for text in texts) and not any(map(unseen, keys))
    return seen and any(text.strip() for text in texts)


def number(customer: str, salt: str) -> int:
    return int.from_bytes(blake2b(f"{customer}\0{salt}".encode(), digest_size=8).digest(), "big")


def arm(customer: str, salt: str) -> int:
    return number(customer, salt) % 10_000


def local(at: int, zone: tzinfo) -> datetime:
    return (EPOCH + timedelta(milliseconds=at)).astimezone(zone)


def is_quiet(quiet: Quiet, now: datetime) -> bool:
    minute = now.hour * 60 + now.minute
    if quiet.start < quiet.end:
        return quiet.start <= minute < quiet.end
    return minute >= quiet.start or minute < quiet.end


def end_of(quiet: Quiet, now: datetime, zone: tzinfo) -> int:
    """The next time at which the wall clock shows the end of the quiet time, in milliseconds."""
    wall = now.replace(tzinfo=None)
    ends = [
        datetime.combine(wall + timedelta(days=day), time()) + timedelta(minutes=quiet.end) for day in (0, 1)
    ]
    end = min(each for each in ends if each > wall)
    instants = [end.replace(tzinfo=zone, fold=fold) - EPOCH for fold in (0, 1)]
    return max(instant // timedelta(milliseconds=1) for instant in instants)
