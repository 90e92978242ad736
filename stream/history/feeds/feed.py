"""What a file has for a source: its rows as the records that a worker takes, and of the others why not.

A row is judged by the engine itself, with nothing but the source: what a worker would put aside is not sent.
Beside that it is held against the tracking plan. What is left out is counted by its reason, with the place of
the first, and without what is in it. Tested by tests/history/feeds/test_feed.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from stream.clock import Clock, wall_ms
from stream.diagnostics import some
from stream.engine import PartitionState, process
from stream.errors import EventFileError, RuleFileError
from stream.hints import did_you_mean
from stream.history._past import PastEvent
from stream.history.csv_rows import CsvRows
from stream.history.feeds.columns import UnfitError
from stream.history.feeds.mapping import FieldMapping, hold, shape_of
from stream.history.inputs import Input, ignore
from stream.history.progress import QUIET, Progress
from stream.history.unusable import likely_fix
from stream.rules import field_paths
from stream.rules.compiler.plan import TrackingPlan, fits
from stream.rules.compiler.rule_set import compile_files
from stream.rules.files import RuleFiles, collect
from stream.rules.model import FieldPath, RuleSet, Source
from stream.rules.shapes import Shape
from stream.structs import BATCH_BYTES, MOST_BYTES, RECORD_BYTES, Batch, DeadLetter

ROWS = 1_000  # that are judged, and sent, at a time
MOST_REASONS = 40  # that are told apart
_ODD = {
    "future_time": "with a time in the future: they count as of when they are sent",
    "unknown_consent": "with a consent that is not clear: it counts as withdrawn",
    "timezone": "with a time zone that cannot be read: quiet hours count as on",
    "evicted": "with more than is kept of a customer",
}
_IS_NO = {
    "string": "text",
    "boolean": "true or false",
    "number": "number",
    "list": "list",
    "object": "object",
}


class FeedRecord(NamedTuple):
    """A record as it is sent. `number`: of its line, row or item."""

    number: int
    key: bytes
    value: bytes


class FeedPortion(NamedTuple):
    """Some rows: the records of those that can be sent. `next`: the number of the row behind them."""

    records: list[FeedRecord]
    next: int


@dataclass(slots=True)
class RowCounts:
    """Rows by what is to be said of them: how many, and where the first is."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, why: str, place: str = "", count: int = 1) -> None:
        if why not in self.counts and len(self.counts) >= MOST_REASONS:
            why = "for other reasons"
        self.counts[why] = self.counts.get(why, 0) + count
        if place:
            self.first.setdefault(why, place)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def lines(self, what: str, joint: str = " ") -> Iterator[str]:
        for why, count in self.counts.items():
            place = f", first {self.first[why]}" if why in self.first else ""
            yield f"{some(count, what)}{joint}{why}{place}"


class SourcesAlone(NamedTuple):
    """Of a rules directory what is said of sources and events; the rest need not be right."""

    rules: RuleSet
    plan: TrackingPlan


def sources_alone(directory: Path) -> SourcesAlone:
    """Raises RuleFileError."""
    files, found = collect(directory)
    checked = compile_files(RuleFiles(sources=files.sources, events=files.events), found)
    if checked.rules is None:
        raise RuleFileError([each for each in checked.diagnostics if each.severity == "error"])
    return SourcesAlone(checked.rules, checked.plan)


def source_of(rules: RuleSet, name: str | None) -> Source:
    """The source of a name, or the only one. Raises EventFileError."""
    names = [each.name for each in rules.sources]
    if name is None and len(names) != 1:
        raise EventFileError("of which source is it?", hint=f"say --source; there are: {', '.join(names)}")
    for each in rules.sources:
        if each.name == (name or names[0]):
            return each
    hint = did_you_mean(name or "", names) or f"there are: {', '.join(names)}"
    raise EventFileError(f"the rules have no source `{name}`", hint=hint)


