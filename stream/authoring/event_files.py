"""Files of past events: JSON lines `{"source": "clickstream", …event…}`, plain, gzipped, or `-` for stdin.

Read twice: once to count each source's lines, so that the second reading knows after which line a source has
nothing more to come and the engine need not wait for it. What is held in memory is only as much as one source
runs ahead of another in the input. Standard input is written to a temporary file first.

A line belongs to the source that it names, of `NAME=FILE` to that one, else to the first source of events. A
line that is no JSON object goes there as it is: the engine makes a dead letter of it, which is counted, so
nothing is lost silently. Lines of a source that the rules do not have are counted by its name.

What Kafka would have stamped a record with is its `timestamp`, if the line has one, else the time of the line
before it: it counts where the source maps no time, or one that is ahead of now. What stands before the
first time of all comes just before that.
Tested by tests/authoring/test_event_files.py.
"""

from __future__ import annotations

import gzip
import re
import shutil
import sys
import tempfile
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import orjson

from stream.authoring.replay import ReplayedRecord
from stream.clock import wall_ms
from stream.engine import FUTURE_MS
from stream.errors import EventFileError
from stream.events._times import parse_time
from stream.hints import did_you_mean
from stream.rules.model import FieldPath, RuleSet, Source

STANDARD_INPUT = "-"
CHUNK = 5_000  # lines
MAX_LINE = 1_048_576  # bytes, as of a Kafka record
NO_TIME = -1
OTHERS = "(others)"  # sources that are no names, or too many
_GZIP = b"\x1f\x8b"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")  # of a topic
MAX_NAMES = 1_000  # of sources that the rules do not have

Chunk = tuple[
    dict[str, list[ReplayedRecord]], frozenset[str]
]  # records by source; the sources that have ended


class EventFile(NamedTuple):
    """A file as the user calls it, and where it lies; `source`: what all of its lines are of."""

    name: str
    path: Path
    source: str | None = None


class Line(NamedTuple):
    """A line that has something in it. `event`: what it says, if that is an object."""

    text: bytes
    place: str
    source: str
    event: Mapping[str, Any]


@dataclass(slots=True)
class EventFiles:
    """The lines of some files, in the order given: `lines` and `unknown` count them by source.

    `placed`: those whose time is that of their place in the file. `first_unknown`, `first_ahead`: by source,
    the place of the first line whose source is none, or that is dated more than five minutes after `now`.
    """

    files: Sequence[EventFile]
    rules: RuleSet
    now: int = field(default_factory=wall_ms)
    lines: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    placed: Counter[str] = field(default_factory=Counter)
    first_unknown: dict[str, str] = field(default_factory=dict)
    first_ahead: dict[str, str] = field(default_factory=dict)
    _sources: dict[str, Source] = field(init=False)
    _begin: int = field(default=NO_TIME, init=False)

    def __post_init__(self) -> None:
        self._sources = {source.name: source for source in self.rules.sources}
        for line in self._read():
            self.lines[line.source] += 1
            if self._begin == NO_TIME and (time := self._time_of(line)) is not None:
                self._begin = max(time - 1, 0)

    @property
    def total(self) -> int:
        return self.lines.total()

    def chunks(self) -> Iterator[Chunk]:
        """The lines as the engine takes them; the first and the last chunk may be empty."""
        names = frozenset(self._sources)
        left, offsets, time = Counter(self.lines), Counter[str](), self._begin
        records: dict[str, list[ReplayedRecord]] = {}
        for count, line in enumerate(self._read(), 1):
            source = line.source
            if source not in names:
                self._skip(line)
                continue
            own = self._time_of(line)
            time = time if own is None else own
            self.placed[source] += own is None and self._says_no_time(line)
            record = ReplayedRecord(offsets[source], time, line.text, place=line.place)
            records.setdefault(source, []).append(record)
            offsets[source] += 1
            left[source] -= 1
            if count % CHUNK == 0:
                yield records, frozenset(name for name in names if not left[name])
                records = {}
        yield records, names

    def _time_of(self, line: Line) -> int | None:
        """When a record was by what it says, if that can be believed."""
        source = self._sources.get(line.source)
        if source is None:
            return None
        mapped = None if source.time is None else parse_time(_at(line.event, source.time))
        if mapped is not None and mapped <= self.now + FUTURE_MS:
            return mapped
        if mapped is not None:
            self.first_ahead.setdefault(source.name, line.place)
        stamped = parse_time(line.event.get("timestamp"))
        return stamped if stamped is not None and stamped <= self.now + FUTURE_MS else None

    def _says_no_time(self, line: Line) -> bool:
        path = self._sources[line.source].time
        return bool(line.event) and self._begin != NO_TIME and (path is None or _at(line.event, path) is None)

    def _skip(self, line: Line) -> None:
        # What is no name is not shown: it may be somebody's address, or written to a terminal's harm.
        known = line.source in self.unknown or (
            len(self.unknown) < MAX_NAMES and _NAME.fullmatch(line.source) is not None
        )
        name = line.source if known else OTHERS
        self.unknown[name] += 1
        self.first_unknown.setdefault(name, line.place)

    def _read(self) -> Iterator[Line]:
        first = self.rules.first_source or ""
        for file in self.files:
            with _opened(file) as opened:
                for number, text in _lines(opened, file.name):
                    try:
                        event = orjson.loads(text)
                    except orjson.JSONDecodeError:
                        event = None
                    event = event if isinstance(event, dict) else {}
                    source = file.source or _source_of(event, first)
                    yield Line(text, f"{file.name}:{number}", source, event)


