"""What the page of a backtest is made of: tables, figures with their numbers beside them, links to rules.

Tested by tests/authoring/page/test_page.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from stream.authoring.page import charts
from stream.authoring.page.markup import Child, Html, element, own

MOST_COLUMNS = 60  # of a chart; more days than that are taken together
STEPS = (1, 2, 7, 14, 28, 91, 364)  # days
OTHERS = "others"


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Child]]) -> Html:
    """A table; a head that begins with `#` is that of numbers."""
    kinds = ["n" if head.startswith("#") else None for head in heads]
    cells = [
        element("th", head.lstrip("#"), scope="col", class_=kind)
        for head, kind in zip(heads, kinds, strict=True)
    ]
    lines = [
        element(
            "tr", [element("td", _shown(cell), class_=kind) for cell, kind in zip(row, kinds, strict=True)]
        )
        for row in rows
    ]
    drawn = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", element("tr", cells)),
        element("tbody", lines),
    )
    # What scrolls can be scrolled by keyboard, too.
    return element("div", drawn, class_="wide", tabindex="0", role="region", aria_label=caption)


def _shown(cell: Child) -> Child:
    return f"{cell:,}" if isinstance(cell, float) else cell


def figure(caption: str, drawn: Html, numbers: Html, names: Sequence[Html] = ()) -> Html:
    """A chart with its caption, the colours' names, and its numbers to unfold."""
    more = element("details", element("summary", "The numbers"), numbers)
    return element("figure", element("figcaption", caption), charts.key(names), drawn, more)


def linked(name: str, id_: str | None) -> Html:
    """A rule's name, which leads to its section if it has one."""
    return own(name) if id_ is None else element("a", own(name), href=f"#{id_}")


def columns_of_days(days: Mapping[str, Mapping[str, int]]) -> Html | None:
    """Messages by day, or by several days together, and by channel; `days` by ISO date."""
    if not days:
        return None
    first, last = date.fromisoformat(min(days)), date.fromisoformat(max(days))
    step = step_of((last - first).days + 1)
    labels = [(first + timedelta(days=at)).isoformat() for at in range(0, (last - first).days + 1, step)]
    totals: Counter[str] = Counter()
    for sent in days.values():
        totals.update(sent)
    ranked = [name for name, _ in totals.most_common()]
    named = ranked if len(ranked) <= charts.COLOURS else ranked[: charts.COLOURS - 1]
    series = {name: [0] * len(labels) for name in named}
    if len(named) < len(ranked):
        series[OTHERS] = [0] * len(labels)
    for day, sent in days.items():
        at = (date.fromisoformat(day) - first).days // step
        for name, count in sent.items():
            series[name if name in named else OTHERS][at] += count
    unit = "day" if step == 1 else f"{step} days"
    caption = f"Messages per {unit}"
    says = f"{caption}, from {labels[0]} on: {totals.total():,} messages in all."
    rows: list[list[Child]] = [
        [label, *(series[name][at] for name in series)] for at, label in enumerate(labels)
    ]
    heads = ["From" if step > 1 else "Day", *(f"#{name}" for name in series)]
    return figure(
        caption,
        charts.columns(says, labels, series, 5),
        table(caption, heads, rows),
        [own(name) for name in series],
    )


def step_of(days: int) -> int:
    """How many days a column takes, so that there are not too many."""
    years = -(-days // (MOST_COLUMNS * STEPS[-1]))
    return next((step for step in STEPS if days <= step * MOST_COLUMNS), STEPS[-1] * years)


def columns_of_hours(hours: Sequence[int]) -> Html:
    labels = [f"{hour:02}" for hour in range(24)]
    says = f"Messages by hour of day; the most at {max(range(24), key=hours.__getitem__)} o’clock."
    rows: list[list[Child]] = [[f"{label}:00", count] for label, count in zip(labels, hours, strict=True)]
    numbers = table("Messages by hour", ["From", "#Messages"], rows)
    return figure("Time of day", charts.columns(says, labels, {"messages": hours}, 12), numbers)


def spread(counts: Mapping[str, Any]) -> Html:
    """How many customers get how many messages."""
    lines = counts["counts"]
    labels = [str(first) if first == last else f"{first}–{last}" for first, last, _ in lines]
    customers = [each for _, _, each in lines]
    says = (
        f"Customers by number of messages: half get {counts['p50']:,} at most, one gets {counts['worst']:,}."
    )
    rows: list[list[Child]] = [[label, each] for label, each in zip(labels, customers, strict=True)]
    numbers = table("Customers by messages", ["Messages", "#Customers"], rows)
    return figure(
        "Customers by number of messages", charts.columns(says, labels, {"customers": customers}, 15), numbers
    )
