"""What probably mends a line that is not an event: said beside the first of each kind, without what is in it.

Tested by tests/authoring/backtest/test_run.py.
"""

from __future__ import annotations

from stream.engine import MAX_EVENT_BYTES
from stream.rules.model import FieldPath, Source
from stream.structs import DeadLetter

TIME_FORMS = "ISO 8601, such as 2026-03-02T10:00:00Z, or seconds or milliseconds since 1970"


def likely_fix(letter: DeadLetter, source: Source) -> str:
    """In a few words. `source`: of whose mapping the record does not fit."""
    match letter.reason:
        case "json":
            return _json(letter.record.value or b"")
        case "customer":
            return f"`{_written(source.customer)}` must be the customer's id, a text or a whole number"
        case "event":
            return f"`{_written(source.event)}` must be the event's name, a text"
        case "time" if letter.record.timestamp < 0:
            named = f"in `{_written(source.time)}` or `timestamp`" if source.time else "in `timestamp`"
            return f"no line has a time that can be read, {named}: {TIME_FORMS}"
        case "time":
            return f"`{_written(source.time)}` must be a time: {TIME_FORMS}"
        case "profile":
            return letter.detail
        case "context":
            return "at most 200 values in 16 KiB, with names of 128 characters"
        case "size":
            return f"at most {MAX_EVENT_BYTES:,} bytes"
    return letter.detail


def _json(line: bytes) -> str:
    if b"\0" in line:
        return "there are bytes 0 in it: the file is damaged, or not UTF-8"
    if line.startswith(b"["):
        return "one JSON object a line, and no list around them; jq -c '.[]' makes lines of a list"
    if line.startswith((b"{", b"}", b'"')):
        return "one JSON object a line, each whole on its line; jq -c . makes lines of objects"
    return "one JSON object a line; CSV needs a file of its own, and a header"


def _written(path: FieldPath | None) -> str:
    return ".".join(path or ())
