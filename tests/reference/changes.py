"""What a change of rules keeps, and what starts anew.

A definition is what its owner wrote, word for word but for the order of names in a list: two definitions are
the same if this text is. What stands under a definition stays if the new rules have the same one.

Reading: a trait's definition is all of it, its name included; `k` matters to `top` alone. A rule's is what
decides which instances are open: its name, steps, `unless`, `wait`, `again` and `key`. Another `if`, text,
limit, channel, priority or share keeps them, and what is judged from then on is judged by the new words.
Reading: an instance keeps of its events what its rule could read when they came. New words see no more.
Reading: a definition that went and came back starts anew, whether or not its customer was seen in between.
Reading: a restart is another matter: what the rules at hand do not know is kept as it is, until they change
once more. Then it is known again, or gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from stream.expression import unparse
from stream.rules.model import Rule, RuleSet, Step, Trait, Unless

from .instances import Instance


@dataclass(frozen=True)
class Change:
    """Other rules, once so many events and profile updates were applied (or at the end, if there are fewer).

    `restart`: they come with a new worker, which reads what is durable. `off`: the rules that are switched
    off from then on, and until when; None: as before.
    """

    after: int
    rules: RuleSet
    restart: bool = False
    off: Mapping[str, int] | None = None


class Definitions:
    """The definitions of a rule set, by the names of its rules and traits."""

    def __init__(self, rules: RuleSet) -> None:
        self.predicates = rules.predicates
        self.rules = {each.name: self.of_rule(each) for each in rules.rules}
        self.traits = {each.name: self.of_trait(each) for each in rules.traits}

    def of_trait(self, trait: Trait) -> str:
        k = trait.k if trait.function == "top" else None
        parts = (
            trait.name,
            trait.function,
            trait.field,
            trait.per,
            trait.over,
            k,
            sorted(trait.clear),
            trait.items,
        )
        of_list = (trait.fields, trait.key, sorted(trait.remove), trait.most)
        return repr(
            (
                *parts,
                of_list if trait.function == "list" else None,
                self.of_event(Step(trait.of, trait.where)),
            )
        )

    def of_rule(self, rule: Rule) -> str:
        steps = [(each.name, each.within, self.of_event(each)) for each in rule.steps]
        unless = (rule.unless.within, self.of_event(rule.unless)) if rule.unless else None
        return repr((rule.name, steps, unless, rule.wait, rule.again, rule.key, rule.occasion))

    def of_event(self, awaited: Step | Unless) -> tuple[Any, ...]:
        where = awaited.compares if awaited.where is None else self.predicates[awaited.where]
        return (sorted(awaited.on), None if where is None else unparse(where))


def carried_over(instance: Instance, rule: Rule) -> Instance:
    """An open instance under the new words of its rule."""
    former = instance.rule.event_fields
    events = tuple(
        replace(event, data=only(event.data, fields), whole=False) if event.whole else event
        for event, fields in zip(instance.events, former, strict=False)
    )
    return replace(instance, rule=rule, events=events)


def only(data: Mapping[str, Any], fields: tuple[str, ...] | None) -> dict[str, Any]:
    return {name: value for name, value in data.items() if fields is None or name in fields}