def _source_of(event: Mapping[str, Any], otherwise: str) -> str:
    source = event.get("source")
    if source is None:
        return otherwise
    return source if isinstance(source, str) else OTHERS


def _at(event: Mapping[str, Any], path: FieldPath) -> Any:
    value: Any = event
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _lines(file: IO[bytes], name: str) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, with their numbers, and without the mark that may begin a file."""
    number = 0
    try:
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise EventFileError(
                    f"{name}:{number}: a line of more than {MAX_LINE:,} bytes", hint="one JSON object a line"
                )
            if line := line.removeprefix(BOM_UTF8 if number == 1 else b"").strip():
                yield number, line
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = f"lines up to {number:,} could be read"
        raise EventFileError(f"{name}: cannot be read to its end: {reason}", hint=hint) from error


@contextmanager
def _opened(named: EventFile) -> Iterator[IO[bytes]]:
    """The file, unpacked if it is gzipped (told by its first bytes, not by its name)."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(named.path.open("rb"))
            packed = file.read(2) == _GZIP
        except OSError as error:
            hint = "a file of JSON lines, or -"
            raise EventFileError(f"{named.name}: {error.strerror}", hint=hint) from error
        file.seek(0)
        yield cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=file))) if packed else file


@contextmanager
def event_files(arguments: Sequence[str], rules: RuleSet) -> Iterator[EventFiles]:
    """The files that a command line names. Raises EventFileError where one cannot be read."""
    with tempfile.TemporaryDirectory(prefix="stream-events-") as folder:
        spooled = Path(folder) / "standard input"
        files = [_named(each, spooled, rules) for each in arguments]
        if any(each.path == spooled for each in files):
            with spooled.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        yield EventFiles(files, rules)


def _named(argument: str, spooled: Path, rules: RuleSet) -> EventFile:
    """The file that an argument means: `FILE`, `NAME=FILE`, or `-` in place of a file."""
    if argument.startswith("kafka:"):
        hint = "give a file of JSON lines, or - for standard input"
        raise EventFileError("events straight from Kafka's topics are not supported yet", hint=hint)
    source, name = None, argument
    if "=" in argument and not Path(argument).exists():
        source, _, name = argument.partition("=")
        names = [each.name for each in rules.sources]
        if source not in names:
            hint = did_you_mean(source, names) or f"there are: {', '.join(names)}"
            raise EventFileError(f"the rules have no source `{source}`", hint=hint)
    return EventFile(name, spooled if name == STANDARD_INPUT else Path(name), source)
