"""`stream backtest`: past events through the production engine; what would have been sent, and why not.

What it came to is counted by `figures`, put into one object by `findings`, and shown by `summary` and `page`.
Decisions go to a file as JSON lines, as a worker would have written them; what was sent is the trigger, with
`"outcome": "sent"`. Tested by tests/authoring/backtest/test_run.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import IO

from stream.authoring.backtest.base_rates import watched
from stream.authoring.backtest.figures import BacktestFigures
from stream.authoring.backtest.segment_sizes import SegmentSizes, count_segments
from stream.authoring.replay import First, Paging, Replay, Tally
from stream.authoring.zones import UnreadableZones
from stream.clock import LATEST
from stream.decisions._wire import decision_json, trigger_line
from stream.decisions.wire import iso_time
from stream.diagnostics import some
from stream.errors import EventFileError
from stream.history._past import PastEvent
from stream.history._repeats import RepeatedIds
from stream.history.event_files import PastEvents, Portion, none_usable
from stream.history.progress import QUIET, Progress
from stream.history.seen_names import SeenNames
from stream.rules.model import RuleSet
from stream.structs import Decision, OpenInstance, Result


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a backtest came to. `timers`: instances that still wait. `first`, `last`: the first and the
    last event's time.

    `before`: how many events are before `files.between.since`.
    `repeats`: of sources without `dedupe`, how many events had an id that had come, and where the first is.
    `places`: of each of `tally.firsts` and `figures.base_rates.firsts`, for people.
    """

    rules: RuleSet
    tally: Tally
    timers: int
    customers: int
    files: PastEvents
    figures: BacktestFigures
    segments: SegmentSizes
    first: int | None
    last: int | None
    repeats: Mapping[str, tuple[int, str]]
    zones: UnreadableZones
    names: SeenNames
    places: Mapping[tuple[object, ...], str]
    before: int = 0


