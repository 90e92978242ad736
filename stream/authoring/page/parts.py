"""What the page of a backtest is made of: tables, charts with their numbers beside them, links to rules.

Tested by tests/authoring/page/test_page.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from stream.authoring.backtest.summary import percent
from stream.authoring.page import charts
from stream.authoring.page.markup import Child, Html, element, own
from stream.clock import time_zone
from stream.diagnostics import some

MOST_COLUMNS = 60  # of a chart; more days than that are taken together
STEPS = (1, 2, 7, 14, 28, 91, 364)  # days
OTHERS = "others"
MOST_NOTES = 200
SHORT = 15  # rows of a table that stay on one sheet of paper


def names_customers() -> Html:
    """What goes with a page that shows messages."""
    return element(
        "p",
        "This page shows messages with customers’ ids and what the texts say of them: personal data. "
        "Keep it where such data may be, or make it anew with --examples 0.",
        class_="note",
    )


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Child]]) -> Html:
    """A table; a head that begins with `#` is that of numbers, and the first cell of a row names it.

    Where there is no room, one of numbers scrolls, and of others each row becomes a block.
    """
    kinds = ["n" if head.startswith("#") else None for head in heads]
    names = [head.lstrip("#") for head in heads]
    blocks = not all(kinds[1:])
    cells = [element("th", name, scope="col", class_=kind) for name, kind in zip(names, kinds, strict=True)]
    lines = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            [
                element("td", _shown(cell), class_=kind, data_head=f"{name}: " if blocks else None)
                for cell, kind, name in list(zip(row, kinds, names, strict=True))[1:]
            ],
        )
        for row in rows
    ]
    drawn = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", element("tr", cells)),
        element("tbody", lines),
    )
    class_ = ("blocks" if blocks else "wide") + (" short" if len(rows) <= SHORT else "")
    # What scrolls can be scrolled by keyboard, too.
    return element("div", drawn, class_=class_, tabindex="0", role="region", aria_label=caption)


def _shown(cell: Child) -> Child:
    return f"{cell:,.2f}" if isinstance(cell, float) else cell


def figure(caption: str, drawn: Html, numbers: Html, names: Mapping[int, Html] | None = None) -> Html:
    """A chart with its caption, the names of its colours, and its numbers to unfold."""
    more = element("details", element("summary", "The numbers"), numbers)
    return element("figure", element("figcaption", caption), charts.key(names or {}), drawn, more)


def linked(name: str, ids: Mapping[str, str]) -> Html:
    """A rule's name, which leads to its section if it has one."""
    return element("a", own(name), href=f"#{ids[name]}") if name in ids else own(name)


def share_of(part: int, whole: int) -> list[Child]:
    """A share as a number and as a bar."""
    return [percent(part / whole if whole else 0), " ", charts.bar(None, part, whole)]


def more(count: int, what: str, where: str = "--json has them") -> Html | None:
    """That a list goes on elsewhere."""
    return element("p", f"And {some(count, what)} more: {where}.") if count > 0 else None


def columns_of_days(days: Mapping[str, Mapping[str, int]], channels: Sequence[str]) -> Html | None:
    """Messages by day, or by several days together, and by channel; `days` by ISO date. `channels`: all that
    the report has, those with the most messages first, so that each has its colour everywhere.
    """
    if not days:
        return None
    first, last = date.fromisoformat(min(days)), date.fromisoformat(max(days))
    step = step_of((last - first).days + 1)
    labels = [(first + timedelta(days=at)).isoformat() for at in range(0, (last - first).days + 1, step)]
    sent: dict[str, list[int]] = {}
    for day, its in days.items():
        for channel, count in its.items():
            column = (date.fromisoformat(day) - first).days // step
            sent.setdefault(channel, [0] * len(labels))[column] += count
    unit, head = ("day", "Day") if step == 1 else (f"{step} days", "From")
    return _by_channel(f"Messages per {unit}", head, labels, sent, channels)


