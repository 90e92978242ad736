"""docs/asyncapi.yaml: it is AsyncAPI 3.0, and says what the records are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from stream.decisions.wire import DEAD_LETTERS, DECISIONS
from stream.rules.compiler.rule_set import load_rules
from stream.structs import OwnTopics, WireRecord
from stream.topics.plan import outputs
from tests.decisions.test_wire import RECORDS, engine_records
from tests.engine.enginekit import PROFILES, T0, Rec, Rules, World
from tests.kit.asyncapi import assert_described, document, referred

SPECIFICATION = Path(__file__).parent / "data" / "asyncapi" / "3.0.0.json"
RULES = Path(__file__).parents[2] / "rules"
WRITTEN = ("trigger", "decision", "dead-letter")


def kind_of(name: str) -> str:
    return next(kind for kind in WRITTEN if name.startswith(kind))


def test_it_is_asyncapi_3() -> None:
    """Judged by the specification's own schema, which lies beside the tests: no network."""
    jsonschema.Draft7Validator(json.loads(SPECIFICATION.read_text())).validate(document())


def nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
    for each in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from nodes(each)


def test_every_reference_leads_somewhere() -> None:
    references = {node["$ref"] for node in nodes(document()) if "$ref" in node}
    assert len(references) > 20
    assert all(referred(each) for each in references)


def test_all_that_is_in_the_document_is_used() -> None:
    references = {node["$ref"] for node in nodes(document()) if "$ref" in node}
    for kind in ("messages", "schemas"):
        for name in document()["components"][kind]:
            assert f"#/components/{kind}/{name}" in references


def test_every_topic_is_in_it() -> None:
    channels = document()["channels"]
    addresses = {name: each["address"] for name, each in channels.items()}
    assert addresses["decisions"] == DECISIONS
    assert addresses["dead-letters"] == DEAD_LETTERS
    assert addresses["changelog"] == OwnTopics("{app}").changelog
    assert addresses["rules"] == OwnTopics("{app}").rules
    assert addresses["switches"] == OwnTopics("{app}").switches
    rules = load_rules(RULES)
    ours = set(outputs(rules, OwnTopics("stream"))) - {each.topic for each in rules.channels}
    own = OwnTopics("stream")
    assert ours == {DECISIONS, DEAD_LETTERS, own.changelog, own.rules, own.switches}
    taken = {"events", "profiles", "contexts"}
    assert set(channels) == {
        *taken,
        "triggers",
        "decisions",
        "dead-letters",
        "changelog",
        "rules",
        "switches",
    }


@pytest.mark.parametrize("name", RECORDS)
def test_what_is_written_is_what_it_says(name: str) -> None:
    if name.startswith("dead-letter"):
        assert_dead_letter(RECORDS[name])
    else:
        assert_described(kind_of(name), RECORDS[name])


def assert_dead_letter(record: WireRecord) -> None:
    headers = {name: value.decode() for name, value in record.headers}
    schema = document()["components"]["schemas"]["dead-letter-headers"]
    jsonschema.Draft7Validator(schema).validate(headers)
    names = [name for name, _ in record.headers]
    assert names[: len(schema["required"])] == schema["required"]
    assert {name for name in names if not name.startswith("producer-")} <= set(schema["properties"])


def test_what_the_engine_says_is_what_it_says() -> None:
    records = engine_records()
    assert {record.topic for record in records} > {"triggers.email", DECISIONS, DEAD_LETTERS}
    for record in records:
        if record.topic == DEAD_LETTERS:
            assert_dead_letter(record)
        else:
            assert_described("decision" if record.topic == DECISIONS else "trigger", record)


def test_what_does_not_apply_is_null_and_not_left_out() -> None:
    schemas = document()["components"]["schemas"]
    for name in ("trigger", "decision", "event-reference", "goal", "consent-proof"):
        assert schemas[name]["required"] == list(schemas[name]["properties"])


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("trigger", ("campaign",), "spring"),  # a field that nobody has described
        ("trigger", ("event", "source"), "clicks"),
        ("trigger-whole", ("consent", "by"), "phone"),
        ("trigger-whole", ("goal", "after"), None),
        ("trigger", ("at",), 1_772_445_600_007),
        ("trigger", ("trigger_id",), "x"),
        ("decision-sent", ("outcome",), "lost"),
        ("decision-sent", ("reason",), "limit"),
        ("decision-suppressed", ("reason",), None),
        ("decision-suppressed", ("reason",), "mood"),
        ("decision-sent", ("address",), "a@b.example"),
    ],
)
def test_what_is_not_described_does_not_pass(name: str, path: tuple[str, ...], value: Any) -> None:
    body = orjson.loads(RECORDS[name].value or b"")
    inner = body
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        assert_described(kind_of(name), RECORDS[name]._replace(value=orjson.dumps(body)))


@pytest.mark.parametrize("header", ["ce_id", "ce_app", "content-type"])
def test_no_header_may_be_missing(header: str) -> None:
    record = RECORDS["trigger"]
    headers = tuple(each for each in record.headers if each[0] != header)
    with pytest.raises(jsonschema.ValidationError):
        assert_described("trigger", record._replace(headers=headers))


SAID: dict[str, Any] = {"granted": True, "at": "2026-03-02T10:00:00Z"}


@pytest.mark.parametrize(
    ("parts", "taken"),
    [
        ({}, False),
        ({"attributes": {}}, True),
        ({"attributes": {}, "customer": 7}, True),
        ({"attributes": {}, "customer": None}, False),
        ({"attributes": {}, "customer": ["c1"]}, False),
        ({"attributes": {"email": "a@b.example", "plan": {"a": [1]}, "gone": None}}, True),
        ({"attributes": None, "consents": None}, True),
        ({"attributes": ["email"]}, False),
        ({"attributes": {"n" * 129: 1}}, False),
        ({"consents": {"mail": SAID}}, True),
        ({"consents": {"mail": {**SAID, "basis": "form", "at": T0}}}, True),
        ({"consents": {"mail": {**SAID, "expires_at": T0 + 1}}}, True),
        ({"consents": {"mail": {**SAID, "withdrawn_at": T0}}}, False),
        ({"consents": {"mail": {**SAID, "withdrawn": False, "source": "form"}}}, True),
        ({"consents": {"mail": {**SAID, "basis": "x" * 1025}}}, False),
        ({"consents": {"mail": {**SAID, "basis": 1}}}, False),
        ({"consents": {"mail": {**SAID, "granted": "yes"}}}, False),
        ({"consents": {"mail": {"granted": True}}}, False),
        ({"consents": {"mail": {"at": T0}}}, False),
        ({"consents": {f"p{n}": SAID for n in range(101)}}, False),
    ],
)
def test_a_profile_update_that_fits_is_taken_and_another_is_not(
    parts: dict[str, Any], *, taken: bool
) -> None:
    rules = Rules(PROFILES)
    data = {"customer": "c1", "ts": T0, **parts}
    result = World(rules.build()).play({"profiles": [Rec(0, T0, orjson.dumps(data))]})
    assert (not result.dead_letters) is taken
    schema = replaced_customer(document()["components"]["schemas"]["profile"])
    assert jsonschema.Draft7Validator(schema).is_valid(data) is taken


def replaced_customer(schema: Any) -> Any:
    """The source of these tests has the customer under another name."""
    properties = {
        ("customer" if key == "customer_id" else key): each for key, each in schema["properties"].items()
    }
    return {**schema, "properties": properties, "required": ["customer"]}
