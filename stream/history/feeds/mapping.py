"""A mapping: which column of a file fills which field of a source's records, and how it is read.

    columns:
      Kundennummer: customer_id                        # a column, and the field that it fills
      Datum: {field: ts, type: time, format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}
      Newsletter:                                      # one column for several fields
        - {field: consents.marketing_email.granted, type: boolean, words: {ja: true, nein: false}}
    constants: {event: purchase}
    others: drop
    empty: skip
    encoding: cp1252

Read as strictly as rule files, and held against the source and the tracking plan before anything is sent.
Tested by tests/history/feeds/test_mapping.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stream.diagnostics import Code, Diagnostic, Location
from stream.errors import RuleFileError
from stream.hints import did_you_mean, did_you_mean_zone
from stream.history.feeds.columns import (
    COLUMN_TYPES,
    DECIMALS,
    EMPTY,
    Column,
    Decimal,
    Empty,
    UnfitError,
    is_empty,
    put,
)
from stream.history.formats import encoding_of
from stream.rules import field_paths
from stream.rules.compiler.plan import TrackingPlan
from stream.rules.files import Entry, Mapped, Scalar, Text, Written, read_alone
from stream.rules.files import Sequence as Items
from stream.rules.model import FieldPath, Source
from stream.rules.shapes import ANYTHING, Shape, either, of_paths

Others = Literal["drop", "keep"]
OTHERS: tuple[Others, ...] = get_args(Others)
INLINE = "--map"  # the name of what is no file
_TOP = ("source", "columns", "constants", "others", "empty", "encoding")
_OF_COLUMN = ("field", "type", "format", "zone", "decimal", "empty", "words")
_GOES_WITH = {"format": "time", "zone": "time", "decimal": "number"}
_PLANNED = {"text": ("string",), "number": ("number",), "boolean": ("boolean",), "time": ("time", "string")}
_CONSENT = {"granted": "boolean", "at": "time", "basis": "string", "expires": "time"}


@dataclass(slots=True)
class FieldMapping:
    """What was written. `others`: whether columns that it does not name are sent, too. `encoding`: of the
    file's text, if it says so.
    """

    columns: list[Column] = field(default_factory=list)
    constants: dict[FieldPath, Any] = field(default_factory=dict)
    others: Others = "drop"
    source: str | None = None
    encoding: str | None = None
    places: dict[int | FieldPath, Location] = field(default_factory=dict)  # of columns and of constants

    def apply(self, row: dict[str, Any]) -> dict[str, Any]:
        """The record of a row. Raises UnfitError."""
        body: dict[str, Any] = {}
        if self.others == "keep":
            taken = {column.path for column in self.columns}
            body = _without(row, taken)
        for path, value in self.constants.items():
            put(body, path, value)
        for column in self.columns:
            cell = field_paths.value_at(row, column.path)
            if not is_empty(cell):
                put(body, column.target, column.read(cell))
            elif column.empty == "null":
                put(body, column.target, None)
            elif column.empty == "keep" and cell is not None:
                put(body, column.target, cell)
        return body

    def consents_of(self, row: dict[str, Any], customer: FieldPath) -> dict[str, Any]:
        """The record of a row of profiles with nothing but whose it is, and the consents that can be read."""
        body: dict[str, Any] = {}
        for path, value in self.constants.items():
            if path[0] == "consents" or path == customer:
                put(body, path, value)
        for column in self.columns:
            cell = field_paths.value_at(row, column.path)
            if (column.target[0] == "consents" or column.target == customer) and not is_empty(cell):
                with suppress(UnfitError):
                    put(body, column.target, column.read(cell))
        return body

    @property
    def as_texts(self) -> frozenset[str]:
        """Columns of CSV that must not be taken for numbers or the like."""
        return frozenset(".".join(each.path) for each in self.columns if each.is_read_as_text)


def _without(row: Mapping[str, Any], paths: set[FieldPath], at: FieldPath = ()) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in row.items():
        here = (*at, name)
        if here in paths:
            continue
        inner = isinstance(value, dict) and any(path[: len(here)] == here for path in paths)
        found[name] = _without(value, paths, here) if inner else value
    return found


def read_mapping(written: str) -> FieldMapping:
    """A file, or with `{` at its beginning the mapping itself. Raises RuleFileError with what is wrong."""
    inline = written.lstrip().startswith("{")
    found: list[Diagnostic] = []
    root = read_alone(Text(INLINE, written) if inline else Path(written))
    mapping = _MappingReader(found, Location(INLINE if inline else written)).mapping(root)
    if found:
        raise RuleFileError(found)
    return mapping


class _MappingReader:
    """Collects what is wrong."""

    def __init__(self, found: list[Diagnostic], whole: Location) -> None:
        self._found = found
        self._whole = whole

    def mapping(self, root: Written | None) -> FieldMapping:
        read = FieldMapping()
        if not isinstance(root, Mapped):
            self._wrong(
                Code.WRONG_TYPE,
                self._whole,
                "a mapping has `columns`",
                "write e.g. columns: {Id: customer_id}",
            )
            return read
        self._known(root, _TOP)
        entries = root.entries
        if "columns" not in entries and "constants" not in entries:
            self._wrong(Code.MISSING_KEY, root.location, "a mapping has `columns`")
        empty = cast(Empty, self._one_of(entries, "empty", EMPTY) or "skip")
        read.others = cast(Others, self._one_of(entries, "others", OTHERS) or "drop")
        read.source = self._text(entries, "source")
        read.encoding = self._encoding(entries)
        for entry in self._inside(entries, "columns"):
            several = entry.value.items if isinstance(entry.value, Items) else (entry.value,)
            for each in several:
                self._column(read, entry, each, empty)
        for entry in self._inside(entries, "constants"):
            target = self._path(entry.key, entry.location)
            if not isinstance(entry.value, Scalar):
                self._wrong(Code.WRONG_TYPE, entry.location, "a constant is a text, a number, true or false")
            elif target:
                self._goes_to(read, target, entry.location)
                read.constants[target] = entry.value.value
                read.places[target] = entry.location
        return read

    def _column(self, read: FieldMapping, entry: Entry, written: Written, empty: Empty) -> None:
        if isinstance(written, Scalar):
            options: Mapping[str, Entry] = {}
            to, at = written.written, written.location
        elif isinstance(written, Mapped):
            self._known(written, _OF_COLUMN)
            options, at = written.entries, written.location
            to = self._text(options, "field") or entry.key
        else:
            self._wrong(Code.WRONG_TYPE, entry.location, "a column goes to a field, or has `field` and more")
            return
        target = self._path(to, at)
        kind = self._one_of(options, "type", COLUMN_TYPES)
        for key, needs in _GOES_WITH.items():
            if key in options and kind != needs:
                hint = f"write type: {needs} beside it"
                self._wrong(
                    Code.KEY_OUT_OF_PLACE, options[key].location, f"`{key}` goes with a {needs}", hint
                )
        if not target:
            return
        self._goes_to(read, target, at)
        read.places[len(read.columns)] = at
        read.columns.append(
            Column(
                entry.key,
                column_path(entry.key),
                target,
                cast(Any, kind),
                self._format(options),
                self._zone(options),
                cast(Decimal, self._one_of(options, "decimal", DECIMALS) or "point"),
                cast(Empty, self._one_of(options, "empty", EMPTY) or empty),
                self._words(options),
            )
        )

    def _goes_to(self, read: FieldMapping, target: FieldPath, at: Location) -> None:
        for other in [*(each.target for each in read.columns), *read.constants]:
            if other[: len(target)] == target[: len(other)]:
                message = f"`{field_paths.write(target)}` is filled twice, or lies within another field"
                self._wrong(Code.DEFINED_TWICE, at, message)
                return

    def _words(self, options: Mapping[str, Entry]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for entry in self._inside(options, "words"):
            if isinstance(entry.value, Scalar):
                found[entry.key.strip()] = entry.value.value
            else:
                self._wrong(
                    Code.WRONG_TYPE, entry.location, "a word stands for a text, a number, true or false"
                )
        return found

    def _format(self, options: Mapping[str, Entry]) -> str | None:
        text = self._text(options, "format")
        if text is None:
            return None
        try:
            # What cannot be read back says too little, such as a day without a year.
            datetime.strptime(datetime(2026, 3, 2, 13, 45).strftime(text), text)
        except ValueError:
            hint = 'as Python writes it: "%d.%m.%Y %H:%M" is 02.03.2026 13:45'
            self._wrong(Code.NO_TIME, options["format"].location, "no form of a time", hint)
            return None
        if not {"%Y", "%y", "%c", "%x", "%s"} & set(re.findall(r"%\w", text)):
            self._wrong(Code.NO_TIME, options["format"].location, "a form of a time without a year")
        if "%z" not in text and "zone" not in options:
            hint = "write e.g. zone: Europe/Berlin, or zone: UTC"
            self._wrong(Code.MISSING_KEY, options["format"].location, "which zone is such a time of?", hint)
        return text

    def _encoding(self, entries: Mapping[str, Entry]) -> str | None:
        text = self._text(entries, "encoding")
        if text is None:
            return None
        try:
            return encoding_of(text)
        except ValueError as error:
            message = f"`encoding` cannot be `{text[:80]}`"
            self._wrong(Code.UNKNOWN_NAME, entries["encoding"].location, message, str(error))
            return None

    def _zone(self, options: Mapping[str, Entry]) -> ZoneInfo | None:
        name = self._text(options, "zone")
        if name is None:
            return None
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = f"there is no time zone `{name[:80]}`"
            self._wrong(Code.UNKNOWN_TIME_ZONE, options["zone"].location, message, did_you_mean_zone(name))
            return None

    def _path(self, text: str, at: Location) -> FieldPath:
        try:
            return field_paths.read(text)
        except ValueError:
            message = f"`{text[:80]}` is no field path"
            self._wrong(Code.NO_FIELD_PATH, at, message, field_paths.hint(text))
            return ()

    def _known(self, body: Mapped, keys: Sequence[str]) -> None:
        for key, entry in body.entries.items():
            if key not in keys:
                hint = did_you_mean(key, keys) or f"there are: {', '.join(keys)}"
                self._wrong(Code.UNKNOWN_KEY, entry.location, f"unknown key `{key}`", hint)

    def _inside(self, entries: Mapping[str, Entry], key: str) -> Iterator[Entry]:
        if (entry := entries.get(key)) is None:
            return
        if isinstance(entry.value, Mapped):
            yield from entry.value.entries.values()
        else:
            self._wrong(Code.WRONG_TYPE, entry.location, f"`{key}` must be a mapping")

    def _text(self, entries: Mapping[str, Entry], key: str) -> str | None:
        if (entry := entries.get(key)) is None:
            return None
        if isinstance(entry.value, Scalar) and entry.value.written:
            return entry.value.written
        self._wrong(Code.WRONG_TYPE, entry.location, f"`{key}` must be a text")
        return None

    def _one_of(self, entries: Mapping[str, Entry], key: str, choices: Sequence[str]) -> str | None:
        text = self._text(entries, key)
        if text is None or text in choices:
            return text
        hint = did_you_mean(text, choices) or f"there are: {', '.join(choices)}"
        self._wrong(Code.UNKNOWN_NAME, entries[key].location, f"`{key}` cannot be `{text[:80]}`", hint)
        return None

    def _wrong(self, code: Code, at: Location, message: str, hint: str | None = None) -> None:
        self._found.append(Diagnostic(code, at, message, hint))


def column_path(name: str) -> FieldPath:
    """Where the cells of a column are in a row: a field path, or what a heading of CSV leads to."""
    try:
        return field_paths.read(name)
    except ValueError:
        parts = tuple(name.split("."))
        return parts if all(parts) else (name,)


# ---- held against the source and the plan ----


def hold(
    mapping: FieldMapping, source: Source, plan: TrackingPlan, columns: Iterable[FieldPath] | None
) -> list[Diagnostic]:
    """What is wrong with a mapping for this source. `columns`: all that the file has, None: not known."""
    return list(_findings(mapping, source, plan, None if columns is None else list(columns)))


def _findings(
    mapping: FieldMapping, source: Source, plan: TrackingPlan, columns: list[FieldPath] | None
) -> Iterator[Diagnostic]:
    shape = shape_of(source, plan, _event_names(mapping, source))
    for number, column in enumerate(mapping.columns):
        at = mapping.places[number]
        if columns is not None and not any(each[: len(column.path)] == column.path for each in columns):
            names = [".".join(each) for each in columns]
            hint = did_you_mean(column.name, names) or f"there are: {', '.join(names[:20])}"
            yield Diagnostic(Code.UNKNOWN_NAME, at, f"the file has no column `{column.name}`", hint)
        yield from _held(source, plan, shape, column.target, column.type, at)
    for path in mapping.constants:
        yield from _held(source, plan, shape, path, None, mapping.places[path])
    name = mapping.constants.get(source.event or ())
    if isinstance(name, str) and plan.events and name not in plan.events:
        at, meant = mapping.places[source.event or ()], did_you_mean(name, plan.events)
        yield Diagnostic(Code.EVENT_NOT_IN_PLAN, at, f"the tracking plan has no event `{name}`", meant)
    yield from _lacks(mapping, source)


def _event_names(mapping: FieldMapping, source: Source) -> list[str] | None:
    constant = source.constant or mapping.constants.get(source.event or ())
    return [constant] if isinstance(constant, str) else None


def shape_of(source: Source, plan: TrackingPlan, names: Sequence[str] | None) -> Shape:
    """What a record of the source can have. `names`: of its events, None: any that may come from there."""
    if source.kind == "context":
        return plan.contexts.get(source.name, ANYTHING)
    if source.kind == "profile":
        at = [path for path in (source.customer, source.time) if path]
        inner: dict[FieldPath, Shape] = {
            ("attributes",): plan.attributes or ANYTHING,
            ("consents",): ANYTHING,
        }
        return of_paths({**dict.fromkeys(at, ANYTHING), **inner})
    if names is None:
        names = [key for key, each in plan.events.items() if not each.sources or source.name in each.sources]
    known = [plan.events[name].shape for name in names if name in plan.events]
    return either(known) if known else ANYTHING


def _held(
    source: Source, plan: TrackingPlan, shape: Shape, target: FieldPath, kind: str | None, at: Location
) -> Iterator[Diagnostic]:
    written = field_paths.write(target)
    if (missing := shape.missing(target)) is not None:
        here = shape.at(target[:missing])
        hint = did_you_mean(target[missing], here.fields or ())
        code = Code.ATTRIBUTE_NOT_IN_PLAN if target[0] == "attributes" else Code.FIELD_NOT_IN_PLAN
        what = "a profile has no" if source.kind == "profile" and not missing else "the tracking plan has no"
        if source.kind == "profile" and not missing:
            hint = hint or f"an attribute is attributes.{written}, a consent consents.PURPOSE.granted"
        yield Diagnostic(code, at, f"{what} `{written}`", hint)
        return
    planned: str = shape.at(target).type
    if source.kind == "profile" and target[0] == "consents":
        if len(target) != 3 or target[2] not in _CONSENT:
            hint = (
                did_you_mean(target[-1], _CONSENT)
                or "write consents.PURPOSE.granted, .at, .basis or .expires"
            )
            yield Diagnostic(Code.FIELD_NOT_IN_PLAN, at, f"a consent has no `{written}`", hint)
            return
        if plan.purposes is not None and target[1] not in plan.purposes:
            hint = did_you_mean(target[1], plan.purposes)
            yield Diagnostic(
                Code.PURPOSE_NOT_IN_PLAN, at, f"the tracking plan has no purpose `{target[1]}`", hint
            )
            return
        planned = _CONSENT[target[2]]
    if kind is not None and planned != "any" and planned not in _PLANNED[kind]:
        yield Diagnostic(Code.NOT_AS_PLANNED, at, f"`{written}` is a {planned}, and not a {kind}")


def _lacks(mapping: FieldMapping, source: Source) -> Iterator[Diagnostic]:
    """Fields without which a worker puts every record aside."""
    needed = {"customer": source.customer, "event": source.event}
    filled = [*(each.target for each in mapping.columns), *mapping.constants]
    places = mapping.places.values()
    at = Location(next(iter(places)).file if places else INLINE)
    for key, path in needed.items():
        if path is None or mapping.others == "keep" or any(path[: len(each)] == each for each in filled):
            continue
        written = field_paths.write(path)
        near = did_you_mean(written, map(field_paths.write, filled))
        hint = f"`{near.split('`')[1]}` is filled: is it meant?" if near else f"map a column to `{written}`"
        yield Diagnostic(
            Code.MISSING_KEY, at, f"nothing fills `{written}`, the {key} of the source `{source.name}`", hint
        )
