"""A dashboard as a page of HTML, from its JSON and a Prometheus: for documentation, and without a Grafana.

Draws what the dashboards here use of Grafana: lines, stacked areas, figures with a small line, tables. The
look is Grafana's dark one; the data, the queries and the places are the dashboard's own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol

COLUMNS, COLUMN, ROW = 24, 58, 30  # pixels
PALETTE = (
    *("#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C", "#5794F2", "#B877D9", "#705DA0", "#37872D"),
    *("#FADE2A", "#447EBC", "#C15C17", "#890F02", "#0A437C", "#6D1F62", "#584477", "#B7DBAB", "#F4D598"),
)
NAMED = {
    "green": "#73BF69",
    "orange": "#FF9830",
    "red": "#F2495C",
    "blue": "#5794F2",
    "purple": "#B877D9",
    "text": "#ccccdc",
}
STYLE = f"""
body {{ background: #111217; color: #ccccdc; font: 12px Inter, 'DejaVu Sans', sans-serif; margin: 12px; }}
h1 {{ font-size: 17px; font-weight: 500; margin: 2px 4px 10px; }}
.page {{ position: relative; width: {COLUMNS * COLUMN}px; }}
.row {{ position: absolute; font-size: 14px; padding: 6px 4px; }}
.panel {{ position: absolute; background: #181b1f; border: 1px solid #2c2f35; border-radius: 2px;
          box-sizing: border-box; padding: 6px 8px; overflow: hidden; }}
.title {{ font-weight: 500; white-space: nowrap; }}
.legend {{ white-space: nowrap; overflow: hidden; text-overflow: ellipsis; font-size: 11px; padding: 3px }}
.legend i {{ display: inline-block; width: 12px; height: 3px; border-radius: 2px; margin: 0 4px 3px 8px; }}
.figure {{ font-size: 34px; font-weight: 500; text-align: center; padding-top: 8px; }}
text {{ fill: #9fa7b3; font-size: 10px; }}
table {{ width: 100%; border-collapse: collapse; margin-top: 6px; }}
th {{ text-align: left; color: #6e9fff; font-weight: 500; }}
th, td {{ padding: 4px 8px; border-bottom: 1px solid #2c2f35; white-space: nowrap; }}
td.number, th.number {{ text-align: right; }}
"""
Points = Sequence[tuple[float, float]]


class Prometheus(Protocol):
    """What is asked for data."""

    def query(self, expression: str) -> list[dict[str, Any]]: ...
    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is shown, in seconds since 1970, and how far two points of it lie apart."""

    start: float
    end: float
    step: float


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    color: str
    points: Points


def page(document: Mapping[str, Any], prometheus: Prometheus, span: Span, asked: Callable[[str], str]) -> str:
    """The HTML. `asked` puts values in the place of a query's variables."""
    parts = []
    for panel in document["panels"]:
        place = panel["gridPos"]
        left, top = place["x"] * COLUMN, place["y"] * ROW
        width, height = place["w"] * COLUMN - 8, place["h"] * ROW - 8
        at = f"left:{left}px;top:{top}px;width:{width}px;height:{height}px"
        if panel["type"] == "row":
            parts.append(f'<div class="row" style="{at}">▾ {escape(panel["title"])}</div>')
            continue
        body = _BODIES[panel["type"]](panel, prometheus, span, asked, width - 18, height - 34)
        title = escape(panel["title"])
        parts.append(f'<div class="panel" style="{at}"><div class="title">{title}</div>{body}</div>')
    bottom = max((each["gridPos"]["y"] + each["gridPos"]["h"]) * ROW for each in document["panels"])
    title = escape(document["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f'<h1>{title}</h1><div class="page" style="height:{bottom}px">{"".join(parts)}</div></html>\n'
    )


def size(document: Mapping[str, Any]) -> tuple[int, int]:
    """How many pixels the page takes, across and down."""
    bottom = max((each["gridPos"]["y"] + each["gridPos"]["h"]) * ROW for each in document["panels"])
    return COLUMNS * COLUMN + 24, bottom + 58


def _series(
    panel: Mapping[str, Any], prometheus: Prometheus, span: Span, asked: Callable[[str], str]
) -> list[_Series]:
    found: list[_Series] = []
    colors = {
        override["matcher"]["options"]: NAMED[override["properties"][0]["value"]["fixedColor"]]
        for override in panel["fieldConfig"]["overrides"]
    }
    for target in panel["targets"]:
        for each in prometheus.query_range(asked(target["expr"]), span.start, span.end, span.step):
            points = [(float(at), float(value)) for at, value in each["values"]]
            points = [(at, value) for at, value in points if math.isfinite(value)]
            name = _name(target.get("legendFormat", ""), each["metric"])
            if points:
                found.append(_Series(name, colors.get(name, PALETTE[len(found) % len(PALETTE)]), points))
    return found


def _name(legend: str, labels: Mapping[str, str]) -> str:
    if legend in ("", "__auto"):
        return ", ".join(value for name, value in labels.items() if name != "__name__") or "value"
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend).strip()


def _lines(
    panel: Mapping[str, Any],
    prometheus: Prometheus,
    span: Span,
    asked: Callable[[str], str],
    width: int,
    height: int,
) -> str:
    series = _series(panel, prometheus, span, asked)
    legend = "".join(
        f'<span><i style="background:{each.color}"></i>{escape(each.name)}</span>' for each in series[:12]
    )
    stacked = panel["fieldConfig"]["defaults"]["custom"].get("stacking", {}).get("mode") == "normal"
    unit = panel["fieldConfig"]["defaults"].get("unit", "short")
    drawn = _chart(series, span, unit, width, height - 20, stacked=stacked)
    return f'{drawn}<div class="legend">{legend or "no data"}</div>'


def _chart(
    series: Sequence[_Series], span: Span, unit: str, width: int, height: int, *, stacked: bool
) -> str:
    layers = _stack(series) if stacked else [(each, None) for each in series]
    top = max((value for each, _ in layers for _, value in each.points), default=0.0)
    ticks = _ticks(top, unit)
    labels = _labels(ticks, unit)
    left, right, low = 10 + 6 * max(map(len, labels)), width - 6, height - 16

    def x(at: float) -> float:
        return left + (at - span.start) / (span.end - span.start) * (right - left)

    def y(value: float) -> float:
        return low - value / ticks[-1] * (low - 8)

    parts = [f'<svg width="{width}" height="{height}">']
    for tick, label in zip(ticks, labels, strict=True):
        parts.append(
            f'<line x1="{left}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#25282d"/>'
        )
        parts.append(f'<text x="{left - 6}" y="{y(tick) + 3:.1f}" text-anchor="end">{escape(label)}</text>')
    parts += [
        f'<text x="{x(minute):.1f}" y="{height - 3}" text-anchor="middle">{_clock(minute)}</text>'
        for minute in _minutes(span)
    ]
    for each, below in layers:
        for run in _runs(each.points, span.step):
            line = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in run)
            if stacked or len(series) < 4:
                floor = [(at, (below or {}).get(at, 0.0)) for at, _ in reversed(run)]
                back = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in floor)
                opacity = 0.35 if stacked else 0.08
                parts.append(f'<polygon points="{line} {back}" fill="{each.color}" opacity="{opacity}"/>')
            parts.append(f'<polyline points="{line}" fill="none" stroke="{each.color}" stroke-width="1.4"/>')
    return "".join([*parts, "</svg>"])


def _stack(series: Sequence[_Series]) -> list[tuple[_Series, dict[float, float] | None]]:
    """Each on top of those before it, with what it stands on; the topmost first, so that none is hidden."""
    total: dict[float, float] = {}
    layers: list[tuple[_Series, dict[float, float] | None]] = []
    for each in series:
        below = dict(total)
        for at, value in each.points:
            total[at] = total.get(at, 0.0) + value
        raised = [(at, total[at]) for at, _ in each.points]
        layers.append((_Series(each.name, each.color, raised), below))
    return layers[::-1]


def _runs(points: Points, step: float) -> Iterable[Points]:
    """The stretches of a line between which there is nothing."""
    run: list[tuple[float, float]] = []
    for at, value in points:
        if run and at > run[-1][0] + 1.5 * step:
            yield run
            run = []
        run.append((at, value))
    if run:
        yield run if len(run) > 1 else [(run[0][0] - step / 4, run[0][1]), *run]


def _ticks(top: float, unit: str) -> list[float]:
    top = top if top > 0 else 1.0
    if unit == "s" and top > 15:
        times = (5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 86_400)
        step = next((float(each) for each in times if top / each <= 4), 86_400.0)
        return [turn * step for turn in range(math.ceil(top / step) + 1)]
    base = 1024.0 if unit == "bytes" else 10.0
    power = base ** math.floor(math.log(top, base))
    steps = (1, 2, 4, 8, 16, 32, 64, 128, 256) if unit == "bytes" else (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5)
    step = next((each * power for each in steps if top / (each * power) <= 4), steps[-1] * power)
    return [turn * step for turn in range(math.ceil(top / step) + 1)]


def _minutes(span: Span) -> list[float]:
    apart = next(
        (each for each in (15, 30, 60, 120, 300, 600, 1800) if (span.end - span.start) / each <= 6), 3600
    )
    first = math.ceil((span.start + 0.04 * (span.end - span.start)) / apart) * apart
    return [at for at in (first + turn * apart for turn in range(8)) if at < span.end - apart / 6]


def _clock(at: float) -> str:
    seconds = int(at) % 86_400
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
    return text if seconds % 60 == 0 else f"{text}:{seconds % 60:02}"


def _labels(ticks: Sequence[float], unit: str) -> list[str]:
    return [_told(tick, unit, ticks[-1]) for tick in ticks]


def _told(value: float, unit: str, scale: float | None = None) -> str:
    """A number as people read it; `scale` is what its unit is chosen for."""
    scale = abs(value) if scale is None else scale
    if value == 0 and unit != "percentunit":
        return "0"
    if unit == "percentunit":
        return f"{_plain(value * 100)}%"
    if unit == "s":
        for least, name in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms")):
            if scale >= least:
                return f"{_plain(value / least)} {name}"
        return f"{_plain(value * 1e6)} µs"
    if unit == "bytes":
        for turn, name in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
            if scale >= 1024**turn:
                return f"{_plain(value / 1024**turn)} {name}"
        return f"{_plain(value)} B"
    suffix = "/s" if unit == "ops" else ""
    for least, name in ((1e6, "M"), (1e4, "K")):
        if scale >= least:
            return f"{_plain(value / (1e3 if name == 'K' else least))}{name}{suffix}"
    return f"{_plain(value)}{suffix}"


def _plain(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _figure(
    panel: Mapping[str, Any],
    prometheus: Prometheus,
    span: Span,
    asked: Callable[[str], str],
    width: int,
    height: int,
) -> str:
    series = _series(panel, prometheus, span, asked)
    if not series:
        return '<div class="figure">no data</div>'
    points, defaults = series[0].points, panel["fieldConfig"]["defaults"]
    value = points[-1][1]
    steps = defaults.get("thresholds", {}).get("steps", [{"value": None, "color": "green"}])
    color = next(
        NAMED[each["color"]]
        for each in reversed(steps)
        if each.get("value") is None or value >= each["value"]
    )
    top = max((each for _, each in points), default=0.0) or 1.0
    high = height - 50
    line = " ".join(
        f"{(at - span.start) / (span.end - span.start) * width:.1f},{high - each / top * (high - 4):.1f}"
        for at, each in points
    )
    area = f"0,{high} {line} {width},{high}"
    spark = (
        f'<svg width="{width}" height="{high}"><polygon points="{area}" fill="{color}" opacity="0.12"/>'
        f'<polyline points="{line}" fill="none" stroke="{color}" opacity="0.6"/></svg>'
    )
    told = escape(_told(value, defaults.get("unit", "short")))
    return f'<div class="figure" style="color:{color}">{told}</div>{spark}'


def _table(
    panel: Mapping[str, Any],
    prometheus: Prometheus,
    span: Span,
    asked: Callable[[str], str],
    width: int,
    height: int,
) -> str:
    join, organize = (each["options"] for each in panel["transformations"])
    key, columns = join["byField"], organize["renameByName"]
    rows: dict[str, dict[str, str]] = {}
    numbers: set[str] = set()
    for target in panel["targets"]:
        column = columns.get(f"Value #{target['refId']}")
        for each in prometheus.query(asked(target["expr"])):
            row = rows.setdefault(each["metric"].get(key, ""), {})
            row.update(each["metric"])
            if column:
                numbers.add(column)
                row[column] = _plain(round(float(each["value"][1])))
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    names.sort(key=lambda name: (name != key, name in numbers))
    head = "".join(f"<th{_class(name, numbers)}>{escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>"
        + "".join(f"<td{_class(name, numbers)}>{escape(row.get(name, ''))}</td>" for name in names)
        + "</tr>"
        for _, row in sorted(rows.items())
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _class(name: str, numbers: set[str]) -> str:
    return ' class="number"' if name in numbers else ""


_BODIES = {"timeseries": _lines, "stat": _figure, "table": _table}
