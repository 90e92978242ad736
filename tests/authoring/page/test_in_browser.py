"""The page of a backtest in a real browser: it fetches nothing, complains of nothing, fits a phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.page import against
from stream.authoring.page.page import page
from tests.authoring.page.test_against import change
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
        assert await tab.value("getComputedStyle(document.querySelector('path.c0')).fill") != "rgb(0, 0, 0)"


@pytest.mark.parametrize(("width", "dark"), [(1_000, False), (1_000, True), (360, False), (320, True)])
async def test_the_page_of_a_change_does_too(tmp_path: Path, width: int, dark: bool) -> None:
    found = change(tmp_path, HOSTILE[0])
    found["rules"] = {f"{name}{'x' * 128}"[:128]: each for name, each in found["rules"].items()}
    path = tmp_path / "change.html"
    path.write_text(against.page(found), encoding="utf-8")
    async with opened_tab() as tab:
        await tab.open(path, width=width, dark=dark)
        assert [each for each in tab.requests if not each.startswith("data:")] == [path.as_uri()]
        assert tab.problems == []
        assert await tab.value("document.documentElement.scrollWidth") <= width
        beyond = BEYOND.replace("WIDTH", str(width)) + ".map(each => each.outerHTML.slice(0, 200))"
        assert await tab.value(beyond) == []


@pytest.mark.parametrize("width", [320, 360, 390, 430, 768])
async def test_on_a_phone_half_of_the_rules_columns_were_not_seen(tmp_path: Path, width: int) -> None:
    """Names are as long as they can be."""
    found = shop(tmp_path, HOSTILE[0])
    found["rules"] = {f"{name}{'x' * 128}"[:128]: each for name, each in found["rules"].items()}
    found["collisions"] = [{**each, "rule": "y" * 128, "other": "z" * 128} for each in found["collisions"]]
    found["segments"]["sizes"] = {"s" * 128: 7, **found["segments"]["sizes"]}
    path = tmp_path / "report.html"
    path.write_text(page(found), encoding="utf-8")
    async with opened_tab() as tab:
        await tab.open(path, width=width)
        await tab.value("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert await tab.value("document.documentElement.scrollWidth") == width
        assert (
            await tab.value(
                BEYOND.replace("WIDTH", str(width)) + ".map(each => each.outerHTML.slice(0, 200))"
            )
            == []
        )


# What is right of its page, and is not in a chart, or in a table of numbers, which scrolls.
BEYOND = """[...document.querySelectorAll('body *')]
    .filter(each => !each.closest('.chart') && (!each.closest('.wide table') || each.closest('#rules')))
    .filter(each => each.getBoundingClientRect().right > WIDTH)"""


async def test_on_paper_a_chart_was_cut_in_two_and_a_heading_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(shop(tmp_path)), encoding="utf-8")
    async with opened_tab() as tab:
        await tab.open(path)
        dark = {"name": "prefers-color-scheme", "value": "dark"}
        await tab.ask("Emulation.setEmulatedMedia", media="print", features=[dark])
        for what, property_, value in (
            ("figure, tr, blockquote, .short", "breakInside", "avoid"),
            ("h1, h2, h3, caption, figcaption, thead, section > p", "breakAfter", "avoid"),
            ("details, .back", "display", "none"),
            (".chart path", "printColorAdjust", "exact"),
            ("body", "backgroundColor", "rgb(255, 255, 255)"),
        ):
            styles = (
                f"[...document.querySelectorAll('{what}')].map(each => getComputedStyle(each).{property_})"
            )
            assert set(await tab.value(styles)) == {value}, what


async def test_what_a_page_fetches_and_complains_of_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<img src='file:///none.png'><script>console.error('no'); none()</script>")
    async with opened_tab() as tab:
        await tab.open(path)
        assert len(tab.requests) == 2
        assert len(tab.problems) >= 2
