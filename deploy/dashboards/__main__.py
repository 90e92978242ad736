"""Write the dashboards' JSON; with `--check` only say by the exit code whether what is there is current."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.dashboards import DASHBOARDS
from deploy.dashboards.panels import render

FOLDER = Path(__file__).parents[1] / "chart/files/dashboards"


def rendered() -> dict[Path, str]:
    """The files as they should be."""
    return {FOLDER / f"{dashboard.name}.json": render(dashboard) for dashboard in DASHBOARDS}


def main() -> int:
    """Write, or check."""
    wanted = rendered()
    found = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    if "--check" in sys.argv[1:]:
        return int(wanted != found)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in found.keys() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
