"""Grafana's dashboards as code: `python -m deploy.dashboards` writes deploy/chart/files/dashboards/*.json.

    panels     what a dashboard is made of here, and how it becomes Grafana's JSON
    overview, worker, rebalance, rules, state    the dashboards, in words
    drawing    the same panels as a page of HTML, from a Prometheus, for who has no Grafana at hand

The JSON is checked in; tests/deploy/test_dashboards.py says when it is not current, and that each panel's
queries give something with a real Prometheus and a real worker.
"""

from __future__ import annotations

from deploy.dashboards import overview, rebalance, rules, state, worker
from deploy.dashboards.panels import Dashboard

DASHBOARDS: tuple[Dashboard, ...] = (
    overview.DASHBOARD,
    worker.DASHBOARD,
    rebalance.DASHBOARD,
    rules.DASHBOARD,
    state.DASHBOARD,
)
