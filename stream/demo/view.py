"""What the demo shows: a live picture on a terminal, a line every two seconds elsewhere, then a summary.

`DemoView` keeps a small model that callbacks feed, and decides when to draw. Drawing itself is a set of pure
functions of the model and the size of the screen. There is no thread: callbacks arrive from the event loop
that also runs the rest of the demo, and each may lead to a redraw, at most eight a second.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stream.demo.data import SHIFT_DAYS

_REDRAW_SECONDS = 0.125
_LINE_SECONDS = 2.0
_MOST_RECENT = 8
_FRAME_LINES = 8  # what the live picture has besides its rules and newest triggers: bars, headings, totals

CHANNEL_STYLES = {
    "email": "cyan",
    "web": "green",
    "push": "magenta",
    "call_center": "yellow",
    "phone": "yellow",
    "direct_mail": "blue",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A trigger as it is listed: its time on the stream, where it goes and what it says."""

    at: str
    rule: str
    channel: str
    customer: str
    content: str


@dataclass(slots=True)
class DemoModel:
    """What there is to show. Events and triggers are counts since the start.

    `measured` events were applied in `seconds` of the machine's time, waiting for the first left out.

    `rules` maps the rules that are known beforehand to their channels, so that a silent one is seen, too.
    `held_back` counts by rule and reason, `put_off` by rule what quiet hours let wait.
    `newest` holds the newest trigger of each rule, the oldest first.
    """

    rules: dict[str, tuple[str, ...]] = field(default_factory=dict)
    stage: str = ""
    played: int = 0
    events_done: int = 0
    events_total: int = 0
    rate: float = 0.0
    seconds: float = 0.0
    measured: int = 0
    triggers: Counter[tuple[str, str]] = field(default_factory=Counter)
    held_back: Counter[tuple[str, str]] = field(default_factory=Counter)
    put_off: Counter[str] = field(default_factory=Counter)
    newest: dict[str, Shown] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        return self.triggers.total()

    @property
    def overall_rate(self) -> float:
        """Events a second while there was something to do, 0 before that."""
        return self.measured / self.seconds if self.seconds else 0.0


class DemoView:
    """The demo's screen, as a context manager. Feed it from one thread.

    `rules` maps the names of the rules to the names of their channels; `now` is a clock in seconds.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        rules: Mapping[str, Sequence[str]] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = DemoModel(rules={name: tuple(channels) for name, channels in (rules or {}).items()})
        self._console = console or Console()
        self._now = now
        self._live: Live | None = None
        self._drawn_at = float("-inf")
        self._began: tuple[float, int] | None = None  # when, and how many events had been applied by then

    def __enter__(self) -> DemoView:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def on_stage(self, text: str) -> None:
        """Says what is going on now, e.g. "Starting Apache Kafka"."""
        self.model.stage = text
        if self._live is None:
            self._print_line(Text(text))
        else:
            self._draw(self._now())

    def on_played(self, done: int, total: int) -> None:
        """How many events Kafka has acknowledged."""
        self.model.played = done
        self.model.events_total = total
        self._tick()

    def on_progress(self, events_done: int, events_total: int, rate: float) -> None:
        """How many events the worker has applied, and how many a second lately. Call it often."""
        now = self._now()
        model = self.model
        if self._began is None or events_done == 0:
            self._began = (now, events_done)
        elif events_done != model.events_done:  # the time shown stays while nothing moves
            model.seconds, model.measured = now - self._began[0], events_done - self._began[1]
        model.events_done, model.events_total, model.rate = events_done, events_total, rate
        self._tick()

    def on_trigger(self, trigger: Mapping[str, Any]) -> None:
        """Takes a trigger record, as it is on a channel's topic."""
        shown = Shown(
            at=str(trigger["at"]),
            rule=trigger["rule"],
            channel=trigger["channel"],
            customer=trigger["customer_id"],
            content=" · ".join(str(value) for value in trigger["content"].values()),
        )
        self.model.triggers[shown.rule, shown.channel] += 1
        self.model.newest.pop(shown.rule, None)  # so that it becomes the last
        self.model.newest[shown.rule] = shown
        self._tick()

    def on_decision(self, decision: Mapping[str, Any]) -> None:
        """Takes a decision record. What was sent is counted by its trigger."""
        if decision["outcome"] == "deferred":  # the decision proper is still to come
            self.model.put_off[decision["rule"]] += 1
        elif decision["outcome"] != "sent":
            self.model.held_back[decision["rule"], decision["reason"] or decision["outcome"]] += 1
        self._tick()

    def finish(
        self, *, metrics: str = "127.0.0.1:9464", rules: str = "rules", program: str = "stream"
    ) -> None:
        """Ends the live picture and prints the summary. `metrics` is host:port, `rules` a directory."""
        self.__exit__(None, None, None)
        self._console.print(summary(self.model))
        self._console.print(next_steps(metrics, rules, program), soft_wrap=True)

    def _tick(self) -> None:
        now = self._now()
        if now - self._drawn_at < (_LINE_SECONDS if self._live is None else _REDRAW_SECONDS):
            return
        if self._live is not None:
            self._draw(now)
        elif self.model.events_total:
            self._drawn_at = now
            self._print_line(status_line(self.model))

    def _draw(self, now: float) -> None:
        self._drawn_at = now
        if self._live is not None:
            self._live.update(picture(self.model, *self._console.size), refresh=True)

    def _print_line(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)


