"""What can be written at a place: keys, values, names, and what conditions and texts are made of.

Tested by tests/authoring/editor/test_completion.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from zoneinfo import available_timezones

from stream.authoring.editor import forms_at
from stream.authoring.editor.around import SeenEvents, Surroundings, around, seen_at
from stream.authoring.editor.functions import ANY, FILTERS, FUNCTIONS, TAGS
from stream.authoring.editor.names import KnownNames, text_of
from stream.authoring.editor.places import Spot, end_of, place_at
from stream.authoring.editor.roles import Noun, Role, noun_of_key, role_of
from stream.authoring.editor.variables import Variable, lead, visible
from stream.diagnostics import Code
from stream.rules import field_paths
from stream.rules.keys import KINDS

Kind = Literal["field", "variable", "function", "filter", "name", "key", "value", "snippet"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """`start` to `end` of the text become `insert`; of a snippet, that has `${1:…}` to be filled in."""

    label: str
    kind: Kind
    insert: str
    start: int
    end: int
    detail: str = ""
    says: str = ""
    is_snippet: bool = False
    rank: int = 1  # smaller ones first


def complete(text: str, offset: int, names: KnownNames, *, with_schema: bool = True) -> list[Proposal]:
    """All that can be written at an index. `with_schema`: keys and values that the JSON Schema knows, too."""
    begin, end = text.rfind("\n", 0, offset) + 1, text.find("\n", offset)
    found = _complete(text, offset, names, with_schema=with_schema)
    # What is replaced lies in one line: editors refuse all else.
    last = len(text) if end < 0 else end
    return [replace(each, start=max(each.start, begin), end=min(each.end, last)) for each in found]


def _complete(text: str, offset: int, names: KnownNames, *, with_schema: bool) -> list[Proposal]:
    place = place_at(text, offset)
    if place.kind == "comment":
        return []
    definition = around(text, place, names)
    role = role_of(place.path)
    if role is not None and role.kind in ("cel", "text") and place.kind != "key":
        seen = seen_at(place, definition)
        written, at = place.written(text), offset - place.start
        propose = _in_condition if role.kind == "cel" else _in_text
        return list(propose(written, at, place.start, visible(role, seen, names)))
    found = list(_names(text, offset, place, role, definition, names))
    if with_schema:
        found += _values(place, offset, known={each.label for each in found})
        if place.kind != "value":
            found += _keys(text, offset, place, definition)
    return found


# ---- conditions and texts ----

_STRINGS = re.compile(r"\"(?:[^\"\\\n]|\\.)*(\"|$)|'(?:[^'\\\n]|\\.)*('|$)")
_PATH = re.compile(r"(?P<path>(?:[A-Za-z_]\w*(?:\s*\[[^\[\]]*\])*\s*\.\s*)*)(?P<word>[A-Za-z_]\w*)?$")
_BEHIND_CALL = re.compile(r"[)\]'\"]\s*\.\s*(?P<word>[A-Za-z_]\w*)?$")
_COMPARED = re.compile(r"(?P<path>[A-Za-z_][\w.]*)\s*(?:==|!=|in\s*\[(?:[^\]]*,)?)\s*$")
_LOOKED_BACK = 500  # characters
_WORD_AFTER = re.compile(r"\w*")


def _in_condition(
    written: str, at: int, base: int, variables: Mapping[str, Variable], *, calls: bool = True
) -> Iterator[Proposal]:
    """`at`: the place in what is written, which begins at `base`. `calls`: whether there are functions."""
    before = written[max(0, at - _LOOKED_BACK) : at]
    end = base + end_of(_WORD_AFTER, written, at)
    if (quote := _open_quote(before)) is not None:
        yield from _compared(before[:quote], base + quote + 1, base + at, variables)
        return
    if calls and (behind := _BEHIND_CALL.search(before)):
        start = base + at - len(behind["word"] or "")
        yield from _functions(start, end, members=True)
        return
    found = _PATH.search(before)
    word = found["word"] or "" if found else ""
    start = base + at - len(word)
    if found is None or not found["path"]:
        if before.removesuffix(word).endswith("."):
            return
        for name, each in variables.items():
            yield Proposal(name, "variable", name, start, end, each.type, each.says, rank=0)
        if calls:
            yield from _functions(start, end, members=False)
        return
    path = tuple(re.sub(r"\[[^\[\]]*\]|\s", "", found["path"]).rstrip(".").split("."))
    here = lead(path, variables)
    if here is not None:
        for name, each in here.fields.items():
            yield from _field(name, each, base + at - len(found[0]), start, end, found["path"])
    if calls and here is not None and (len(path) > 1 or path[0] not in _NO_VALUES):
        yield from _functions(start, end, members=True, of=here.type)


_NO_VALUES = ("event", "customer", "traits", "segments", "context")


def _field(name: str, each: Variable, path_start: int, start: int, end: int, path: str) -> Iterator[Proposal]:
    if re.fullmatch(r"[A-Za-z_]\w*", name):
        yield Proposal(name, "field", name, start, end, each.type, each.says, rank=0)
    else:  # a name that is no word stands in brackets
        key = name.replace("\\", "\\\\").replace("'", "\\'")
        owner = path.rstrip().removesuffix(".").rstrip()
        yield Proposal(name, "field", f"{owner}['{key}']", path_start, end, each.type, each.says)


def _functions(start: int, end: int, *, members: bool, of: str = ANY) -> Iterator[Proposal]:
    """`of`: the type of the value that a function is written behind."""
    for name, known in FUNCTIONS.items():
        if known.is_member in (None, members) and (
            not members or ANY in (of, *known.takes) or of in known.takes
        ):
            detail = known.signature.partition("\n")[0]
            yield Proposal(name, "function", name, start, end, detail, known.says, rank=2)


def _open_quote(before: str) -> int | None:
    """Where the string begins that a place lies in."""
    for each in _STRINGS.finditer(before):
        if each[1] == "" or each[2] == "":
            return each.start()
    return None


def _compared(before: str, start: int, end: int, variables: Mapping[str, Variable]) -> Iterator[Proposal]:
    """In a string: what the field can be that it is held against."""
    if found := _COMPARED.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", before)):
        here = lead(tuple(found["path"].split(".")), variables)
        for value in here.values if here else ():
            if isinstance(value, str):
                yield Proposal(value, "value", value, start, end, "", "", rank=0)


_BRACES = re.compile(r"\{\{-?|\{%-?|-?\}\}|-?%\}")


def _in_text(written: str, at: int, base: int, variables: Mapping[str, Variable]) -> Iterator[Proposal]:
    """Liquid: nothing but text outside of braces; behind a `|` filters, in a tag its name first."""
    opening = None
    for each in _BRACES.finditer(written, 0, at):
        opening = each if each[0].startswith("{") else None
    if opening is None:
        return
    inside = written[opening.end() : at]
    end = base + end_of(_WORD_AFTER, written, at)
    if _open_quote(inside) is None and (applied := re.search(r"\|\s*(\w*)$", inside)):
        start = base + at - len(applied[1])
        for name, known in FILTERS.items():
            yield Proposal(name, "filter", name, start, end, known.signature, known.says)
        return
    if opening[0].startswith("{%") and (tag := re.match(r"\s*(\w*)$", inside)):
        start = base + at - len(tag[1])
        for name in TAGS:
            yield Proposal(name, "key", name, start, end, "tag")
        return
    yield from _in_condition(inside, len(inside), base + opening.end(), variables, calls=False)


# ---- names ----


def _names(
    text: str, offset: int, place: Spot, role: Role | None, definition: Surroundings, names: KnownNames
) -> Iterator[Proposal]:
    start, end = place.start, place.end
    if place.kind == "key" or (place.kind == "bare" and role is None):
        yield from _known_keys(place, definition, names)
    elif role is not None and role.kind == "name" and role.noun is not None:
        for name, says in _of_noun(role.noun, place, definition, names).items():
            yield Proposal(name, "name", _as_yaml(name, place), start, end, role.noun, says, rank=0)
    elif role is not None and role.kind in ("path", "address"):
        yield from _paths(text, offset, place, role, definition, names)


def _of_noun(noun: Noun, place: Spot, definition: Surroundings, names: KnownNames) -> Mapping[str, str]:
    """The names of what a scalar can name, with what is said of each."""
    files = names.files
    if noun in ("rule", "channel", "trait", "segment"):
        section: Mapping[str, object] = getattr(files, f"{noun}s")
        return {name: text_of(getattr(files, f"{noun}s")[name].value, "describe") for name in section}
    if noun in ("variant", "arm"):
        node = definition.at(place.path[:-1])
        rule = text_of(node, "rule") or text_of(definition.at(place.path[:2]), "rule")
        return {**({"holdout": "the control group"} if noun == "arm" else {}), **names.variants(rule)}
    if noun == "purpose":
        none = {"none": "it needs no consent"} if place.path[0] == "channels" else {}
        return {**names.purposes, **none}
    if noun == "source":
        kinds = {name: text_of(entry.value, "kind") or "event" for name, entry in files.sources.items()}
        wanted = {"events": ("event",), "rules": ("context",)}.get(str(place.path[0]), KINDS)
        return {name: f"of kind {kind}" for name, kind in kinds.items() if kind in wanted}
    if noun == "code":
        return {each.value: each.words for each in Code if each.severity == "warning"}
    if noun == "subject":
        return dict.fromkeys(names.subjects, "a sensitive subject")
    if noun == "zone":
        return dict.fromkeys(sorted(available_timezones()), "")
    known: Mapping[Noun, Mapping[str, str]] = {"event": names.events, "group": names.groups}
    return known.get(noun, {})


def _as_yaml(name: str, place: Spot) -> str:
    """A name as a scalar: in quotes where it would mean something else."""
    is_plain = re.fullmatch(r"[A-Za-z_][\w./-]*(?: [\w./-]+)*", name) and name not in (
        "true",
        "false",
        "null",
    )
    return name if is_plain or place.style else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _known_keys(place: Spot, definition: Surroundings, names: KnownNames) -> Iterator[Proposal]:
    """Keys that are names: of traits in `known`, of the fields of a test's event, of attributes."""
    found: Mapping[str, str] = {}
    path = place.path
    noun = noun_of_key(path)
    if path[:1] == ("tests",) and noun in ("trait", "purpose"):
        found = _of_noun(noun, place, definition, names)
    elif path[:1] == ("tests",) and len(path) == 4 and path[2] == "events":
        on = text_of(definition.at(path), "event")
        found = {field_paths.write(each[:1]): known.said for each, known in names.fields((on,)).items() if on}
    elif path[:1] == ("tests",) and path[2:] == ("customer", "attributes"):
        found = {each[0]: known.said for each, known in names.attributes.items()}
    there = definition.keys(path)
    for name, says in found.items():
        if name not in there:
            colon = "" if place.kind == "key" else ": "
            yield Proposal(name, "field", name + colon, place.start, place.end, "", says, rank=0)


