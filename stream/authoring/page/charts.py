"""Charts as SVG, drawn here: no script, no font, nothing to fetch. A colour is a number, a class that the
page's style sets, and where there are several each but the first has strokes of its own, for who cannot tell
the colours.

Each says in a sentence what it shows, for who does not see it; its numbers stand in a table beside it.
Tested by tests/authoring/page/test_charts.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from stream.authoring.page.markup import Html, element

WIDTH, HEIGHT = 640, 180
LEFT, TOP, BOTTOM = 46, 12, 22  # room for the scale, above, and for the labels below
COLOURS = 6
FEWEST = 8  # columns that there is room for: one alone is no wall
LETTER = 5.7  # the width of one of a label; on a phone, where letters are larger, twice that
_GAP = 0.15  # of a column

Box = tuple[float, float, float, float]  # x, y, width, height
_APART = 4  # the strokes
_STROKES = ("", "/", "-", "\\", "|", "/\\")  # that lie over a colour, by its number


def columns(says: str, labels: Sequence[str], series: Mapping[int, Sequence[int]]) -> Html:
    """Stacked columns, one for each label, of series of as many numbers, by colour. As many labels are
    written as there is room for.
    """
    totals = [sum(each) for each in zip(*series.values(), strict=True)] or [0]
    top = scale(max(totals))
    wide, high = (WIDTH - LEFT) / max(len(labels), FEWEST), HEIGHT - TOP - BOTTOM
    drawn = [_grid(top, high)]
    heights = [0.0] * len(totals)
    for colour, values in series.items():
        boxes = []
        for at, value in enumerate(values):
            if value:
                tall = high * value / top
                heights[at] += tall
                x, y = LEFT + (at + _GAP / 2) * wide, TOP + high - heights[at]
                boxes.append((x, y, wide * (1 - _GAP), max(tall, 0.8)))
        drawn += _filled(boxes, colour, plain=len(series) == 1)
    return _svg(says, WIDTH, HEIGHT, [*drawn, *_labels(labels, wide)])


def _labels(labels: Sequence[str], wide: float) -> list[Html]:
    """Every n-th, so that none touches the next; `more` are those that a phone has no room for."""
    longest = LETTER * (max(map(len, labels), default=0) + 1)
    every = max(1, ceil(longest / wide))
    middles = [LEFT + (at + 0.5) * wide for at in range(0, len(labels), every)]
    phone = max(1, ceil(2 * longest / (wide * every)))
    written = []
    for at, (middle, label) in enumerate(zip(middles, labels[::every], strict=True)):
        if middle + longest / 2 > WIDTH + 2 * LETTER:
            continue
        crowded = at % phone or not longest <= middle <= WIDTH + LETTER - longest
        class_ = "more" if crowded else None
        y = HEIGHT - 6
        written.append(element("text", label, x=_n(middle), y=y, text_anchor="middle", class_=class_))
    return written


def bar(says: str | None, part: int, whole: int) -> Html:
    """As long as the part is of the whole; for a cell of a table."""
    filled = _filled([(0, 0, 120 * part / whole, 12)], 0) if part else []
    return _svg(says, 120, 12, [*_filled([(0, 0, 120, 12)], None), *filled])


def scale(most: int) -> int:
    """A round number that is no smaller: one figure, and noughts."""
    power = 1
    while True:
        for figure in (1, 2, 3, 4, 6, 8):
            if figure * power >= most:
                return figure * power
        power *= 10


def key(names: Mapping[int, Html]) -> Html:
    """Which colour is which; nothing for one."""
    if len(names) < 2:
        return Html()
    entries = [
        element("li", _svg(None, 16, 12, _filled([(0, 0, 16, 12)], colour)), " ", name)
        for colour, name in names.items()
    ]
    return element("ul", entries, class_="key")


def _grid(top: int, high: float) -> Html:
    lines = [
        (
            element("path", d=f"M{LEFT} {_n(y)}H{WIDTH}"),
            element("text", short(value, top), x=LEFT - 6, y=_n(y + 4), text_anchor="end"),
        )
        for value in ((0, top // 2, top) if top > 1 and top % 2 == 0 else (0, top))
        for y in [TOP + high * (1 - value / top)]
    ]
    return element("g", lines, class_="grid")


def short(number: int, top: int) -> str:
    """`400`, `1,000`, `15k`, `0.5M`, as the top of the scale is written: there is room for five letters."""
    for unit, name in ((1_000_000_000, "bn"), (1_000_000, "M"), (1_000, "k")):
        if number and top >= max(unit, 10_000):
            return f"{number / unit:g}{name}"
    return f"{number:,}"


def _filled(boxes: Sequence[Box], colour: int | None, *, plain: bool = False) -> list[Html]:
    """The boxes, and the strokes over them."""
    name = "track" if colour is None else f"c{colour}"
    area = "".join(f"M{_n(x)} {_n(y)}h{_n(wide)}v{_n(high)}h-{_n(wide)}z" for x, y, wide, high in boxes)
    strokes = "" if plain or colour is None else "".join(_strokes(box, colour) for box in boxes)
    return [
        element("path", d=area, class_=name),
        *([element("path", d=strokes, class_="over")] if strokes else []),
    ]


def _strokes(box: Box, colour: int) -> str:
    """Lines, not a pattern: a browser that prints takes minutes, and megabytes, for a page of patterns."""
    x, y, wide, high = box
    right, bottom, drawn = x + wide, y + high, ""
    for kind in _STROKES[colour]:
        match kind:
            case "-":
                drawn += "".join(f"M{_n(x)} {at}h{_n(wide)}" for at in _steps(y, bottom))
            case "|":
                drawn += "".join(f"M{at} {_n(y)}v{_n(high)}" for at in _steps(x, right))
            case "/":  # where x + y is the same
                for both in _steps(x + y, right + bottom):
                    begin, end = max(x, both - bottom), min(right, both - y)
                    drawn += f"M{_n(begin)} {_n(both - begin)}L{_n(end)} {_n(both - end)}"
            case _:  # where x - y is
                for off in _steps(x - bottom, right - y):
                    begin, end = max(x, off + y), min(right, off + bottom)
                    drawn += f"M{_n(begin)} {_n(begin - off)}L{_n(end)} {_n(end - off)}"
    return drawn


def _steps(begin: float, end: float) -> range:
    return range(ceil(begin / _APART) * _APART, ceil(end), _APART)


def _svg(says: str | None, wide: int, high: int, drawn: Sequence[Html]) -> Html:
    named = {"role": "img", "aria_label": says} if says else {"aria_hidden": "true"}
    class_ = "bar" if high < HEIGHT else "chart"
    return element("svg", drawn, viewBox=f"0 0 {wide} {high}", class_=class_, **named)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
