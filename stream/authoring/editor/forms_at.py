"""Which keys and values the schema of rule files has at a place.

Tested by tests/authoring/editor/test_completion.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from stream.authoring.editor.places import Path
from stream.rules.forms import Form
from stream.rules.schema import schema


@cache
def _schema() -> Form:
    return schema()


def forms_at(path: Path) -> list[Form]:
    """The schemas of what stands at a path: several where it can be one or the other."""
    found = list(_choices(_schema()))
    for part in path:
        found = [choice for each in found for below in _below(each, part) for choice in _choices(below)]
    return found


def _choices(form: Form) -> Iterator[Form]:
    """A schema, and those that it chooses from."""
    yield form
    for each in form.get("anyOf", ()):
        if "type" in each or "enum" in each:
            yield {"description": form.get("description", ""), **each}


def _below(form: Form, part: str | int) -> Iterator[Form]:
    if isinstance(part, int):
        items = form.get("items")
        if isinstance(items, list):
            yield items[0] if part == 0 else form["additionalItems"]
        elif isinstance(items, Mapping):
            yield items
        return
    known = form.get("properties", {})
    if part in known:
        yield known[part]
    else:
        yield from form.get("patternProperties", {}).values()
        if isinstance(more := form.get("additionalProperties"), Mapping):
            yield more


def keys_at(path: Path) -> dict[str, Form]:
    """The keys of a mapping, each with its schema."""
    return {key: form for each in forms_at(path) for key, form in each.get("properties", {}).items()}


def values_at(path: Path) -> list[tuple[str, str]]:
    """The values that a scalar can have, and what is said of each; examples where there is no choice."""
    forms = forms_at(path)
    chosen = [(str(value), "") for each in forms for value in each.get("enum", ())]
    written = [value for each in forms for value in each.get("examples", ())]
    examples = [str(value) for value in written if isinstance(value, str | int)]
    return chosen or [(value, "an example") for value in dict.fromkeys(examples)]


def snippets_at(path: Path) -> list[Mapping[str, Any]]:
    """What can be written there as a whole; of most mappings nothing."""
    return [snippet for each in forms_at(path) for snippet in each.get("defaultSnippets", ())]


def describe(path: Path) -> str:
    """What a key says, as the schema has it."""
    return next((each["description"] for each in forms_at(path) if each.get("description")), "")


def is_block(form: Form) -> bool:
    """Whether what is written below a key goes into lines of its own."""
    return form.get("type") in ("object", "array") and "anyOf" not in form


_PLACEHOLDER = re.compile(r"\$\{\d+:([^}]*)\}")


def without_placeholders(snippet: str) -> str:
    """A snippet for an editor that knows none: with what it proposes."""
    return _PLACEHOLDER.sub(r"\1", snippet)


def as_lines(body: Any, indent: int) -> str:
    """A snippet's body as YAML in block style; its first line is not indented."""
    margin = "\n" + " " * indent
    if isinstance(body, Mapping):
        return margin.join(f"{key}:{_behind(value, indent)}" for key, value in body.items())
    return margin.join(f"- {as_lines(each, indent + 2)}" for each in body)


def _behind(value: Any, indent: int) -> str:
    if isinstance(value, Mapping) or (isinstance(value, list) and value):
        return "\n" + " " * (indent + 2) + as_lines(value, indent + 2)
    if isinstance(value, list):
        return " []"
    quote = '"' if ": " in str(value) or ":00-" in str(value) else ""
    return f" {quote}{value}{quote}"
