"""docs/asyncapi.yaml, to hold records against."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import orjson
from ruamel.yaml import YAML

from stream.structs import WireRecord

DOCUMENT = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"


@cache
def document() -> Any:
    return YAML(typ="safe", pure=True).load(DOCUMENT)


def assert_described(message: str, record: WireRecord) -> None:
    """Key, headers and payload are what the document says of a message, and nothing besides."""
    headers = {name: value.decode() for name, value in record.headers}
    validator(f"#/components/messages/{message}/headers").validate(headers)
    validator(f"#/components/messages/{message}/payload").validate(orjson.loads(record.value or b"null"))
    assert isinstance(record.key, bytes)


@cache
def validator(reference: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(closed({"$ref": reference}))


def closed(schema: Any) -> Any:
    """What is referred to is put in its place, and an object whose fields are described has no others.

    For readers it is open, as fields may be added.
    """
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return closed(referred(schema["$ref"]))
    inner = {key: closed(value) for key, value in schema.items()}
    return {"additionalProperties": False, **inner} if {"type", "properties"} <= set(inner) else inner


def referred(reference: str) -> Any:
    here = document()
    for part in reference.removeprefix("#/").split("/"):
        here = here[part]
    return here
