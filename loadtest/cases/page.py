"""The results as one page of HTML that stands alone: `make bench-page`.

It fetches nothing and runs no script, in light and dark, as the page of a backtest, whose style, tables and
escapes it uses. What was not measured is not drawn, and listed. Tested by tests/loadtest/test_page.py.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from loadtest.cases import charts
from loadtest.cases.charts import Spot
from loadtest.cases.open_loop import PERCENTILES, Latencies
from loadtest.cases.results import NOW, Results, Said, differences, verdict
from loadtest.cases.table import CASES, FIGURES, TARGETS, Case, Regime
from stream.authoring.page.markup import Child, Html, element, joined, own
from stream.authoring.page.parts import figure, table
from stream.authoring.page.style import STYLE as PLAIN

STYLE = PLAIN + charts.STYLE + ".missed{font-weight:600;color:var(--c1)}"
SPREAD = ("#min", "#median", "#max")
GROWTH = {
    "rules": ("wide-ref500", "rules-2000", "rules-10000"),
    "customers": ("wide", "customers-1m", "customers-10m"),
    "partitions and workers": ("wide", "partitions-64", "workers-4"),
}
SPLIT = {
    "kafka_in_ms": "Kafka in",
    "waiting_ms": "waiting",
    "engine_ms": "engine",
    "outbox_ms": "outbox",
    "kafka_out_ms": "Kafka out",
}
PARTS = {"engine": "engine", "rest": "the rest of the worker", "broker": "broker"}


def page(results: Results) -> str:
    """The whole page."""
    body = [
        element("header", element("h1", "What it costs, measured"), _origin(results)),
        element(
            "main",
            _targets(results),
            _wrong(results),
            _section("Catching up: events a second", _throughput(results)),
            _section("Catching up: the processor’s time, by part", _parts(results)),
            _section("Keeping up: latency by offered rate", _latency(results)),
            _section("Keeping up: the whole distribution", _distribution(results)),
            _section("Keeping up: where the time goes", _split(results)),
            _section("Bursts: what others feel", _bursts(results)),
            _section("Memory", _bars(results, "peak_memory_mib", (Regime.CATCH_UP, Regime.RESTORE))),
            _section(
                "Restoring from the changelog", _bars(results, "customers_per_second", (Regime.RESTORE,))
            ),
            *(_section(f"Growth: {what}", _growth(results, names)) for what, names in GROWTH.items()),
            _section("Compared", _compared(results)),
            _section("All figures", _all(results)),
        ),
    ]
    return f"<!DOCTYPE html>\n{element('html', _head(), element('body', body), lang='en')}\n"


def _head() -> Html:
    allowed = b64encode(sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; base-uri 'none'"
    return joined(
        [
            Html('<head><meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}; form-action \'none\'">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<link rel="icon" href="data:,">'),
            element("title", "What it costs, measured"),
            Html(f"<style>{STYLE}</style></head>"),
        ]
    )


def _origin(results: Results) -> list[Html]:
    about, loads = results.about, [each.load for each in results.rounds]
    system = f"{about['system']}, Python {about['python']}, Kafka {about['kafka']}"
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    sides = ", ".join(f"{name}: {commit}" for name, commit in about["sides"].items())
    said = [
        f"{about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB; the broker, the generator "
        f"and the workers share them. {system}.",
        f"{packages}. Begun {about['at']}. {sides}.",
        f"{len(results.rounds)} rounds; minimum, median and maximum are of a case’s, which took turns.",
    ]
    lines = [element("p", own(line), class_="soft") for line in said]
    small = {case: results.of(case)[0].scale for case in CASES if results.of(case)}
    if any(scale < 1 for scale in small.values()):
        full = ", ".join(case for case, scale in small.items() if scale >= 1)
        sizes = ", ".join(f"{scale:.0%}" for scale in sorted({*small.values()} - {1.0}))
        text = (
            f"Not at full size{f', but for {full}' if full else ''}: {sizes} of the events, customers and "
            "seconds. Short runs mostly measure the start of a worker. This shows that the cases work, "
            "and not how fast they are."
        )
        lines.append(element("p", text, class_="note"))
    if loads and max(loads) > about["cores"]:
        text = (
            f"The machine was busy with other things: a load of {min(loads):.1f} to {max(loads):.1f} when "
            f"rounds began, on {about['cores']} cores. Times by the clock are worth little."
        )
        lines.append(element("p", text, class_="note"))
    return lines


def _section(title: str, content: Child) -> Html | None:
    return element("section", element("h2", title), content) if content else None


def _targets(results: Results) -> Html:
    rows: list[list[Child]] = []
    counts = dict.fromkeys(Said, 0)
    for found in (verdict(target, results) for target in TARGETS):
        target, counts[found.said] = found.target, counts[found.said] + 1
        said = element("span", found.said, class_="missed" if found.said is Said.MISSED else None)
        why = own(f" ({found.why})") if found.why else ""
        rows.append([own(target.says), *found.shown, [said, why]])
    text = ", ".join(f"{count} {said}" for said, count in counts.items() if count)
    heads = ["Target", "#bound", *SPREAD, "verdict"]
    return element("section", element("h2", f"Targets: {text}"), table("Targets", heads, rows))


def _wrong(results: Results) -> Html | None:
    wrong = [(each, problem) for each in results.rounds for problem in each.problems]
    if not wrong:
        return element("p", "In every round each trigger came once, and nothing was put aside.")
    lines = [
        element("li", f"{each.case}, round {each.number}, {each.side}: ", own(what)) for each, what in wrong
    ]
    return element("section", element("h2", "What went wrong"), element("ul", lines))


def _style(case: str, name: str) -> str:
    return FIGURES[CASES[case].regime][name].style


def _spot(results: Results, case: str, name: str, side: str = NOW) -> Spot | None:
    found = results.spread(case, name, side)
    return Spot(found.minimum, found.median, found.maximum) if found else None


def _measured(results: Results, *regimes: Regime) -> list[Case]:
    return [case for case in CASES.values() if case.regime in regimes and results.of(case.name)]


def _bars(
    results: Results, name: str, regimes: Sequence[Regime], cases: Sequence[Case] | None = None
) -> Html | None:
    """Columns of one figure, a case each, of all sides that have it."""
    cases = [case for case in cases or _measured(results, *regimes) if _spot(results, case.name, name)]
    if not cases:
        return None
    sides = [side for side in results.sides if any(_spot(results, case.name, name, side) for case in cases)]
    series = {at: [_spot(results, case.name, name, side) for case in cases] for at, side in enumerate(sides)}
    label = FIGURES[cases[0].regime][name].label
    rows: list[list[Child]] = [
        [case.name, own(side), *(format(value, _style(case.name, name)) for value in spot)]
        for case in cases
        for side in sides
        if (spot := _spot(results, case.name, name, side))
    ]
    says = f"{label} of {len(cases)} cases; the table beside it has the numbers."
    names = {at: own(side) for at, side in enumerate(sides)}
    drawn = charts.bars(says, [case.name for case in cases], series)
    return figure(label, drawn, table(label, ["Case", "Side", *SPREAD], rows), names)


def _throughput(results: Results) -> Html | None:
    return _bars(results, "events_per_second", (Regime.CATCH_UP,))


def _parts(results: Results) -> Html | None:
    cases = [case for case in _measured(results, Regime.CATCH_UP, Regime.KEEP_UP) if _costs(results, case)]
    if not cases:
        return None
    costs = [_costs(results, case) for case in cases]
    series = {at: [Spot(*[cost[part]] * 3) for cost in costs] for at, part in enumerate(PARTS)}
    rows: list[list[Child]] = [
        [case.name, *(f"{cost[part]:.3f}" for part in PARTS)] for case, cost in zip(cases, costs, strict=True)
    ]
    caption = "CPU-seconds per 100,000 events, medians"
    names = {at: own(name) for at, name in enumerate(PARTS.values())}
    drawn = charts.bars(caption, [case.name for case in cases], series)
    note = element(
        "p",
        "The engine’s part is by its own clock, which goes on while others have the core. When a worker "
        "catches up, its start is in the rest.",
        class_="soft",
    )
    heads = ["Case", *(f"#{name}" for name in PARTS.values())]
    return joined([figure(caption, drawn, table(caption, heads, rows), names), note])


def _costs(results: Results, case: Case) -> dict[str, float]:
    """Medians by part; nothing where the case was not measured."""
    whole, engine, broker = (
        results.spread(case.name, name)
        for name in ("cpu_s_per_100k", "engine_cpu_s_per_100k", "broker_cpu_s_per_100k")
    )
    if whole is None or engine is None:
        return {}
    rest = max(0.0, whole.median - engine.median)
    return {"engine": engine.median, "rest": rest, "broker": broker.median if broker else 0.0}


def _latency(results: Results) -> Html | None:
    cases = _measured(results, Regime.KEEP_UP)
    names = {"p50_ms": "p50", "p99_ms": "p99", "echo_p50_ms": "echo p50", "echo_p99_ms": "echo p99"}
    series = {}
    for at, name in enumerate(names):
        line = [
            (float(case.rate), spot.middle) for case in cases if (spot := _spot(results, case.name, name))
        ]
        if line:
            series[at] = line
    if not series:
        return None
    inner = {*SPLIT, "engine_p99_ms"}
    shown = [name for name in FIGURES[Regime.KEEP_UP] if name.endswith("_ms") and name not in inner]
    caption = "Milliseconds from due to appended, by events offered in a second (medians)"
    keys = {at: own(list(names.values())[at]) for at in series}
    drawn = charts.lines(caption, series)
    return figure(caption, drawn, _numbers(results, cases, shown), keys)


def _numbers(results: Results, cases: Sequence[Case], names: Sequence[str]) -> Html:
    rows: list[list[Child]] = []
    for case in cases:
        for name in names:
            if spot := _spot(results, case.name, name):
                label = FIGURES[case.regime][name].label
                rows.append([case.name, label, *(format(value, _style(case.name, name)) for value in spot)])
    return table("Figures", ["Case", "Figure", *SPREAD], rows)


def _distribution(results: Results) -> Child:
    """Of all rounds of a case together: the worker's percentiles beside the echo's."""
    drawn = []
    for case in _measured(results, Regime.KEEP_UP):
        merged = {name: _merged(results, case, name) for name in ("worker", "echo")}
        if not all(len(each) for each in merged.values()):
            continue
        rows: list[list[Child]] = []
        series: dict[int, list[tuple[float, float]]] = {0: [], 1: []}
        for name, at in PERCENTILES.items():
            values = [each.ms(at) for each in merged.values()]
            rows.append([name, *(f"{value:.1f}" for value in values)])
            for colour, value in enumerate(values):
                series[colour].append((1 / (1 - at / 100), max(value, 0.1)))
        caption = f"{case.measures}: milliseconds by one event in so many"
        names = {0: own("worker"), 1: own("a bare echo")}
        numbers = table(caption, ["Percentile", "#worker", "#echo"], rows)
        drawn.append(figure(caption, charts.lines(caption, series), numbers, names))
    return drawn


def _merged(results: Results, case: Case, name: str) -> Latencies:
    found = Latencies()
    for each in results.of(case.name):
        if name in each.histograms:
            found.merge(Latencies(each.histograms[name]))
    return found


def _split(results: Results) -> Html | None:
    cases = [case for case in _measured(results, Regime.KEEP_UP) if _spot(results, case.name, "engine_ms")]
    if not cases:
        return None
    series = {at: [_spot(results, case.name, name) for case in cases] for at, name in enumerate(SPLIT)}
    caption = "Milliseconds in each part, means of a round"
    names = {at: own(name) for at, name in enumerate(SPLIT.values())}
    drawn = charts.bars(caption, [case.name for case in cases], series)
    return figure(caption, drawn, _numbers(results, cases, [*SPLIT, "engine_p99_ms"]), names)


def _bursts(results: Results) -> Html | None:
    cases = _measured(results, Regime.BURST)
    if not cases:
        return None
    names = {"calm_p99_ms": "p99 while it is calm", "burst_p99_ms": "p99 in the burst"}
    series = {at: [_spot(results, case.name, name) for case in cases] for at, name in enumerate(names)}
    caption = "Other customers’ milliseconds from due to appended"
    keys = {at: own(name) for at, name in enumerate(names.values())}
    drawn = charts.bars(caption, [case.name for case in cases], series)
    return figure(caption, drawn, _numbers(results, cases, list(FIGURES[Regime.BURST])), keys)


def _growth(results: Results, names: Sequence[str]) -> Child:
    cases = [CASES[name] for name in names if results.of(name)]
    if len(cases) < 2:
        return None
    return [
        _bars(results, name, (), cases) for name in ("cpu_s_per_100k", "events_per_second", "peak_memory_mib")
    ]


def _compared(results: Results) -> Child:
    drawn = []
    for side in results.sides:
        rows: list[list[Child]] = [
            [found.case.name, own(found.figure.label), f"{found.ratio:.3f}", f"{found.least:.3f}",
             f"{found.most:.3f}", found.said]
            for found in differences(results, side) if side != NOW
        ]  # fmt: skip
        if rows:
            heads = ["Case", "Figure", "#ratio", "#least", "#most", "that is"]
            drawn.append(table(f"This checkout ÷ {side}", heads, rows))
    return drawn


def _all(results: Results) -> Child:
    return list(_tables(results))


def _tables(results: Results) -> Iterator[Html]:
    for case in _measured(results, *Regime):
        rows: list[list[Child]] = []
        for side in results.sides:
            for name, about in FIGURES[case.regime].items():
                if spot := _spot(results, case.name, name, side):
                    shown = (format(value, about.style) for value in spot)
                    rows.append([own(about.label), own(side), *shown, len(results.of(case.name, side))])
        if rows:
            caption = f"{case.name}: {case.measures} ({_size(case)})"
            yield table(caption, ["Figure", "Side", *SPREAD, "#rounds"], rows)


def _size(case: Case) -> str:
    parts: Mapping[str, int] = {
        "events": case.events, "customers": case.customers, "events a second": case.rate,
        "partitions": case.partitions, "workers": case.workers,
    }  # fmt: skip
    said = [f"{count:,} {name}" for name, count in parts.items() if count]
    return ", ".join([*said, f"rules: {case.rules}", f"store: {case.store}"])
