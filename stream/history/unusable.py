"""What probably mends a line that is not an event: said beside the first of each kind, without what is in it.

Tested by tests/authoring/backtest/test_run.py.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

import orjson

from stream.engine import MAX_EVENT_BYTES
from stream.history._past import PastEvent
from stream.history.inputs import Input
from stream.rules import field_paths
from stream.rules.model import FieldPath, Source
from stream.structs import DeadLetter

TIME_FORMS = "ISO 8601, such as 2026-03-02T10:00:00Z, or seconds or milliseconds since 1970"


_NO_NUMBER = re.compile(rb"[:\[,]\s*[+-]?(?:NaN|Infinity|inf|nan)\b")
_OF_PYTHON = re.compile(rb"\{\s*'|[:\[,]\s*(?:True|False|None)\b")


def likely_fix(letter: DeadLetter, source: Source) -> str:
    """In a few words. `source`: of whose mapping the record does not fit."""
    body = _object(letter.record.value)
    match letter.reason:
        case "json":
            return _json(letter.record.value or b"")
        case "customer":
            what = f"`{_written(source.customer)}` must be the customer's id, a text or a whole number"
            return what + meant("customer", source.customer, body)
        case "event":
            what = f"`{_written(source.event)}` must be the event's name, a text"
            return what + meant("event", source.event, body)
        case "time" if letter.record.timestamp < 0:
            named = f"in `{_written(source.time)}` or `timestamp`" if source.time else "in `timestamp`"
            what = f"no line has a time that can be read, {named}: {TIME_FORMS}"
            return what + meant("time", source.time, body)
        case "time":
            return f"`{_written(source.time)}` must be a time: {TIME_FORMS}"
        case "profile":
            return letter.detail + _side_by_side(body)
        case "context":
            return "at most 200 values in 16 KiB, with names of 128 characters"
        case "size":
            return f"at most {MAX_EVENT_BYTES:,} bytes"
    return letter.detail


def _side_by_side(body: Any) -> str:
    """What to write where a record has all its fields side by side, as tables of customers do."""
    if not isinstance(body, dict) or "attributes" in body or "consents" in body:
        return ""
    consent = "`consents.PURPOSE.granted` and `consents.PURPOSE.at`"
    return f"; columns of a table are called e.g. `attributes.email`, and of a consent {consent}"


def meant(key: str, path: FieldPath | None, body: Any) -> str:
    """What a record has in place of a field that a source maps and the record lacks; empty if nothing is like
    it. `key`: of the source, that maps it.
    """
    found = _near(path or (), body)
    if not found or found == path:
        return ""
    written = _written(found)
    in_yaml = f'"{written}"' if written[0] == "'" else f"'{written}'" if written[0] == '"' else written
    return f"; there is `{'.'.join(found)}`: rename it, or write `{key}: {in_yaml}` into the source"


def file_of_another(record: object, source: Source, others: Iterable[Source]) -> str:
    """What to write for a file that names no source, where a record of it has what another source asks for;
    empty if that is none. `source`: of which it was taken to be.
    """
    if not isinstance(record, PastEvent) or not isinstance(of := record.origin, Input) or of.source:
        return ""
    other = _source_meant(source, _object(record.value), others)
    return f"; is all of it of one source? Then write {other.name}={of.name}" if other else ""


def _source_meant(source: Source, body: Any, others: Iterable[Source]) -> Source | None:
    if not isinstance(body, dict) or "source" in body:
        return None
    for other in others:
        if other.name == source.name or field_paths.value_at(body, other.customer) is None:
            continue
        if other.kind == "profile" and not body.keys().isdisjoint({"attributes", "consents"}):
            return other
        if other.kind == "event" and other.event is not None and other.event != source.event:
            if isinstance(field_paths.value_at(body, other.event), str):
                return other
        elif other.constant is not None:
            return other
    return None


def _near(path: FieldPath, body: Any) -> FieldPath:
    """The names that are meant by those of a path; empty where one is like none."""
    found: list[str] = []
    for name in path:
        if not isinstance(body, dict):
            return ()
        if name not in body:
            same = [each for each in body if _letters(each) == _letters(name)]
            near = same or difflib.get_close_matches(name, list(body), n=1, cutoff=0.7)
            if not near:
                return ()
            name = near[0]
        found.append(name)
        body = body[name]
    return tuple(found)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _object(value: bytes | None) -> Any:
    try:
        return orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None


def _json(line: bytes) -> str:
    if b"\0" in line:
        return "there are bytes 0 in it: the file is damaged, or not UTF-8"
    if line.startswith(b"["):
        return "one JSON object a line, and no list around them; jq -c '.[]' makes lines of a list"
    if _NO_NUMBER.search(line):
        return "NaN and Infinity are no JSON: write null, or leave the field out"
    if _OF_PYTHON.search(line):
        return "this is Python's way of writing, and no JSON: json.dumps(event) writes it"
    if line.startswith((b"{", b"}", b'"')):
        return _where(line)
    return "one JSON object a line; CSV needs a file of its own, and a header"


def _where(line: bytes) -> str:
    """Where an object ends to be JSON."""
    try:
        text = line.decode().rstrip()
        orjson.loads(text)
    except UnicodeDecodeError:
        return "the file is not UTF-8: say --encoding cp1252, or iconv -f WINDOWS-1252 -t UTF-8 writes it so"
    except orjson.JSONDecodeError as error:
        if text[error.pos :].lstrip().startswith("{") and text[: error.pos].rstrip().endswith("}"):
            return "several objects on one line: jq -c . FILE writes each on its own"
        if text[error.pos :].startswith(",") and text[: error.pos].endswith("}"):
            return "a comma behind the object: lines have none, and a list stands in [ ]"
        if text.startswith("{") and error.pos < len(text):
            return f"no JSON from character {error.pos + 1} on: {error.msg}"
    return "one JSON object a line, each whole on its line; jq -c . makes lines of objects"


def _written(path: FieldPath | None) -> str:
    return field_paths.write(path or ())
