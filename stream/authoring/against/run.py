"""Two rule sets on the same past events, which are read once: `stream backtest DIR EVENTS… --against DIR2`.

DIR is the *new* set, DIR2 what is *live*, as a diff is against a base. Each portion of the events goes to the
engine of both sides; `unlike` keeps what one of them decides otherwise, `differences` adds it up. Then the
live side is asked what is open at the end: that is what ends if the new set goes live there.
Tested by tests/authoring/against/test_run.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import IO

from stream.authoring.against.differences import Differences
from stream.authoring.against.unlike import SIDES, Side, UnlikeDecisions
from stream.authoring.backtest.run import Backtest, RulesAtWork, note_before, portions, require_events
from stream.authoring.replay import Paging
from stream.errors import StreamError
from stream.history.event_files import PastEvents
from stream.history.inputs import KAFKA
from stream.history.progress import QUIET, Progress
from stream.history.sorting import Sorter
from stream.rules.changes import rules_that_end
from stream.rules.model import RuleSet, Source

_OTHERWISE = "the two are compared on one reading of the events; for others play each by itself, with --out"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`ended`: open instances that end when the new set goes live at the end of the history, by rule, and how
    many of them are messages that quiet hours put off.
    """

    live: Backtest
    new: Backtest
    differences: Differences
    ended: Counter[str]
    ended_put_off: Counter[str]


def reading(new: RuleSet, live: RuleSet, inputs: Sequence[str]) -> RuleSet:
    """The rules by which events are read for both: the new ones, with the sources of both.

    Raises StreamError where the two would read them otherwise.
    """
    sources = {each.name: each for each in live.sources} | {each.name: each for each in new.sources}
    for each in live.sources:
        for key in ("topic", "time"):
            if getattr(each, key) != getattr(sources[each.name], key):
                what = f"`{key}` of source {each.name} says something else in the two rule sets"
                raise StreamError(what, hint=_OTHERWISE)
    named = all("=" in each or each.startswith(KAFKA) for each in inputs)
    if new.first_source != live.first_source and not named:
        what = "a line that names no source is of another one in the two rule sets: "
        what += f"{_first(new)} in the new one, {_first(live)} in the live one"
        raise StreamError(what, hint=f"say of which source a file is: {_example(new.sources)}")
    return replace(new, sources=tuple(sources.values()))


def _first(rules: RuleSet) -> str:
    return "none" if rules.first_source is None else f"`{rules.first_source}`"


def _example(sources: Sequence[Source]) -> str:
    return " ".join(f"{each.name}=FILE" for each in sources[:2])


def compare(
    live: RuleSet,
    new: RuleSet,
    files: PastEvents,
    *,
    out: IO[bytes] | None = None,
    examples: int = 3,
    progress: Progress = QUIET,
    paging: Mapping[Side, Paging] | None = None,
) -> Comparison:
    """Play the files, which are read by `reading`. `out` takes the decisions without an equal, by time."""
    pages = paging or {}
    with Sorter() as sorter:
        unlike = UnlikeDecisions(live, new, sorter)
        sides = {
            side: RulesAtWork(
                rules,
                files,
                examples=examples,
                paging=pages.get(side),
                tell=partial(unlike.take, side),
            )
            for side, rules in zip(SIDES, (live, new), strict=True)
        }
        for portion in portions(files, progress):
            for each in sides.values():
                each.play(portion)
            unlike.settle(portion)
        note_before(max(sides.values(), key=lambda each: each.before))
        done = {side: each.end() for side, each in sides.items()}
        unlike.settle()
        differences = _added_up(unlike, examples, out)
    ended, put_off = _ended(sides["live"], {rule.name for rule in rules_that_end(live, new)})
    return Comparison(done["live"], done["new"], differences, ended, put_off)


def _added_up(unlike: UnlikeDecisions, examples: int, out: IO[bytes] | None) -> Differences:
    found = Differences(examples)
    with Sorter() as by_time:
        for matches in unlike.by_customer():
            found.add(matches)
            if out is not None:
                for match in matches:
                    by_time.add(match.written())
        if out is not None:
            for each in by_time.sorted():
                out.write(each.value or b"")
    return found


def _ended(live: RulesAtWork, rules: set[str]) -> tuple[Counter[str], Counter[str]]:
    ended: Counter[str] = Counter()
    put_off: Counter[str] = Counter()
    for each in live.open_instances() if rules else ():
        if each.rule in rules:
            ended[each.rule] += 1
            put_off[each.rule] += each.put_off
    return ended, +put_off


def require_some(found: Comparison) -> None:
    """Raises EventFileError where neither side could use any of the input."""
    if not any(sum(each.tally.events.values()) > each.before for each in (found.live, found.new)):
        require_events(found.new)
