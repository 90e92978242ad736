"""What the tests of rules show of the rules: which rules they reach, and which way each condition has gone.

The engine that plays the tests tells what each condition came to (`matcher._explain`); here that is added up
and held against what the files say. A condition that was never true, or never false, is one whose test is
missing. Tested by tests/authoring/rule_tests/test_coverage.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stream.authoring.rule_tests.held_back import Guard, guards
from stream.authoring.rule_tests.places import Part, conditions, place_of
from stream.diagnostics import Location, one_line
from stream.rules.files import RuleFiles
from stream.rules.model import RuleSet
from stream.structs import Judgement

Came = Literal["true", "false", "error"]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How often a condition was true, false or an error; and each of its conjuncts, by its text."""

    came: Counter[Came] = field(default_factory=Counter)
    terms: defaultdict[str, Counter[Came]] = field(default_factory=lambda: defaultdict(Counter))

    def lack(self) -> str | None:
        """Which way it has not gone; None if it has gone both. An error is not true."""
        return _lack(self.came)


def _lack(came: Mapping[Came, int]) -> str | None:
    if not any(came.values()):
        return "was never judged"
    if not came.get("true"):
        return "was never true" if came.get("false") else "always ended in an error"
    return None if came.get("false") or came.get("error") else "was never false"


class Coverage:
    """What has been seen so far."""

    def __init__(self) -> None:
        self.parts: defaultdict[Part, Verdicts] = defaultdict(Verdicts)
        self.guards: set[Guard] = set()

    def add(self, judged: Iterable[Judgement], held_back: Iterable[Guard | None]) -> None:
        self.guards.update(each for each in held_back if each is not None)
        for each in judged:
            seen = self.parts[each.rule, each.part]
            outcomes = [term.outcome for term in each.terms]
            failed = "error" in outcomes and "false" not in outcomes
            seen.came["true" if each.held else "error" if failed else "false"] += 1
            for term in each.terms:
                seen.terms[term.text][term.outcome] += 1


@dataclass(frozen=True, slots=True)
class Gap:
    """What no test shows, with its place: a `rule`, a `condition`, a `term` of one, or a `guard`."""

    kind: Literal["rule", "condition", "term", "guard"]
    location: Location
    what: str
    lack: str

    def __str__(self) -> str:
        return f"{self.location}: {self.what} {self.lack}"


@dataclass(frozen=True, slots=True)
class Report:
    """How many there are of what can be shown, how many the tests show, and what they do not."""

    rules: tuple[int, int]
    conditions: tuple[int, int]
    guards: tuple[int, int]
    gaps: tuple[Gap, ...]

    def summary(self) -> str:
        """One line; what there is none of is left out."""
        counted = (
            ("rules reached", self.rules),
            ("conditions seen true and false", self.conditions),
            ("guards seen at work", self.guards),
        )
        parts = [f"{some} of {every} {what}" for what, (some, every) in counted if every]
        return f"coverage: {', '.join(parts)}"


def report(coverage: Coverage, rules: RuleSet, files: RuleFiles) -> Report:
    """What tests have shown of a rule set, gaps in the order of the files."""
    reached = {rule for rule, _ in coverage.parts}
    written = conditions(files)
    nothing = Verdicts()
    seen = {part: coverage.parts.get(part, nothing) for part in written}
    known = guards(rules)
    gaps = [
        Gap("rule", files.rules[rule.name].location, f"rule `{rule.name}`", "is not reached by any test")
        for rule in rules.rules
        if rule.name not in reached
    ]
    for part, text in written.items():
        if not part[0] or part[0] in reached:  # of others it is said that no test reaches them
            gaps += _gaps(part, seen[part], text.at(0))
    for guard in known:
        if guard not in coverage.guards:
            of = "of the policy" if guard.of == "policy" else f"of {guard.of} `{guard.name}`"
            gaps.append(
                Gap("guard", place_of(guard, files), f"`{guard.key}` {of}", "never held a message back")
            )
    return Report(
        rules=(sum(each.name in reached for each in rules.rules), len(rules.rules)),
        conditions=(sum(each.lack() is None for each in seen.values()), len(seen)),
        guards=(sum(each in coverage.guards for each in known), len(known)),
        gaps=tuple(sorted(gaps, key=lambda gap: (gap.location, gap.what))),
    )


def _gaps(part: Part, seen: Verdicts, at: Location) -> Iterator[Gap]:
    """Of a condition that was both, what of its conjuncts made no difference."""
    if (lack := seen.lack()) is not None:
        yield Gap("condition", at, _named(part), lack)
        return
    for text, came in seen.terms.items() if len(seen.terms) > 1 else ():
        if (lack := _lack(came)) is not None:
            yield Gap("term", at, f"`{one_line(text)}` in {_named(part)}", lack)


def _named(part: Part) -> str:
    rule, what = part
    if not rule:
        kind, _, name = what.partition(" ")
        return (
            f"`{what}` of the policy" if not name else f"{'`where` of ' * (kind == 'trait')}{kind} `{name}`"
        )
    if what == "unless" or what.startswith("step"):
        return f"`where` of {'`unless`' if what == 'unless' else what} of rule `{rule}`"
    return f"`{what}` of rule `{rule}`"


def as_object(found: Report, coverage: Coverage, files: RuleFiles) -> dict[str, Any]:
    """The report as JSON values, with how each condition came out."""
    counts = {"rules": found.rules, "conditions": found.conditions, "guards": found.guards}
    return {
        **{name: {"seen": some, "all": every} for name, (some, every) in counts.items()},
        "gaps": [
            {"kind": each.kind, **each.location._asdict(), "what": each.what, "lack": each.lack}
            for each in found.gaps
        ],
        "outcomes": [
            {
                "rule": rule or None,
                "part": part,
                **text.location._asdict(),
                "text": text.written,
                **_counts(coverage.parts.get((rule, part), Verdicts()).came),
                "terms": [
                    {"text": term, **_counts(came)}
                    for term, came in coverage.parts.get((rule, part), Verdicts()).terms.items()
                ],
            }
            for (rule, part), text in conditions(files).items()
        ],
    }


def _counts(came: Mapping[Came, int]) -> dict[str, int]:
    return {"true": came.get("true", 0), "false": came.get("false", 0), "error": came.get("error", 0)}
