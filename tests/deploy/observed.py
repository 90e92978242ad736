"""What alerts, recording rules and dashboards ask of Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULE_FILES = sorted((ROOT / "deploy/chart/files/prometheus").glob("*.yaml"))
CHOICES = {"$namespace": ".*", "$job": ".*", "$instance": ".*", "$rule": ".*", "$channel": ".*"}


def rules() -> Iterator[dict[str, Any]]:
    """Alerts and recording rules."""
    for path in RULE_FILES:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def rule_expressions() -> list[str]:
    return [rule["expr"] for rule in rules()]


def recorded() -> set[str]:
    """The names of what is recorded."""
    return {rule["record"] for rule in rules() if "record" in rule}


def panels(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Of a dashboard's JSON, those that ask something."""
    for panel in document["panels"]:
        if panel["type"] != "row":
            yield panel


def asked(expression: str, interval: str = "10s", time: str = "1m") -> str:
    """A panel's query as Grafana would ask it, with everything chosen."""
    for name, value in ({"$__rate_interval": interval, "$__range": time} | CHOICES).items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


def expressions(document: Mapping[str, Any], interval: str = "10s") -> list[str]:
    return [asked(target["expr"], interval) for panel in panels(document) for target in panel["targets"]]


def names(expression: str) -> set[str]:
    """The metrics in PromQL: ours, the process' and what is recorded."""
    words = re.findall(r"[a-zA-Z_:][\w:]*", re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression))
    return {word for word in words if re.match(r"stream_|process_|[a-z_]+:", word)}
