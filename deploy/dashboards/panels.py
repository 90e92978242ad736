"""What a dashboard is made of here, and how it becomes Grafana's JSON, by Grafana's own SDK.

In a query `@` stands for the labels that the dashboard's variables choose workers by: it is written
`stream_events_total{@}`. The JSON is of Grafana's classic form, which its sidecar on Kubernetes takes from a
ConfigMap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLink,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef("prometheus", "${datasource}")
TAG = "stream-triggers"
WORKERS = 'namespace=~"$namespace", job=~"$job"'
OUTCOME_COLORS = {
    "sent": "green",
    "suppressed": "orange",
    "deferred": "blue",
    "holdout": "purple",
    "shadow": "text",
}

Unit = Literal["short", "s", "dtdurations", "bytes", "percentunit", "ops", "none"]


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL; `legend` names a series by its labels, as in `{{source}}`, or is a table's column;
    of a table's query without one only the labels are shown.
    """

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `width` of 24; `thresholds`: from which value on which color, the first one from anywhere.

    `kind`: lines over time, the latest figure, or a table of what was over the whole time, joined by `key`.
    """

    title: str
    says: str
    queries: tuple[Query, ...]
    unit: Unit = "short"
    kind: Literal["lines", "figure", "table"] = "lines"
    width: int = 8
    height: int = 8
    stacked: bool = False
    thresholds: tuple[tuple[float | None, str], ...] = ()
    colors: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`name` is the file's, `variables` are labels to choose by, with the metric that knows them."""

    name: str
    title: str
    says: str
    rows: tuple[Row, ...]
    variables: tuple[tuple[str, str], ...] = ()
    workers: str = WORKERS


def expression(query: Query, dashboard: Dashboard) -> str:
    """The query with its choice of workers written out."""
    return query.expr.replace("@", dashboard.workers)


def render(dashboard: Dashboard) -> str:
    """Grafana's JSON."""
    made = (
        builders.Dashboard(dashboard.title)
        .uid(f"stream-{dashboard.name}")
        .description(dashboard.says)
        .tags([TAG])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(_others())
        .with_variable(builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for label, metric in (
        ("namespace", "stream_build_info"),
        ("job", "stream_build_info"),
        *dashboard.variables,
    ):
        made.with_variable(_variable(label, metric))
    for row in dashboard.rows:
        made.with_row(builders.Row(row.title))
        for panel in row.panels:
            made.with_panel(_panel(panel, dashboard))
    return str(JSONEncoder(sort_keys=True, indent=1).encode(made.build())) + "\n"


def _others() -> Any:
    return _Built(
        DashboardLink(
            title="stream-triggers",
            type_val=DashboardLinkType.DASHBOARDS,
            tags=[TAG],
            as_dropdown=True,
            keep_time=True,
            include_vars=True,
        )
    )


@dataclass(frozen=True, slots=True)
class _Built:
    """A finished part, where the SDK asks for a builder."""

    part: Any

    def build(self) -> Any:
        return self.part


def _variable(label: str, metric: str) -> builders.QueryVariable:
    chosen = (
        "" if label == "namespace" else "{" + WORKERS + "}" if label != "job" else '{namespace=~"$namespace"}'
    )
    return (
        builders.QueryVariable(label)
        .label(label.capitalize())
        .datasource(SOURCE)
        .query(f"label_values({metric}{chosen}, {label})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def _panel(panel: Panel, dashboard: Dashboard) -> Any:
    made: Any
    if panel.kind == "lines":
        made = _lines(panel)
    elif panel.kind == "figure":
        made = _figure(panel)
    else:
        made = _table(panel)
    made.title(panel.title).description(panel.says).datasource(SOURCE)
    made.span(panel.width).height(panel.height).unit(panel.unit)
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    if panel.thresholds:
        steps = [Threshold(value=value, color=color) for value, color in panel.thresholds]
        made.thresholds(builders.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    for name, color in panel.colors.items():
        fixed = DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})
        made.override_by_name(name, [fixed])
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        target = prometheus.Dataquery().expr(expression(query, dashboard)).ref_id(letter).datasource(SOURCE)
        if panel.kind == "table":
            target.instant().format(PromQueryFormat.TABLE)
        elif panel.kind == "figure":
            target.range().legend_format(query.legend)
        else:
            target.range().legend_format(query.legend or "__auto")
        made.with_target(target)
    return made


def _lines(panel: Panel) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .min(0)
        .line_width(1)
        .fill_opacity(30 if panel.stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .tooltip(VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    )
    if panel.stacked:
        made.stacking(StackingConfig().mode(common.StackingMode.NORMAL))
    return made


def _figure(panel: Panel) -> stat.Panel:
    return (
        stat.Panel()
        .graph_mode(common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    )


def _table(panel: Panel) -> table.Panel:
    letters = "ABCDEFGH"[: len(panel.queries)]
    columns = {f"Value #{letter}": each.legend for letter, each in zip(letters, panel.queries, strict=True)}
    times = [f"Time {turn + 1}" for turn in range(len(letters))]
    left_out = dict.fromkeys(
        ["Time", *times, *(each for each, legend in columns.items() if not legend)], True
    )
    columns = {each: legend for each, legend in columns.items() if legend}
    join = {"byField": panel.key, "mode": "outer"}
    organize = {"renameByName": columns, "excludeByName": left_out}
    return (
        table.Panel()
        .with_transformation(DataTransformerConfig("joinByField", options=join))
        .with_transformation(DataTransformerConfig("organize", options=organize))
    )
