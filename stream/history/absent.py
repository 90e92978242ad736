"""Events that the rules ask for by a name that none of the past ones has.

A rule that waits for one never fires, a trait that counts it stays as it is, and of `unless` everybody gets
the message. Where not all of the past is given, such as one of three topics, that is as it should be; so it
is said, and nothing ends for it. Tested by tests/history/test_absent.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from stream.hints import did_you_mean
from stream.rules.model import RuleSet

MOST = 10  # names that are said


def asked_for(rules: RuleSet) -> Mapping[str, list[str]]:
    """Who asks for each name of an event, in the words of a rule file."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for who, names in _asking(rules):
        for name in names:
            found[name].append(who)
    return found


def _asking(rules: RuleSet) -> Iterator[tuple[str, Iterable[str]]]:
    for rule in rules.rules:
        yield f"rule {rule.name}", dict.fromkeys(name for step in rule.steps for name in step.on)
        if rule.unless is not None:
            yield f"`unless` of rule {rule.name}", rule.unless.on
        yield f"the goal of rule {rule.name}", dict.fromkeys(name for goal in rule.goals for name in goal.on)
    for trait in rules.traits:
        yield f"traits.{trait.name}", trait.of


def notes(rules: RuleSet, absent: Iterable[str]) -> Iterator[str]:
    """A line for each name that did not come, and who asks for it."""
    asked, missing = asked_for(rules), sorted(absent)
    come = [name for name in asked if name not in set(missing)]
    for name in missing[:MOST]:
        first, *more = asked[name]
        others = f" and {len(more):,} more" if more else ""
        near = did_you_mean(name, come)
        yield f"no `{name}` came, which {first}{others} asks for" + (f" ({near})" if near else "")
    if len(missing) > MOST:
        yield f"nor did {len(missing) - MOST:,} more events that are asked for: --json has their names"
