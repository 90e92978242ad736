"""What is allowed and probably not meant. Looked for only in a rule set without errors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from stream.diagnostics import Code
from stream.expression import Node, chain
from stream.hints import did_you_mean
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.known_data import Data
from stream.rules.compiler.mapped import warn_of_mapping
from stream.rules.compiler.misspelt import warn_of_slips
from stream.rules.compiler.nested import warn_of_nesting
from stream.rules.compiler.tested import warn_of_types
from stream.rules.compiler.unrounded import warn_of_unrounded
from stream.rules.compiler.untaken import warn_of_untaken
from stream.rules.compiler.unwritten import warn_of_unwritten
from stream.rules.durations import format_duration
from stream.rules.files import Entry
from stream.rules.model import Channel, Limit, Policy, Rule, RuleSet
from stream.rules.selections import names_of, selections_of
from stream.rules.settled import settled
from stream.rules.testcases import RuleTest

if TYPE_CHECKING:
    from stream.content.template import Reference, Template

_NOBODY_KNOWS = "nobody will know whether "
_A_GOAL = "{on: purchase, within: 3d}"
_COMPARED = 100  # rules of a group that each of its rules is compared with


def warn(run: Compilation, rules: RuleSet, tests: Sequence[RuleTest]) -> None:
    """Adds every warning to the findings."""
    for rule in rules.rules:
        entry = run.files.rules[rule.name]
        _events(run, rule, entry, rules)
        _dates(run, rule, entry, rules.policy)
    _answers(run, rules.rules)
    data = Data(run.plan, rules, tests)
    warn_of_slips(run, rules, data)
    warn_of_mapping(run, rules, data)
    warn_of_nesting(run, rules)
    warn_of_types(run, rules, tests)
    warn_of_untaken(run, rules, data)
    warn_of_unwritten(run, rules, data)
    warn_of_unrounded(run, rules)
    _alike(run, rules.rules)
    _groups(run, rules.rules)
    _waits(run, rules)
    _channels(run, rules)
    _zones(run, rules)
    _unused(run, rules)
    _cleared(run, rules)


def _answers(run: Compilation, rules: Iterable[Rule]) -> None:
    """What every rule should have is asked for once, however many have it not."""
    without = {
        "limit": [rule.name for rule in rules if rule.limit is None],
        "goal": [rule.name for rule in rules if not rule.goals],
    }
    for key, code, one, several, hint in (
        ("limit", Code.NO_LIMIT, "it answers every time", "they answer every time", "1 per 7d"),
        ("goal", Code.NO_GOAL, _NOBODY_KNOWS + "it works", _NOBODY_KNOWS + "they work", _A_GOAL),
    ):
        asked = [run.files.rules[name] for name in without[key]]
        asked = [each for each in asked if not run.findings.allowances.allows(code, each.location)]
        if asked:
            first = min(asked, key=lambda entry: entry.location)
            message = f"rule `{first.key}` has no `{key}`: {one}"
            if len(asked) > 1:
                message = f"{len(asked):,} rules have no `{key}`, `{first.key}` is the first: {several}"
            run.error(code, first, message, f"write e.g. `{key}: {hint}`")


def _events(run: Compilation, rule: Rule, entry: Entry, rules: RuleSet) -> None:
    """Where every topic carries one event only, these are all the events that there can be."""
    sources = [each for each in rules.sources if each.kind == "event"]
    if not all(each.constant is not None for each in sources):
        return
    known = {each.constant for each in sources if each.constant is not None}
    for name in dict.fromkeys(name for step in rule.steps for name in step.on):
        if name not in known:
            message = f"rule `{rule.name}` waits for `{name}`, which no source has"
            run.error(Code.EVENT_OF_NO_SOURCE, entry, message, did_you_mean(name, known))


def _dates(run: Compilation, rule: Rule, entry: Entry, policy: Policy) -> None:
    if policy.timezone is None and any(template.shows_dates for template in _templates(rule)):
        message = f"rule `{rule.name}` shows a date: it sends nothing to customers without a time zone"
        hint = "write e.g. `policy: {timezone: Europe/Berlin}`"
        run.error(Code.NO_TIME_ZONE, entry, message, hint)


def _templates(rule: Rule) -> Iterator[Template]:
    for content in _contents(rule):
        yield from content.values()


def _contents(rule: Rule) -> tuple[Mapping[str, Template], ...]:
    return rule.content, *(each.content for each in rule.variants)


def _alike(run: Compilation, rules: Iterable[Rule]) -> None:
    same: dict[Hashable, Rule] = {}
    for rule in rules:
        first = same.setdefault(_what_it_does(rule), rule)
        if first is not rule:
            at = run.files.rules[first.name].location
            when = "events" if rule.occasion is None else "times"
            message = f"rule `{rule.name}` sends the same as `{first.name}`, at the same {when}"
            run.error(Code.SAME_RULE, run.files.rules[rule.name], message, f"also at {at}")


def _what_it_does(rule: Rule) -> Hashable:
    """The same for two rules that would send the same message at the same time."""
    texts = [
        frozenset((name, template.source) for name, template in content.items())
        for content in (rule.content, *(each.content for each in rule.variants))
    ]
    waits = (rule.unless, rule.wait, rule.again, rule.key, rule.occasion)
    return rule.steps, waits, rule.condition, rule.channels[0].name, tuple(texts)


def _groups(run: Compilation, rules: Iterable[Rule]) -> None:
    """A rule never fires where another of its group, judged before it, fires at all of its events.

    Sound, not complete: the other must answer at once, always, and whatever has been sent.
    """
    groups: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        if rule.group is None:
            continue
        for earlier in groups[rule.group]:
            if _always_wins(earlier, rule):
                message = f"rule `{rule.name}` is never reached: `{earlier.name}` of its group goes first"
                hint = "give it a higher `priority`, or the other one a `where` or a `limit`"
                run.error(Code.NEVER_REACHED, run.files.rules[rule.name], message, hint)
                break
        if len(groups[rule.group]) < _COMPARED:
            groups[rule.group].append(rule)


def _always_wins(one: Rule, other: Rule) -> bool:
    at_once = len(one.steps) == len(other.steps) == 1 and not one.timed and not other.timed
    unconditional = one.steps[0].where in (None, other.steps[0].where) and (
        one.condition is None or one.condition == other.condition
    )
    free = one.limit is None and all(
        channel.consent is None and channel.address is None and channel.cap is None and channel.quiet is None
        for channel in one.channels
    )
    in_time = one.stale_after == other.stale_after
    plain = not any(template.references for template in _templates(one))  # else it can fail
    return (
        at_once
        and unconditional
        and free
        and in_time
        and plain
        and set(one.steps[0].on) >= set(other.steps[0].on)
    )


def _waits(run: Compilation, rules: RuleSet) -> None:
    """Two rules of a group that one event starts are not judged at one moment: the group cannot choose."""
    groups: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules.rules:
        if rule.group is None:
            continue
        other = next((each for each in groups[rule.group] if _goes_apart(each, rule, rules)), None)
        if other is not None:
            message = (
                f"rule `{rule.name}` fires {_shown_wait(rule)}, `{other.name}` of its group "
                f"{_shown_wait(other)}: one event can send both"
            )
            hint = "let both wait equally long, or hold one back by the channel's `cap`"
            run.error(Code.WAITS_DIFFER, run.files.rules[rule.name], message, hint)
        if len(groups[rule.group]) < _COMPARED:
            groups[rule.group].append(rule)


def _goes_apart(one: Rule, other: Rule, rules: RuleSet) -> bool:
    """Whether an event can be the last that both wait for, and they fire at different times after it."""
    ends = one.steps[-1], other.steps[-1]
    wheres = [rules.predicates[each.where] for each in ends if each.where is not None]
    return (
        _wait(one) != _wait(other)
        and not set(ends[0].on).isdisjoint(ends[1].on)
        and (len(wheres) < 2 or settled(chain("_&&_", wheres)) is not False)
    )


def _wait(rule: Rule) -> int:
    return rule.wait + (rule.unless.within if rule.unless else 0)


def _shown_wait(rule: Rule) -> str:
    return f"after {format_duration(_wait(rule))}" if _wait(rule) else "at once"


def _channels(run: Compilation, rules: RuleSet) -> None:
    profiles = any(each.kind == "profile" for each in rules.sources)
    for rule in () if profiles else rules.rules:
        for subject in rule.sensitive:
            message = f"nobody can ever consent to `{subject.consent}`: no source has `kind: profile`"
            hint = "define one; without it the rule never sends anything"
            run.error(Code.NO_CONSENT_EVER, run.files.rules[rule.name], message, hint)
    for channel in rules.channels:
        entry = run.files.channels[channel.name]
        if channel.consent is not None and not profiles:
            message = f"nobody can ever consent to `{channel.consent}`: no source has `kind: profile`"
            hint = "define one; without it the channel never sends anything"
            run.error(Code.NO_CONSENT_EVER, entry, message, hint)
        for key, value in (("cap", channel.cap), ("quiet", channel.quiet), ("suppress", channel.suppress)):
            if value is not None and key in channel.exempt:
                message = (
                    f"the `{key}` of channel `{channel.name}` holds nothing: the channel is exempt from it"
                )
                run.error(Code.NEVER_USED, entry, message, "leave one of them out")
        sent = [rule for rule in rules.rules if channel in rule.channels] if channel.formats else []
        known = {name for rule in sent for each in _contents(rule) for name in each}
        for name, _ in channel.formats:
            if name not in known:
                message = f"channel `{channel.name}` has a format for `{name}`, which no rule sends"
                run.error(Code.NEVER_USED, entry, message, did_you_mean(name, known))


def _zones(run: Compilation, rules: RuleSet) -> None:
    """What fails closed for customers whose time zone nobody knows."""
    if rules.policy.timezone is not None:
        return

    def complain(entry: Entry, what: str) -> None:
        hint = "write e.g. `policy: {timezone: Europe/Berlin}`"
        message = f"{what} for customers without a time zone"
        run.error(Code.NO_TIME_ZONE, entry, message, hint)

    for channel in rules.channels:
        entry = run.files.channels[channel.name]
        if channel.quiet is not None:
            complain(entry, f"channel `{channel.name}` is quiet all day")
        if _is_of_calendar(channel.cap):
            complain(entry, f"the cap of channel `{channel.name}` is always reached")
    if _is_of_calendar(rules.policy.cap):
        complain(run.files.policy["cap"], "the cap of the policy is always reached")
    for rule in rules.rules:
        if rule.occasion is not None:
            complain(run.files.rules[rule.name], f"rule `{rule.name}` never begins")
        if _is_of_calendar(rule.limit):
            complain(run.files.rules[rule.name], f"the limit of rule `{rule.name}` is always reached")


def _is_of_calendar(limit: Limit | None) -> bool:
    return limit is not None and isinstance(limit.over, str)


def _unused(run: Compilation, rules: RuleSet) -> None:
    conditions = [
        *_conditions(rules.rules, rules.policy, rules.channels),
        *(each.condition for each in rules.segments),
    ]
    references = [each.path for rule in rules.rules for each in _references(rule)]
    selected = {each for node in conditions for each in selections_of(node)}
    sources = {name: run.files.sources[name] for name in run.contexts}
    for namespace, what, entries in (
        ("traits", "trait", run.files.traits),
        ("segments", "segment", run.files.segments),
        ("context", "source", sources),
    ):
        named = {name for root, name in selected if root == namespace}
        named |= {str(path[1]) for path in references if path[0] == namespace and len(path) > 1}
        whole = any(path == (namespace,) for path in references)
        for name, entry in entries.items():
            if name not in named and not whole:
                message = f"{what} `{name}` is never used"
                run.error(Code.NEVER_USED, entry, message, "leave it out: it costs memory")


def _cleared(run: Compilation, rules: RuleSet) -> None:
    """A trait that the very event clears, before the rule is judged, has nothing to tell."""
    for rule in rules.rules:
        if rule.wait or rule.unless is not None or rule.occasion is not None:
            continue  # until then it may hold something again
        on = set(rule.steps[-1].on)
        named = set() if rule.condition is None else set(names_of(rule.condition, "traits"))
        named |= {
            str(path[1])
            for path in (each.path for each in _references(rule))
            if path[0] == "traits" and len(path) > 1
        }
        for trait in rules.traits:
            if trait.name in named and on <= set(trait.clear) - set(trait.of):
                event = " and ".join(f"`{each}`" for each in rule.steps[-1].on)
                message = (
                    f"trait `{trait.name}` is always empty in rule `{rule.name}`: {event} clears it first"
                )
                hint = "ask the event itself, or let an event that comes later clear it"
                run.error(Code.SETTLED_CONDITION, run.files.rules[rule.name], message, hint)


def _references(rule: Rule) -> Iterator[Reference]:
    for template in _templates(rule):
        yield from template.references


def _conditions(rules: Iterable[Rule], policy: Policy, channels: Iterable[Channel]) -> Iterator[Node]:
    if policy.suppress is not None:
        yield policy.suppress
    yield from (each.suppress for each in channels if each.suppress is not None)
    for rule in rules:
        found = [rule.condition, *(step.compares for step in rule.steps)]
        found.append(rule.unless.compares if rule.unless else None)
        yield from (node for node in found if node is not None)
