"""Two charts beside those of the backtest's page: columns in groups, each with its spread, and lines.

SVG, drawn here, as those are: no script, nothing to fetch; each says in a sentence what it shows, and its
numbers stand in a table beside it. Columns go up from nothing. A line's scale to the right is logarithmic,
and so is the one upwards where the greatest value is more than fifty times the least.
Tested by tests/loadtest/test_page.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import floor, log10
from typing import NamedTuple

from stream.authoring.page.charts import BOTTOM, HEIGHT, LEFT, LETTER, TOP, WIDTH
from stream.authoring.page.markup import Html, element

HIGH = HEIGHT - TOP - BOTTOM
RIGHT = 30  # room for half a label
MUCH = 50  # from here on a scale is logarithmic
STYLE = "".join(
    f".l{n}{{stroke:var(--c{n});fill:none;stroke-width:2;stroke-dasharray:{dashes}}}"
    for n, dashes in enumerate(("none", "6 3", "2 2", "8 3 2 3", "1 3", "10 2"))
)
STYLE += ".whisker{stroke:var(--ink);fill:none;stroke-width:1.2}"


class Spot(NamedTuple):
    """A median between a minimum and a maximum."""

    least: float
    middle: float
    most: float


def bars(says: str, labels: Sequence[str], series: Mapping[int, Sequence[Spot | None]]) -> Html:
    """A column for each label and colour, with a line from its least to its most. None: a gap."""
    values = [spot.most for spots in series.values() for spot in spots if spot]
    top = ceiling(max(values, default=1.0))
    wide = (WIDTH - LEFT) / max(len(labels), 4)
    each = wide * 0.8 / max(len(series), 1)
    drawn = [_grid([0, top / 2, top], lambda value: TOP + HIGH * (1 - value / top))]
    for place, (colour, spots) in enumerate(series.items()):
        for at, spot in enumerate(spots):
            if spot is None:
                continue
            x, (low, middle, high) = LEFT + at * wide + wide * 0.1 + place * each, spot
            y = TOP + HIGH * (1 - middle / top)
            area = f"M{_n(x)} {_n(y)}h{_n(each * 0.9)}V{TOP + HIGH}H{_n(x)}z"
            drawn.append(element("path", d=area, class_=f"c{colour}"))
            if high > low:
                centre, ends = x + each * 0.45, [TOP + HIGH * (1 - value / top) for value in (low, high)]
                line = f"M{_n(centre)} {_n(ends[0])}V{_n(ends[1])}"
                drawn.append(element("path", d=line, class_="whisker"))
    rows = 2 if max(map(len, labels), default=0) * LETTER > wide else 1
    drawn += [
        _label(LEFT + (at + 0.5) * wide, label, HEIGHT - 2 - 10 * (rows - 1 - at % rows))
        for at, label in enumerate(labels)
    ]
    return _svg(says, drawn)


def lines(says: str, series: Mapping[int, Sequence[tuple[float, float]]]) -> Html:
    """A line for each colour through its points, from left to right; of positive numbers."""
    points = [point for line in series.values() for point in line]
    if not points:
        return _svg(says, [])
    across, up = sorted({x for x, _ in points}), [y for _, y in points]
    least, most = min(up), max(up)
    logarithmic = least > 0 and most / least > MUCH
    top = ceiling(most)
    bottom = 10.0 ** floor(log10(least)) if logarithmic else 0.0

    def x_of(value: float) -> float:
        if across[0] == across[-1]:
            return LEFT + 40
        share = (log10(value) - log10(across[0])) / (log10(across[-1]) - log10(across[0]))
        return LEFT + 30 + share * (WIDTH - LEFT - 30 - RIGHT)

    def y_of(value: float) -> float:
        if logarithmic:
            return TOP + HIGH * (1 - (log10(value) - log10(bottom)) / (log10(top) - log10(bottom)))
        return TOP + HIGH * (1 - value / top)

    ticks = [0, top / 2, top]
    if logarithmic:
        ticks = [bottom * 10**n for n in range(10) if bottom * 10**n <= top]
    drawn = [_grid(ticks, y_of)]
    for colour, line in series.items():
        places = [(x_of(x), y_of(y)) for x, y in sorted(line)]
        path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in places)
        drawn.append(element("path", d=path, class_=f"l{colour}"))
        dots = "".join(f"M{_n(x - 3)} {_n(y)}a3 3 0 1 0 6 0a3 3 0 1 0-6 0z" for x, y in places)
        drawn.append(element("path", d=dots, class_=f"c{colour}"))
    drawn += [_label(x_of(x), short(x)) for x in across]
    return _svg(says, drawn)


def ceiling(value: float) -> float:
    """A round number that is no smaller: one figure, and noughts."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(figure * power for figure in (1, 2, 3, 4, 6, 8, 10) if figure * power >= value * (1 - 1e-9))


def short(value: float) -> str:
    """`0.5`, `400`, `15k`, `1.5M`."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def _grid(ticks: Sequence[float], y_of: Callable[[float], float]) -> Html:
    drawn = [
        (
            element("path", d=f"M{LEFT} {_n(y)}H{WIDTH}"),
            element("text", short(tick), x=LEFT - 6, y=_n(y + 4), text_anchor="end"),
        )
        for tick in ticks
        for y in [y_of(tick)]
    ]
    return element("g", drawn, class_="grid")


def _label(x: float, text: str, y: int = HEIGHT - 6) -> Html:
    return element("text", text, x=_n(x), y=y, text_anchor="middle")


def _svg(says: str, drawn: Sequence[Html]) -> Html:
    return element("svg", drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", class_="chart", role="img", aria_label=says)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
