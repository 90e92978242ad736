"""The topics that are needed, as a table, as JSON, as commands of Kafka's own, or as Strimzi's resources.

Tested by tests/topics/test_format.py.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from stream.topics.plan import Need

RESOURCE_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")  # of Kubernetes


class TopicsFormat(StrEnum):
    """As the command line knows them."""

    TABLE = "table"
    JSON = "json"
    COMMANDS = "commands"
    STRIMZI = "strimzi"


def written(
    wanted: Sequence[Need],
    there: Mapping[str, int] | None,
    form: TopicsFormat,
    broker: str,
    cluster: str,
) -> str:
    """As text in `form`; commands and resources are those of topics that are missing, or of all if nobody
    asked Kafka. `cluster`: what Strimzi calls the Kafka.
    """
    missing = [need for need in wanted if there is None or need.name not in there]
    match form:
        case TopicsFormat.JSON:
            return json.dumps([_as_object(need, there) for need in wanted], indent=2)
        case TopicsFormat.COMMANDS:
            return "\n".join(as_command(need, broker) for need in missing)
        case TopicsFormat.STRIMZI:
            return str(yaml.safe_dump_all([as_resource(need, cluster) for need in missing], sort_keys=False))
        case TopicsFormat.TABLE:
            return _as_table(wanted, there)


def _state(need: Need, there: Mapping[str, int] | None) -> str:
    if there is None:
        return "not asked"
    if need.name not in there:
        return "missing"
    return "there" if there[need.name] == need.partitions else f"there, with {there[need.name]} partitions"


def _as_object(need: Need, there: Mapping[str, int] | None) -> dict[str, Any]:
    return {
        "name": need.name,
        "role": need.role,
        "partitions": need.partitions,
        "replication": need.replication,
        "config": dict(need.config),
        "operations": list(need.operations),
        "exists": None if there is None else need.name in there,
        "partitions_found": None if there is None else there.get(need.name),
    }


def as_command(need: Need, broker: str) -> str:
    """Kafka's own command that makes the topic."""
    settings = [part for name, value in need.config.items() for part in ("--config", f"{name}={value}")]
    return shlex.join(
        [
            *("kafka-topics.sh", "--bootstrap-server", broker, "--create", "--if-not-exists"),
            *("--topic", need.name, "--partitions", str(need.partitions)),
            *("--replication-factor", str(need.replication), *settings),
        ]
    )


def as_resource(need: Need, cluster: str) -> dict[str, Any]:
    """A KafkaTopic of Strimzi. What Kubernetes does not take for a name gets another one, always the same."""
    name = need.name
    if not RESOURCE_NAME.fullmatch(name):
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        plain = re.sub(r"[^a-z0-9.-]", "-", name.lower()).strip(".-")
        name = f"{plain[:240]}-{digest}".lstrip(".-")
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {"name": name, "labels": {"strimzi.io/cluster": cluster}},
        "spec": {
            "topicName": need.name,
            "partitions": need.partitions,
            "replicas": need.replication,
            "config": {
                name: int(value) if value.isdecimal() else value for name, value in need.config.items()
            },
        },
    }


def _as_table(wanted: Sequence[Need], there: Mapping[str, int] | None) -> str:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("topic", "role", "partitions", "replication", "settings", ""):
        table.add_column(heading, justify="right" if heading in ("partitions", "replication") else "left")
    for need in wanted:
        settings = ", ".join(f"{name}={value}" for name, value in need.config.items())
        numbers = (str(need.partitions), str(need.replication))
        table.add_row(need.name, need.role, *numbers, settings, _state(need, there))
    lines = io.StringIO()
    Console(file=lines, width=max(Console().width, 160)).print(table)
    return "\n".join(line.rstrip() for line in lines.getvalue().splitlines())
