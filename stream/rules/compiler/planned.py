"""Every name in every place, held against the tracking plan: it is complete, so what it has not is an error.

Tested by tests/rules/test_plan.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from stream.diagnostics import Code, Location
from stream.hints import did_you_mean
from stream.rules import keys
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.plan import fits
from stream.rules.compiler.uses import Definitions, Use, make_number, place_of, uses
from stream.rules.files import Entry, Mapped, Scalar, Sequence, Written
from stream.rules.model import Source
from stream.rules.shapes import Shape, not_among, one_of, type_of

_SHOWN = 10  # names, where none is near
_MOST = 40  # characters of a value
_HINTED = 50  # findings
_MORE_LETTERS = 3  # or fewer: such a name is no slip of another


def hold_against_plan(run: Compilation, definitions: Definitions, first: str | None) -> None:
    """Adds what the plan does not have. `first`: the source of tests' events that name none."""
    if not run.plan.says_something:
        return
    for entry, use in uses(run.files, definitions):
        _hold(run, entry, use)
    tests = _Tests(run, definitions.sources, first)
    for item in run.files.tests:
        tests.hold(item)


def _hold(run: Compilation, entry: Entry, use: Use) -> None:
    plan = run.plan
    if use.event is not None:
        _event(run, use.event, place_of(entry, use))
    elif use.purpose is not None:
        _purpose(run, use.purpose, place_of(entry, use))
    elif use.path[0] == "event":
        _path(run, entry, use, plan.event(use.of or tuple(plan.events)))
    elif use.path[0] == "customer" and plan.attributes is not None:
        _path(run, entry, use, plan.attributes)
    elif use.path[0] == "context" and use.path[1:2] and use.path[1] in plan.contexts:
        _path(run, entry, use, Shape("object", plan.contexts))


def _event(run: Compilation, name: str, at: Location) -> None:
    if run.plan.events and name not in run.plan.events:
        hint = _near(run, name, run.plan.events) or "define it below `events`"
        run.findings.add(Code.EVENT_NOT_IN_PLAN, at, f"the tracking plan has no event `{name}`", hint)


def _purpose(run: Compilation, name: str, at: Location) -> None:
    if run.plan.purposes is not None and name not in run.plan.purposes:
        message = f"no source of profiles names the purpose `{name}` in `consents`"
        run.findings.add(Code.PURPOSE_NOT_IN_PLAN, at, message, _meant(run, name, run.plan.purposes))


def _path(run: Compilation, entry: Entry, use: Use, shape: Shape) -> None:
    root, *parts = use.path
    missing = shape.missing(parts)
    if missing is not None:
        around = shape.at(parts[:missing])
        code, message = _not_there(str(root), ".".join(map(str, parts[: missing + 1])), use.of)
        hint = _meant(run, str(parts[missing]), around.fields or ())
        run.findings.add(code, place_of(entry, use, missing + 1), message, hint)
        return
    found = shape.at(parts)
    if use.takes and found.type not in ("any", *use.takes):
        planned = f"the tracking plan says that `{parts[-1]}` is {one_of([found.type])}"
        message = f"`{use.keys[-1]}` takes {one_of(use.takes)}, and {planned}"
        at = place_of(entry, use, len(parts))
        run.findings.add(Code.NOT_AS_PLANNED, at, message, make_number(use, found.type))
    for value in use.compared if found.values else ():
        if value not in found.values:
            message, hint = not_among(value, found.values)
            run.findings.add(Code.VALUE_NOT_IN_PLAN, place_of(entry, use, len(parts)), message, hint)


def _not_there(root: str, path: str, of: Iterable[str] = ()) -> tuple[Code, str]:
    if root == "customer":
        return (
            Code.ATTRIBUTE_NOT_IN_PLAN,
            f"no source of profiles names the attribute `{path}` in `attributes`",
        )
    if root == "context":
        return Code.FIELD_NOT_IN_PLAN, f"its source names no field `{path.partition('.')[2]}` in `fields`"
    names = " or ".join(f"`{name}`" for name in of)
    return Code.FIELD_NOT_IN_PLAN, f"the tracking plan has no field `{path}` of {names}"


def _meant(run: Compilation, name: str, names: Collection[str]) -> str:
    shown = sorted(names)[:_SHOWN]
    more = ", …" if len(names) > _SHOWN else ""
    return _near(run, name, names) or f"there are: {', '.join(shown) or 'none'}{more}"


