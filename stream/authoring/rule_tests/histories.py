"""Files of events that tests begin with (`history`): what happened to a customer before the test's start.

A line is a record as in a backtest (`event_files`), with a time of its own. A file lies below the rules'
directory, where those who review the rules see it, and is small: each test that names it plays all of it.
Tested by tests/authoring/rule_tests/test_histories.py.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from stream.clock import LATEST
from stream.diagnostics import Code, Diagnostic, Location, in_file_order
from stream.errors import StreamError
from stream.history._past import PastEvent
from stream.history.event_files import EventFiles
from stream.history.formats import LONGEST, is_packed
from stream.history.inputs import Input
from stream.history.unusable import likely_fix
from stream.regular_files import open_regular
from stream.rules.compiler.rule_set import Checked
from stream.rules.model import RuleSet
from stream.rules.testcases import HistoryFile, RuleTest
from stream.structs import DeadLetter

MAX_BYTES = 5_000_000
MAX_RECORDS = 10_000


@dataclass(frozen=True, slots=True)
class History:
    """The records of a file by source, each in the order of the file; `begin` and `end`: their times, in ms.

    `customers`: of whom they are.
    """

    records: Mapping[str, Sequence[PastEvent]] = field(default_factory=dict)
    customers: frozenset[str] = frozenset()
    begin: int = LATEST
    end: int = 0
    latest: str = ""  # where the record stands that is dated `end`


NOTHING = History()


def with_histories(checked: Checked, directory: Path) -> tuple[Checked, Mapping[str, History]]:
    """What a check found, with what is wrong with the files that tests name; and those files."""
    if checked.rules is None:
        return checked, {}
    read, broken = read_histories(checked.tests, checked.rules, directory)
    if not broken:
        return checked, read
    found = tuple(in_file_order([*checked.diagnostics, *broken]))
    return replace(checked, rules=None, diagnostics=found), read


def read_histories(
    tests: Iterable[RuleTest], rules: RuleSet, directory: Path
) -> tuple[Mapping[str, History], list[Diagnostic]]:
    """The files that tests name, by their paths, and what is wrong with them, where they are named."""
    read: dict[str, History] = {}
    broken: dict[str, Diagnostic] = {}
    found: list[Diagnostic] = []
    for test in tests:
        named = test.history
        if named is None:
            continue
        if named.path not in read and named.path not in broken:
            try:
                read[named.path] = _read(named, rules, directory)
            except _NoHistory as refused:
                broken[named.path] = refused.diagnostic
        if named.path in broken:
            found.append(broken[named.path])
        else:
            found += _unfit(test, named.location, read[named.path])
    return read, found


class _NoHistory(Exception):  # noqa: N818  # carries a finding to where the files are read
    def __init__(self, code: Code, at: Location, message: str, hint: str | None = None) -> None:
        self.diagnostic = Diagnostic(code, at, f"`history` {message}", hint)


def _read(named: HistoryFile, rules: RuleSet, directory: Path) -> History:
    _check(named, Path(named.path), directory)
    try:
        files = EventFiles([Input(named.path)], rules, now=LATEST)
        _check_records(named, files)
        records: dict[str, list[PastEvent]] = {}
        for batch in files.batches():
            for source, some in batch.records.items():
                records.setdefault(source, []).extend(some)
    except StreamError as error:
        message = f"cannot be read: {error.message}"
        raise _NoHistory(Code.FILE_NOT_READABLE, named.location, message, error.hint) from None
    every = [each for some in records.values() for each in some]
    _check_usable(named, records, rules)
    first = min(every, key=lambda each: each.timestamp)
    last = max(every, key=lambda each: each.timestamp)
    customers = frozenset(_customers(records, rules))
    return History(records, customers, first.timestamp, last.timestamp, last.place)


def _customers(records: Mapping[str, Sequence[PastEvent]], rules: RuleSet) -> Iterator[str]:
    """The ids of customers, as far as records say one."""
    paths = {source.name: source.customer for source in rules.sources}
    for source, some in records.items():
        for each in some:
            try:
                value = orjson.loads(each.value or b"")
            except orjson.JSONDecodeError:
                continue  # a test that plays it fails at this line
            for name in paths[source]:
                value = value.get(name) if isinstance(value, dict) else None
            yield str(value)


def _check(named: HistoryFile, path: Path, directory: Path) -> None:
    """Before anything of it is read."""
    hint = "it must lie in the rules' folder, or below"
    try:
        if not path.resolve(strict=True).is_relative_to(directory.resolve()):
            raise _NoHistory(Code.FILE_NOT_READABLE, named.location, "leaves the rules' folder", hint)
        with open_regular(path) as file:
            size, packed = path.stat().st_size, is_packed(file.read(LONGEST))
    except OSError as error:
        message = "leads nowhere" if error.errno == errno.ENOENT else f"cannot be read: {error.strerror}"
        raise _NoHistory(Code.FILE_NOT_READABLE, named.location, f"{message}: {path}", hint) from None
    if packed:
        message = "is packed"
        raise _NoHistory(Code.FILE_NOT_READABLE, named.location, message, "unpack it: it is read in reviews")
    if size > MAX_BYTES:
        message = f"has more than {MAX_BYTES:,} bytes"
        raise _NoHistory(Code.FILE_TOO_LARGE, named.location, message, "keep what the test is about")


def _check_records(named: HistoryFile, files: EventFiles) -> None:
    if not files.total:
        raise _NoHistory(
            Code.FILE_NOT_READABLE, named.location, "has no records", "write one JSON object a line"
        )
    if files.total > MAX_RECORDS:
        message = f"has more than {MAX_RECORDS:,} records"
        raise _NoHistory(Code.FILE_TOO_LARGE, named.location, message, "keep what the test is about")
    sources = {each.name for each in files.rules.sources}
    for source in sorted(files.unknown):
        message = f"has records of a source that the rules do not have: `{source[:40]}`"
        hint = f"there are: {', '.join(sorted(sources))}"
        raise _NoHistory(Code.UNKNOWN_NAME, named.location, message, hint)


def _check_usable(named: HistoryFile, records: Mapping[str, Sequence[PastEvent]], rules: RuleSet) -> None:
    """At least one record is an object, and one says a time."""
    sources = {each.name: each for each in rules.sources}
    source, first = next((source, some[0]) for source, some in records.items() if some)
    every = [each for some in records.values() for each in some]
    if not any(map(_is_object, every)):
        hint = likely_fix(DeadLetter(source, "json", first), sources[source])
        message = f"has nothing that is a JSON object, first {first.place}"
        raise _NoHistory(Code.FILE_NOT_READABLE, named.location, message, hint)
    if all(each.timestamp < 0 for each in every):
        hint = likely_fix(DeadLetter(source, "time", first), sources[source])
        raise _NoHistory(Code.NO_TIME, named.location, f"says no time, first {first.place}", hint)


def _is_object(record: PastEvent) -> bool:
    try:
        return isinstance(orjson.loads(record.value or b""), dict)
    except orjson.JSONDecodeError:
        return False


def _unfit(test: RuleTest, at: Location, history: History) -> Iterator[Diagnostic]:
    """What of a file does not fit a test."""
    if test.customer.id not in history.customers:
        message = "`history` has nothing of the test's customer"
        hint = "say who it is about: `customer: {id: …}`"
        yield Diagnostic(Code.UNKNOWN_NAME, at, message, hint)
    if history.end > test.start:
        message = f"`history` goes on after the test's start, at {history.latest}"
        hint = "give the test a later `start`, or say in `events` what happens then"
        yield Diagnostic(Code.NO_TIME, at, message, hint)