def picture(model: DemoModel, width: int, height: int) -> RenderableType:
    """The live picture, no taller than `height`: as many rules as fit, then triggers in what is left."""
    rules = max(1, min(len(_channels(model)), height - _FRAME_LINES - 3))
    room = max(2, height - rules - _FRAME_LINES - 1)
    # Two lines each read better; on a small screen one line each shows more.
    two_lines = room >= 2 * min(4, len(model.newest))
    newest = list(model.newest.values())[-min(_MOST_RECENT, room // 2 if two_lines else room) :]
    return Group(
        _progress(model, width),
        Text(),
        _rules_table(model, rules),
        _channel_line(model),
        Text(),
        Text("Newest triggers, one for each rule", style="bold"),
        *(line for each in reversed(newest) for line in _trigger_lines(each, width, two_lines)),
    )


def status_line(model: DemoModel) -> Text:
    """One line for logs and pipes."""
    if not model.events_done:
        return Text(f"{_count(model.played)} of {_count(model.events_total)} events played into Kafka")
    line = (
        f"{_count(model.events_done)} of {_count(model.events_total)} events, "
        f"{_count(model.rate)}/s, {_count(model.sent)} triggers"
    )
    if model.newest:
        last = next(reversed(model.newest.values()))
        line += f"; the newest: {last.rule} → {last.channel}: {last.content}"
    return Text(line)


def summary(model: DemoModel) -> RenderableType:
    """What came of it: totals, what every rule sent and what was held back, and where the data are from."""
    totals = Table.grid(padding=(0, 2))
    totals.add_column(style="dim")
    totals.add_column(justify="right", style="bold")
    totals.add_column(style="dim")
    totals.add_row("Events", _count(model.events_done), f"in {model.seconds:.1f} s")
    totals.add_row("Events a second", _count(model.overall_rate), "")
    totals.add_row("Triggers", _count(model.sent), f"by {len({rule for rule, _ in model.triggers})} rules")
    for reason, count in _by_second(model.held_back).most_common():
        totals.add_row("Held back", _count(count), f"reason: {reason}")
    if model.put_off:
        totals.add_row("Put off", _count(model.put_off.total()), "to the end of quiet hours")
    return Padding(
        Group(
            Text("What came of it", style="bold"),
            totals,
            Text(),
            _rules_table(model),
            _channel_line(model),
            Text(),
            Text(
                "Two public data sets, played on the clock of their events: page events of a shop that its "
                "authors made up, and real purchases at CDNOW in 1997 and 1998, moved by "
                f"{_count(SHIFT_DAYS)} days to end with them and spread over the day. "
                "The two have no customer in common. Addresses, time zones and consents are made up. "
                "More: stream/demo/data/README.md",
                style="dim",
            ),
        ),
        (1, 0),
    )


def next_steps(metrics: str, rules: str, program: str = "stream") -> RenderableType:
    """Three things to try, as commands to copy; `program` is what runs them."""
    steps = (
        (
            f"Change a rule: in {rules}/carts.yaml, let a cart wait 2h instead of 30m",
            (f"{program} check {rules}", f"{program} demo"),
        ),
        (
            "Keep it running, and count in another terminal why messages were held back",
            (f"{program} demo --keep", f"curl -s http://{metrics}/metrics | grep stream_decisions_total"),
        ),
        (
            f"Your own events: name your topics in {rules}/sources.yaml; the broker in its own terminal",
            (
                f"{program} broker --port 9092",
                f"{program} topics --create --sources --partitions 4 --rules {rules}",
                f"{program} worker --rules {rules}",
            ),
        ),
    )
    lines = [Text("Three things to try next", style="bold")]
    for number, (what, commands) in enumerate(steps, start=1):
        lines.append(Text(f"{number}. {what}"))
        lines.extend(Text(f"     {command}", style="cyan") for command in commands)
    return Group(*lines)


def _progress(model: DemoModel, width: int) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column(justify="right", style="bold", min_width=16)
    total = max(1, model.events_total)
    bar = max(10, width - 66)
    of = _count(model.events_total)
    for name, done, rate in (
        ("Played into Kafka", model.played, ""),
        ("Through the worker", model.events_done, f"{_count(model.rate)} events/s"),
    ):
        grid.add_row(
            name,
            ProgressBar(total, done, width=bar, complete_style="cyan", finished_style="green"),
            f"{_count(done)} of {of}",
            rate,
        )
    return Group(Text(model.stage, style="dim", no_wrap=True, overflow="ellipsis"), grid)


def _rules_table(model: DemoModel, most: int | None = None) -> Table:
    """What the rules did: all of them in full, or the first `most` in a line each."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Rule", no_wrap=True)
    table.add_column("Channel", no_wrap=True)
    table.add_column("Sent", justify="right", no_wrap=True)
    table.add_column("Held back", no_wrap=most is not None, overflow="ellipsis")
    for rule, channels in islice(_channels(model).items(), most):
        sent = sum(model.triggers[rule, channel] for channel in channels)
        reasons = Counter({reason: n for (name, reason), n in model.held_back.items() if name == rule})
        table.add_row(
            Text(rule, style="" if sent else "dim"),
            Text(", ").join(Text(each, style=CHANNEL_STYLES.get(each, "")) for each in channels),
            Text(_count(sent), style="" if sent else "dim"),
            Text(", ".join(f"{reason} {_count(n)}" for reason, n in reasons.most_common()), style="dim"),
        )
    return table


def _channel_line(model: DemoModel) -> Text:
    by_channel = _by_second(model.triggers)
    channels = sorted(set(chain(*_channels(model).values())), key=lambda name: (-by_channel[name], name))
    line = Text(" · ", style="dim").join(
        Text.assemble(
            (name, f"not dim {CHANNEL_STYLES.get(name, '')}"), (f" {_count(by_channel[name])}", "not dim")
        )
        for name in channels
    )
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _trigger_lines(shown: Shown, width: int, two_lines: bool) -> list[Text]:
    """Two lines, or one where there is little room; each cut to the width."""
    head = Text(f"{shown.at[:16].replace('T', ' ')}  ", style="dim", no_wrap=True, overflow="ellipsis")
    head.append(shown.rule, style="not dim")
    head.append(" → ")
    head.append(shown.channel, style=f"not dim {CHANNEL_STYLES.get(shown.channel, '')}".strip())
    if not two_lines:
        head.append(f"  {shown.content}", style="not dim")
        head.truncate(width, overflow="ellipsis")
        return [head]
    head.append(f"  {shown.customer}")
    content = Text(f"  {shown.content}", no_wrap=True, overflow="ellipsis")
    content.truncate(width, overflow="ellipsis")
    return [head, content]


def _channels(model: DemoModel) -> dict[str, tuple[str, ...]]:
    """Every rule with its channels: those known beforehand, then others as they came up."""
    found = dict(model.rules)
    for rule, channel in model.triggers:
        if channel not in found.get(rule, ()):
            found[rule] = (*found.get(rule, ()), channel)
    return found


def _by_second(counts: Counter[tuple[str, str]]) -> Counter[str]:
    """Counts by (rule, something), summed by something."""
    sums: Counter[str] = Counter()
    for (_, name), count in counts.items():
        sums[name] += count
    return sums


def _count(number: float) -> str:
    return f"{number:,.0f}"
