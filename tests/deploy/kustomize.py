"""The kustomize base, rendered from the chart. `python -m tests.deploy.kustomize` writes it anew."""

from __future__ import annotations

import re
from pathlib import Path

from tests.deploy import helm
from tests.deploy.charts import CHART, DEPLOY
from tests.deploy.tools import prepare

BASE = DEPLOY / "kustomize" / "base"

# What is Helm's own, and the namespace, which is the overlay's to give.
HELM_LINES = re.compile(
    r"^# Source: .*\n|^ +(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE
)


def render(chart: Path) -> helm.Template:
    """The call that renders it."""
    return helm.Template(chart, [DEPLOY / "kustomize" / "values.yaml"])


def cleaned(text: str) -> str:
    """Without what only Helm needs."""
    return HELM_LINES.sub("", text)


if __name__ == "__main__":
    (answer,) = helm.call(prepare().helm_library, [render(CHART)])
    if answer.error:
        raise SystemExit(answer.error)
    (BASE / "workers.yaml").write_text(cleaned(answer.out))
