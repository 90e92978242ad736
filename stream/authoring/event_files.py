"""Files of past events: JSON lines `{"source": "clickstream", …event…}`, plain, gzipped, or `-` for stdin.

Read twice: once to count each source's lines, so that the second reading knows after which line a source has
nothing more to come and the engine need not wait for it. What is held in memory is only as much as one source
runs ahead of another in the input. Standard input is written to a temporary file first.

A line that is no JSON object goes to the first event source as it is: the engine makes a dead letter of it,
which is counted, so nothing is lost silently. Lines of a source that the rules do not have are counted by its
name.
Tested by tests/authoring/test_event_files.py.
"""

from __future__ import annotations

import gzip
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import orjson

from stream.authoring.replay import ReplayedRecord
from stream.errors import EventFileError
from stream.rules.model import RuleSet

STANDARD_INPUT = "-"
CHUNK = 5_000  # lines
MAX_LINE = 1_048_576  # bytes, as of a Kafka record
_GZIP = b"\x1f\x8b"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")  # of a topic
MAX_NAMES = 1_000  # of sources that the rules do not have

Chunk = tuple[
    dict[str, list[ReplayedRecord]], frozenset[str]
]  # records by source; the sources that have ended


@dataclass(slots=True)
class EventFiles:
    """The lines of some files, in the order given: `lines` and `unknown` count them by source."""

    paths: Sequence[Path]
    rules: RuleSet
    lines: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for _, source in self._read():
            self.lines[source] += 1

    @property
    def total(self) -> int:
        return self.lines.total()

    def chunks(self) -> Iterator[Chunk]:
        """The lines as the engine takes them; the first and the last chunk may be empty."""
        names = frozenset(source.name for source in self.rules.sources)
        left, offsets = Counter(self.lines), Counter[str]()
        records: dict[str, list[ReplayedRecord]] = {}
        for count, (line, source) in enumerate(self._read(), 1):
            if source not in names:
                self._skip(source)
                continue
            records.setdefault(source, []).append(ReplayedRecord(offsets[source], -1, line))
            offsets[source] += 1
            left[source] -= 1
            if count % CHUNK == 0:
                yield records, frozenset(name for name in names if not left[name])
                records = {}
        yield records, names

    def _skip(self, source: str) -> None:
        # What is no name is not shown: it may be somebody's address, or written to a terminal's harm.
        known = source in self.unknown or (len(self.unknown) < MAX_NAMES and _NAME.fullmatch(source))
        self.unknown[source if known else "(others)"] += 1

    def _read(self) -> Iterator[tuple[bytes, str]]:
        """Each line with its source."""
        first = self.rules.first_source or ""
        for path in self.paths:
            with _opened(path) as file:
                for line in _lines(file, path):
                    yield line, _source_of(line, first)


def _source_of(line: bytes, otherwise: str) -> str:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return otherwise
    source = event.get("source") if isinstance(event, dict) else None
    return source if isinstance(source, str) else otherwise


def _lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    number = 0
    try:
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise EventFileError(
                    f"{path}:{number}: a line of more than {MAX_LINE:,} bytes", hint="one JSON object a line"
                )
            if line := line.strip():
                yield line
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = f"lines up to {number:,} could be read"
        raise EventFileError(f"{path}: cannot be read to its end: {reason}", hint=hint) from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, unpacked if it is gzipped (told by its first bytes, not by its name)."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            packed = file.read(2) == _GZIP
        except OSError as error:
            raise EventFileError(f"{path}: {error.strerror}", hint="a file of JSON lines, or -") from error
        file.seek(0)
        yield cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=file))) if packed else file


@contextmanager
def event_files(arguments: Sequence[str], rules: RuleSet) -> Iterator[EventFiles]:
    """The files that a command line names. Raises EventFileError where one cannot be read."""
    for each in arguments:
        if each.startswith("kafka:"):
            hint = "give a file of JSON lines, or - for standard input"
            raise EventFileError("events straight from Kafka's topics are not supported yet", hint=hint)
    with tempfile.TemporaryDirectory(prefix="stream-events-") as folder:
        spooled = Path(folder) / "standard input"
        if STANDARD_INPUT in arguments:
            with spooled.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        paths = [spooled if each == STANDARD_INPUT else Path(each) for each in arguments]
        yield EventFiles(paths, rules)
