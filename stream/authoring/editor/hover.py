"""What is said of the thing at a place, as Markdown.

Tested by tests/authoring/editor/test_hover.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from stream.authoring.editor import forms_at, pages
from stream.authoring.editor.around import around, seen_at
from stream.authoring.editor.functions import FILTERS, FUNCTIONS, Help
from stream.authoring.editor.names import KnownNames, inner, items_of, text_of, texts_of
from stream.authoring.editor.places import Spot, place_at
from stream.authoring.editor.roles import Role, role_of
from stream.authoring.editor.uses import Named, name_at
from stream.authoring.editor.variables import Variable, lead, trait, visible
from stream.rules.aggregates import AGGREGATES
from stream.rules.files import Written
from stream.rules.model import FieldPath


@dataclass(frozen=True, slots=True)
class Said:
    """`start` to `end` of the text are what it is said of."""

    markdown: str
    start: int
    end: int


def hover(text: str, offset: int, names: KnownNames) -> Said | None:
    """What is said of what stands at an index; None if there is nothing to say."""
    place = place_at(text, offset)
    if place.kind == "comment":
        return None
    role = role_of(place.path) if place.kind != "key" else None
    if role is not None and role.kind in ("cel", "text"):
        return _in_expression(text, offset, place, role, names)
    found = name_at(text, offset, names)
    if found is not None and (said := of_name(found.named, names)):
        return Said(said, found.start, found.end)
    if place.kind == "key":
        path = (*place.path, text[place.start : place.end])
        return Said(said, place.start, place.end) if (said := forms_at.describe(path)) else None
    written = place.written(text).strip()
    if place.path[-1:] == ("function",) and written in AGGREGATES:
        said = f"`{written}`: {AGGREGATES[written].describe}."
        return Said(said, place.start, place.end)
    if role is not None and role.kind in ("path", "address"):
        return _field(place, role, written, text, names)
    return None


def _field(place: Spot, role: Role, written: str, text: str, names: KnownNames) -> Said | None:
    seen = seen_at(place, around(text, place, names))
    path = written.split(".")
    known = visible(Role("cel"), seen, names)
    found = lead(("event", *path) if role.kind == "path" else tuple(path), known)
    return None if found is None else Said(_variable(written, found), place.start, place.end)


# A path such as `traits.views[event.sku].since`, part by part; and what a function is written before.
_PART = re.compile(r"[A-Za-z_]\w*")
_LOOKED_BACK = 500  # characters
_STRINGS = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")


class WordAt(NamedTuple):
    """A word of a condition or a text: `path` as far as it leads, with `word` at its end."""

    word: str
    path: FieldPath
    start: int
    end: int
    before: str
    behind: str


def part_at(text: str, offset: int, place: Spot, role: Role) -> WordAt | None:
    """The word of a condition or a text at an index; None in a string, and outside of braces."""
    written, at = place.written(text), offset - place.start
    blanked = _STRINGS.sub(lambda each: " " * len(each[0]), written) if role.kind == "cel" else written
    if role.kind == "text" and not _in_braces(written, at):
        return None
    word = next((each for each in _PART.finditer(blanked) if each.start() <= at <= each.end()), None)
    if word is None:
        return None
    path = (*_path_before(blanked[max(0, word.start() - _LOOKED_BACK) : word.start()]), word[0])
    before, behind = blanked[: word.start()].rstrip(), blanked[word.end() :].lstrip()
    return WordAt(word[0], path, place.start + word.start(), place.start + word.end(), before, behind)


def _in_expression(text: str, offset: int, place: Spot, role: Role, names: KnownNames) -> Said | None:
    part = part_at(text, offset, place, role)
    if part is None:
        return None
    if role.kind == "text" and part.before.endswith("|"):
        return _helped(FILTERS.get(part.word), part.start, part.end)
    if part.behind.startswith("("):
        return _helped(FUNCTIONS.get(part.word), part.start, part.end)
    found = lead(part.path, visible(role, seen_at(place, around(text, place, names)), names))
    if found is None:
        return None
    return Said(_variable(".".join(part.path), found), part.start, part.end)


def _in_braces(written: str, at: int) -> bool:
    before = written[:at]
    return max(before.rfind("{{"), before.rfind("{%")) > max(before.rfind("}}"), before.rfind("%}"))


def _path_before(before: str) -> tuple[str, ...]:
    """The parts of a path that stand before a part of it."""
    found: list[str] = []
    before = before.rstrip()
    while before.endswith("."):
        before = re.sub(r"\s*\[[^\[\]]*\]$", "", before[:-1].rstrip())
        part = re.search(r"[A-Za-z_]\w*$", before)
        if part is None:
            return ("",)  # of a call
        found.insert(0, part[0])
        before = before[: part.start()].rstrip()
    return tuple(found)


def _helped(known: Help | None, begin: int, end: int) -> Said | None:
    if known is None:
        return None
    return Said(f"```text\n{known.signature}\n```\n{known.says}", begin, end)


def _variable(path: str, found: Variable) -> str:
    values = f"\n\nOne of: {', '.join(f'`{each}`' for each in found.values)}." if found.values else ""
    return f"`{path}`: {found.type}\n\n{found.says}{values}".rstrip()


def of_name(named: Named, names: KnownNames) -> str:
    """What a name stands for, in plain words."""
    noun, name = named.noun, named.name
    if noun == "code":
        return pages.parts().get(name, "")
    section = {"subject": None, "event": "events"}.get(noun, f"{noun}s")
    entry = getattr(names.files, section, {}).get(name) if section else None
    node = None if entry is None else entry.value
    lines: list[str] = []
    if noun == "event":
        lines = list(_event(name, node, names))
    elif node is None:
        return ""
    elif noun == "trait":
        found = trait(name, names)
        lines = [f"`traits.{name}`: {found.type}", "", found.says]
    elif noun == "segment":
        lines = [f"`segments.{name}`: bool", "", f"Segment: `{text_of(node).strip()}`"]
    elif noun == "channel":
        lines = list(_channel(name, node))
    elif noun == "source":
        lines = list(_source(name, node))
    elif noun == "rule":
        lines = list(_rule(name, node))
    return "\n".join(lines)


def _event(name: str, node: Written | None, names: KnownNames) -> Iterator[str]:
    yield f"Event `{name}`" + ("" if node is None else f": {text_of(node, 'describe')}")
    fields = names.fields((name,)) if name in names.events else {}
    if fields:
        yield ""
        yield "Fields: " + ", ".join(f"`{'.'.join(path)}` ({known.type})" for path, known in fields.items())


def _channel(name: str, node: Written) -> Iterator[str]:
    yield f"Channel `{name}`: to the topic `{text_of(node, 'topic')}`"
    yield ""
    address = text_of(node, "address") or text_of(inner(node, "address"), "of")
    said = {"consent": text_of(node, "consent"), "address": address}
    said |= {key: text_of(node, key) for key in ("cap", "quiet", "format")}
    yield ", ".join(f"{key} `{each}`" for key, each in said.items() if each)


def _source(name: str, node: Written) -> Iterator[str]:
    kind, topic = text_of(node, "kind") or "event", text_of(node, "topic") or name
    carries = {"event": "events", "profile": "profiles", "context": "what third parties know"}.get(kind, kind)
    yield f"Source `{name}`: {carries}, from the topic `{topic}`"
    yield ""
    keys = ("event", "customer", "time", "id", "dedupe")
    yield ", ".join(f"{key} `{text_of(node, key)}`" for key in keys if text_of(node, key))


def _rule(name: str, node: Written) -> Iterator[str]:
    yield f"Rule `{name}`: {text_of(node, 'describe')}".rstrip(": ")
    yield ""
    steps = [node, *items_of(inner(node, "steps"))]
    on = [" or ".join(f"`{each}`" for each in texts_of(inner(step, "on"))) for step in steps]
    yield "- on " + ", then ".join(each for each in on if each)
    for key in ("where", "if", "wait", "limit", "priority", "group", "holdout"):
        if written := text_of(node, key).strip():
            yield f"- {key} `{written}`"
    if unless := texts_of(inner(inner(node, "unless"), "on")):
        within = text_of(inner(node, "unless"), "within")
        yield f"- unless {' or '.join(f'`{each}`' for each in unless)} within {within}"
    channels = texts_of(inner(inner(node, "send"), "channel"))
    yield f"- sends to {', else '.join(f'`{each}`' for each in channels)}"
