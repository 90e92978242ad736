"""`stream backtest`: past events through the production engine; what would have been sent, and why not.

Decisions go to a file as JSON lines, as a worker would have written them; what was sent is the trigger, with
`"outcome": "sent"`. Tested by tests/authoring/test_backtest.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

from rich.console import Console
from rich.table import Table

from stream.authoring.event_files import PastEvents, disorder_notes
from stream.authoring.progress import QUIET, Progress
from stream.authoring.replay import Paging, Replay, Tally
from stream.authoring.unusable import likely_fix
from stream.decisions import wire
from stream.diagnostics import one_line
from stream.errors import EventFileError
from stream.hints import did_you_mean
from stream.history._past import PastEvent
from stream.rules.model import RuleSet
from stream.structs import Result


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a backtest came to. `timers`: instances still waiting at the end."""

    rules: RuleSet
    tally: Tally
    timers: int
    customers: int
    files: PastEvents


def run(
    rules: RuleSet,
    files: PastEvents,
    *,
    until: int | None = None,
    out: Path | None = None,
    progress: Progress = QUIET,
    paging: Paging | None = None,
) -> Backtest:
    """Play the files. `until`: ms to which the watermark moves at the end; None: it stays at the last event.

    `out` takes the decisions; `progress` is told how many events were played.
    """
    replay, tally = Replay(rules, now=files.now, paging=paging), Tally()
    with out.open("wb") if out else nullcontext() as file:

        def add_up(results: Iterable[Result]) -> None:
            for result in results:
                tally.add(result)
                if file:
                    _write(file, result, rules.revision)

        progress.begin("playing", files.lines.total())
        played = 0
        for partition, records in files.batches():
            add_up(replay.feed(records, files.names, partition))
            played += sum(map(len, records.values()))
            progress.reach(played)
        if until is not None:
            if tally.watermark is not None and tally.watermark > until:
                files.notes.append("the time of --until is before the last events: it changes nothing")
            add_up(replay.advance(until))
    return Backtest(rules, tally, replay.timers, replay.customers, files)


def _write(file: IO[bytes], result: Result, revision: str) -> None:
    triggers = iter(result.triggers)  # one for each decision that is `sent`, in the same order
    for decision in result.decisions:
        body = wire.decision_body(decision, revision)
        if decision.outcome == "sent":
            body = {**wire.trigger_body(next(triggers), revision, sent_at=None), **body}
        file.write(wire.encode(body) + b"\n")


# ---- what is shown ----


def as_object(backtest: Backtest) -> dict[str, Any]:
    """For programs: everything that was counted."""
    tally = backtest.tally
    return {
        "revision": backtest.rules.revision,
        "events": dict(sorted(tally.events.items())),
        "dead_letters": [
            {"source": source, "reason": reason, "count": count, "first": place, "fix": fix}
            for (source, reason), count in sorted(tally.dead_letters.items())
            for place, fix in [_first(backtest, source, reason)]
        ],
        "errors": [
            {"source": source, "reason": reason, "count": count}
            for (source, reason), count in sorted(tally.errors.items())
        ],
        "condition_errors": [
            {"definition": name, "part": part, "count": count}
            for (name, part), count in sorted(tally.condition_errors.items())
        ],
        "repeats": dict(sorted(tally.left_out.items())),
        "unknown_sources": dict(sorted(backtest.files.unknown.items())),
        "without_time": dict(sorted((+backtest.files.placed).items())),
        "disorder": {name: asdict(found) for name, found in sorted(backtest.files.disorder.items())},
        "notes": backtest.files.notes,
        "customers": backtest.customers,
        "until": None if tally.watermark is None else wire.iso_time(tally.watermark),
        "open_timers": backtest.timers,
        "rules": {
            rule.name: {
                "outcomes": dict(sorted(found.outcomes.items())),
                "reasons": dict(sorted(found.reasons.items())),
                "channels": dict(sorted(found.channels.items())),
                "unwritten": [
                    {**failed._asdict(), "count": count} for failed, count in found.unwritten.most_common()
                ],
            }
            for rule in sorted(backtest.rules.rules, key=lambda each: each.name)
            for found in [tally.of(rule.name)]
        },
    }


def report(backtest: Backtest, console: Console, *, as_json: bool) -> None:
    """Write the summary."""
    shown = as_object(backtest)
    if as_json:
        console.print(json.dumps(shown, indent=2), markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule")
    table.add_column("sent", justify="right")
    table.add_column("not sent, and why")
    for name, rule in shown["rules"].items():
        table.add_row(name, f"{rule['outcomes'].get('sent', 0):,}", _counts(rule["reasons"]) or "-")
    console.print(table)
    events = sum(shown["events"].values())
    line = (
        f"{events:,} events of {shown['customers']:,} customers, up to {shown['until'] or 'no time at all'}"
    )
    console.print(f"{line}; {shown['open_timers']:,} reminders still open", highlight=False, soft_wrap=True)
    for each in _oddities(backtest, shown):
        console.print(one_line(each), markup=False, highlight=False, soft_wrap=True)


def _oddities(backtest: Backtest, shown: dict[str, Any]) -> Iterator[str]:
    """What was not as it should be, a line each."""
    files = backtest.files
    for each in shown["dead_letters"]:
        what = f"{each['count']:,} records of {each['source']} are not events: {each['reason']}"
        yield f"{what}, first {each['first']} ({each['fix']})"
    for name, count in shown["unknown_sources"].items():
        known = [source.name for source in backtest.rules.sources]
        hint = did_you_mean(name, known) or f"there are: {', '.join(known)}; or write NAME=FILE"
        yield f"{count:,} lines of `{name}` left out: no source, first {files.first_unknown[name]} ({hint})"
    yield from disorder_notes(files)
    yield from files.notes
    for name, count in shown["without_time"].items():
        yield f"{count:,} records of {name} say no time: they count from their place in the file"
    for each in shown["condition_errors"]:
        name = each["definition"]
        of = name if name == "policy" or name.startswith("traits.") else f"rule {name}"
        what = "ended in an error and did not hold, say because a field is missing"
        yield f"{each['count']:,} × `{each['part']}` of {of} {what}"
    for each in shown["errors"]:
        count, source = each["count"], each["source"]
        if each["reason"] == "future_time":
            yield (
                f"{count:,} records of {source} are dated after now: they count from their place in the "
                f"file, first {files.first_ahead.get(source)}"
            )
        elif each["reason"] != "condition":  # said above
            yield f"{count:,} × {each['reason']} in {source}"
    for name, rule in shown["rules"].items():
        for failed in rule["unwritten"]:
            lacks = f": there is no `{failed['variable']}`" if failed["variable"] else ""
            yield f"{failed['count']:,} × `{failed['field']}` of {name} could not be written{lacks}"
    if shown["repeats"]:
        yield f"left out, as their id had come before (dedupe): {_counts(shown['repeats'])}"


def _first(backtest: Backtest, source: str, reason: str) -> tuple[str, str]:
    """Where the first record that was put aside for a reason is, and what probably mends it."""
    letter = backtest.tally.first_letters[source, reason]
    mapping = next(each for each in backtest.rules.sources if each.name == source)
    return cast(PastEvent, letter.record).place, likely_fix(letter, mapping)


def require_events(backtest: Backtest) -> None:
    """Raises EventFileError where nothing of the input could be used."""
    if backtest.tally.events:
        return
    total = backtest.files.total
    what = f"none of {total:,} lines could be used" if total else "there is no line in the input"
    raise EventFileError(what, hint="docs/backtest.md says what a line is")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
