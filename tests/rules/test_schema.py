"""The schema for editors: each key changes the rule set, and what the compiler refuses fails in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stream.diagnostics import Code, Location
from stream.errors import RuleFileError
from stream.rules import forms
from stream.rules.compiler.rule_set import check_rules
from stream.rules.files import SECTIONS, Mapped, Sequence, Text, Written, read_yaml
from stream.rules.schema import schema, schema_text

RULES = Path(__file__).parents[2] / "rules"
SAID = {"text": '"Hi"'}  # a document, too
HALVES = [{"name": "x", "share": "50%", "content": SAID}, {"name": "y", "share": "50%", "content": SAID}]
BASE: dict[str, Any] = {
    "sources": {
        "q": {"event": "event", "customer": "c", "id": "id"},
        "s": {"event": "event", "customer": "c"},
        "u": {"kind": "profile", "customer": "c"},
        "v": {"kind": "context", "customer": "c"},
    },
    "events": {**{name: {} for name in ("a", "b", "c", "y", "z", "purchase")}, "e": {"fields": {"f": "any"}}},
    "traits": {
        "t": {"function": "sum", "of": "a", "field": "f"},
        "n": {"function": "count", "of": "a"},
        "p": {"function": "top", "of": "a", "field": "f"},
        "v": {"function": "sum", "of": "a", "value": "event.f"},
        "l": {"function": "list", "of": "a", "fields": ["f"], "key": "f"},
    },
    "segments": {"g": "customer.vip"},
    "channels": {
        "w": {"topic": "w", "consent": "none"},
        "e": {"topic": "e", "consent": "none"},
        "k": {"topic": "k", "consent": "none"},
    },
    "rules": {
        "r": {"on": "a", "send": {"channel": "w", "content": SAID}, "unless": {"on": "b", "within": "1h"}},
        "m": {
            "steps": [{"on": "a"}, {"on": "b", "within": "1h"}],
            "send": {"channel": "w", "variants": HALVES},
            "goal": {"on": "b", "within": "1h"},
        },
        "n": {
            "on": "a",
            "send": {"channel": "w", "content": SAID},
            "goals": [{"on": "a", "within": "1h"}, {"on": "b", "within": "1h"}],
        },
        "w": {"every": {"week": "monday", "at": "09:00"}, "send": {"channel": "k", "content": SAID}},
        "d": {"every": {"day": "09:00"}, "send": {"channel": "k", "content": SAID}},
        "o": {"every": {"month": 1, "at": "09:00"}, "send": {"channel": "k", "content": SAID}},
        "y": {
            "every": {"year": "customer.a.b", "at": "09:00"},
            "send": {"channel": "k", "content": SAID},
        },
        "a": {"date": {"of": "customer.a.b", "at": "09:00"}, "send": {"channel": "k", "content": SAID}},
    },
    "policy": {"sensitive": {"p": {"events": "z"}}},
    "tests": [{"name": "it does", "events": [{"at": "0m", "event": "a"}], "expect": [{}], "customer": {}}],
}
SHARES = [{"name": "x", "share": "40%", "content": SAID}, {"name": "y", "share": "60%", "content": SAID}]
# Where in BASE the keys are tried that the first definition of their section cannot have.
ELSEWHERE = {
    "sources.s.dedupe": "sources.q.dedupe",
    "sources.s.attributes": "sources.u.attributes",
    "sources.s.consents": "sources.u.consents",
    "sources.s.fields": "sources.v.fields",
    "traits.t.k": "traits.p.k",
    "traits.t.value": "traits.v.value",
    **{f"traits.t.{key}": f"traits.l.{key}" for key in ("fields", "key", "remove", "most")},
    "rules.r.steps": "rules.m.steps",
    "rules.r.send.variants": "rules.m.send.variants",
    "rules.r.goal": "rules.m.goal",
    "rules.r.goals": "rules.n.goals",
    "rules.r.every.day": "rules.d.every.day",
    "rules.r.every.month": "rules.o.every.month",
    "rules.r.every.year": "rules.y.every.year",
    "rules.r.every.before": "rules.y.every.before",
    "rules.r.every": "rules.w.every",
    "rules.r.date": "rules.a.date",
}

# Each key of the schema with a value that BASE does not have. None: tried below, with other keys.
VALUES: dict[str, Any] = {
    "sources.s.kind": None,
    "sources.s.topic": "other",
    "sources.s.event": "name",
    "sources.s.event.is": "purchase",
    "sources.s.customer": "customer.id",
    "sources.s.time": "ts",
    "sources.s.id": "id",
    "sources.s.dedupe": "1d",
    "traits.t.function": "last",
    "traits.t.of": ["a", "b"],
    "traits.t.field": "amount",
    "traits.t.value": "event.x * 2",
    "traits.t.where": "event.x == 1",
    "traits.t.per": "category",
    "traits.t.over": "7d",
    "traits.t.clear": ["b", "c"],
    "traits.t.fields": ["x", "y.z"],
    "traits.t.key": "x",
    "traits.t.remove": "c",
    "traits.t.most": 5,
    "traits.t.items": "lines",
    "traits.t.k": 5,
    "sources.s.allow": None,
    "sources.s.attributes": None,
    "sources.s.attributes.p.type": None,
    "sources.s.attributes.p.describe": None,
    "sources.s.attributes.p.values": None,
    "sources.s.attributes.p.examples": None,
    "sources.s.consents": None,
    "sources.s.fields": None,
    "sources.s.fields.p.type": None,
    "sources.s.fields.p.describe": None,
    "sources.s.fields.p.values": None,
    "sources.s.fields.p.examples": None,
    "events.e.describe": None,
    "events.e.source": None,
    "events.e.fields": None,
    "events.e.fields.p.type": None,
    "events.e.fields.p.describe": None,
    "events.e.fields.p.values": None,
    "events.e.fields.p.examples": None,
    "traits.t.allow": None,
    "channels.w.allow": None,
    "policy.allow": None,
    "rules.r.allow": None,
    "channels.w.topic": "other",
    "channels.w.consent": "mail",
    "channels.w.address": "customer.email",
    "channels.w.address.of": "event.session",
    "channels.w.address.kind": None,
    "channels.w.cap": "1 per 1d",
    "channels.w.quiet": "21:00-08:00",
    "channels.w.format": "html",
    "policy.timezone": "Europe/Berlin",
    "policy.locale": "de-AT",
    "policy.cap": "3 per 7d",
    "policy.suppress": "customer.vip",
    "policy.holdout": "5%",
    "policy.stale_after": "15m",
    "policy.sensitive": {"p": {"events": "y"}},
    "policy.sensitive.p.events": ["y", "z"],
    "policy.sensitive.p.fields": ["event.due_date", "context.v.x"],
    "policy.sensitive.p.consent": "other",
    "rules.r.describe": "what it is for",
    "rules.r.on": ["a", "b"],
    "rules.r.where": "event.x == 1",
    "rules.r.steps": [{"on": "c"}],
    "rules.r.steps.1.on": "c",
    "rules.r.steps.1.where": "event.x == 1",
    "rules.r.steps.1.as": "second",
    "rules.r.steps.1.within": "2h",
    "channels.w.suppress": "customer.b",
    "channels.w.exempt": ["cap", "quiet"],
    "rules.r.silences": "14d",
    "rules.r.exempt": "silence",
    "rules.r.every": {"week": "sunday", "at": "09:00"},
    "rules.r.every.day": "10:00",
    "rules.r.every.week": ["monday", "friday"],
    "rules.r.every.month": "last",
    "rules.r.every.year": "customer.b",
    "rules.r.every.before": "7d",
    "rules.r.every.at": "10:00",
    "rules.r.date": {"of": "customer.b"},
    "rules.r.date.of": "customer.b.c",
    "rules.r.date.before": "2w",
    "rules.r.date.at": "10:00",
    "rules.r.unless": {"on": "c", "within": "1h"},
    "rules.r.unless.on": "c",
    "rules.r.unless.where": "event.x == 1",
    "rules.r.unless.within": "2h",
    "rules.r.wait": "2h",
    "rules.r.again": "keep",
    "rules.r.key": "event.sku",
    "rules.r.if": "traits.n > 1",
    "rules.r.send": {"channel": "e", "content": SAID},
    "rules.r.send.channel": ["e", "w"],
    "rules.r.send.content": {"text": "Hello {{ event.name }}"},
    "rules.r.send.variants": SHARES,
    "rules.r.send.variants.0.name": "z",
    "rules.r.send.variants.0.share": None,
    "rules.r.send.variants.0.content": {"text": "Hello"},
    "rules.r.limit": "1 per 7d",
    "rules.r.priority": 5,
    "rules.r.group": "carts",
    "rules.r.holdout": "10%",
    "rules.r.rollout": "5%",
    "rules.r.mode": "shadow",
    "rules.r.goal": {"on": "c", "within": "1h"},
    "rules.r.goal.on": "c",
    "rules.r.goal.within": "2h",
    "rules.r.goal.value": "amount",
    "rules.r.goals": [{"on": "c", "within": "1h"}],
    "rules.r.goals.0.on": "c",
    "rules.r.goals.0.within": "2h",
    "rules.r.goals.0.value": "amount",
    "rules.r.stale_after": "2m",
    "rules.r.quiet": "drop",
    "rules.r.sensitive": ["p"],
    "rules.r.discloses": "v",
    "tests.0.name": "it does not",
    "tests.0.rule": "r",
    "tests.0.customer": {"id": "c2"},
    "tests.0.customer.id": "c2",
    "tests.0.customer.attributes": {"vip": True},
    "tests.0.customer.consents": ["mail"],
    "tests.0.start": "2026-03-02T11:00:00Z",
    "tests.0.events": [{"at": "1m", "event": "a"}],
    "tests.0.events.0.at": "1m",
    "tests.0.events.0.event": "b",
    "tests.0.events.0.source": "s",
    "tests.0.events.0.late": "2h",
    "tests.0.known": {"t": 2},
    "tests.0.history": "past.jsonl",
    "tests.0.until": "2h",
    "tests.0.arm": "holdout",
    "tests.0.allow": None,
    "tests.0.expect": [],
    "tests.0.expect.0.at": "1m",
    "tests.0.expect.0.rule": "r",
    "tests.0.expect.0.channel": "w",
    "tests.0.expect.0.variant": "x",
    "tests.0.expect.0.outcome": "shadow",
    "tests.0.expect.0.content": {"text": "Hello"},
}
# Mappings and lists that take no key but theirs.
CLOSED = {path.rpartition(".")[0] for path in VALUES} - {"tests.0.events.0", "sources.s.event"}


def changed(path: str, value: Any) -> dict[str, Any]:
    """BASE with another value at a path."""
    for key, elsewhere in ELSEWHERE.items():
        if path == key or path.startswith(key + "."):
            path = elsewhere + path[len(key) :]

    def put(here: Any, steps: list[str]) -> Any:
        first, *rest = steps
        if isinstance(here, list):
            place = int(first)
            return [*here[:place], put(here[place], rest) if rest else value, *here[place + 1 :]]
        here = here if isinstance(here, Mapping) else {}
        return {**here, first: put(here.get(first, {}), rest) if rest else value}

    found: dict[str, Any] = put(BASE, path.split("."))
    return found


def compiled(directory: Path, document: Mapping[str, Any]) -> tuple[str, Any]:
    """The revision of a directory with this one file, and its tests."""
    directory.mkdir(exist_ok=True)
    (directory / "a.yaml").write_text(json.dumps(document))
    checked = check_rules(directory)
    if checked.rules is None:
        raise RuleFileError(list(checked.diagnostics))
    return checked.rules.revision, [replace(each, location=Location("")) for each in checked.tests]


def is_valid(document: Any) -> bool:
    return bool(jsonschema.Draft7Validator(schema()).is_valid(document))


def keys_of(form: Mapping[str, Any], path: str) -> Iterator[str]:
    """The paths of all keys below a form, as VALUES has them."""
    for name, inner in form.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from keys_of(inner, f"{path}.{name}")
    for inner in form.get("patternProperties", {}).values():  # of names that the file gives
        yield from keys_of(inner, f"{path}.p")
    for choice in form.get("anyOf", ()):
        yield from keys_of(choice, path)
    if "additionalItems" in form:  # all but the first
        yield from keys_of(form["additionalItems"], f"{path}.1")
    elif isinstance(form.get("items"), Mapping):
        yield from keys_of(form["items"], f"{path}.0")


def schema_keys() -> list[str]:
    names = {"sources": "s", "events": "e", "traits": "t", "segments": "g", "channels": "w", "rules": "r"}
    found: list[str] = []
    for section, form in schema()["properties"].items():
        if section in names:
            (definition,) = form["patternProperties"].values()
            found += keys_of(definition, f"{section}.{names[section]}")
        else:
            found += keys_of(form, section)
    return found


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


def test_the_sections_are_the_compilers() -> None:
    assert tuple(schema()["properties"]) == SECTIONS
    assert not is_valid({"rulez": {}})


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
    if path in ("tests.0.customer.attributes", "tests.0.known") and isinstance(nonsense, dict):
        return  # attributes may be anything; which traits there are, the schema does not know
    document = changed(path, nonsense)
    assert not is_valid(document)
    with pytest.raises(RuleFileError):
        compiled(tmp_path / "r", document)


@pytest.mark.parametrize("path", sorted(CLOSED - {"rules.r.steps", "rules.r.send.variants", "tests"}))
def test_what_is_unknown_is_refused_by_both(tmp_path: Path, path: str) -> None:
    if path.rpartition(".")[2] == "":
        return
    document = changed(f"{path}.x", "x")
    assert not is_valid(document)
    with pytest.raises(RuleFileError, match="unknown key"):
        compiled(tmp_path / "r", document)


@pytest.mark.parametrize(
    ("path", "value", "holds"),
    [
        ("sources.s", {"kind": "profile", "customer": "c"}, True),
        ("sources.s", {"kind": "profile", "customer": "c", "event": "e"}, False),
        ("sources.s", {"kind": "event", "customer": "c"}, False),
        ("sources.s", {"kind": "context", "customer": "c"}, True),
        ("sources.s", {"kind": "context", "customer": "c", "event": "e"}, False),
        ("sources.s.dedupe", "1d", True),  # of one with an `id`
        ("sources.v.dedupe", "1d", False),
        ("sources.v", {"event": "event", "customer": "c", "dedupe": "1d"}, False),
        ("rules.m.goals", [{"on": "b", "within": "1h"}], False),  # it has a `goal`
        ("rules.r.goals", [], False),
        ("rules.r.exempt", ["suppress", "cap", "silence", "quiet"], True),
        ("rules.r.exempt", "consent", False),
        ("rules.r.exempt", [], False),
        ("channels.w.exempt", ["cap", "address"], False),
        ("rules.w.on", "a", False),
        ("rules.w.where", "true", False),
        ("rules.w.wait", "1h", False),
        ("rules.w.date", {"of": "customer.a"}, False),
        ("rules.w.every", {"at": "09:00"}, False),
        ("rules.w.every", {"week": "monday"}, False),
        ("rules.w.every", {"day": "09:00", "at": "09:00"}, False),
        ("rules.w.every", {"day": "09:00", "week": "monday"}, False),
        ("rules.w.every", {"week": "monday", "at": "09:00", "before": "1d"}, False),
        ("rules.w.every", {"month": 32, "at": "09:00"}, False),
        ("rules.w.every", {"month": [1, "last"], "at": "09:00"}, True),
        ("rules.w.every", {"year": "event.a", "at": "09:00"}, False),
        ("rules.w.every", {"week": "monday", "at": "9:00"}, False),
        ("channels.w.address", {"of": "customer.a", "kind": "object"}, True),
        ("channels.w.address", {"of": "customer.a", "kind": "list"}, False),
        ("channels.w.address", {"of": "rule", "kind": "object"}, False),
        ("channels.w.address", {"kind": "object"}, False),
        ("policy.sensitive", {"p": {"consent": "q"}}, False),
        ("policy.sensitive", {"p": {"fields": ["customer.x"]}}, True),
        ("policy.sensitive", {"P": {"events": "y"}}, False),
        ("policy.sensitive", {f"p{n}": {"events": "y"} for n in range(21)}, False),
        ("tests.0.events", [{"at": "0m", "source": "v", "rain": True}], True),
        ("tests.0.events", [{"at": "0m", "rain": True}], False),
        ("traits.t", {"function": "gap", "of": "a"}, True),
        ("traits.t", {"function": "gap", "of": "a", "field": "f"}, False),
        ("traits.t", {"function": "max", "of": "a", "field": "f", "k": 2}, False),
        ("traits.t", {"function": "max", "of": "a"}, False),
        ("traits.t", {"function": "max", "of": "a", "value": "event.f"}, True),
        ("traits.t", {"function": "max", "of": "a", "value": "event.f", "field": "f"}, False),
        ("traits.t", {"function": "count", "of": "a", "value": "event.f"}, False),
        ("rules.r.steps.0.within", "1h", False),
        ("rules.m.on", "a", False),
        ("rules.m.where", "event.x == 1", False),
        ("rules.m.send.content", {"a": "b"}, False),
        ("rules.r.send", {"channel": "w"}, False),
        ("rules.r.send", {"channel": "w", "content": {}}, False),
        ("rules.m.send.variants", [{"name": "x", "share": "100%"}], False),
        ("rules.m.send.variants", [{"name": "x", "share": "100%", "content": {}}], False),
        ("rules.m.send.variants", SHARES, True),
        ("tests.0.events.0.anything", {"a": [1, None]}, True),
        ("tests.0.customer.consents", {"mail": {"granted": False, "at": "2026-03-02T11:00:00Z"}}, True),
        ("tests.0.customer.consents", {"mail": {"granted": "no"}}, False),
        ("tests.0.customer.consents", {"mail": {"expires": "2026-03-02T11:00:00Z"}}, True),
        ("tests.0.customer.consents", {"mail": {"expires": 5}}, False),
    ],
)
def test_keys_that_need_or_exclude_each_other(tmp_path: Path, path: str, value: Any, *, holds: bool) -> None:
    document = changed(path, value)
    assert is_valid(document) is holds
    if holds:
        assert compiled(tmp_path / "one", document) != compiled(tmp_path / "two", BASE)
    else:
        with pytest.raises(RuleFileError):
            compiled(tmp_path / "r", document)


def test_the_share_of_a_variant_changes_the_rule_set(tmp_path: Path) -> None:
    document = changed("rules.r.send.variants", HALVES)
    assert document == BASE
    assert compiled(tmp_path / "one", BASE) != compiled(
        tmp_path / "two", changed("rules.r.send.variants", SHARES)
    )


@pytest.mark.parametrize("path", list(VALUES))
def test_a_needed_key_is_needed_by_both(tmp_path: Path, path: str) -> None:
    *outer, key = path.split(".")
    parent: Any = BASE
    for step in outer:
        if isinstance(parent, list):
            parent = parent[int(step)]
        else:
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
        *[
            ("channels.w.cap", text)
            for text in (
                *("1 per calendar day", "2 per calendar  week", "3 per calendar month"),
                *(
                    "1 per calendar",
                    "1 per day",
                    "1 per calendar year",
                    "1 per calendar 7d",
                    "0 per calendar day",
                ),
            )
        ],
        *[("rules.r.unless.within", text) for text in ("90s", "1h30m", "0s", "30m1h", "1.5h", "30", "m")],
        *[("rules.r.priority", value) for value in (1_000_000, 1_000_001, -1_000_001, 0.5, "high")],
        *[("sources.s.topic", text) for text in ("a.b-c_D", "a/b", "..", "a" * 250)],
        *[("sources.s.customer", text) for text in ("a.b", "a..b", "a b", "a[0]")],
        *[("channels.w.address", text) for text in ("event.a", "event", "customer.a", "customer", "token")],
        *[
            ("events.e.fields.p", value)
            for value in (
                *("string", "text", {}, {"type": "time"}, {"type": "number", "values": [1, 2.5]}),
                *({"values": ["a", True]}, {"values": []}, {"values": [["a"]]}, {"values": ["a", "a"]}),
                *({"examples": [1, "b"]}, {"examples": [{"a": 1}]}, {"examples": []}, {"values": [None]}),
            )
        ],
        *[("events.e.fields", value) for value in ({}, {"a.b": "any"}, {"a b": "any"}, {"a..b": "any"}, [])],
        *[("events.e.source", value) for value in ("q", ["q", "s"], [], ["q", "q"])],
        *[("events", {**BASE["events"], name: {}}) for name in ("e" * 256, "e" * 257, "", "Ä\n", "a b")],
        *[("sources.u.consents", value) for value in (["p"], ["none"], ["p", "p"], [], "p")],
        *[(f"sources.{name}.attributes", {"vip": "boolean", "a.b": "string"}) for name in "quv"],
        *[(f"sources.{name}.fields", {"a.b": "string"}) for name in "quv"],
        *[("rules.r.allow", value) for value in (["W505"], ["W501", "W505"], ["W505", "W505"], [], "W505")],
        ("rules.r.send.channel", ["e"]),
        ("rules.r.send.channel", ["w", "e"]),
        ("rules.r.send.channel", ["w", "w"]),
        ("rules.r.send.channel", []),
        *[("rules.r.holdout", text) for text in ("0.5%", "99.99%", "0.125%", "10", "110%", "-1%", "5 %")],
        *[("channels.w.quiet", text) for text in ("00:00-24:00x", "21:00-24:00", "24:00-08:00", "9-8")],
        *[
            ("policy.sensitive.p.fields", value)
            for value in (
                ["event.a"],
                ["a"],
                ["event"],
                ["event.a", "event.a"],
                [],
                "event.a",
                ["segments.x"],
            )
        ],
        *[("policy.sensitive.p.consent", value) for value in ("none", "none_of_it", "Some thing")],
        *[("rules.r.sensitive", value) for value in ("p", ["p"], [], ["p", "p"], ["a b"])],
        *[("traits.t.k", value) for value in (1, 10, 0, 11, "3")],
        *[
            ("channels.w.format", value)
            for value in ("json", "xml", {"a": "html"}, {"a": "xml"}, {}, ["html"])
        ],
        *[("rules.r.quiet", text) for text in ("defer", "4h", "1h30m", "0s", "4", "4x", "later", "4h ", -4)],
        *[("rules.r.key", text) for text in ("event.a.b", "event", "sku")],
        ("rules.r.steps", []),
        ("rules.r.steps", [{"on": "a"}] * 10),
        ("rules.r.steps", [{"on": "a"}] * 11),
        ("rules.r.send.variants", []),
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
        definition = section.get("items", section)
        for each in section.get("patternProperties", {"": definition}).values():
            assert list(look(each, section["description"])) == []


def test_snippets_are_rules_that_work(tmp_path: Path) -> None:
    """What completion puts in is fine as it stands, once the names in it are defined."""
    document: dict[str, Any] = {}
    for section, form in schema()["properties"].items():
        for snippet in form["defaultSnippets"]:
            body = filled(snippet["body"])
            document[section] = body if isinstance(body, list) else {**document.get(section, {}), **body}
    assert is_valid(document)
    compiled(tmp_path / "r", document)
    assert {each.code for each in check_rules(tmp_path / "r").diagnostics} <= {Code.NEVER_USED}


def filled(body: Any) -> Any:
    """A snippet's body with the words that it proposes."""
    if isinstance(body, list):
        return [filled(each) for each in body]
    if isinstance(body, dict):
        return {filled(key): filled(value) for key, value in body.items()}
    return re.sub(r"\$\{[0-9]+:([^}]*)\}", r"\1", body)


