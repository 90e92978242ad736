"""`stream backtest`: past events through the production engine; what would have been sent, and why not.

What it came to is counted by `figures`, put into one object by `findings`, and shown by `summary` and `page`.
Decisions go to a file as JSON lines, as a worker would have written them; what was sent is the trigger, with
`"outcome": "sent"`. Tested by tests/authoring/test_backtest.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import Progress

from stream.authoring.base_rates import watched
from stream.authoring.event_files import EventFiles
from stream.authoring.figures import BacktestFigures
from stream.authoring.replay import Replay, Tally
from stream.authoring.segment_sizes import SegmentSizes, count_segments
from stream.decisions import wire
from stream.errors import EventFileError
from stream.rules.model import RuleSet
from stream.structs import Result


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a backtest came to. `timers`: instances that still wait. `last`: the last event's time."""

    rules: RuleSet
    tally: Tally
    timers: int
    customers: int
    files: EventFiles
    figures: BacktestFigures
    segments: SegmentSizes
    last: int | None


def run(
    rules: RuleSet,
    files: EventFiles,
    *,
    until: int | None = None,
    out: Path | None = None,
    examples: int = 3,
    progress: Callable[[int], None] = lambda lines: None,
) -> Backtest:
    """Play the files. `until`: ms to which the watermark moves at the end; None: it stays at the last event.

    `out` takes the decisions; `examples` messages of each rule are kept; `progress` is called with the number
    of lines read since its last call.
    """
    tally, figures = Tally(), BacktestFigures(rules, examples)
    replay = Replay(watched(rules), now=files.now, decide=figures.base_rates.decide)
    with out.open("wb") if out else nullcontext() as file:

        def add_up(results: Iterable[Result]) -> None:
            for result in results:
                tally.add(result)
                figures.add(result)
                if file:
                    _write(file, result, rules.revision)

        for batch, ended in files.chunks():
            add_up(replay.feed(batch, ended))
            figures.base_rates.close(tally.watermark)
            progress(sum(map(len, batch.values())))
        last = tally.watermark
        figures.base_rates.close(last, at_end=True)
        if until is not None:
            add_up(replay.advance(until))
    state = replay.state
    timers, customers = state.customers.timers, len(state.customers)
    segments = count_segments(rules, [(state, state.customers.ids())], tally.watermark or 0)
    return Backtest(rules, tally, timers, customers, files, figures, segments, last)


def _write(file: IO[bytes], result: Result, revision: str) -> None:
    triggers = iter(result.triggers)  # one for each decision that is `sent`, in the same order
    for decision in result.decisions:
        body = wire.decision_body(decision, revision)
        if decision.outcome == "sent":
            body = {**wire.trigger_body(next(triggers), revision, sent_at=None), **body}
        file.write(wire.encode(body) + b"\n")


@contextmanager
def progress_of(lines: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal's standard error, nothing elsewhere."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("events", total=lines)
        yield lambda more: bar.advance(task, more)


def require_events(backtest: Backtest) -> None:
    """Raises EventFileError where nothing of the input could be used."""
    if backtest.tally.events:
        return
    total = backtest.files.total
    what = f"none of {total:,} lines could be used" if total else "there is no line in the input"
    raise EventFileError(what, hint="docs/backtest.md says what a line is")
