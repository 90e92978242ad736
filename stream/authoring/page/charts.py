"""Charts as SVG, drawn here: no script, no font, nothing to fetch. Colours are classes that the page's style
sets.

Each says in a sentence what it shows, for who does not see it; its numbers stand in a table beside it.
Tested by tests/authoring/page/test_charts.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stream.authoring.page.markup import Html, element

WIDTH, HEIGHT = 640, 180
LEFT, TOP, BOTTOM = 44, 12, 22  # room for the scale, above, and for the labels below
COLOURS = 6
FEWEST = 8  # columns that there is room for: one alone is no wall
_GAP = 0.15  # of a column


def columns(says: str, labels: Sequence[str], series: Mapping[str, Sequence[int]], shown: int = 7) -> Html:
    """Stacked columns, one for each label, of series of as many numbers; `shown` labels are written."""
    totals = [sum(each) for each in zip(*series.values(), strict=True)] or [0]
    top = scale(max(totals))
    wide, high = (WIDTH - LEFT) / max(len(labels), FEWEST), HEIGHT - TOP - BOTTOM
    drawn = [_grid(top, high)]
    heights = [0.0] * len(totals)
    for number, values in enumerate(series.values()):
        for at, value in enumerate(values):
            if value:
                tall = high * value / top
                heights[at] += tall
                drawn.append(
                    _box(
                        LEFT + (at + _GAP / 2) * wide,
                        TOP + high - heights[at],
                        wide * (1 - _GAP),
                        tall,
                        number,
                    )
                )
    every = -(-len(labels) // shown) if labels else 1
    drawn += [
        element("text", label, x=_n(LEFT + (at + 0.5) * wide), y=HEIGHT - 6, text_anchor="middle")
        for at, label in enumerate(labels)
        if at % every == 0
    ]
    return _svg(says, WIDTH, HEIGHT, drawn)


def bar(says: str, parts: Sequence[int], whole: int) -> Html:
    """A bar of several parts, as long as they are of `whole`; for a cell of a table."""
    drawn, left = [_box(0, 0, 120, 12, None)], 0.0
    for number, part in enumerate(parts):
        wide = 120 * part / whole if whole else 0.0
        drawn += [_box(left, 0, wide, 12, number)] if part else []
        left += wide
    return _svg(says, 120, 12, drawn)


def scale(most: int) -> int:
    """A round number that is no smaller: one figure, and noughts."""
    power = 1
    while True:
        for figure in (1, 2, 3, 4, 6, 8):
            if figure * power >= most:
                return figure * power
        power *= 10


def key(names: Sequence[Html]) -> Html:
    """Which colour is which; nothing for one."""
    if len(names) < 2:
        return Html()
    entries = [
        element("li", _svg(None, 12, 12, [_box(0, 0, 12, 12, number)]), " ", name)
        for number, name in enumerate(names)
    ]
    return element("ul", entries, class_="key")


def _grid(top: int, high: float) -> Html:
    lines = [
        (
            element("path", d=f"M{LEFT} {_n(y)}H{WIDTH}"),
            element("text", value, x=LEFT - 6, y=_n(y + 4), text_anchor="end"),
        )
        for value in ((0, top // 2, top) if top > 1 and top % 2 == 0 else (0, top))
        for y in [TOP + high * (1 - value / top)]
    ]
    return element("g", lines, class_="grid")


def _box(x: float, y: float, wide: float, high: float, colour: int | None) -> Html:
    name = "track" if colour is None else f"c{colour % COLOURS}"
    return element("rect", x=_n(x), y=_n(y), width=_n(wide), height=_n(max(high, 0.8)), class_=name)


def _svg(says: str | None, wide: int, high: int, drawn: Sequence[Html]) -> Html:
    named = {"role": "img", "aria_label": says} if says else {"aria_hidden": "true"}
    class_ = "bar" if high < HEIGHT else "chart"
    return element("svg", drawn, viewBox=f"0 0 {wide} {high}", class_=class_, **named)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
