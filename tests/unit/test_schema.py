"""The schema for editors: each key changes the rule set, and what the compiler refuses fails in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stream import keys
from stream.compiler import check_rules, load_rules
from stream.errors import RuleFileError
from stream.rulefiles import LATER_SECTIONS, SECTIONS, Mapped, Sequence, Text, Written, read_yaml
from stream.schema import schema, schema_text

RULES = Path(__file__).parents[2] / "rules"
BASE: dict[str, Any] = {
    "sources": {"s": {"event": "event", "customer": "c"}},
    "traits": {"t": {"function": "sum", "of": "a", "field": "f"}, "n": {"function": "count", "of": "a"}},
    "channels": {"w": {"topic": "w", "consent": "none"}, "e": {"topic": "e", "consent": "none"}},
    "rules": {"r": {"on": "a", "send": {"channel": "w"}, "unless": {"on": "b", "within": "1h"}}},
}

# Each key of the schema with a value that BASE does not have. `consent` has one value only.
VALUES: dict[str, Any] = {
    "sources.s.topic": "other",
    "sources.s.event": "name",
    "sources.s.event.is": "purchase",
    "sources.s.customer": "customer.id",
    "sources.s.time": "ts",
    "sources.s.id": "id",
    "traits.t.function": "last",
    "traits.t.of": ["a", "b"],
    "traits.t.field": "amount",
    "traits.t.where": "event.x == 1",
    "traits.t.per": "category",
    "traits.t.over": "7d",
    "channels.w.topic": "other",
    "channels.w.consent": None,
    "channels.w.address": "event.session",
    "rules.r.describe": "what it is for",
    "rules.r.on": ["a", "b"],
    "rules.r.where": "event.x == 1",
    "rules.r.unless": {"on": "c", "within": "1h"},
    "rules.r.unless.on": "c",
    "rules.r.unless.where": "event.x == 1",
    "rules.r.unless.within": "2h",
    "rules.r.if": "traits.n > 1",
    "rules.r.send": {"channel": "e"},
    "rules.r.send.channel": "e",
    "rules.r.send.content": {"text": "Hello {{ event.name }}"},
    "rules.r.limit": "1 per 7d",
    "rules.r.priority": 5,
}
LATER = {
    "sources.s": keys.LATER_SOURCE,
    "traits.t": keys.LATER_TRAIT,
    "channels.w": keys.LATER_CHANNEL,
    "rules.r": keys.LATER_RULE,
    "rules.r.send": keys.LATER_SEND,
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """BASE with another value at a path."""

    def put(here: Any, steps: list[str]) -> dict[str, Any]:
        first, *rest = steps
        here = here if isinstance(here, Mapping) else {}
        return {**here, first: put(here.get(first, {}), rest) if rest else value}

    return put(BASE, path.split("."))


def compiled(directory: Path, document: Mapping[str, Any]) -> str:
    """The revision of a directory with this one file."""
    directory.mkdir(exist_ok=True)
    (directory / "a.yaml").write_text(json.dumps(document))
    return load_rules(directory).revision


def is_valid(document: Any) -> bool:
    return bool(jsonschema.Draft7Validator(schema()).is_valid(document))


def keys_of(form: Mapping[str, Any], path: str) -> Iterator[str]:
    """The paths of all keys below a form, as VALUES has them."""
    for name, inner in form.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from keys_of(inner, f"{path}.{name}")
    for choice in form.get("anyOf", ()):
        yield from keys_of(choice, path)


def schema_keys() -> list[str]:
    names = dict(zip(SECTIONS, "stwr", strict=True))
    found = []
    for section, form in schema()["properties"].items():
        (definition,) = form["patternProperties"].values()
        found += keys_of(definition, f"{section}.{names[section]}")
    return found


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


def test_the_sections_are_the_compilers() -> None:
    assert tuple(schema()["properties"]) == SECTIONS
    assert not any(is_valid({section: {}}) for section in (*LATER_SECTIONS, "rulez"))


def test_every_key_of_the_schema_is_tried_here() -> None:
    assert sorted(schema_keys()) == sorted(VALUES)


@pytest.mark.parametrize("path", [path for path, value in VALUES.items() if value is not None])
def test_every_key_of_the_schema_changes_the_rule_set(tmp_path: Path, path: str) -> None:
    """A key that is accepted is used: another value is another revision."""
    document = changed(path, VALUES[path])
    assert is_valid(BASE)
    assert is_valid(document)
    assert compiled(tmp_path / "one", BASE) != compiled(tmp_path / "two", document)


@pytest.mark.parametrize("path", list(VALUES))
@pytest.mark.parametrize("nonsense", [None, [[["a"]]], {"a": {"b": "c"}}, True, ""], ids=repr)
def test_what_the_schema_refuses_the_compiler_refuses(tmp_path: Path, path: str, nonsense: Any) -> None:
    document = changed(path, nonsense)
    assert not is_valid(document)
    with pytest.raises(RuleFileError):
        compiled(tmp_path / "r", document)


@pytest.mark.parametrize("path", [f"{path}.{key}" for path, later in LATER.items() for key in [*later, "x"]])
def test_what_comes_later_and_what_is_unknown_is_refused_by_both(tmp_path: Path, path: str) -> None:
    document = changed(path, "x")
    assert not is_valid(document)
    with pytest.raises(RuleFileError, match=r"is not supported yet|unknown key"):
        compiled(tmp_path / "r", document)


@pytest.mark.parametrize("path", list(VALUES))
def test_a_needed_key_is_needed_by_both(tmp_path: Path, path: str) -> None:
    *outer, key = path.split(".")
    parent: Any = BASE
    for step in outer:
        parent = parent.get(step, {}) if isinstance(parent, Mapping) else {}
    if not isinstance(parent, Mapping) or key not in parent:
        return
    document = changed(".".join(outer), {name: value for name, value in parent.items() if name != key})
    try:
        compiled(tmp_path / "r", document)
    except RuleFileError:
        assert not is_valid(document)
    else:
        assert is_valid(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *[
            ("rules.r.limit", text)
            for text in ("1 per 7d", "0 per 7d", "1 per 0d", "7d", "1000 per 1h", "1 per")
        ],
        *[("rules.r.unless.within", text) for text in ("90s", "1h30m", "0s", "30m1h", "1.5h", "30", "m")],
        *[("rules.r.priority", value) for value in (1_000_000, 1_000_001, -1_000_001, 0.5, "high")],
        *[("sources.s.topic", text) for text in ("a.b-c_D", "a/b", "..", "a" * 250)],
        *[("sources.s.customer", text) for text in ("a.b", "a..b", "a b", "a[0]")],
        *[("channels.w.address", text) for text in ("event.a", "event", "customer.email", "token")],
        ("rules.r.send.channel", ["e"]),
        ("rules.r.send.channel", ["w", "e"]),
        ("rules.r.send.channel", []),
        ("rules.r.on", []),
        ("rules.r.on", ["a", "a"]),
        ("rules.r.on", "a" * 257),
        ("traits.n.field", "f"),
        ("rules", {"My Rule": BASE["rules"]["r"]}),
        ("traits", {"a-b": BASE["traits"]["n"]}),
        ("rules.r.if", "  "),
    ],
    ids=repr,
)
def test_both_agree_on_values(tmp_path: Path, path: str, value: Any) -> None:
    """What the compiler takes the schema takes; only durations and rates of nothing it does not see."""
    document = changed(path, value)
    try:
        compiled(tmp_path / "r", document)
    except RuleFileError as error:
        nothing = {"E108", "E109"} & {str(each.code) for each in error.diagnostics}
        assert not is_valid(document) or (nothing and re.match("[01] per|0s", str(value)))
    else:
        assert is_valid(document)


def plain(node: Written | None) -> Any:
    """A file as written, as JSON values."""
    if isinstance(node, Mapped):
        return {key: plain(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value if node else None


@pytest.mark.parametrize("file", sorted(RULES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_example_files_fit_and_name_the_schema(file: Path) -> None:
    text = file.read_text()
    line = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert line is not None
    assert (file.parent / line[1]).resolve() == RULES / "schema.json"
    errors = jsonschema.Draft7Validator(schema()).iter_errors(plain(read_yaml(Text(file.name, text))))
    assert [each.message for each in errors] == []


def test_the_checked_in_schema_is_fresh() -> None:
    """After a change of keys.py: `stream check --schema > rules/schema.json`."""
    assert (RULES / "schema.json").read_text() == schema_text()


def test_everything_is_described_with_examples() -> None:
    def look(form: Mapping[str, Any], path: str) -> Iterator[str]:
        for name, inner in form.get("properties", {}).items():
            if "description" not in inner:
                yield f"{path}.{name}: no description"
            if not {"examples", "enum", "properties"} & set(inner):
                yield f"{path}.{name}: no example"
            yield from look(inner, f"{path}.{name}")

    for section in schema()["properties"].values():
        (definition,) = section["patternProperties"].values()
        assert list(look(definition, section["description"])) == []


def test_snippets_are_rules_that_work(tmp_path: Path) -> None:
    """What completion puts in is fine as it stands, once the names in it are defined."""
    document: dict[str, Any] = {}
    for section, form in schema()["properties"].items():
        for snippet in form["defaultSnippets"]:
            document.setdefault(section, {}).update(filled(snippet["body"]))
    assert is_valid(document)
    compiled(tmp_path / "r", document)
    assert check_rules(tmp_path / "r").diagnostics == ()


def filled(body: Any) -> Any:
    """A snippet's body with the words that it proposes."""
    if isinstance(body, dict):
        return {filled(key): filled(value) for key, value in body.items()}
    return re.sub(r"\$\{[0-9]+:([^}]*)\}", r"\1", body)