class Feed:
    """An input, to be sent to a source. `first`: the row to begin with. `left_out`: what is not sent, `odd`:
    what is sent all the same.
    """

    def __init__(
        self,
        origin: Input,
        source: Source,
        alone: SourcesAlone,
        mapping: FieldMapping | None = None,
        first: int = 1,
    ) -> None:
        """Raises EventFileError, and RuleFileError where the mapping does not fit file, source and plan."""
        self.source = source
        self.origin = origin
        self.origin.encoding = mapping.encoding if mapping is not None else None
        self.left_out = RowCounts()
        self.odd = RowCounts()
        self.most_bytes = MOST_BYTES
        self.taken = 0
        self.first = first
        self._alone = alone
        self._mapping = mapping
        self._shapes: dict[str | None, Shape] = {}
        self._filled = [0] * len(mapping.columns if mapping else ())
        self._cut_off = 0
        self._columns: list[FieldPath] = []
        self._open()

    def _open(self) -> None:
        first = next((each.values for each in self.origin.pieces(ignore, whole=False) if each.values), [])
        rows = self.origin.rows
        known = None
        if isinstance(rows, CsvRows):
            self._columns = known = [each.path for each in rows.columns if each.path]
            self._cut_off = rows.cut_row
        else:
            self._columns = list(dict.fromkeys(path for each in first[:ROWS] for path in _paths(each)))
        if self._mapping is None:
            return
        if found := hold(self._mapping, self.source, self._alone.plan, known):
            raise RuleFileError(found)
        if isinstance(rows, CsvRows):
            rows.take_as_texts(self._mapping.as_texts, self.origin.name)

    @property
    def topics(self) -> list[str]:
        """Those of all sources of the rules."""
        return [each.topic for each in self._alone.rules.sources]

    def notes(self) -> Iterator[str]:
        """What is to be known before it is sent."""
        source = self.source
        yield from self.origin.rows.notes if self.origin.rows is not None else ()
        if self._mapping is not None and self._mapping.others == "drop" and self._columns:
            used = [each.path for each in self._mapping.columns]
            unused = [each for each in self._columns if not any(each[: len(path)] == path for path in used)]
            if unused:
                names = ", ".join(".".join(each) for each in unused[:10]) + (
                    ", …" if len(unused) > 10 else ""
                )
                yield f"not sent, as no field is theirs: {names} (`others: keep` sends them)"
        if source.kind == "event":
            if source.id is None:
                yield f"`{source.name}` has no `id`: what is sent twice counts twice"
            elif source.dedupe is None:
                yield (
                    f"`{source.name}` has an `id` and no `dedupe`: what is sent twice counts twice, "
                    "with the same trigger ids"
                )
        if source.time is None:
            yield f"`{source.name}` has no `time`: all of it counts as of when it is sent"

    def portions(self, progress: Progress = QUIET, rows: int = ROWS) -> Iterator[FeedPortion]:
        """The records in the order of the rows. Raises EventFileError where the rest cannot be read."""
        progress.begin("sending", self.origin.size, "bytes")
        held: list[tuple[int, bytes]] = []
        for piece in self.origin.pieces(progress.reach, whole=False):
            numbers = piece.numbers
            if isinstance(numbers, int):
                numbers = range(numbers, numbers + len(piece.values))
            for number, value in zip(numbers, piece.values, strict=True):
                if number < self.first or not value.strip():
                    continue
                held.append((number, value))
                if len(held) == rows:
                    yield self._portion(held)
                    held = []
        if held:
            yield self._portion(held)

    def after(self) -> Iterator[str]:
        """What is to be said once all of it was looked at."""
        for count, column in zip(self._filled, self._mapping.columns if self._mapping else (), strict=True):
            if not count and self.taken:
                near = did_you_mean(column.name, [".".join(each) for each in self._columns])
                yield f"no row had anything in `{column.name}`" + (f" ({near})" if near else "")

    def _portion(self, rows: Sequence[tuple[int, bytes]]) -> FeedPortion:
        now = wall_ms()
        bodies: list[dict[str, Any]] = []
        events: list[PastEvent] = []
        for number, value in rows:
            try:
                body, value = self._record(number, value)
            except UnfitError as error:
                self._leave_out(str(error), number)
                continue
            events.append(PastEvent(self.origin, 0, 0, number, now, None, value, len(events)))
            bodies.append(body)
        put_aside = self._judge(events)
        records = []
        for at, (event, body) in enumerate(zip(events, bodies, strict=True)):
            if at in put_aside and not self._is_for_what_it_takes_back(body, put_aside[at], event.place):
                self._leave_out(put_aside[at], event.number)
                continue
            customer = str(field_paths.value_at(body, self.source.customer))
            one = FeedRecord(event.number, customer.encode(), event.value or b"")
            if len(one.key) + len(one.value) + BATCH_BYTES + RECORD_BYTES > self.most_bytes:
                self._leave_out(
                    f"larger than the topic takes: max.message.bytes is {self.most_bytes:,}", event.number
                )
                continue
            self._look(body, event.place)
            records.append(one)
        self.taken += len(records)
        return FeedPortion(records, rows[-1][0] + 1)

    def _leave_out(self, why: str, number: int) -> None:
        self.left_out.add(why, self.origin.place_of(number))

    def _record(self, number: int, value: bytes) -> tuple[dict[str, Any], bytes]:
        """What a row becomes, as object and as bytes. Raises UnfitError."""
        if number == self._cut_off:
            raise UnfitError("the row is cut off: it has fewer cells than the header, and no end of line")
        try:
            body = orjson.loads(value)
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            event = PastEvent(self.origin, 0, 0, number, 0, None, value.strip(), 0)
            raise UnfitError(
                f"no JSON object ({likely_fix(DeadLetter(self.source.name, 'json', event), self.source)})"
            )
        if self._mapping is None:
            other = body.get("source")
            names = [each.name for each in self._alone.rules.sources if each.name != self.source.name]
            if other in names:
                raise UnfitError(
                    f"it says that it is of the source `{other}`: send that with --source {other}"
                )
            value = value.strip()
        else:
            for at, column in enumerate(self._mapping.columns):
                self._filled[at] += field_paths.value_at(body, column.path) is not None
            body = self._mapped(self._mapping, body, number)
            value = orjson.dumps(body)
        try:
            self._hold(body)
        except UnfitError as error:
            if not self._is_for_what_it_takes_back(body, str(error), self.origin.place_of(number)):
                raise
        return body, value

    def _mapped(self, mapping: FieldMapping, row: dict[str, Any], number: int) -> dict[str, Any]:
        try:
            return mapping.apply(row)
        except UnfitError as error:
            if self.source.kind == "profile":
                body = mapping.consents_of(row, self.source.customer)
                if self._is_for_what_it_takes_back(body, str(error), self.origin.place_of(number)):
                    return body
            raise

    def _is_for_what_it_takes_back(self, body: dict[str, Any], why: str, place: str) -> bool:
        """A withdrawal is sent whatever else is wrong with its row: a worker takes it, and nothing but it."""
        consents = body.get("consents") if self.source.kind == "profile" else None
        if not isinstance(consents, dict) or not field_paths.value_at(body, self.source.customer):
            return False
        if all(isinstance(each, dict) and each.get("granted") is True for each in consents.values()):
            return False
        self.odd.add(f"sent as it takes back a consent, although: {why}", place)
        return True

    def _judge(self, events: Sequence[PastEvent]) -> dict[int, str]:
        """By their places those that a worker would put aside, and why."""
        rules, name = self._alone.rules, self.source.name
        ended = frozenset(each.name for each in rules.sources)
        batch, state, found = Batch(0, {name: events}, ended), PartitionState(rules), {}
        while True:
            result = process(batch, rules, state, Clock())
            for letter in result.dead_letters:
                found[letter.record.offset] = likely_fix(letter, self.source)
            for (_, reason), count in result.errors.items():
                if reason in _ODD:
                    self.odd.add(_ODD[reason], count=count)
            if not result.more:
                return found
            batch = Batch(0, {}, ended)

    # ---- the tracking plan ----

    def _hold(self, body: dict[str, Any]) -> None:
        """Raises UnfitError where a record is not what the plan says."""
        plan, source = self._alone.plan, self.source
        name = None
        if source.kind == "event":
            name = source.constant or field_paths.value_at(body, source.event or ())
            if not isinstance(name, str):
                return  # the engine says so
            if plan.events and name not in plan.events:
                near = did_you_mean(name, plan.events)
                raise UnfitError(
                    "an event that the tracking plan does not have" + (f" ({near})" if near else "")
                )
        _hold_fields(self._shape(name), body, ())
        consents = body.get("consents") if source.kind == "profile" else None
        if plan.purposes is not None and isinstance(consents, dict):
            for purpose in consents:
                if purpose not in plan.purposes:
                    near = did_you_mean(purpose, plan.purposes)
                    why = "a purpose that the tracking plan does not have"
                    raise UnfitError(why + (f" ({near})" if near else ""))

    def _shape(self, name: str | None) -> Shape:
        if name not in self._shapes:
            self._shapes[name] = shape_of(self.source, self._alone.plan, None if name is None else [name])
        return self._shapes[name]

    def _look(self, body: dict[str, Any], place: str) -> None:
        """What is odd, and sent all the same."""
        source = self.source
        name = source.constant or field_paths.value_at(body, source.event or ())
        missing = _not_planned(self._shape(name if source.kind == "event" else None), body)
        if missing is not None:
            near = did_you_mean(missing[0], missing[1])
            self.odd.add(
                "with a field that the tracking plan does not have" + (f" ({near})" if near else ""), place
            )
        if source.kind == "event" and source.id is not None and not field_paths.value_at(body, source.id):
            self.odd.add(f"without an id in `{field_paths.write(source.id)}`", place)


