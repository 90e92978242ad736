"""What is nobody's business: sensitive subjects, and what third parties know of a customer.

A rule is about a sensitive subject if anything in it that watches, decides or says something reads an event
or a field that `policy.sensitive` marks: itself, or through traits and segments, however many are in between.
It must say so (`sensitive`), for then the guards ask for the customer's consent to just that. What sources of
`kind: context` bring may decide whether a message goes; a text that tells of it, itself or by asking for a
segment that does, must say so (`discloses`).

`suppress`, of the policy or a channel, may read anything: silence tells nobody anything.

Sound where a field cannot be told: `event[x]` is any field, and whoever reads an object reads all that is in
it. A name that a condition gives by itself (`list.exists(event, …)`) is taken for what it hides.
Tested by tests/rules/test_privacy.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from stream.diagnostics import Code
from stream.expression import Node
from stream.rules.aggregates import AGGREGATES
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.uses import Path, Use, paths_of, place, uses_of_rule
from stream.rules.files import Entry
from stream.rules.model import FieldPath, Policy, Rule, Segment, Trait

Mark = tuple[str, str]  # ("subject", its name) or ("context", a source's)
Definition = tuple[str, str]  # ("trait", its name) or ("segment", its name)

_SHOWN_LINKS = 8  # of a chain of definitions


class _Link(NamedTuple):
    """Why a definition has a mark: what it reads, and the definition behind it, if it is one."""

    words: str
    behind: Definition | None = None


def check_privacy(
    run: Compilation,
    traits: Iterable[Trait],
    segments: Iterable[Segment],
    policy: Policy,
    rules: Iterable[Rule],
) -> None:
    """Adds what rules do not say that they read, and, where that is all right, what they say in vain."""
    predicates = tuple(run.predicates)
    marks = _Marks(policy, run.contexts, traits, segments, predicates)
    found = []
    for rule in rules:
        entry = run.files.rules[rule.name]
        about, shown = _reads(rule, marks, predicates)
        found.append((rule, entry, about, shown))
        _not_said(run, rule, entry, policy, about)
        _not_disclosed(run, rule, entry, shown)
    if run.findings.refused:
        return
    for rule, entry, about, shown in found:
        for subject in rule.sensitive:
            if subject.name not in about:
                message = f"rule `{rule.name}` reads nothing about the sensitive subject `{subject.name}`"
                hint = f"leave it out: it is sent only to who has consented to `{subject.consent}`"
                run.findings.add(Code.SENSITIVE_NOT_READ, place(entry, ("sensitive",)), message, hint)
        for source in rule.discloses:
            if source not in shown:
                message = f"no text of rule `{rule.name}` tells of `context.{source}`"
                at = place(entry, ("discloses",))
                run.findings.add(Code.NOTHING_DISCLOSED, at, message, "leave the source out")


Found = dict[str, tuple[Use, str]]  # by subject, or by source: where it is read first, and how


def _reads(rule: Rule, marks: _Marks, predicates: Sequence[Node]) -> tuple[Found, Found]:
    """The subjects that a rule is about, and the sources of context of which it tells."""
    about: Found = {}
    shown: Found = {}
    for use in uses_of_rule(rule, predicates):
        for (kind, name), link in marks.of_event(use.event) if use.event else marks.of_path(use.path):
            if kind == "subject":
                about.setdefault(name, (use, marks.chain(("subject", name), link)))
            elif use.shown:
                shown.setdefault(name, (use, marks.chain(("context", name), link)))
    return about, shown


def _not_said(run: Compilation, rule: Rule, entry: Entry, policy: Policy, about: Found) -> None:
    said = {subject.name for subject in rule.sensitive}
    consents = {subject.name: subject.consent for subject in policy.sensitive}
    for name, (use, chain) in about.items():
        if name not in said:
            message = f"rule `{rule.name}` is about the sensitive subject `{name}`: {use.words} {chain}"
            hint = (
                f"write `sensitive: [{', '.join(sorted(said | set(about)))}]` in the rule; "
                f"it then goes only to customers who have consented to `{consents[name]}`"
            )
            run.findings.add(Code.SENSITIVE_NOT_SAID, place(entry, use.keys, use.offset), message, hint)


def _not_disclosed(run: Compilation, rule: Rule, entry: Entry, shown: Found) -> None:
    for name, (use, chain) in shown.items():
        if name not in rule.discloses:
            message = (
                f"rule `{rule.name}` shows customers what they never told you: {use.words} {chain}, "
                "of third-party data"
            )
            hint = (
                f"write `discloses: [{', '.join(sorted({*rule.discloses, *shown}))}]` in the rule, "
                "or ask in `if` and leave it out of the text"
            )
            at = place(entry, use.keys, use.offset)
            run.findings.add(Code.DISCLOSURE_NOT_SAID, at, message, hint)


# ---- marks: of events, fields, traits and segments ----


class _Marks:
    """What is marked: by the policy, and by reading what is."""

    def __init__(
        self,
        policy: Policy,
        contexts: Collection[str],
        traits: Iterable[Trait],
        segments: Iterable[Segment],
        predicates: Sequence[Node],
    ) -> None:
        self.policy, self.contexts = policy, contexts
        self.links: dict[Definition, dict[Mark, _Link]] = {}
        for trait in traits:
            self.links["trait", trait.name] = self.of_trait(trait, predicates)
        for segment in segments:  # each after those that it names
            paths = [path for path, _ in paths_of(segment.condition)]
            self.links["segment", segment.name] = self.of_paths(paths)

    def of_trait(self, trait: Trait, predicates: Sequence[Node]) -> dict[Mark, _Link]:
        verb = AGGREGATES[trait.function].verb
        found: dict[Mark, _Link] = {}
        for mark, link in (each for event in trait.of for each in self.of_event(event)):
            found.setdefault(mark, _Link(f"{verb} {link.words}"))
        for words, events in (("starts anew at", trait.clear), ("is shortened by", trait.remove)):
            for mark, link in (each for event in events for each in self.of_event(event)):
                found.setdefault(mark, _Link(f"{words} {link.words}"))
        taken = (trait.field, trait.per, trait.key, *trait.fields)
        paths: list[Path] = [trait.path(path) for path in taken if path is not None]
        if trait.items is not None:  # how many there are is read, too
            paths.append(("event", *trait.items))
        read = [trait.value, None if trait.where is None else predicates[trait.where]]
        paths += [path for node in read if node is not None for path, _ in paths_of(node)]
        return {**self.of_paths(paths), **found}

    def of_paths(self, paths: Iterable[Path]) -> dict[Mark, _Link]:
        found: dict[Mark, _Link] = {}
        for mark, link in (each for path in paths for each in self.of_path(path)):
            found.setdefault(mark, link._replace(words=f"reads {link.words}"))
        return found

    def of_event(self, name: str) -> Iterator[tuple[Mark, _Link]]:
        for subject in self.policy.sensitive:
            if name in subject.events:
                yield ("subject", subject.name), _Link(f"the sensitive event `{name}`")

    def of_path(self, path: Path) -> Iterator[tuple[Mark, _Link]]:
        root, name = path[0], path[1] if len(path) > 1 else None
        if root in ("traits", "segments") and name is not None:
            definition = (root.removesuffix("s"), name)
            for mark in self.links.get(definition, ()):
                yield mark, _Link(f"{definition[0]} `{name}`", definition)
            return
        for subject in self.policy.sensitive:
            for field in subject.fields:
                if _overlap(path, field):
                    yield ("subject", subject.name), _Link(_field(path, field))
        if root == "context" and name is not None and name in self.contexts:
            yield ("context", name), _Link(f"`{_shown(path)}`")

    def chain(self, mark: Mark, link: _Link) -> str:
        """How a mark comes to be there: trait `a`, which counts the sensitive event `b`."""
        words = [link.words]
        while link.behind is not None and len(words) < _SHOWN_LINKS:
            link = self.links[link.behind][mark]
            words.append(link.words)
        return ", which ".join(words) + (", and so on" if link.behind else "")


def _overlap(path: Path, field: FieldPath) -> bool:
    """Whether reading a path reads of the field: the path is the field, in it, or around it."""
    return all(one is None or one == other for one, other in zip(path, field, strict=False))


def _field(path: Path, field: FieldPath) -> str:
    marked = f"the sensitive field `{_shown(field)}`"
    return marked if len(path) >= len(field) and None not in path else f"`{_shown(path)}`, with it {marked}"


def _shown(path: Path) -> str:
    return "".join("[…]" if each is None else f".{each}" for each in path).removeprefix(".")
