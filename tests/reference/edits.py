"""A rule set made from another by a few edits, as its owners make them: what changes of rules are tried with.

An edit takes a definition out, puts in a new one, renames it, or changes one of its keys; now and then what
is gone comes back as it was. All else says the same, but in the result predicates have other numbers, and
sources and traits may stand in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stream.expression import Node, unparse
from stream.rules.model import Channel, RuleSet, Segment, Step, Trait, Unless

from .rulesets import NAMES, OCCASIONS, WAITS, Dice, Workshop, condition, event_atom, parse


def edited(former: Sequence[RuleSet], edits: Sequence[bytes], scale: int) -> RuleSet:
    """The newest of some rule sets after some edits, or the oldest once more."""
    if len(former) > 1 and Dice(edits[0]).chance(3):
        return replace(former[0])
    editor = Editor(former, scale)
    for faces in edits:
        editor.edit(Dice(faces))
    return editor.result()


class Editor:
    """A rule set in pieces. Where a rule or trait has a `where`, it indexes the workshop's predicates."""

    def __init__(self, former: Sequence[RuleSet], scale: int) -> None:
        last = former[-1]
        self.first = former[0]
        self.workshop = Workshop(scale, list(last.predicates), last.channels, last.segments, last.traits)
        self.rules, self.policy, self.sources = list(last.rules), last.policy, last.sources

    def edit(self, dice: Dice) -> None:
        match dice.number() % 16:
            case 0 | 1:
                self.drop_rule(dice)
            case 2 | 3:
                self.bring_back()
            case 4:
                self.rules.append(self.workshop.rule(self.unused_number(), dice))
            case 5:
                self.change_rule(dice, name=f"r{self.unused_number()}")
            case 6 | 7:
                self.change_what_waits(dice)
            case 8 | 9:
                self.change_what_is_judged(dice)
            case 10 | 11 | 12:
                self.change_trait(dice)
            case 13:
                self.change_traits(dice)
            case 14 | 15:
                self.change_what_all_share(dice)

    # - rules

    def drop_rule(self, dice: Dice) -> None:
        if len(self.rules) > 1:
            del self.rules[dice.number() % len(self.rules)]

    def bring_back(self) -> None:
        """The rules and traits of the first set that are gone."""
        traits = {each.name for each in self.workshop.traits}
        rules = {each.name for each in self.rules}
        self.workshop.traits += tuple(
            self.adopted(each) for each in self.first.traits if each.name not in traits
        )
        for each in self.first.rules:
            if each.name not in rules:
                steps = tuple(map(self.adopted, each.steps))
                unless = each.unless and self.adopted(each.unless)
                channels = tuple(map(self.channel, each.channels))
                self.rules.append(replace(each, steps=steps, unless=unless, channels=channels))

    def adopted(self, each: Any) -> Any:
        """A trait, step or `unless` of the first set, with the number that its `where` has here."""
        return (
            each
            if each.where is None
            else replace(each, where=self.number(self.first.predicates[each.where]))
        )

    def number(self, node: Node) -> int:
        texts = [unparse(each) for each in self.workshop.predicates]
        if unparse(node) not in texts:
            self.workshop.predicates.append(node)
            return len(texts)
        return texts.index(unparse(node))

    def channel(self, former: Channel) -> Channel:
        return next(each for each in self.workshop.channels if each.name == former.name)

    def unused_number(self) -> int:
        return max(int(each.name[1:]) for each in (*self.rules, *self.first.rules)) + 1

    def change_rule(self, dice: Dice, **parts: Any) -> None:
        at = dice.number() % len(self.rules)
        self.rules[at] = replace(self.rules[at], **parts)

    def change_what_waits(self, dice: Dice) -> None:
        """What decides which instances are open."""
        at = dice.number() % len(self.rules)
        rule = self.rules[at]
        last = rule.steps[-1]
        wait = dice.pick(WAITS) * self.workshop.scale
        where = self.number(parse(condition(dice, event_atom)))
        if rule.occasion is not None:
            self.rules[at] = replace(rule, occasion=dice.pick(OCCASIONS))
            return
        match dice.number() % 7:
            case 0 if rule.unless:
                rule = replace(rule, unless=replace(rule.unless, within=wait))
            case 1 if rule.unless:
                rule = replace(rule, unless=replace(rule.unless, where=where, compares=None))
            case 2 if len(rule.steps) > 1:
                rule = replace(rule, steps=(*rule.steps[:-1], replace(last, within=wait)))
            case 3:
                rule = replace(rule, again=dice.pick((None, "restart", "keep")))
            case 4:
                rule = replace(rule, key=dice.pick((None, ("category",), ("props", "k"))))
            case 5:
                rule = replace(rule, steps=(*rule.steps[:-1], replace(last, where=where, compares=None)))
            case _:
                rule = replace(rule, wait=dice.pick((0, wait)))
        self.rules[at] = rule

    def change_what_is_judged(self, dice: Dice) -> None:
        """What leaves its instances open."""
        at = dice.number() % len(self.rules)
        rule = self.rules[at]
        other = self.workshop.rule(0, dice)
        names = {each.name for each in rule.steps}
        alike = (other.occasion is None) == (rule.occasion is None)
        fits = alike and {each.name for each in other.steps} <= names
        said = other if fits else rule  # names only what is there
        self.rules[at] = replace(
            other,
            name=rule.name,
            steps=rule.steps,
            unless=rule.unless,
            wait=rule.wait,
            again=rule.again,
            key=rule.key,
            occasion=rule.occasion,
            condition=said.condition,
            content=said.content,
            variants=said.variants,
        )

    # - traits and the rest

    def change_trait(self, dice: Dice) -> None:
        """Another window, `where`, event or `k`: it means the same to whoever reads it."""
        traits = list(self.workshop.traits)
        if not traits:
            return
        at = dice.number() % len(traits)
        trait: Trait = traits[at]
        over = self.workshop.over(dice)
        match dice.number() % 5:
            case 0 | 1:
                trait = replace(trait, over=None if trait.over and dice.chance(2) else over)
            case 2:
                trait = replace(trait, where=self.workshop.where(dice))
            case 3:
                of = dice.some(NAMES)
                trait = replace(trait, of=of, remove=tuple(each for each in trait.remove if each not in of))
            case 4:
                trait = replace(trait, k=dice.pick((1, 2, 3)), most=dice.pick((1, 2, 3)))
        traits[at] = trait
        self.workshop.traits = tuple(traits)

    def change_traits(self, dice: Dice) -> None:
        """A new one, one less that nobody names, or the same ones in another order."""
        traits = self.workshop.traits
        match dice.number() % 3:
            case 0:
                known = [int(each.name[1:]) for each in (*traits, *self.first.traits)]
                traits = (self.workshop.trait(max(known, default=-1) + 1, dice), *traits)
            case 1:
                traits = traits[::-1]
            case 2:
                gone = [each for each in traits if not self.is_named(f"traits.{each.name}")]
                traits = tuple(each for each in traits if each not in gone[:1])
        self.workshop.traits = traits

    def is_named(self, text: str) -> bool:
        nodes = [self.policy.suppress, *(each.suppress for each in self.workshop.channels)]
        nodes += [*(each.condition for each in self.rules)]
        nodes += [each.condition for each in self.workshop.segments]
        return any(text in unparse(each) for each in nodes if each is not None)

    def change_what_all_share(self, dice: Dice) -> None:
        """A channel, a segment, the policy, the order in which rules are judged, or that of sources."""
        workshop, at = self.workshop, dice.number()
        match dice.number() % 5:
            case 0:
                name = workshop.channels[at % len(workshop.channels)].name
                new = workshop.channel(name, dice)
                workshop.channels = tuple(new if each.name == name else each for each in workshop.channels)
                self.rules = [
                    replace(each, channels=tuple(map(self.channel, each.channels))) for each in self.rules
                ]
            case 1 if workshop.segments:
                name = workshop.segments[0].name  # it names no other
                new_segment = Segment(name, parse("customer.tier == 'gold'"))
                workshop.segments = (new_segment, *workshop.segments[1:])
            case 2:
                self.policy = workshop.policy(dice)
            case 3:
                self.rules = [replace(each, priority=number) for number, each in enumerate(self.rules)]
            case _:
                self.sources = self.sources[1:] + self.sources[:1]

    # - the result

    def result(self) -> RuleSet:
        """The pieces put together; the predicates that are still used are numbered backwards."""
        awaited: list[Trait | Step | Unless] = [*self.workshop.traits]
        for rule in self.rules:
            awaited += [*rule.steps, *([rule.unless] if rule.unless else [])]
        used = list(dict.fromkeys(each.where for each in reversed(awaited) if each.where is not None))

        def renumbered(each: Any) -> Any:
            return each if each is None or each.where is None else replace(each, where=used.index(each.where))

        self.workshop.predicates = [self.workshop.predicates[where] for where in used]
        self.workshop.traits = tuple(map(renumbered, self.workshop.traits))
        rules = [
            replace(each, steps=tuple(map(renumbered, each.steps)), unless=renumbered(each.unless))
            for each in self.rules
        ]
        return self.workshop.rule_set(rules, self.policy, self.sources)
