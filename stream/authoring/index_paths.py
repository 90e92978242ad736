"""What `stream check --explain-index` says: by which field of an event each rule is found, if any.

For an event the engine judges only the rules of its name whose atom the event's fields fit (`matcher.atoms`).
A rule without an atom is judged at every event of its names, which is slow where there are many.
Tested by tests/authoring/test_index_paths.py, against the engine's index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any, Literal, NamedTuple

from rich.console import Console
from rich.table import Table

from stream.expression import Ident, Node, Select, unparse
from stream.matcher.atoms import Atom, Bound, choose
from stream.rules import field_paths
from stream.rules.model import RuleSet, Step, Unless

Role = Literal["begins", "goes on", "counts", "clears", "removes"]
_OF_TRAITS = ("counts", "clears", "removes")
SHOWN_VALUES = 3
ALWAYS = "always tried"
HINT = (
    "a rule is found by a conjunct of its `where` such as `event.category == 'shoes'`, "
    "`event.store in ['s1', 's2']`, `event.price > 50` or `event.member`; add one to these"
)


class Path(NamedTuple):
    """How a rule, or a trait, is found at events of a name; `atom` None: it is always tried.

    An event `counts` for a trait, `clears` it, or `removes` of it. A rule `begins` with its first step and
    `goes on` with a later one or its `unless`. `where`: its text.
    """

    event: str
    role: Role
    name: str
    atom: Atom | None
    where: str | None


def paths(rules: RuleSet) -> list[Path]:
    """The paths of all rules and traits, by event name, what a rule does there, and the rule's name."""
    by_event: dict[tuple[str, Role], list[tuple[str, int | None]]] = {}
    for event, role, name, where in _watchers(rules):
        by_event.setdefault((event, role), []).append((name, where))
    found = []
    for (event, role), watchers in by_event.items():
        conditions = [None if where is None else rules.predicates[where] for _, where in watchers]
        for (name, _), condition, atom in zip(watchers, conditions, choose(conditions), strict=True):
            found.append(Path(event, role, name, atom, None if condition is None else unparse(condition)))
    return sorted(found, key=lambda path: (path.event, path.role, path.name, path.where or ""))


def _watchers(rules: RuleSet) -> Iterator[tuple[str, Role, str, int | None]]:
    for trait in rules.traits:
        for event in dict.fromkeys(trait.of):
            yield event, "counts", trait.name, trait.where
        for event in trait.clear:
            yield event, "clears", trait.name, None
        for event in trait.remove:
            yield event, "removes", trait.name, None
    for rule in rules.rules:
        awaited: list[Step | Unless] = [*rule.steps[1:], *([rule.unless] if rule.unless else [])]
        found: dict[tuple[str, Role, str, int | None], None] = {}  # each once, in order
        for event in rule.steps[0].on:
            found[event, "begins", rule.name, rule.steps[0].where] = None
        for step in awaited:
            for event in step.on:
                found[event, "goes on", rule.name, step.where] = None
        yield from found


def in_words(path: Path) -> str:
    """`event.store is one of "s1", "s2"`, `event.price is at least 50`; or why it is always tried."""
    atom = path.atom
    if atom is None:
        return f"{ALWAYS} (no `where`)" if path.where is None else f"{ALWAYS} (no field to find it by)"
    event: Node = Ident("event")
    field = unparse(reduce(Select, atom.path, event))
    if isinstance(atom, Bound):
        return f"{field} {'is at least' if atom.above else 'is at most'} {atom.value}"
    values = [json.dumps(value, ensure_ascii=False) for value in atom.values]
    if len(values) == 1:
        return f"{field} is {values[0]}"
    shown = ", ".join(values[:SHOWN_VALUES])
    return f"{field} is one of {shown}{', …' if len(values) > SHOWN_VALUES else ''}"


def as_objects(found: Iterable[Path]) -> list[dict[str, Any]]:
    """For programs: what `paths` gives, `found_by` in words and null for what is always tried."""
    return [
        {
            "event": path.event,
            "does": path.role,
            "name": path.name,
            "found_by": None if path.atom is None else in_words(path),
            "field": None if path.atom is None else field_paths.write(path.atom.path),
            "where": path.where,
        }
        for path in found
    ]


def show(found: list[Path], out: Console) -> None:
    """A table, then the rules that are always tried and what to do about them."""
    table = Table("event", "does", "rule or trait", "found by", box=None, pad_edge=False, header_style="bold")
    for path in found:
        table.add_row(path.event, path.role, path.name, in_words(path))
    out.print(table, soft_wrap=True, highlight=False)
    always = sorted({path.name for path in found if path.atom is None and path.role not in _OF_TRAITS})
    out.print()
    if not always:
        out.print("every rule is found by a field", highlight=False)
        return
    names = ", ".join(always)
    out.print(
        f"{ALWAYS}, at every event of their names: {len(always)}: {names}", markup=False, highlight=False
    )
    if any(path.where is not None for path in found if path.atom is None):
        out.print(f"(hint: {HINT})", markup=False, highlight=False)