def _paths(
    text: str, offset: int, place: Spot, role: Role, definition: Surroundings, names: KnownNames
) -> Iterator[Proposal]:
    """Paths of fields, as a whole: they are no expressions."""
    seen: SeenEvents = seen_at(place, definition)
    roots: list[tuple[str, Iterable[tuple[tuple[str, ...], object]]]] = []
    if role.kind == "path":
        roots.append(("", names.fields(seen.on).items()))
    else:
        roots.append(("event.", names.fields(seen.on).items()))
        if place.path[-1] != "key":
            roots.append(("customer.", names.attributes.items()))
    for prefix, fields in roots:
        for path, known in fields:
            written = prefix + field_paths.write(path)
            detail = getattr(known, "cel", "")
            yield Proposal(
                written, "field", written, place.start, place.end, detail, getattr(known, "said", ""), rank=0
            )


# ---- what the schema knows ----


def _values(place: Spot, offset: int, known: set[str]) -> Iterator[Proposal]:
    path, is_item = place.path, place.kind == "bare"
    if place.kind == "key":
        return
    for value, says in forms_at.values_at(path):
        if value not in known and not (is_item and says):
            yield Proposal(value, "value", _as_yaml_value(value, place), place.start, place.end, says)


def _as_yaml_value(value: str, place: Spot) -> str:
    return f'"{value}"' if not place.style and re.search(r": |^[\[{]|:\d\d-", value) else value


def _keys(text: str, offset: int, place: Spot, definition: Surroundings) -> Iterator[Proposal]:
    there = definition.keys(place.path)
    column = place.start - (text.rfind("\n", 0, place.start) + 1)
    for key, form in forms_at.keys_at(place.path).items():
        if key in there:
            continue
        behind = ": "
        if place.kind == "key":
            behind = ""
        elif forms_at.is_block(form) and not place.closing:
            behind = ":\n" + " " * (column + 2)
        yield Proposal(key, "key", key + behind, place.start, place.end, "", form.get("description", ""))
    if place.kind == "bare" and not place.closing:
        for snippet in forms_at.snippets_at(place.path):
            body = forms_at.as_lines(snippet["body"], column)
            yield Proposal(
                snippet["label"],
                "snippet",
                body,
                place.start,
                place.end,
                "",
                snippet["description"],
                is_snippet=True,
                rank=3,
            )
