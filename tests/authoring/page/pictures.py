"""Pictures of a backtest's report for the documents: `make pictures` plays the demo's past and takes them.

Light, dark, and as a phone shows it; to docs/images, made small where there is a pngquant. Needs a Chromium.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import orjson

from stream.authoring.backtest import run as backtest
from stream.authoring.backtest.findings import as_object
from stream.authoring.page.page import page
from stream.demo.data import events
from stream.history.event_files import event_files
from stream.rules.compiler.rule_set import load_rules
from tests.kit.browser import CHROMIUM, opened_tab

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "docs/images"


class Picture(NamedTuple):
    name: str
    width: int
    height: int
    dark: bool = False


PICTURES = (
    Picture("backtest-report", 1_000, 1_500),
    Picture("backtest-report-dark", 1_000, 1_500, dark=True),
    Picture("backtest-report-phone", 390, 1_200),
)


def report_of_the_demo(folder: Path) -> Path:
    lines = (orjson.dumps({"source": each.topic, **orjson.loads(each.value)}) for each in events())
    (folder / "events.jsonl").write_bytes(b"\n".join(lines))
    rules = load_rules(ROOT / "rules")
    with event_files([str(folder / "events.jsonl")], rules) as files:
        found = as_object(backtest.run(rules, files))
    (folder / "report.html").write_text(page(found))
    return folder / "report.html"


async def taken(page: Path, picture: Picture) -> bytes:
    async with opened_tab() as tab:
        await tab.open(page, width=picture.width, height=picture.height, dark=picture.dark)
        return await tab.picture()


def main() -> int:
    """Take them all."""
    if CHROMIUM is None:
        print("this needs a Chromium (apt-get install chromium)", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="stream-pictures-") as folder:
        page = report_of_the_demo(Path(folder))
        for picture in PICTURES:
            path = IMAGES / f"{picture.name}.png"
            path.write_bytes(asyncio.run(taken(page, picture)))
            if smaller := shutil.which("pngquant"):
                subprocess.run([smaller, "--force", "--ext=.png", "64", path], check=True)
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
