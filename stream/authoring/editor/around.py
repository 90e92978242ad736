"""The definition that a place lies in, as far as it can be read while something in it is being typed.

Tested by tests/authoring/editor/test_places.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from stream.authoring.editor.names import KnownNames, entries_of, inner, items_of, text_of, texts_of
from stream.authoring.editor.places import Path, Spot
from stream.rules.files import Mapped, RefusedFile, Sequence, Text, Written, read_yaml


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`root`: a rule file that holds nothing but the definition; None where it cannot be read."""

    root: Written | None

    def at(self, path: Path) -> Written | None:
        """What stands at a path."""
        here = self.root
        for part in path:
            if isinstance(part, int):
                items = here.items if isinstance(here, Sequence) else ()
                here = items[part] if part < len(items) else None
            else:
                here = inner(here, part)
        return here

    def keys(self, path: Path) -> set[str]:
        """The keys that stand there already."""
        return {each.key for each in entries_of(self.at(path))}


def around(text: str, place: Spot, names: KnownNames) -> Surroundings:
    """What is around a place: without the scalar that is there, or as it could last be read."""
    if not place.path:
        return Surroundings(_read(text))
    begin, end = place.definition
    section = str(place.path[0])
    head = "" if text.startswith(section, begin) else f"{section}:\n"
    line_end = text.find("\n", place.end)
    rest = "" if line_end < 0 else text[line_end:end]
    quote = place.style if place.style in ('"', "'") else ""
    before = text[begin : place.start]
    tries = [text[begin:end]]
    if place.kind != "key":
        tries = [before + text[place.end : end], before + quote + place.closing + rest]
    for each in tries:
        if (root := _read(head + each)) is not None:
            return Surroundings(root)
    if len(place.path) > 1 and section in ("rules", "traits", "channels", "sources", "events"):
        entry = getattr(names.files, section).get(place.path[1])
        if entry is not None:
            known = Mapped({entry.key: entry}, entry.location)
            return Surroundings(Mapped({section: entry._replace(key=section, value=known)}, entry.location))
    return Surroundings(None)


def _read(text: str) -> Written | None:
    try:
        return read_yaml(Text("", text))
    except RefusedFile:
        return None


@dataclass(frozen=True, slots=True)
class SeenEvents:
    """What a condition or a text at a place sees: the names of its event, and those of the steps' events."""

    on: tuple[str, ...] = ()
    steps: dict[str, tuple[str, ...]] | None = None


def seen_at(place: Spot, definition: Surroundings) -> SeenEvents:
    path = place.path
    mapping = definition.at(path[:-1])
    if path[0] == "traits":
        return SeenEvents(tuple(texts_of(inner(mapping, "of"))))
    if path[0] == "tests":
        return SeenEvents((text_of(definition.at(path), "event") or text_of(mapping, "event"),))
    if path[0] != "rules":
        return SeenEvents()
    rule = definition.at(path[:2])
    steps = list(items_of(inner(rule, "steps")))
    number = path[3] if len(path) > 3 and path[2] == "steps" and isinstance(path[3], int) else len(steps)
    named = {text_of(each, "as"): tuple(texts_of(inner(each, "on"))) for each in steps[:number]}
    named.pop("", None)
    own = inner(mapping, "on")
    if own is None:
        own = inner(steps[-1], "on") if steps else inner(rule, "on")
    return SeenEvents(tuple(texts_of(own)), named)
