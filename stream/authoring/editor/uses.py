"""Where a name stands, in all files: where it is defined, and where it is used.

Places are those of the files as they could last be read. `renamed` gives the edits of a new name, or refuses.
Tested by tests/authoring/editor/test_uses.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import NamedTuple

from stream.authoring.editor.around import around
from stream.authoring.editor.names import KnownNames, entries_of, inner, items_of, text_of
from stream.authoring.editor.places import Path, place_at
from stream.authoring.editor.positions import Lines
from stream.authoring.editor.roles import Mention, Noun, Role, defines, mentions, noun_of_key, role_of
from stream.diagnostics import Location
from stream.rules.compiler.values import path_of
from stream.rules.files import Mapped, Scalar, Sequence, Written
from stream.rules.forms import MEANT, NAME, VARIABLE
from stream.rules.model import FieldPath

RENAMED: Mapping[Noun, str] = {
    "trait": VARIABLE,
    "segment": VARIABLE,
    "rule": NAME,
}  # with the form of a name


class Named(NamedTuple):
    """What a name is of. `owner`: the rule of a step, whose name is its own."""

    noun: Noun
    name: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class NameUse:
    """A name at a place; `location` may be that of the quotes in front of it."""

    named: Named
    location: Location
    is_definition: bool = False

    def span(self, lines: Lines) -> tuple[int, int] | None:
        """From where to where it stands in its file's text; None if it does not stand there as it is."""
        start = lines.at(self.location.line, self.location.column)
        start += lines.text[start : start + 1] in ("'", '"') and not self.named.name.startswith(("'", '"'))
        end = start + len(self.named.name)
        return (start, end) if lines.text[start:end] == self.named.name else None


def uses(root: Written | None, named: Named) -> Iterator[NameUse]:
    """Where a name stands in one file."""
    yield from _walk(root, (), (), named)


def _walk(node: Written | None, path: Path, steps: tuple[str, ...], named: Named) -> Iterator[NameUse]:
    if isinstance(node, Mapped):
        if noun_of_key(path) == named.noun and named.name in node.entries:
            yield NameUse(named, node.entries[named.name].location, defines(path))
        for entry in node.entries.values():
            below = steps_of(entry.value) if path == ("rules",) else steps
            yield from _walk(entry.value, (*path, entry.key), below, named)
    elif isinstance(node, Sequence):
        for number, item in enumerate(node.items):
            yield from _walk(item, (*path, number), steps, named)
    elif isinstance(node, Scalar) and named.name in node.written and (role := role_of(path)) is not None:
        owner = str(path[1]) if path[0] == "rules" else ""
        for each in mentions(role, node.written, steps):
            if _named(each, owner) == named:
                at = node.location if role.kind == "name" else node.at(each.start)
                yield NameUse(named, at, _is_definition(role, path))


def steps_of(rule: Written | None) -> tuple[str, ...]:
    """The names of a rule's steps."""
    return tuple(name for each in items_of(inner(rule, "steps")) if (name := text_of(each, "as")))


def _named(mention: Mention, owner: str) -> Named:
    noun: Noun = "variant" if mention.noun == "arm" else mention.noun
    return Named(noun, mention.name, owner if noun == "step" else "")


def _is_definition(role: Role, path: Path) -> bool:
    keys = tuple(each for each in path if isinstance(each, str))
    return role.kind == "name" and (
        role.noun == "step"
        or keys[-2:] in (("event", "is"), ("variants", "name"))
        or (keys[0] == "sources" and keys[-1] == "consents")
    )


@dataclass(frozen=True, slots=True)
class NameAt:
    """The name at a place, and from where to where it stands."""

    named: Named
    start: int
    end: int


def name_at(text: str, offset: int, names: KnownNames) -> NameAt | None:
    """The name that stands at an index of a text, which need not be right."""
    place = place_at(text, offset)
    if place.kind == "comment":
        return None
    written = place.written(text)
    owner = str(place.path[1]) if len(place.path) > 1 and place.path[0] == "rules" else ""
    noun = noun_of_key(place.path) if place.kind == "key" else None
    if noun is not None:
        return NameAt(Named(noun, written), place.start, place.end) if written else None
    role = role_of(place.path) if place.kind != "key" else None
    if role is None:
        return None
    rule = around(text, place, names).at(place.path[:2]) if owner else None
    for each in mentions(role, written.rstrip() if role.kind == "name" else written, steps_of(rule)):
        if each.name and place.start + each.start <= offset <= place.start + each.end:
            return NameAt(_named(each, owner), place.start + each.start, place.start + each.end)
    return None


def found_in(roots: Mapping[FilePath, Written | None], named: Named) -> list[NameUse]:
    """Everywhere that a name stands, definitions first."""
    everywhere = {use for root in roots.values() for use in uses(root, named)}
    return sorted(everywhere, key=lambda use: (not use.is_definition, use.location))


def planned_field(names: KnownNames, on: Collection[str], path: FieldPath) -> list[Location]:
    """Where the tracking plan says what a field of an event is."""
    plans = (inner(entry.value, "fields") for name, entry in names.files.events.items() if name in on)
    return [each.location for plan in plans for each in entries_of(plan) if path_of(each.key) == path]


class NotRenamedError(Exception):
    """Why a name stays; for who asked for another."""


def renamed(
    named: Named, new: str, found: Iterable[NameUse], names: KnownNames, lines: Mapping[str, Lines]
) -> dict[str, list[tuple[int, int]]]:
    """What is to be replaced by a new name: spans, by file. `lines`: of each file.

    Raises NotRenamedError where it would mean something else, or where a place cannot be replaced.
    """
    form = RENAMED.get(named.noun)
    if form is None:
        raise NotRenamedError(f"only {', '.join(RENAMED)} can be given another name")
    if not re.fullmatch(form, new):
        raise NotRenamedError(f"`{new[:80]}` is no name: {MEANT[form].lower()}")
    if new in getattr(names.files, f"{named.noun}s"):
        raise NotRenamedError(f"there is a {named.noun} `{new}` already")
    spans: dict[str, list[tuple[int, int]]] = {}
    for use in found:
        span = use.span(lines[use.location.file])
        if span is None:
            raise NotRenamedError(f"`{named.name}` is written in an odd way at {use.location}")
        spans.setdefault(use.location.file, []).append(span)
    return spans
