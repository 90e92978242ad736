"""What nobody takes: a field that is a text wherever the tests have it, and of which a trait makes a sum.

Such an event counts nothing, and the trait stays what it was; an address is none. Warned of where the tests
have the field, and none of them has what is taken; one that has it shows that the others are odd on purpose.
Tested by tests/rules/test_untaken.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream.diagnostics import Code
from stream.rules import field_paths
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.known_data import Data
from stream.rules.compiler.plan import fits
from stream.rules.compiler.uses import Path, Use, make_number, place, uses
from stream.rules.files import Entry
from stream.rules.model import RuleSet
from stream.rules.shapes import one_of, type_of


def warn_of_untaken(run: Compilation, rules: RuleSet, data: Data) -> None:
    for entry, use in uses(run.files, rules):
        if not use.takes or use.path[0] not in ("event", "customer"):
            continue
        bodies = data.events(use.of) if use.path[0] == "event" else data.customers
        values = [_at(each, use.path[1:]) for each in bodies]
        values = [each for each in values if each is not None]
        if use.is_key and values and all(type(value) is float for value in values):
            _warn_of_decimals(run, entry, use)
        if not values or any(fits(value, kind) for value in values for kind in use.takes):
            continue
        found = list(dict.fromkeys(map(type_of, values)))
        path = ".".join(map(str, use.path[1:]))
        message = f"`{use.keys[-1]}` takes {one_of(use.takes)}, and in the tests `{path}` is {one_of(found)}"
        hint = make_number(use, found[0]) if len(found) == 1 else None
        run.findings.add(Code.NOT_AS_TESTED, place(entry, use.keys), message, hint)


def _warn_of_decimals(run: Compilation, entry: Entry, use: Use) -> None:
    path = [str(part) for part in use.path[1:]]
    written = field_paths.write(path)
    message = f"`{use.keys[-1]}` takes no decimals, and in the tests `{written}` is one"
    hint = f"write `value: string({field_paths.in_condition(path)})` in place of `field`"
    run.findings.add(
        Code.NOT_AS_TESTED, place(entry, use.keys), message, hint if use.keys == ("field",) else None
    )


def _at(value: Any, path: Path) -> Any:
    """What lies at a path; None if nothing does."""
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