def _paths(value: bytes) -> Iterator[FieldPath]:
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError:
        return
    if isinstance(body, dict):
        yield from ((name,) for name in body)


def _hold_fields(shape: Shape, body: dict[str, Any], at: FieldPath) -> None:
    """Raises UnfitError where a value is not of the planned type, or none of the planned values."""
    for name, inner in (shape.fields or {}).items():
        value = body.get(name)
        if value is None:
            continue
        path = field_paths.write((*at, name))
        if not fits(value, inner.type):
            what = _IS_NO.get(inner.type, "time in ISO 8601")
            raise UnfitError(
                f"`{path}` is {'neither ' if inner.type == 'boolean' else 'no '}{what}".replace(
                    "true or", "true nor"
                )
            )
        if inner.values and value not in inner.values:
            raise UnfitError(f"`{path}` is none of the values that the tracking plan has")
        if isinstance(value, dict):
            _hold_fields(inner, value, (*at, name))


def _not_planned(shape: Shape, body: dict[str, Any]) -> tuple[str, list[str]] | None:
    """The first field that the plan does not have, and those that it has there."""
    if shape.fields is None:
        return None
    for name, value in body.items():
        if name not in shape.fields:
            if name == "source":
                continue  # the file's, not the event's
            return name, list(shape.fields)
        if isinstance(value, dict) and (found := _not_planned(shape.fields[name], value)) is not None:
            return found
    return None