def places_of(form: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each schema within the schema."""
    if isinstance(form, dict):
        yield place, form
        for key, each in form.items():
            yield from places_of(each, f"{place}.{key}")
    elif isinstance(form, list):
        for at, each in enumerate(form):
            yield from places_of(each, f"{place}.{at}")


def test_an_editor_showed_a_regular_expression_where_a_duration_was_wrong() -> None:
    """130 characters of it."""
    patterns = [(place, form) for place, form in places_of(schema()) if isinstance(form.get("pattern"), str)]
    assert len(patterns) > 50
    for place, form in patterns:
        for key in ("patternErrorMessage", "errorMessage"):
            message = form.get(key, "")
            assert 20 < len(message) < 100, f"{place} has no {key}"
            assert not re.search(r"\(\?|\[[^\]]*-[^\]]*\]|\{[0-9]", message), f"{place}: a regular expression"
    (wait,) = [form for place, form in patterns if place.endswith(".wait")]
    assert wait["patternErrorMessage"] == "Write a duration, such as 90s, 30m, 1h30m, 7d or 4w"


def test_an_editor_says_what_a_name_is_made_of() -> None:
    named = [(place, form) for place, form in places_of(schema()) if "patternProperties" in form]
    assert len(named) >= 6
    for place, form in named:
        assert any(each.lower() in form["errorMessage"].lower() for each in forms.MEANT.values()), place


def test_what_an_editor_says_holds() -> None:
    """Each example in a message fits the pattern that it is of."""
    for place, form in places_of(schema()):
        if " such as " in form.get("patternErrorMessage", ""):
            examples = form["patternErrorMessage"].partition(" such as ")[2]
            for example in re.split(r", | or ", examples):
                assert re.search(form["pattern"], example.strip('"')), (place, example)
