"""Charts have the sizes that their numbers ask for."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from stream.authoring.page import charts
from stream.authoring.page.markup import own


def boxes(drawn: str) -> list[tuple[str, float, float]]:
    """Class, y and height of each column."""
    found = ElementTree.fromstring(drawn).iter("rect")
    return [(each.attrib["class"], float(each.attrib["y"]), float(each.attrib["height"])) for each in found]


def test_columns_stand_on_each_other_and_on_the_ground() -> None:
    drawn = charts.columns("It says", ["a", "b"], {"web": [50, 0], "mail": [50, 100]})
    high, ground = charts.HEIGHT - charts.TOP - charts.BOTTOM, charts.HEIGHT - charts.BOTTOM
    assert boxes(drawn) == [
        ("c0", ground - high / 2, high / 2),
        ("c1", ground - high, high / 2),
        ("c1", ground - high, high),
    ]
    assert 'role="img" aria-label="It says"' in drawn


@pytest.mark.parametrize("labels", [[], ["one"]])
def test_nothing_and_one_thing_can_be_drawn(labels: list[str]) -> None:
    ElementTree.fromstring(charts.columns("", labels, {"x": [0] * len(labels)}))
    ElementTree.fromstring(charts.bar("none", [0], 0))


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (3, 3), (5, 6), (7, 8), (9, 10), (11, 20), (99, 100), (10**12, 10**12)]
)
def test_scales_end_with_a_round_number(most: int, top: int) -> None:
    assert charts.scale(most) == top


def test_a_key_is_for_several_colours() -> None:
    assert charts.key([own("one")]) == ""
    assert re.findall('class="c(.)"', charts.key([own("one"), own("two")])) == ["0", "1"]
