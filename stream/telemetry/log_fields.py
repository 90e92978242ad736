"""What a log line may say: its fields by name, and of values only plain ones.

A field that is not in `FIELDS` does not get out. tests/telemetry/test_log_fields.py reads every log call of
the package and refuses such a field before anybody runs it. If one comes at run time all the same (a
library's `extra`, a bound context), it is left out, and the line names it under `refused`. Nothing here
raises.

What libraries say is text of their own making with values in it, which may be records. So of those values
only numbers and texts are kept, of exceptions the type, of bytes the length, of other objects the class; and
only the first line, since further ones are representations of tasks and futures.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from enum import Enum
from typing import Any

from structlog.types import EventDict, WrappedLogger

from stream.telemetry.tracebacks import headline, traceback_of

FIELDS: Mapping[str, str] = {
    "added": "definitions or rules that are new",
    "also": "sections of the rule files that say something else, beside rules",
    "applied": "offset up to which records are applied",
    "changed": "rules that say something else now",
    "code": "code of a finding, see docs/diagnostics.md",
    "customers": "how many customers",
    "deadline": "seconds that there were",
    "definition": "name of a rule, or of another definition of the rules",
    "debug_seconds": "for how long lines of level DEBUG come",
    "ended": "rules that are gone or wait for something else, each with how many of its instances ended",
    "end": "offset after the last record of a topic's partition",
    "error": "type of an exception, or message of one of this project's",
    "errors": "findings in rule files",
    "field": "of a message",
    "finding": "what a check found",
    "generation": "of the consumer group",
    "hint": "what probably mends it",
    "in_force": "revision of the rules that stay",
    "missing": "topics that are not there",
    "more": "findings or rules that the line has no room for",
    "new": "revision of the rules from now on",
    "next": "what is done about it",
    "not_recalled": "records that say they are this application's and cannot be",
    "of_this_app": "records that this application wrote",
    "offset": "of a record in its topic's partition",
    "old": "revision of the rules until now",
    "part": "of a definition, such as `if`",
    "partition": "number of a partition",
    "partitions": "how many partitions",
    "paths": "fields, attributes or traits as a condition names them, which are not there or do not fit",
    "per_second": "records a second",
    "place": "file:line:column in rule files",
    "port": "that health and metrics are served on",
    "progress": "a bar and a percentage",
    "reason": "why, in words of this project",
    "records": "how many records",
    "remaining": "records still to be read",
    "removed": "rules that are gone",
    "revision": "of the rules",
    "rule": "name of a rule",
    "rules": "how many rules",
    "seconds": "that it took",
    "seconds_left": "as estimated",
    "severity": "level of the lines that are written from now on",
    "source": "name of a source",
    "tasks": "where each task is: file, line, function",
    "threads": "where each thread is: file, line, function",
    "times": "how often since it was last said",
    "topic": "name of a topic",
    "topics": "names of topics",
    "unchanged": "rules that say the same",
    "until": "when a rule that is off is on again by itself",
    "warnings": "how many findings",
    "what": "the event loop's own words, or a part of the program",
}

# Of every line, put there by `logs`.
ALWAYS = frozenset(
    {
        "event",
        "level",
        "logger",
        "timestamp",
        "exception",
        "left_out",
        "refused",
        "_record",
        "_from_structlog",
    }
)
LONGEST = 2000  # characters of one text
LONGEST_MESSAGE = 500
DEEPEST = 4
ADDRESS = re.compile(r"[^\s@'\"<>=:,;()]+@[^\s@'\"<>=:,;()]+\.\w+")
BYTES = re.compile(r"\bb'(?:[^'\\]|\\.)*'|\bb\"(?:[^\"\\]|\\.)*\"")


def only_allowed(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Leave out fields that are not in `FIELDS`, and make the others' values plain."""
    refused = sorted(name for name in event if name not in FIELDS and name not in ALWAYS)
    for name in refused:
        del event[name]
    for name in event:
        if name in FIELDS:
            event[name] = _plain(event[name])
    if refused:
        event["refused"] = refused
    return event


def render_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put the exception into the line, without data; see `tracebacks`."""
    given = event.pop("exc_info", None)
    if isinstance(given, tuple):
        given = given[1]
    elif given and not isinstance(given, BaseException):
        given = sys.exc_info()[1]
    if isinstance(given, BaseException):
        event["exception"] = traceback_of(given)
    return event


def make_plain(record: logging.LogRecord) -> None:
    """Have a library's record say nothing that may be a customer's; see above."""
    if record.name == "py.warnings" and isinstance(record.args, tuple):
        record.msg, record.args = str(record.args[0] if record.args else record.msg), ()
    if isinstance(record.args, Mapping):
        record.args = {key: _argument(value) for key, value in record.args.items()}
    elif record.args:
        record.args = tuple(_argument(value) for value in record.args)
    try:
        text = record.getMessage()
    except (TypeError, ValueError, KeyError):
        text = f"{_first_line(str(record.msg))} (its values do not fit)"
    record.msg, record.args = hide(_first_line(text)[:LONGEST_MESSAGE]), ()


def hide(text: str) -> str:
    """The text without addresses of people, and without bytes written out."""
    return BYTES.sub("<bytes>", ADDRESS.sub("<address>", text))


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _argument(value: Any) -> Any:
    if isinstance(value, BaseException):
        return headline(value)
    if isinstance(value, type):
        return value.__name__
    return _plain(value)


def _plain(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return hide(value[:LONGEST])
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if depth < DEEPEST:
        if isinstance(value, Mapping):
            return {str(_plain(key)): _plain(each, depth + 1) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [_plain(each, depth + 1) for each in value]
    return f"<{type(value).__name__}>"
