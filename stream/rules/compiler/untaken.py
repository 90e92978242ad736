"""What nobody takes: a field that is a text wherever the tests have it, and of which a trait makes a sum.

Such an event counts nothing, and the trait stays what it was. Warned of where the tests' events have the
field, and none of them has what is taken; one that has it shows that the others are odd on purpose.
Tested by tests/rules/test_untaken.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stream.diagnostics import Code
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.plan import fits
from stream.rules.compiler.uses import Path, make_number, place, uses
from stream.rules.model import RuleSet
from stream.rules.shapes import one_of, type_of
from stream.rules.testcases import RuleTest


def warn_of_untaken(run: Compilation, rules: RuleSet, tests: Sequence[RuleTest]) -> None:
    events = _events(rules, tests)
    for entry, use in uses(run.files, rules):
        if not use.takes or use.path[0] != "event":
            continue
        values = [_at(event, use.path[1:]) for name in use.of for event in events[name]]
        values = [each for each in values if each is not None]
        if not values or any(fits(value, kind) for value in values for kind in use.takes):
            continue
        found = list(dict.fromkeys(map(type_of, values)))
        path = ".".join(map(str, use.path[1:]))
        message = f"`{use.keys[-1]}` takes {one_of(use.takes)}, and in the tests `{path}` is {one_of(found)}"
        hint = make_number(use, found[0]) if len(found) == 1 else None
        run.findings.add(Code.NOT_AS_TESTED, place(entry, use.keys), message, hint)


def _events(rules: RuleSet, tests: Iterable[RuleTest]) -> Mapping[str, list[Mapping[str, Any]]]:
    """The fields of the tests' events, by the event's name."""
    carriers = {source.name for source in rules.sources if source.kind == "event"}
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for event in (each for test in tests for each in test.events):
        if (event.source or rules.first_source) in carriers:
            found[event.name].append(event.fields)
    return found


def _at(value: Any, path: Path) -> Any:
    """What lies at a path; None if nothing does."""
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
