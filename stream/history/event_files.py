"""Past events for a backtest: what the command line names, in the order of time, and what is odd with it.

Each input is read twice: to count its lines and see how far they are from being in order (`Reader.survey`),
and to play them. What is in order is read as it lies; what is not is sorted on disk, and so is all with
`sort`. So memory does not grow with the history.

A line belongs to the source that it names, of `NAME=FILE` to that one, else to the first source of events. A
line that is no JSON object goes there as it is: the engine makes a dead letter of it, which is counted, so
nothing is lost silently. Lines of a source that the rules do not have are counted by its name.
Tested by tests/history/test_event_files.py.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import NamedTuple

from stream.clock import wall_ms
from stream.diagnostics import some
from stream.engine import FUTURE_MS
from stream.errors import EventFileError
from stream.hints import did_you_mean
from stream.history._past import END, PastEvent, Reader, give_offsets
from stream.history.inputs import KAFKA, Input, ignore, inputs_of
from stream.history.merged import InputInOrder, Ordered, SortedEvents, Taken, merged
from stream.history.progress import QUIET, Progress
from stream.history.seen_names import asked_for
from stream.history.sorting import Sorter
from stream.rules.durations import format_duration
from stream.rules.model import RuleSet

ALLOWED_MS = (
    60_000  # that an event may be earlier than one of its source before it: clocks differ, phones wait
)


_by_order: Callable[[PastEvent], int] = attrgetter("order")


@dataclass(frozen=True, slots=True)
class Disorder:
    """Of a source: how many events are earlier than one before them by more than ALLOWED_MS, the largest step
    back in ms, where the first is, and where the one is that it should have come before.
    """

    count: int
    largest: int
    first: str
    after: str


@dataclass(frozen=True, slots=True)
class Between:
    """From a time on, and before another, in ms; None: from the beginning, to the end as it is now."""

    since: int | None = None
    until: int | None = None


class Portion(NamedTuple):
    """Events of one partition, by source, that come next. `is_before`: before `Between.since`; from them only
    what is known of customers is to be learnt.
    """

    partition: int
    records: Mapping[str, Sequence[PastEvent]]
    is_before: bool = False


@dataclass(slots=True)
class PastEvents:
    """Events, and what there is of them: lines by source; of sources that the rules do not have, `unknown`;
    those whose time is that of their place (`placed`); where the first are, and in which file. `notes`: what
    else is to be said. `absent`: names that the rules ask for, and no event has. `late`: how many were left
    out, as they are not before `between.until`.
    """

    rules: RuleSet
    between: Between = Between()
    now: int = field(default_factory=wall_ms)
    lines: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    placed: Counter[str] = field(default_factory=Counter)
    first_unknown: dict[str, str] = field(default_factory=dict)
    unknown_in: dict[str, str] = field(default_factory=dict)
    first_ahead: dict[str, str] = field(default_factory=dict)
    disorder: dict[str, Disorder] = field(default_factory=dict)
    absent: set[str] = field(init=False)
    notes: list[str] = field(default_factory=list)
    late: int = 0

    def __post_init__(self) -> None:
        self.absent = set(asked_for(self.rules))

    @property
    def total(self) -> int:
        return self.lines.total() + self.unknown.total()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(source.name for source in self.rules.sources)

    def batches(self) -> Iterator[Portion]:
        """The events in their order; once."""
        raise NotImplementedError

    def count(self, reader: Reader, place_of: Callable[[int], str]) -> None:
        """Add what a reader has found in its input."""
        self.absent &= reader.absent
        self.absent -= {each.constant for each in self.rules.sources if each.name in reader.figures}
        for name, (count, first) in reader.unknown.items():
            self.unknown[name] += count
            self.first_unknown.setdefault(name, place_of(first))
        for name, (lines, placed, ahead, disordered, first, after, step_back) in reader.figures.items():
            self.lines[name] += lines
            self.placed[name] += placed
            if ahead >= 0:
                self.first_ahead.setdefault(name, place_of(ahead))
            if disordered:
                before = self.disorder.get(name, Disorder(0, 0, place_of(first), place_of(after)))
                self.disorder[name] = replace(
                    before, count=before.count + disordered, largest=max(before.largest, step_back)
                )


class EventFiles(PastEvents):
    """The events of some inputs, merged by time; with `sort` each source by time, too."""

    def __init__(
        self,
        inputs: Sequence[Input],
        rules: RuleSet,
        between: Between = Between(),
        *,
        sort: bool = False,
        now: int | None = None,
        progress: Progress = QUIET,
    ) -> None:
        super().__init__(rules, between, wall_ms() if now is None else now)
        self._inputs = inputs
        self._sort = sort
        self._surveys = self._survey(progress)
        times = [each.earliest for each in self._surveys if each.earliest >= 0]
        self._begin = max(min(times) - 1, 0) if times else None  # of what has no time at all
        for each, survey in zip(inputs, self._surveys, strict=True):
            self.count(survey, each.place_of)
            for name in survey.unknown:
                self.unknown_in.setdefault(name, each.name)
            self.notes += each.rows.notes if each.rows is not None else []
            if not survey.figures and not survey.unknown:
                self.notes.append(f"{each.name} has no lines")
        if not times:
            self.placed.clear()  # there is no time for them
            if self.first_ahead:
                what = f"all times are after now, first {next(iter(self.first_ahead.values()))}"
                raise EventFileError(what, hint="is the year right, and this machine's clock?")
        if sort:
            self.disorder.clear()

    def batches(self) -> Iterator[Portion]:
        offsets = Counter[str]()
        with Sorter() as sorter:
            for taken in merged(self._in_order(sorter)):
                for name, events in taken.items():
                    give_offsets(events, offsets[name])
                    offsets[name] += len(events)
                yield from self._portions(taken)
        if self.late:
            left_out = some(
                self.late,
                "event of --until and later was left out",
                "events of --until and later were left out",
            )
            self.notes.append(left_out)

    def _portions(self, taken: Taken) -> Iterator[Portion]:
        """What is before `until`; apart from the rest what comes before the first event of `since`."""
        since, until = self.between.since, self.between.until
        if until is not None:
            kept = {
                name: [each for each in events if each.timestamp < until] for name, events in taken.items()
            }
            self.late += sum(map(len, taken.values())) - sum(map(len, kept.values()))
            taken = kept
        if since is not None:
            begin = since * len(self.names)
            at = {name: bisect_left(events, begin, key=_by_order) for name, events in taken.items()}
            yield Portion(0, {name: events[: at[name]] for name, events in taken.items()}, is_before=True)
            taken = {name: events[at[name] :] for name, events in taken.items()}
        yield Portion(0, taken)

    def _survey(self, progress: Progress) -> list[Reader]:
        progress.begin("looking through", sum(each.size for each in self._inputs))
        found, before = [], 0
        for each in self._inputs:
            reader = self._reader(each)
            for piece in each.pieces(lambda size, before=before: progress.reach(before + size)):  # type: ignore[misc]
                reader.survey(piece.values, piece.numbers)
            found.append(reader)
            before += each.size
        return found

    def _in_order(self, sorter: Sorter) -> list[Ordered]:
        found: list[Ordered] = []
        for each, survey in zip(self._inputs, self._surveys, strict=True):
            begin = max(survey.earliest - 1, 0) if survey.earliest >= 0 else self._begin
            reader = self._reader(each, begin, again=True)
            if not self._sort and not survey.is_scattered:
                found.append(InputInOrder(each, reader, survey.least))
                continue
            for piece in each.pieces(ignore):
                reader.read(piece.values, piece.numbers)
                for events in reader.held.take(END).values():
                    sorter.add(events)
        return [*found, SortedEvents(sorter.sorted(), tuple(self.names))]

    def _reader(self, of: Input, begin: int | None = None, *, again: bool = False) -> Reader:
        return Reader(
            self.rules.sources,
            of,
            fixed=of.source,
            first=self.rules.first_source,
            latest=self.now + FUTURE_MS,
            allowed=ALLOWED_MS,
            begin=begin,
            by_time=self._sort,
            wanted=self.absent,
            again=again,
        )


@contextmanager
def event_files(
    arguments: Sequence[str],
    rules: RuleSet,
    between: Between = Between(),
    *,
    sort: bool = False,
    encoding: str | None = None,
    progress: Progress = QUIET,
) -> Iterator[EventFiles]:
    """The files that a command line names; `encoding`: of their texts. Raises EventFileError where one cannot
    be read.
    """
    if topics := [each for each in arguments if each.startswith(KAFKA)]:
        named = topics != [KAFKA] * len(topics)
        what = (
            "`kafka:` takes no name of a topic" if named else "`kafka:` stands alone, with nothing beside it"
        )
        raise EventFileError(what, hint="by itself it reads the topics of all of the rules' sources")
    with ExitStack() as stack:
        inputs = inputs_of(arguments, [each.name for each in rules.sources], stack, encoding)
        yield EventFiles(inputs, rules, between, sort=sort, progress=progress)


def unknown_notes(events: PastEvents) -> list[str]:
    """What is to be said of lines whose source the rules do not have."""
    names = [each.name for each in events.rules.sources]
    found = []
    for name, count in sorted(events.unknown.items()):
        near = did_you_mean(name, names)
        hint = near or f"there are: {', '.join(names)}; {_of_one_source(events, name)}"
        found.append(
            f"{some(count, 'line')} of `{name}` left out: no source, "
            f"first {events.first_unknown[name]} ({hint})"
        )
    return found


def none_usable(events: PastEvents) -> EventFileError:
    """There are no events, or none that the rules could take."""
    if not events.total:
        return EventFileError("there is no line in the input", hint="docs/backtest.md says what a line is")
    hint = _of_one_source(events, min(events.unknown)) if events.unknown else None
    return EventFileError(
        f"none of {some(events.total, 'line')} could be used",
        hint=hint or "docs/backtest.md says what a line is",
    )


def _of_one_source(events: PastEvents, unknown: str) -> str:
    """How to say of which source all of a file is."""
    example = events.rules.first_source or min(events.names)
    return f"if all of a file is of one source, write it so: {example}={events.unknown_in[unknown]}"


def disorder_notes(events: PastEvents) -> list[str]:
    """What is to be said of lines that are not in order."""
    return [
        f"{some(found.count, f'record of {name} is', f'records of {name} are')} earlier than one before "
        f"{'it' if found.count == 1 else 'them'}, by up to "
        f"{format_duration(rounded(found.largest))}, first {found.first}, which {found.after} is ahead of "
        "(they are played as they lie, as in a worker; --sort puts them in the order of time)"
        for name, found in sorted(events.disorder.items())
    ]


def rounded(milliseconds: int) -> int:
    """To the two largest units of a duration."""
    for unit in (86_400_000, 3_600_000, 60_000, 1000):
        if milliseconds >= 2 * unit:
            return milliseconds // unit * unit
    return milliseconds
