"""Fixtures of the deployment's tests: the tools, the chart, and what each value set renders to."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from rich.console import Console

from tests.deploy.charts import VALUE_SETS, Chart, Manifest, read
from tests.deploy.tools import Tools, prepare


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks first waits for the tools, or for the image: minutes on a machine with much to do."""
    for item in items:
        asks = {"tools", "image"} & set(getattr(item, "fixturenames", ()))
        if asks and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Helm and the others; a failure to get them fails every test that asks."""
    return prepare(Console(stderr=True))


@pytest.fixture
def chart(tools: Tools, tmp_path: Path) -> Chart:
    return Chart(tools, tmp_path)


@pytest.fixture(scope="session")
def rendered(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    """Value set → manifests, with the pod of `helm test`."""
    chart = Chart(tools, tmp_path_factory.mktemp("chart"))
    calls = [chart.template(yaml.safe_load(path.read_text())) for path in VALUE_SETS]
    found = {}
    for path, answer in zip(VALUE_SETS, chart.call(calls), strict=True):
        assert not answer.error, f"{path.name}: {answer.error}"
        found[path.name] = read(answer.out)
    return found
