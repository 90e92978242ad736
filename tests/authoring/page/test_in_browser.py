"""The page of a backtest in a real browser: it fetches nothing, complains of nothing, fits a phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.page.page import page
from tests.authoring.page.test_page import HOSTILE, shop
from tests.kit.browser import CHROMIUM, opened_tab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (apt-get install chromium)"),
]


@pytest.mark.parametrize(("width", "dark"), [(1_000, False), (1_000, True), (360, False)])
@pytest.mark.parametrize("text", HOSTILE[:2])
async def test_it_fetches_nothing_and_complains_of_nothing(
    tmp_path: Path, text: str, width: int, dark: bool
) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(shop(tmp_path, text)))
    async with opened_tab() as tab:
        await tab.open(path, width=width, dark=dark)
        assert [each for each in tab.requests if not each.startswith("data:")] == [path.as_uri()]
        assert tab.problems == []
        assert await tab.value("document.querySelectorAll('script, img').length") == 0
        assert await tab.value("document.documentElement.scrollWidth") <= width
        paper = await tab.value("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")
        assert await tab.value("getComputedStyle(document.querySelector('rect.c0')).fill") != "rgb(0, 0, 0)"


async def test_what_a_page_fetches_and_complains_of_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<img src='file:///none.png'><script>console.error('no'); none()</script>")
    async with opened_tab() as tab:
        await tab.open(path)
        assert len(tab.requests) == 2
        assert len(tab.problems) >= 2
