"""Where sources say that the name, the customer, the time and the id of an event are, and never is one.

Tests do not tell: they write what a source maps to wherever it says. Tested by tests/rules/test_mapped.py.
"""

from __future__ import annotations

from stream.diagnostics import Code
from stream.rules import field_paths
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.known_data import Data
from stream.rules.compiler.uses import lead, uses
from stream.rules.model import FieldPath, RuleSet, Source


def warn_of_mapping(run: Compilation, rules: RuleSet, data: Data) -> None:
    names = {use.event for _, use in uses(run.files, rules) if use.event is not None} | set(data.names)
    for source in rules.sources:
        for key, path in _paths(source).items():
            name = path[0]
            if key == "event" and len(path) == 1 and name in names:
                message = f"`event` is the field with the event's name, and `{name}` is the name of an event"
                _warn(
                    run, source, key, message, f"write `event: {{is: {name}}}` if all of them are called so"
                )
            elif any(path[: len(each)] == each != path for each in _paths(source).values()):
                around = next(each for each in _paths(source).values() if path[: len(each)] == each != path)
                other = next(key for key, each in _paths(source).items() if each == around)
                message = (
                    f"`{key}` is a path within the event, and `{field_paths.write(around)}` is its `{other}`"
                )
                _warn(run, source, key, message, _without(key, path, len(around)))
            elif (
                _begins_with_event(path)
                and not _begins_with_event(source.event or ())
                and _is_known(path[1:], run, data)
            ):
                message = f"`{key}` is a path within the event, which has no object `event`"
                _warn(run, source, key, message, _without(key, path, 1))


def _begins_with_event(path: FieldPath) -> bool:
    """As in conditions; of a source whose events' names are there, too, the events have an object `event`."""
    return len(path) > 1 and path[0] == "event"


def _paths(source: Source) -> dict[str, FieldPath]:
    found = {"event": source.event, "customer": source.customer, "time": source.time, "id": source.id}
    return {key: path for key, path in found.items() if path}


def _without(key: str, path: FieldPath, length: int) -> str:
    return f"write `{key}: {field_paths.write(path[length:])}`"


def _is_known(path: FieldPath, run: Compilation, data: Data) -> bool:
    """Whether an event of the tests, or of the tracking plan, has this field."""
    tested = any(field_paths.value_at(each, path) is not None for each in data.events(data.names))
    planned = (event.shape for event in run.plan.events.values())
    return tested or any(shape.fields is not None and shape.missing(path) is None for shape in planned)


def _warn(run: Compilation, source: Source, key: str, message: str, hint: str) -> None:
    at, _ = lead(run.files.sources[source.name], (key,))
    run.findings.add(Code.UNKNOWN_FIELD, at, message, hint)