def _near(run: Compilation, name: str, names: Iterable[str]) -> str | None:
    """What is probably meant. A plan is long, and looking takes time: not where so much is wrong anyway."""
    if len(run.findings.all) >= _HINTED:
        return None
    return did_you_mean(name, (each for each in names if abs(len(each) - len(name)) <= _MORE_LETTERS))


# ---- tests ----


class _Tests:
    """The events and customers of tests, as they are written: each value has its place there."""

    def __init__(self, run: Compilation, sources: Iterable[Source], first: str | None) -> None:
        self.run, self.first = run, first
        self.sources = {source.name: source for source in sources}

    def hold(self, test: Written) -> None:
        for event in _items(test, "events"):
            if isinstance(event, Mapped):
                self._record(event)
        customer = _value(test, "customer")
        self._attributes(_value(customer, "attributes"))
        self._consents(_value(customer, "consents"))

    def _record(self, record: Mapped) -> None:
        """An event, or what a record of profiles or of context says."""
        named = _value(record, "source")
        source = self.sources.get(str(named.value) if isinstance(named, Scalar) else self.first or "")
        if source is None:
            return
        if source.kind == "profile":
            self._attributes(_value(record, "attributes"))
            self._consents(_value(record, "consents"))
        elif source.kind == "context" and source.name in self.run.plan.contexts:
            self._fields(record, self.run.plan.contexts[source.name], "context", f"{source.name}.", ())
        elif source.kind == "event":
            self._event(record, source)

    def _event(self, record: Mapped, source: Source) -> None:
        named = _value(record, "event")
        if not isinstance(named, Scalar) or not isinstance(named.value, str):
            return
        _event(self.run, named.value, named.location)
        planned = self.run.plan.events.get(named.value)
        if planned is None:
            return
        if planned.sources and source.name not in planned.sources:
            sources = " and ".join(f"`{each}`" for each in planned.sources)
            message = (
                f"`{named.value}` comes from {sources}, says the tracking plan, not from `{source.name}`"
            )
            hint = f"write `source: {planned.sources[0]}`"
            self.run.findings.add(Code.NOT_AS_PLANNED, named.location, message, hint)
        self._fields(record, planned.shape, "event", "", (named.value,))

    def _attributes(self, written: Written | None) -> None:
        if isinstance(written, Mapped) and self.run.plan.attributes is not None:
            self._fields(written, self.run.plan.attributes, "customer", "", ())

    def _consents(self, written: Written | None) -> None:
        if isinstance(written, Mapped):
            for entry in written.entries.values():
                _purpose(self.run, entry.key, entry.location)
        for item in written.items if isinstance(written, Sequence) else ():
            if isinstance(item, Scalar):
                _purpose(self.run, str(item.value), item.location)

    def _fields(self, body: Mapped, shape: Shape, root: str, prefix: str, of: tuple[str, ...]) -> None:
        for name, entry in body.entries.items():
            if not prefix and root == "event" and name in keys.TEST_EVENT:
                continue
            if root == "context" and prefix.count(".") == 1 and name in keys.TEST_EVENT:
                continue
            path = prefix + name
            if shape.missing((name,)) is not None:
                code, message = _not_there(root, path, of)
                self.run.findings.add(
                    code, entry.location, message, _meant(self.run, name, shape.fields or ())
                )
                continue
            inner = shape.at((name,))
            self._value(entry, inner, path)
            if isinstance(entry.value, Mapped):
                self._fields(entry.value, inner, root, f"{path}.", of)

    def _value(self, entry: Entry, shape: Shape, path: str) -> None:
        written = entry.value
        value: Any = [] if isinstance(written, Sequence) else {}
        value = written.value if isinstance(written, Scalar) else value
        if not fits(value, shape.type):
            none = shape.type == "time" and isinstance(value, str)
            this = f"`{value[:_MOST]}` is none" if none else f"this is {one_of([type_of(value)])}"
            message = f"the tracking plan says that `{path}` is {one_of([shape.type])}, {this}"
            hint = "write e.g. 2026-03-02T10:00:00Z" if none else None
            self.run.findings.add(Code.NOT_AS_PLANNED, written.location, message, hint)
        elif shape.values and value is not None and value not in shape.values:
            message, hint = not_among(value, shape.values)
            self.run.findings.add(Code.VALUE_NOT_IN_PLAN, written.location, message, hint)


def _value(written: Written | None, key: str) -> Written | None:
    if isinstance(written, Mapped) and key in written.entries:
        return written.entries[key].value
    return None


def _items(written: Written | None, key: str) -> Iterator[Written]:
    found = _value(written, key)
    yield from found.items if isinstance(found, Sequence) else ()
