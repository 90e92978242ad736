"""What texts show and cannot be written: an object, a text where a time is to be, `event.store.upcase`.

Each `{{ … }}` is written for the events and customers of the tests, and of what none of them has for values
of the type that the tracking plan says. It is warned of where there is one that has all that is read, and it
can be written for none: so whatever a customer of the tests gets is not warned of.
Tested by tests/rules/test_unwritten.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from stream.content.locales import Region
from stream.diagnostics import Code
from stream.errors import ContentError
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.known_data import Data
from stream.rules.compiler.uses import Keys, lead
from stream.rules.files import Scalar
from stream.rules.model import Rule, RuleSet
from stream.rules.shapes import FieldType, Shape, one_of, type_of

if TYPE_CHECKING:
    from stream.content.template import Output, Template

_MOST_SAMPLES = 100
_A_TIME = "2026-03-02T10:00:00.000Z"
_AN_OBJECT: Mapping[str, Any] = {"NAME": {}}
_CERTAIN: Mapping[str, Any] = {"event_name": "view", "event_time": _A_TIME, "now": _A_TIME, "rule": "r"}
_TIMES = ("event_time", "now")
_OF_TYPES: Mapping[FieldType, tuple[Any, ...]] = {
    "number": (1, 1.5),
    "boolean": (True,),
    "time": (_A_TIME,),
    "object": (_AN_OBJECT,),
}
Names = Mapping[str, tuple[str, ...]]  # of events, by the variable that they are


def warn_of_unwritten(run: Compilation, rules: RuleSet, data: Data) -> None:
    for rule in rules.rules:
        for template, keys in texts_of(rule):
            _, written = lead(run.files.rules[rule.name], keys)
            forms = {channel.format_of(str(keys[-1])) for channel in rule.channels}
            if not isinstance(written, Scalar) or "json" in forms:  # of JSON an object is a part
                continue
            names = {"event": rule.steps[-1].on, **{each.name: each.on for each in rule.steps if each.name}}
            for output in template.outputs:
                if found := _unwritten(output, names, data, Region("UTC", rules.policy.locale)):
                    at = written.at(output.references[0].offset)
                    run.findings.add(Code.UNWRITTEN, at, *found)


def texts_of(rule: Rule) -> Iterator[tuple[Template, Keys]]:
    """The texts of a rule, each with the keys that lead to it."""
    for name, template in rule.content.items():
        yield template, ("send", "content", name)
    for number, variant in enumerate(rule.variants):
        for name, template in variant.content.items():
            yield template, ("send", "variants", number, "content", name)


class _Sample(NamedTuple):
    """A value of a variable; `whose`: who has it so, empty where that is certain."""

    value: Any
    whose: str


def _unwritten(output: Output, names: Names, data: Data, region: Region) -> tuple[str, str | None] | None:
    """What cannot be written, and what to write in its place."""
    first = output.references[0]
    variables = {str(each.path[0]) for each in output.references} - _CERTAIN.keys()
    filtered = "|" in output.source and first.path[0] in _TIMES
    if len(variables) > 1 or (first.path[0] in _CERTAIN and len(first.path) == 1 and not filtered):
        return None
    name = next(iter(variables), None)
    samples = iter([_Sample(None, "")]) if name is None else _samples(name, first.path, names, data)
    failed: tuple[ContentError, Mapping[str, Any], str] | None = None
    for sample in islice(samples, _MOST_SAMPLES):
        bindings = {**_CERTAIN, **({} if name is None else {name: sample.value})}
        if all(_is_there(bindings, each.path) for each in output.references):
            error = _failure(output.source, bindings, region)
            if error is None:
                return None
            failed = error, bindings, sample.whose
    return None if failed is None else _said(output, *failed)


def _samples(name: str, path: Sequence[object], names: Names, data: Data) -> Iterator[_Sample]:
    """Those of the tests that have what is read, else of the tracking plan."""
    if len(path) == 1:
        yield _Sample(_AN_OBJECT, "")
        return
    if name in names:
        values, planned = data.events(names[name]), data.planned(names[name])
    elif name == "customer":
        values, planned = iter(data.customers), data.attributes
    else:
        return
    tested = (each for each in values if _is_there({name: each}, path))
    if (sample := next(tested, None)) is not None:
        yield from (_Sample(each, ", as the tests have it") for each in chain([sample], tested))
    else:
        yield from (_Sample(each, ", as the tracking plan has it") for each in _of_plan(planned, path[1:]))


def _of_plan(shape: Shape, path: Sequence[object]) -> Iterator[Any]:
    """Values in which something of the type that is planned lies at the path, as far as that can be said."""
    if not path or shape.type not in ("object", "any"):
        yield from (shape.values or _OF_TYPES.get(shape.type, ())) if not path or shape.type != "list" else ()
        if path and shape.type == "string" and not shape.values:
            yield "x"
    elif isinstance(path[0], str):
        for inner in _of_plan(shape.at((path[0],)), path[1:]):
            yield {path[0]: inner}


_ENDS = {"first": 0, "last": -1}  # of a list
_SIZE = "size"


def _followed(body: Any, path: Sequence[object]) -> tuple[Any, int]:
    """What lies at a path, or the last thing on the way there, and how many parts lead to it."""
    for number, part in enumerate(path):
        if isinstance(body, Mapping) and part in body:
            body = body[part]
        elif (
            isinstance(body, list)
            and isinstance(at := _ENDS.get(str(part), part), int)
            and body[at : at + 1 or None]
        ):
            body = body[at]
        else:
            return body, number
    return body, len(path)


def _is_there(body: Any, path: Sequence[object]) -> bool:
    """Whether something lies there that could be written, or something is in the way that has no fields."""
    value, length = _followed(body, path)
    rest = path[length:]
    if rest and rest[0] != _SIZE and (isinstance(value, Mapping) or rest[0] is None):
        return False
    if rest and isinstance(value, list) and (isinstance(rest[0], int) or rest[0] in _ENDS):
        return False
    return value not in (None, "")


@lru_cache(maxsize=1024)
def _parsed(source: str) -> Template:
    from stream.content.template import Template  # see `messages`

    return Template(source)


def _failure(source: str, bindings: Mapping[str, Any], region: Region) -> ContentError | None:
    try:
        _parsed(source).render(bindings, "text", region)
    except ContentError as error:
        return error
    return None


def _said(
    output: Output, failed: ContentError, bindings: Mapping[str, Any], whose: str
) -> tuple[str, str | None] | None:
    from stream.content.template import filter_meant, filter_takes

    first = output.references[0]
    value, length = _followed(bindings, first.path)
    kind = "time" if value == _A_TIME else type_of(value)
    is_what = f"it is {one_of([kind])}{whose}"
    if first.path[0] == "rule":
        return "`rule` is the rule's name, and has no fields", "write {{ rule }}"
    if length < len(first.path):
        part, around = str(first.path[length]), _written(first.path[:length])
        meant = filter_meant(part)
        hint = f"write {{{{ {around} | {meant} }}}}" if meant else None
        if isinstance(value, list):
            hint = f"write e.g. {{{{ {around}[0].{part} }}}}, or go through it with `for`"
        return f"`{around}` has no field `{part}`: {is_what}", hint
    if failed.filter is not None:
        applied = failed.filter.rpartition(" ")[2]
        if len(output.references) > 1:
            return f"`{failed.filter}` cannot be written{whose}", f"look at what `{applied}` is given"
        return f"`{failed.filter}` cannot be written: {is_what}", f"`{applied}` takes {filter_takes(applied)}"
    shown = _written(first.path)
    if isinstance(value, list):
        if "|" in output.source:
            if first.path[0] != "customer":
                return None  # `misspelt` says so, with the name that is meant
            return f"`{shown} | …` cannot be written: no item has what is asked for{whose}", None
        item = next((each for each in value if isinstance(each, Mapping)), {})
        hint = f"write e.g. {{{{ {shown}[0].{next(iter(item), 'NAME')} }}}}, or go through it with `for`"
        return f"`{shown}` cannot be written: {is_what}", hint
    name = next(iter(value), "NAME") if isinstance(value, Mapping) else "NAME"
    return f"`{shown}` cannot be written: {is_what}", f"write {{{{ {shown}.{name} }}}}"


def _written(path: Sequence[object]) -> str:
    first, *rest = path
    return str(first) + "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in rest)
