"""The page of `make bench`: it stands alone, escapes what it shows, and draws what was measured."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from loadtest.cases import charts
from loadtest.cases.charts import Spot, ceiling, short
from loadtest.cases.open_loop import Latencies
from loadtest.cases.page import STYLE, page
from loadtest.cases.results import NOW, Results, Round
from loadtest.cases.table import CASES, FIGURES

ABOUT = {
    "at": "2026-11-30T10:00:00+00:00", "commit": "c0ffee", "scale": 1.0, "cores": 2,
    "processor": "<b>CPU</b>", "memory_gib": 8.0, "system": "Linux", "python": "3.11.7", "kafka": "4.3.1",
    "packages": {"orjson": "3"}, "sides": {NOW: "c0ffee"},
}  # fmt: skip


class Tags(HTMLParser):
    """Which there are, and whether each ends."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in {"meta", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def of_all(scale: float = 1.0, problems: tuple[str, ...] = (), side: str = NOW) -> list[Round]:
    """Three rounds of each case, with each figure."""
    latencies = Latencies()
    latencies.add(3_000)
    both = {"worker": latencies.encoded(), "echo": latencies.encoded()}
    return [
        Round(case.name, side, number, scale, "t", 0.3, 1.0,
              dict.fromkeys(FIGURES[case.regime], number + 0.5), problems, both)
        for case in CASES.values()
        for number in (1, 2, 3)
    ]  # fmt: skip


def made(*rounds: Round, **about: object) -> str:
    return page(Results(Path("none.json"), ABOUT | about, rounds))


def test_all_that_was_measured_is_drawn() -> None:
    text = made(*of_all(), *of_all(side="main"))
    tags = Tags(text)
    assert tags.open == []
    heads = re.findall(r"<h2>(.*?)</h2>", text)
    wanted = ("Targets", "events a second", "by part", "offered rate", "distribution", "where the time goes")
    wanted += ("Bursts", "Memory", "Restoring", "rules", "customers", "partitions", "Compared", "All figures")
    assert [word for word in wanted if not any(word in head for head in heads)] == []
    assert tags.seen.count("svg") > 20
    for case in CASES.values():
        assert f"{case.name}: " in text


def test_nothing_measured_says_so() -> None:
    text = made()
    assert "31 not measured" in text
    assert "<svg" not in text


def test_the_page_stands_alone_and_runs_nothing() -> None:
    text = made(*of_all())
    assert not {"script", "img", "iframe", "object"} & set(Tags(text).seen)
    assert re.findall(r"https?://|url\(|@import", text) == []
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert "prefers-color-scheme:dark" in STYLE


def test_what_it_shows_is_escaped() -> None:
    text = made(*of_all(problems=("<script>alert(1)</script>",), side="<i>"), *of_all(problems=("<u>",)))
    assert "<b>CPU" not in text
    assert not {"script", "i", "u", "b"} & set(Tags(text).seen)


def test_a_small_or_busy_run_says_so() -> None:
    text = made(*of_all(scale=0.02))
    assert "Not at full size: 2%" in text
    assert "was busy" not in text
    assert "a load of 9.0 to 9.0" in made(*(replace(each, load=9.0) for each in of_all()))
    assert "Not at full size" not in made(*of_all())


def test_what_went_wrong_stands_above_the_charts() -> None:
    text = made(*of_all(problems=("7 triggers are missing",)))
    assert text.index("7 triggers are missing") < text.index("<svg")
    assert "each trigger came once" in made(*of_all())


@pytest.mark.parametrize(("value", "top"), [(0, 1), (0.3, 0.3), (1, 1), (7, 8), (9, 10), (150_001, 200_000)])
def test_scales_end_at_round_numbers(value: float, top: float) -> None:
    assert ceiling(value) == pytest.approx(top)


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (400, "400"), (15_000, "15k"), (1_500_000, "1.5M")]
)
def test_ticks_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_charts_take_gaps_nothings_and_one_point() -> None:
    drawn = charts.bars("says", ["a", "b"], {0: [None, Spot(0, 0, 0)], 1: [Spot(1, 2, 3), None]})
    assert drawn.count('class="whisker"') == 1
    assert "<path" in charts.lines("says", {0: [(2000, 5)]})
    assert "path" not in charts.lines("says", {})
    assert "10k" in charts.lines("says", {0: [(1, 0.5), (100, 10_000)]})
