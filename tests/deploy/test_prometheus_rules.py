"""The alerts and recording rules: promtool runs their cases, and each alert has what it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.observed import ROOT, RULE_FILES, rules
from tests.kit.prometheus import NoPrometheusError, promtool, tools

CASES = sorted((ROOT / "deploy/prometheus/tests").glob("*.yaml"))
RUNBOOKS = ROOT / "docs/runbooks.md"


ALERTS = [rule for rule in rules() if "alert" in rule]


def cases() -> Iterator[tuple[str, str, bool]]:
    """(alert, severities asked for, or all; whether it fires) of each case."""
    for path in CASES:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test.get("alert_rule_test", ()):
                severities = [each["exp_labels"]["severity"] for each in case["exp_alerts"]]
                yield from ((case["alertname"], severity, True) for severity in severities)
                if not severities:
                    yield case["alertname"], "", False
            for case in test.get("promql_expr_test", ()):
                if asked := re.search(r'^ALERTS\{alertname="(\w+)"', case["expr"]):
                    fired = [
                        re.search(r'severity="(\w+)"', sample["labels"])[1]  # type: ignore[index]
                        for sample in case["exp_samples"]
                        if 'alertstate="firing"' in sample["labels"]
                    ]
                    yield from ((asked[1], severity, True) for severity in fired)
                    if not fired:
                        severity = re.search(r'severity="(\w+)"', case["expr"])
                        yield asked[1], severity[1] if severity else "", False


def test_promtool_takes_the_rules() -> None:
    assert RULE_FILES
    promtool("check", "rules", *RULE_FILES)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_cases_come_out_as_they_should(path: Path) -> None:
    promtool("test", "rules", path)


def test_each_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    found = set(cases())
    for alert in ALERTS:
        name, severity = alert["alert"], alert["labels"]["severity"]
        assert (name, severity, True) in found, f"{name} ({severity}) never fires"
        assert {(name, severity, False), (name, "", False)} & found, f"{name} ({severity}) always fires"


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    page = RUNBOOKS.read_text(encoding="utf-8")
    sections = re.split(r"^## (\w+)$", page, flags=re.MULTILINE)[1:]
    runbooks = dict(zip(sections[::2], sections[1::2], strict=True))
    assert set(runbooks) == {alert["alert"] for alert in ALERTS}
    for alert in ALERTS:
        assert alert["annotations"]["runbook_url"] == f"docs/runbooks.md#{alert['alert'].lower()}"
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
    for name, text in runbooks.items():
        for part in ("**Means.**", "**Look.**", "**Do.**"):
            assert part in text, f"{name} lacks {part}"


def test_the_files_are_free_of_a_charts_own_templates() -> None:
    """Helm passes them through as they are: `{{ $labels… }}` and `{{ $value… }}` are Prometheus'."""
    for path in RULE_FILES:
        for template in re.findall(r"\{\{(.*?)\}\}", path.read_text(encoding="utf-8")):
            assert re.match(
                r' (\$labels\.\w+|\$value( \| (\w+|printf "%\.0f"))?|if \$labels\.\w+|else|end) $', template
            ), template


def test_who_cannot_get_a_prometheus_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that needs one fails: skipped, nobody would see that alerts were never tried."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoPrometheusError, match="this is no Debian\nput `promtool` and `prometheus`"):
        tools.__wrapped__()
