"""`stream events infer`: a tracking plan from past events, as YAML to read, mend and keep, or as JSON.

Of the rule files only the sources matter: which field has an event's name, which are its source's.
Tested by tests/authoring/test_tracking_plan.py.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from stream.authoring.observed import MAX_FIELDS, Observed, Room, looks_like_a_persons
from stream.authoring.replay import ReplayedRecord
from stream.diagnostics import one_line, some
from stream.errors import EventFileError, RuleFileError
from stream.events._times import parse_time
from stream.history._past import PastEvent
from stream.history.event_files import PastEvents, unknown_notes
from stream.history.unusable import TIME_FORMS, file_of_another, likely_fix, meant
from stream.rules import field_paths
from stream.rules.compiler.rule_set import compile_files
from stream.rules.files import RuleFiles, collect
from stream.rules.forms import MAX_EVENT_NAME, PURPOSE
from stream.rules.model import FieldPath, RuleSet, Source
from stream.structs import DeadLetter

MAX_EVENTS = 500  # names
MAX_WITH_VALUES = 400  # fields; of more only the types are said
MAX_PURPOSES = 100
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # not texts, to one YAML or another


@dataclass(slots=True)
class Inferred:
    """What has been seen: events by name; of other sources their attributes or fields by the source's name.

    `left_out`: "record" or "event", and why it is not in it; how often, where first. `odd`: what they lack.
    """

    room: Room = field(default_factory=Room)
    events: dict[str, Observed] = field(default_factory=dict)
    others: dict[str, Observed] = field(default_factory=dict)
    purposes: dict[str, set[str]] = field(default_factory=dict)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    odd: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: dict[tuple[str, str], str] = field(default_factory=dict)

    def leave_out(self, what: str, why: str, place: str) -> None:
        self._count(self.left_out, what, why, place)

    def note(self, what: str, why: str, place: str) -> None:
        self._count(self.odd, what, why, place)

    def _count(self, counts: Counter[tuple[str, str]], what: str, why: str, place: str) -> None:
        counts[what, why] += 1
        self.first.setdefault((what, why), place)


def sources_of(directory: Path) -> RuleSet:
    """The sources of a rules directory alone: a plan that is not right yet does not stand in its own way."""
    files, found = collect(directory)
    checked = compile_files(RuleFiles(sources=files.sources), found)
    if checked.rules is None:
        raise RuleFileError(list(checked.diagnostics))
    if not any(source.kind == "event" for source in checked.rules.sources):
        raise EventFileError(f"no source of events in {directory}", hint="define one below `sources`")
    return checked.rules


PlacedRecord = PastEvent | ReplayedRecord


def records_of(files: PastEvents) -> Iterator[tuple[str, PlacedRecord]]:
    """Each line with its source, a few at a time in memory; none of before `files.between.since`."""
    for batch in files.batches():
        for name, lines in () if batch.is_before else batch.records.items():
            for record in lines:
                yield name, record


def infer(rules: RuleSet, records: Iterable[tuple[str, PlacedRecord]]) -> Inferred:
    """What the records have. Raises EventFileError where none could be used."""
    sources = {source.name: source for source in rules.sources}
    mapped = {name: _mapped(source) for name, source in sources.items()}
    found, count = Inferred(), 0
    for count, (name, record) in enumerate(records, 1):  # noqa: B007
        source = sources[name]
        try:
            body = orjson.loads(record.value or b"")
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            fix = likely_fix(DeadLetter(name, "json", record), source)
            found.leave_out("record", f" of {name}: no JSON object ({fix})", record.place)
        elif source.kind == "event":
            _take_event(found, source, body, mapped[name], record, rules)
        else:
            _take_other(found, source, body, mapped[name])
    if not found.events and not found.others:
        what = f"none of {some(count, 'record')} could be used" if count else "there is no line in the input"
        reasons = "".join(f"\n  {each}" for each in notes(found))
        raise EventFileError(what + reasons, hint="docs/backtest.md says what a line is")
    return found


def _take_event(
    found: Inferred,
    source: Source,
    body: dict[str, Any],
    mapped: set[FieldPath],
    record: PlacedRecord,
    rules: RuleSet,
) -> None:
    name = source.constant if source.event is None else field_paths.value_at(body, source.event)
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_EVENT_NAME:
        fix = likely_fix(DeadLetter(source.name, "event", record), source)
        fix += file_of_another(record, source, rules.sources)
        found.leave_out("record", f" of {source.name}: no event's name ({fix})", record.place)
        return
    if name not in found.events:
        if looks_like_a_persons(name):
            found.leave_out("event", ": the name looks like somebody's address or number", record.place)
            return
        if len(found.events) >= MAX_EVENTS:
            found.leave_out("event", f": a name beyond the first {MAX_EVENTS:,}", record.place)
            return
        found.events[name] = Observed(found.room)
    _note_what_it_lacks(found, source, body, record.place)
    if body.get("source") == source.name:
        del body["source"]  # the file's, not the event's
    seen = found.events[name]
    seen.sources.add(source.name)
    seen.take(body, hash(str(field_paths.value_at(body, source.customer))), without=mapped)


def _note_what_it_lacks(found: Inferred, source: Source, body: dict[str, Any], place: str) -> None:
    """Without these a worker could not use it, or would take another time for its own."""
    who = field_paths.value_at(body, source.customer)
    if type(who) not in (str, int) or who == "":
        near = meant("customer", source.customer, body)
        path = field_paths.write(source.customer)
        found.note("event", f" of {source.name}: no customer in `{path}`{near}", place)
    if source.time is not None:
        when, path = field_paths.value_at(body, source.time), field_paths.write(source.time)
        if when is None:
            near = meant("time", source.time, body)
            found.note("event", f" of {source.name}: no time in `{path}`{near}", place)
        elif parse_time(when) is None:
            why = f" of {source.name}: what is in `{path}` is no time: it must be {TIME_FORMS}"
            found.note("event", why, place)


def _take_other(found: Inferred, source: Source, body: dict[str, Any], mapped: set[FieldPath]) -> None:
    seen = found.others.setdefault(source.name, Observed(found.room))
    if source.kind == "context":
        body.pop("source", None)
        seen.take(body, 0, without=mapped)
        return
    attributes, consents = body.get("attributes"), body.get("consents")
    seen.take(attributes if isinstance(attributes, dict) else {}, 0)
    purposes = found.purposes.setdefault(source.name, set())
    for purpose in consents if isinstance(consents, dict) else ():
        if re.fullmatch(PURPOSE, purpose) and len(purposes) < MAX_PURPOSES:
            purposes.add(purpose)


def _mapped(source: Source) -> set[FieldPath]:
    """The fields that a source maps, of which a plan need not speak, and what is around them."""
    paths = [path for path in (source.event, source.customer, source.time, source.id) if path is not None]
    return {path[:length] for path in paths for length in range(1, len(path) + 1)}


# ---- what is written ----


def as_objects(found: Inferred, rules: RuleSet) -> dict[str, Any]:
    """`events` as rule files have them, `sources` with what goes into them."""
    several = sum(source.kind == "event" for source in rules.sources) > 1
    events: dict[str, Any] = {}
    left = MAX_WITH_VALUES
    for name, seen in sorted(found.events.items()):
        sources: Any = sorted(seen.sources)
        event = {"source": sources if len(sources) > 1 else sources[0]} if several else {}
        fields = {} if seen.is_open else seen.described(with_values=left > 0)
        left -= sum(isinstance(each, dict) for each in fields.values())
        events[name] = event if seen.is_open else {**event, "fields": fields}
    for source in rules.sources:
        if source.constant is not None:  # the source names it, so it is there, seen or not
            events.setdefault(source.constant, {"source": source.name} if several else {})
    kinds = {source.name: source.kind for source in rules.sources}
    others: dict[str, Any] = {}
    for name, seen in sorted(found.others.items()):
        key = "attributes" if kinds[name] == "profile" else "fields"
        others[name] = {} if seen.is_open else {key: seen.described(with_values=False)}
        if purposes := found.purposes.get(name):
            others[name]["consents"] = sorted(purposes)
    return {"events": events, "sources": others}


_BEGINNING = "# The tracking plan, as "


def as_yaml(found: Inferred, rules: RuleSet) -> str:
    """A rule file with the plan. What belongs into the sources, which are defined elsewhere, is a comment."""
    written = as_objects(found, rules)
    count = sum(seen.count for seen in found.events.values())
    lines = [
        f"{_BEGINNING}{some(count, 'event suggests', 'events suggest')} it: "
        "not all that can happen may have happened."
    ]
    lines += [f"# {one_line(each)}" for each in notes(found)]
    lines += ["events:" if written["events"] else "events: {}"]
    for name, event in written["events"].items():
        lines.append(f"  {as_text(name)}:" + ("" if event else " {}"))
        if "source" in event:
            lines.append(f"    source: {_flow(event['source'])}")
        if "fields" in event:
            lines.append("    fields:" + ("" if event["fields"] else " {}"))
            lines += [f"      {as_text(path)}: {_flow(kind)}" for path, kind in event["fields"].items()]
    for name, source in written["sources"].items():
        if any(source.values()):
            lines += ["", f"# For the source `{name}`:"]
        if consents := source.get("consents"):
            lines.append(f"#   consents: {_flow(consents)}")
        for key in ("attributes", "fields"):
            if fields := source.get(key):
                lines += [f"#   {key}:", *(f"#     {as_text(path)}: {kind}" for path, kind in fields.items())]
    return "\n".join(lines) + "\n"


def is_made(path: Path) -> bool:
    """Whether a file is a plan that `as_yaml` wrote."""
    try:
        with path.open("rb") as file:
            return file.read(len(_BEGINNING)) == _BEGINNING.encode()
    except OSError:
        return False


def as_json(found: Inferred, rules: RuleSet) -> str:
    said = {
        key: [
            {"what": f"{what}s{why}", "count": count, "first": found.first[what, why]}
            for (what, why), count in counts.items()
        ]
        for key, counts in (("left_out", found.left_out), ("odd", found.odd))
    }
    return json.dumps({**as_objects(found, rules), **said}, ensure_ascii=False, indent=2) + "\n"


def notes(found: Inferred) -> Iterator[str]:
    """What is not in it, a line each."""
    for (what, why), count in found.left_out.items():
        yield f"left out: {some(count, what)}{why}, first {found.first[what, why]}"
    for (what, why), count in found.odd.items():
        yield f"{some(count, what)}{why}, first {found.first[what, why]}"
    for name, seen in sorted({**found.events, **found.others}.items()):
        if seen.is_open:
            yield f"left out: the fields of {name}, which are too many"
        if seen.left_out:
            what = "without a name, or whose name looks like a person's"
            yield f"left out: {seen.left_out:,} × a field of {name} {what}"
    if not found.room.fields:
        yield f"left out: fields beyond the first {MAX_FIELDS:,}"


def report(found: Inferred, files: PastEvents, errors: Console) -> None:
    """Say what was read, and what was not used."""
    count = some(sum(seen.count for seen in found.events.values()), "event")
    names = some(len(found.events), "name")
    for line in (f"{count} of {names}", *notes(found), *unknown_notes(files), *files.notes):
        errors.print(one_line(line), markup=False, highlight=False, soft_wrap=True)


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(as_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(each)}' for key, each in value.items())}}}"
    return as_text(value)


def as_text(text: str) -> str:
    """As YAML has it, in quotes where it could be taken for something else."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    escaped = (char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in text)
    return f'"{"".join(escaped)}"'