class RulesAtWork:
    """One rule set at work on past events: the engine, and what is counted of what it decides.

    Of what is before `between.since` no decision counts, that of a reminder neither. At the end the watermark
    moves to `between.until`; None: it stays at the last event. `tell` has each result that counts;
    `examples` messages of each rule are kept.
    """

    def __init__(
        self,
        rules: RuleSet,
        files: PastEvents,
        *,
        examples: int = 3,
        paging: Paging | None = None,
        tell: Callable[[Result], object] | None = None,
    ) -> None:
        self.rules = rules
        self.before = 0
        self.files, self._tell = files, tell
        self._tally, self._figures = Tally(), BacktestFigures(rules, examples)
        self._repeats, self._zones = RepeatedIds(rules.sources), UnreadableZones()
        self._names = SeenNames(rules)
        self._places: dict[tuple[object, ...], str] = {}
        self._replay = Replay(
            watched(rules), now=files.now, take=self._figures.base_rates.take, paging=paging
        )
        self._first = LATEST
        self._is_before = False
        self._sources = frozenset(source.name for source in rules.sources)
        self._has_all = self._sources == files.names

    def play(self, portion: Portion) -> None:
        """What comes next."""
        records, is_before, tally = portion.records, portion.is_before, self._tally
        if not self._has_all:
            records = {name: events for name, events in records.items() if name in self._sources}
        since = self.files.between.since
        if self._is_before and not is_before and since is not None:
            self._add_up(self._replay.advance(since), counts=False)
        self._is_before = is_before
        self._repeats.look(records)
        for source, events in records.items():
            self._names.look(source, events)
        errors = tally.errors.copy()
        self._add_up(self._replay.feed(records, self._sources, portion.partition), counts=not is_before)
        _locate(tally.firsts, records, self._places)
        _locate(self._figures.base_rates.firsts, records, self._places)
        for name in (source for source, reason in tally.errors - errors if reason == "timezone"):
            self._zones.look(name, records.get(name, ()))
        self._figures.base_rates.close(self._replay.everywhere)
        if is_before:
            self.before += sum(map(len, records.values()))
        else:
            self._first = min((self._first, *self._begins(records)))

    def end(self) -> Backtest:
        """What all of it came to."""
        tally, figures, replay = self._tally, self._figures, self._replay
        last, until = tally.watermark, self.files.between.until
        figures.base_rates.close(last, at_end=True)
        if until is not None:
            self._add_up(replay.advance(until))
            _locate(tally.firsts, {}, self._places)
        timers, customers = replay.timers, replay.customers
        return Backtest(
            self.rules,
            tally,
            timers,
            customers,
            self.files,
            figures,
            count_segments(self.rules, replay.everybody(), tally.watermark or 0),
            self._first if self._first < LATEST else None,
            last,
            self._repeats.found,
            self._zones,
            self._names,
            self._places,
            self.before,
        )

    def open_instances(self) -> Iterator[OpenInstance]:
        """Of all customers."""
        for state, ids in self._replay.everybody():
            for each in ids:
                yield from state.instances(each)

    def _add_up(self, results: Iterable[Result], *, counts: bool = True) -> None:
        for result in results:
            kept = result if counts else replace(result, decisions=[], triggers=[])
            self._tally.add(kept)
            self._figures.add(kept)
            if self._tell is not None:
                self._tell(kept)

    def _begins(self, records: Mapping[str, Sequence[PastEvent]]) -> Iterator[int]:
        """When a portion's first events (no profiles) were, if that is known: of it their order is made."""
        sources = len(self.files.names)
        for source in self.rules.sources:
            events = records.get(source.name)
            if source.kind == "event" and events and (time := events[0].order // sources):
                yield time


def run(
    rules: RuleSet,
    files: PastEvents,
    *,
    out: IO[bytes] | None = None,
    examples: int = 3,
    progress: Progress = QUIET,
    paging: Paging | None = None,
) -> Backtest:
    """Play the files. `out` takes the decisions; `progress` is told how many events were played."""
    tell = None if out is None else partial(_write, out, rules.revision)
    at_work = RulesAtWork(rules, files, examples=examples, paging=paging, tell=tell)
    for portion in portions(files, progress):
        at_work.play(portion)
    note_before(at_work)
    return at_work.end()


def portions(files: PastEvents, progress: Progress) -> Iterator[Portion]:
    """The files' events as they come, once; `progress` is told how many were played."""
    progress.begin("playing", files.lines.total())
    played = 0
    for portion in files.batches():
        yield portion
        played += sum(map(len, portion.records.values()))
        progress.reach(played)


def note_before(at_work: RulesAtWork) -> None:
    """Say of the files how much of them only filled what is known."""
    if at_work.before:
        played_first = some(
            at_work.before,
            "event of before --since was played first",
            "events of before --since were played first",
        )
        at_work.files.notes.append(
            f"{played_first}, so that traits, limits, caps and "
            "reminders are as they would be; nothing that was decided then is counted"
        )


def _locate(
    firsts: Mapping[tuple[object, ...], First],
    records: Mapping[str, Sequence[PastEvent]],
    places: dict[tuple[object, ...], str],
) -> None:
    """Put to `places` those that are new. `records`: among which they are."""
    for what, (source, offset, at) in firsts.items():
        if what not in places:
            found = (each.place for each in records.get(source, ()) if each.offset == offset >= 0)
            places[what] = next(found, f"when a reminder was due, {iso_time(at)}")


def lines(result: Result, revision: str) -> Iterator[tuple[Decision, bytes]]:
    """Each decision with its line of the file that `--out` names."""
    messages = {id(each.decision): each for each in (*result.triggers, *result.shadows)}
    for decision in result.decisions:
        message = messages.get(id(decision))
        yield (
            decision,
            decision_json(decision, revision) if message is None else trigger_line(message, revision),
        )


def _write(file: IO[bytes], revision: str, result: Result) -> None:
    for _, line in lines(result, revision):
        file.write(line + b"\n")


def require_events(backtest: Backtest) -> None:
    """Raises EventFileError where nothing of the input could be used."""
    played = sum(backtest.tally.events.values())
    if played > backtest.before:
        return
    if played:
        raise EventFileError(
            f"all of the {some(played, 'event')} that could be used came before --since",
            hint="say an earlier time",
        )
    if backtest.files.late:
        what = f"all of the {some(backtest.files.late, 'event')} came at --until, or later"
        raise EventFileError(what, hint="say a later time")
    raise none_usable(backtest.files)