def step_of(days: int) -> int:
    """How many days a column takes, so that there are not too many."""
    years = -(-days // (MOST_COLUMNS * STEPS[-1]))
    return next((step for step in STEPS if days <= step * MOST_COLUMNS), STEPS[-1] * years)


def columns_of_hours(hours: Mapping[str, Sequence[int]], channels: Sequence[str], zone: str) -> Html | None:
    """Messages by hour of day and by channel."""
    if not hours:
        return None
    labels = [f"{hour:02}" for hour in range(24)]
    return _by_channel(f"Messages by hour of the day ({zone})", "Hour", labels, hours, channels)


def _by_channel(
    caption: str,
    head: str,
    labels: Sequence[str],
    sent: Mapping[str, Sequence[int]],
    channels: Sequence[str],
) -> Html:
    """Columns of messages, stacked by channel; those that have no colour of their own are the last one."""
    own_colour = len(channels) if len(channels) <= charts.COLOURS else charts.COLOURS - 1
    series = {at: sent[name] for at, name in enumerate(channels[:own_colour]) if name in sent}
    names = {at: channels[at] for at in series}
    if others := [sent[name] for name in channels[own_colour:] if name in sent]:
        series[own_colour], names[own_colour] = [sum(each) for each in zip(*others, strict=True)], OTHERS
    totals = [sum(each) for each in zip(*series.values(), strict=True)]
    most = max(range(len(labels)), key=totals.__getitem__)
    says = f"{caption}: {some(sum(totals), 'message')} in all, the most ({totals[most]:,}) at {labels[most]}."
    rows: list[list[Child]] = [
        [label, *(values[at] for values in series.values())] for at, label in enumerate(labels)
    ]
    heads = [head, *(f"#{name}" for name in names.values())]
    alone = f", all of them by {names[next(iter(names))]}" if len(names) == 1 else ""
    return figure(
        f"{caption}{alone}",
        charts.columns(says, labels, series),
        table(caption, heads, rows),
        {at: own(name) for at, name in names.items()},
    )


def spread(counts: Mapping[str, Any]) -> Html | None:
    """How many customers get how many messages; nothing where each gets one."""
    lines = counts["counts"]
    if counts["worst"] < 2:
        return None
    labels = [str(first) if first == last else f"{first}–{last}" for first, last, _ in lines]
    customers = [each for _, _, each in lines]
    caption = "How many customers get how many messages in all"
    says = f"{caption}: half get {counts['p50']:,} at most, one gets {counts['worst']:,}."
    rows: list[list[Child]] = [[label, each] for label, each in zip(labels, customers, strict=True)]
    numbers = table(caption, ["Messages", "#Customers"], rows)
    return figure(
        f"{caption} (upwards: customers, to the right: messages of one)",
        charts.columns(says, labels, {0: customers}),
        numbers,
    )


def ranked(totals: Iterable[tuple[str, int]]) -> list[str]:
    """The most first; of equals as the alphabet has them."""
    return [name for name, _ in sorted(totals, key=lambda each: (-each[1], each[0]))]


def period(found: Mapping[str, Any]) -> str:
    """`, from 2026-03-02 10:00 to 2026-03-08 12:00`."""
    begin, end = found["from"] or found["until"], found["until"]
    if end is None:
        return ""
    return f", from {minute(begin, found['zone'])} to {minute(end, found['zone'])}"


def minute(iso: str, zone: str) -> str:
    """A time of the findings by the report's clocks."""
    return f"{datetime.fromisoformat(iso).astimezone(time_zone(zone)):%Y-%m-%d %H:%M}"


def unused(notes: Sequence[str]) -> Html:
    shown = (
        [element("ul", [element("li", own(note)) for note in notes[:MOST_NOTES]])]
        if notes
        else [element("p", "All of the input was used, and nothing was odd.")]
    )
    rest = more(len(notes) - MOST_NOTES, "line")
    return element("section", element("h2", "What was not used, or odd"), shown, rest, id="odd")
