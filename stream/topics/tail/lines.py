"""Entries as lines for a terminal, and the summary at the end.

Tested by tests/topics/tail/test_entries.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson
from rich.text import Text

from stream.diagnostics import one_line, some
from stream.topics.tail.entries import EntryMask, TailEntry, time_of

_STYLES = {
    "sent": "green",
    "suppressed": "yellow",
    "deferred": "cyan",
    "holdout": "magenta",
    "dead letter": "red",
    "unread": "red",
}
MOST_CONTENT = 200  # characters of a text that are shown


@dataclass(slots=True)
class TailSummary:
    """What was shown. `reasons`: of decisions by which nothing was sent; without one their outcome."""

    shown: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, one: TailEntry) -> None:
        self.shown += 1
        if one.what == "decision":
            self.outcomes[one.outcome or "?"] += 1
            if one.outcome != "sent":
                self.reasons[one.reason or one.outcome or "?"] += 1
        else:
            self.outcomes[one.what] += 1

    def lines(self, *, why_not: bool) -> Iterator[str]:
        counts = ", ".join(f"{name} {count:,}" for name, count in self.outcomes.most_common())
        yield some(self.shown, "record") + (f": {counts}" if counts else "")
        if why_not:
            for reason, count in self.reasons.most_common():
                yield f"{count:>10,}  {one_line(reason)}"


def as_line(one: TailEntry, shown: EntryMask) -> Text:
    """Time, what it is of, what became of it, why; then the event, and whose it is."""
    subject, result = one.rule or one.name, one.outcome or one.what
    text = Text()
    text.append(f"{time_of(one.at)}  ", style="dim")
    text.append(f"{one_line(subject):<24}  ", style="bold")
    text.append(f"{one_line(result):<11}", style=_STYLES.get(result, "none"))
    event, customer = shown.event(one), shown.customer(one)
    parts = [
        one.reason,
        one.channel and f"{one.channel}{'' if one.variant is None else f'/{one.variant}'}",
        event and (f"on {event}" if one.rule else event),
        customer,
        one.detail,
        _content(one) if shown.personal else None,
    ]
    text.append("".join(f"  {one_line(part)}" for part in parts if part), style="none")
    return text


def as_json(one: TailEntry, shown: EntryMask) -> str:
    return orjson.dumps(shown.as_object(one)).decode()


def _content(one: TailEntry) -> str | None:
    content = one.body.get("content") if isinstance(one.body, dict) and one.what == "trigger" else one.body
    if content is None or one.what == "decision":
        return None
    written = orjson.dumps(content).decode()
    return written if len(written) <= MOST_CONTENT else f"{written[:MOST_CONTENT]}…"
