"""`stream backtest`: past events through the production engine; what would have been sent, and why not.

What it came to is counted by `figures`, put into one object by `findings`, and shown by `summary` and `page`.
Decisions go to a file as JSON lines, as a worker would have written them; what was sent is the trigger, with
`"outcome": "sent"`. Tested by tests/authoring/backtest/test_run.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from stream.history.event_files import PastEvents, none_usable
from stream.history.progress import QUIET, Progress
from stream.history.seen_names import SeenNames
from stream.rules.model import RuleSet
from stream.structs import Result


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


def run(
    rules: RuleSet,
    files: PastEvents,
    *,
    out: IO[bytes] | None = None,
    examples: int = 3,
    progress: Progress = QUIET,
    paging: Paging | None = None,
) -> Backtest:
    """Play the files. At the end the watermark moves to their `between.until`; None: it stays at the last
    event. Of what is before `between.since` no decision counts, that of a reminder neither.

    `out` takes the decisions; `examples` messages of each rule are kept; `progress` is told how many events
    were played.
    """
    tally, figures = Tally(), BacktestFigures(rules, examples)
    repeats, zones, names = RepeatedIds(rules.sources), UnreadableZones(), SeenNames(rules)
    replay = Replay(watched(rules), now=files.now, take=figures.base_rates.take, paging=paging)
    since, until = files.between.since, files.between.until
    before = 0
    places: dict[tuple[object, ...], str] = {}

    def add_up(results: Iterable[Result], *, counts: bool = True) -> None:
        for result in results:
            kept = result if counts else replace(result, decisions=[], triggers=[])
            tally.add(kept)
            figures.add(kept)
            if out is not None:
                _write(out, kept, rules.revision)

    progress.begin("playing", files.lines.total())
    played, first = 0, LATEST
    is_before = False
    for portion in files.batches():
        if is_before and not portion.is_before and since is not None:
            add_up(replay.advance(since), counts=False)
        is_before = portion.is_before
        repeats.look(portion.records)
        for source, records in portion.records.items():
            names.look(source, records)
        errors = tally.errors.copy()
        add_up(replay.feed(portion.records, files.names, portion.partition), counts=not is_before)
        _locate(tally.firsts, portion.records, places)
        _locate(figures.base_rates.firsts, portion.records, places)
        for name in (source for source, reason in tally.errors - errors if reason == "timezone"):
            zones.look(name, portion.records.get(name, ()))
        figures.base_rates.close(replay.everywhere)
        if not is_before:
            first = min((first, *_begins(portion.records, rules)))
        count = sum(map(len, portion.records.values()))
        before += count if is_before else 0
        played += count
        progress.reach(played)
    last = tally.watermark
    figures.base_rates.close(last, at_end=True)
    if until is not None:
        add_up(replay.advance(until))
        _locate(tally.firsts, {}, places)
    if before:
        played_first = some(
            before,
            "event of before --since was played first",
            "events of before --since were played first",
        )
        files.notes.append(
            f"{played_first}, so that traits, limits, caps and "
            "reminders are as they would be; nothing that was decided then is counted"
        )
    timers, customers = replay.timers, replay.customers
    segments = count_segments(rules, replay.everybody(), tally.watermark or 0)
    begun = first if first < LATEST else None
    counted = (tally, timers, customers, files, figures, segments)
    return Backtest(rules, *counted, begun, last, repeats.found, zones, names, places, before)


def _begins(records: Mapping[str, Sequence[PastEvent]], rules: RuleSet) -> Iterator[int]:
    """When a portion's first events (no profiles) were, if that is known: of it their order is made."""
    for source in rules.sources:
        events = records.get(source.name)
        if source.kind == "event" and events and (time := events[0].order // len(rules.sources)):
            yield time


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


def _write(file: IO[bytes], result: Result, revision: str) -> None:
    triggers = iter(result.triggers)  # one for each decision that is `sent`, in the same order
    for decision in result.decisions:
        sent = decision.outcome == "sent"
        line = trigger_line(next(triggers), revision) if sent else decision_json(decision, revision)
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
