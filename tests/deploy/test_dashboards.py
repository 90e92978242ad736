"""The dashboards: what is checked in is what the code makes, and its PromQL parses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.dashboards import DASHBOARDS
from deploy.dashboards.__main__ import FOLDER, rendered
from stream.telemetry.metrics import Metrics
from stream.telemetry.work_metrics import LATENCY_BUCKETS
from tests.deploy.observed import expressions, names, panels, recorded, rule_expressions
from tests.kit.prometheus import promtool

DOCUMENTS: dict[str, Any] = {path.name: json.loads(text) for path, text in rendered().items()}


def test_what_is_checked_in_is_current() -> None:
    found = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert found == rendered(), "run `make dashboards`"


def test_every_expression_parses(tmp_path: Path) -> None:
    """promtool parses what is recorded, so each query is, under some name."""
    rules = [
        {"record": f"panel:{name.replace('-', '_').removesuffix('.json')}:{turn}", "expr": expression}
        for name, document in DOCUMENTS.items()
        for turn, expression in enumerate(expressions(document))
    ]
    assert len(rules) > 60
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    promtool("check", "rules", file)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_panels_fill_their_rows_say_what_they_show_and_choose_workers(name: str) -> None:
    document = DOCUMENTS[name]
    assert document["uid"] == f"stream-{name.removesuffix('.json')}"
    taken: set[tuple[int, int]] = set()
    for panel in panels(document):
        assert panel["description"].endswith("."), panel["title"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies on another"
        assert place["x"] + place["w"] <= 24
        taken |= cells
        for target in panel["targets"]:
            for chosen in re.findall(r"(?<!ALERTS)\{([^{}]*)\}", target["expr"]):
                assert 'job=~"$job"' in chosen, f"{panel['title']}: {target['expr']}"


def test_names_and_ids_are_told_apart() -> None:
    assert len({dashboard.name for dashboard in DASHBOARDS}) == len(DASHBOARDS)
    for document in DOCUMENTS.values():
        titles = [(panel["title"], panel["gridPos"]["y"]) for panel in panels(document)]
        assert len(set(titles)) == len(titles)


def test_what_is_asked_for_is_recorded_or_a_metric() -> None:
    """Of a running worker tests/integration/test_monitoring.py shows the same."""
    known = {each.name for each in Metrics().registry.described} | recorded()
    asked = set().union(*(names(each) for each in rule_expressions()))
    for document in DOCUMENTS.values():
        asked |= set().union(*(names(each) for each in expressions(document)))
    plain = {re.sub(r"(_seconds|batch_events)_(bucket|sum|count)$", r"\1", each) for each in asked}
    assert {each for each in plain if not each.startswith("process_")} <= known
    assert {each for each in recorded() if each not in asked} <= {
        "job:stream_events:rate5m",
        "job:stream_triggers:rate5m",
        "job:stream_lag_seconds:max",
    }, "what is recorded is used, but for what is there for people's own dashboards"


def test_the_bound_of_the_objective_is_a_bucket() -> None:
    bounds = {bound for each in rule_expressions() for bound in re.findall(r'\ble="([^"]+)"', each)}
    assert bounds == {"0.1"}
    assert 0.1 in LATENCY_BUCKETS
