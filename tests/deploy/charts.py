"""The chart under test, and what it renders to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.deploy import helm
from tests.deploy.tools import Tools

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "chart"
VALUE_SETS = sorted((CHART / "ci").glob("*-values.yaml"))
RULES = "sources: {shop: {event: event, customer: customer_id}}\n"

# The least that a chart needs to be told.
LEAST: dict[str, Any] = {
    "kafka": {"bootstrap": "kafka:9092"},
    "rules": {"configMap": {"files": {"shop.yaml": RULES}}},
}

Manifest = dict[str, Any]


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, as Helm does it: maps are merged, all else replaced."""
    result = dict(base)
    for key, value in over.items():
        both_maps = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both_maps else value
    return result


def read(text: str) -> list[Manifest]:
    """The manifests of a rendered chart."""
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def find(manifests: Sequence[Manifest], kind: str, name: str | None = None) -> Manifest:
    """The one manifest of that kind (and name)."""
    (found,) = [
        each for each in manifests if each["kind"] == kind and name in (None, each["metadata"]["name"])
    ]
    return found


def pod_specs(manifests: Sequence[Manifest]) -> Iterator[dict[str, Any]]:
    """The pods' specs, of templates and of pods."""
    for each in manifests:
        if each["kind"] == "StatefulSet":
            yield each["spec"]["template"]["spec"]
        elif each["kind"] == "Pod":
            yield each["spec"]


def worker_env(manifests: Sequence[Manifest]) -> dict[str, str]:
    """The worker's environment; what comes from a field is given by the field's path."""
    worker = find(manifests, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    return {
        each["name"]: each["value"] if "value" in each else each["valueFrom"]["fieldRef"]["fieldPath"]
        for each in worker["env"]
    }


class Chart:
    """A copy of the chart in `folder`, without hooks, which `template` leaves out: for `helm test`'s pod."""

    def __init__(self, tools: Tools, folder: Path) -> None:
        self.tools = tools
        self.path = folder / "chart"
        shutil.copytree(CHART, self.path)
        check = self.path / "templates" / "tests" / "check.yaml"
        check.write_text(check.read_text().replace("helm.sh/hook", "example/hook"))
        self._folder = folder
        self._count = 0

    def values_file(self, values: Mapping[str, Any]) -> Path:
        self._count += 1
        path = self._folder / f"values-{self._count}.yaml"
        path.write_text(yaml.safe_dump(dict(values)))
        return path

    def render(self, *values: Mapping[str, Any]) -> list[Manifest]:
        """What the values make of it; RuntimeError with Helm's words where it refuses them."""
        (answer,) = self.call([self.template(*values)])
        if answer.error:
            raise RuntimeError(answer.error)
        return read(answer.out)

    def template(self, *values: Mapping[str, Any]) -> helm.Template:
        return helm.Template(self.path, [self.values_file(each) for each in values])

    def call(self, calls: Sequence[helm.Lint | helm.Template]) -> list[helm.Answer]:
        return helm.call(self.tools.helm_library, calls)
