"""`stream backtest`: past events through the production engine; what would have been sent, and why not.

What it came to is counted by `figures`, put into one object by `findings`, and shown by `summary` and `page`.
Decisions go to a file as JSON lines, as a worker would have written them; what was sent is the trigger, with
`"outcome": "sent"`. Tested by tests/authoring/backtest/test_run.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stream.authoring.backtest.base_rates import watched
from stream.authoring.backtest.figures import BacktestFigures
from stream.authoring.backtest.segment_sizes import SegmentSizes, count_segments
from stream.authoring.replay import Paging, Replay, Tally
from stream.clock import LATEST
from stream.decisions import wire
from stream.errors import EventFileError
from stream.history._past import PastEvent
from stream.history.event_files import PastEvents
from stream.history.progress import QUIET, Progress
from stream.rules.model import RuleSet
from stream.structs import Result


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a backtest came to. `timers`: instances that still wait. `first`, `last`: the first and the
    last event's time.
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


def run(
    rules: RuleSet,
    files: PastEvents,
    *,
    until: int | None = None,
    out: Path | None = None,
    examples: int = 3,
    progress: Progress = QUIET,
    paging: Paging | None = None,
) -> Backtest:
    """Play the files. `until`: ms to which the watermark moves at the end; None: it stays at the last event.

    `out` takes the decisions; `examples` messages of each rule are kept; `progress` is told how many events
    were played.
    """
    tally, figures = Tally(), BacktestFigures(rules, examples)
    replay = Replay(watched(rules), now=files.now, decide=figures.base_rates.decide, paging=paging)
    with out.open("wb") if out else nullcontext() as file:

        def add_up(results: Iterable[Result]) -> None:
            for result in results:
                tally.add(result)
                figures.add(result)
                if file:
                    _write(file, result, rules.revision)

        progress.begin("playing", files.lines.total())
        played, first = 0, LATEST
        for partition, records in files.batches():
            add_up(replay.feed(records, files.names, partition))
            figures.base_rates.close(replay.everywhere)
            first = min((first, *_begins(records, rules)))
            played += sum(map(len, records.values()))
            progress.reach(played)
        last = tally.watermark
        figures.base_rates.close(last, at_end=True)
        if until is not None:
            if tally.watermark is not None and tally.watermark > until:
                files.notes.append("the time of --until is before the last events: it changes nothing")
            add_up(replay.advance(until))
    timers, customers = replay.timers, replay.customers
    segments = count_segments(rules, replay.everybody(), tally.watermark or 0)
    return Backtest(
        rules, tally, timers, customers, files, figures, segments, first if first < LATEST else None, last
    )


def _begins(records: Mapping[str, Sequence[PastEvent]], rules: RuleSet) -> Iterator[int]:
    """When a portion's first events (no profiles) were, if that is known: of it their order is made."""
    for source in rules.sources:
        some = records.get(source.name)
        if source.kind == "event" and some and (time := some[0].order // len(rules.sources)):
            yield time


def _write(file: IO[bytes], result: Result, revision: str) -> None:
    triggers = iter(result.triggers)  # one for each decision that is `sent`, in the same order
    for decision in result.decisions:
        body = wire.decision_body(decision, revision)
        if decision.outcome == "sent":
            body = {**wire.trigger_body(next(triggers), revision, sent_at=None), **body}
        file.write(wire.encode(body) + b"\n")


def require_events(backtest: Backtest) -> None:
    """Raises EventFileError where nothing of the input could be used."""
    if backtest.tally.events:
        return
    total = backtest.files.total
    what = f"none of {total:,} lines could be used" if total else "there is no line in the input"
    raise EventFileError(what, hint="docs/backtest.md says what a line is")
