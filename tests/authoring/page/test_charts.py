"""Charts have the sizes that their numbers ask for."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from stream.authoring.page import charts
from stream.authoring.page.markup import own


def boxes(drawn: str) -> list[tuple[str, float, float]]:
    """Class, y and height of each column."""
    return [
        (each.attrib["class"], float(y), float(high))
        for each in ElementTree.fromstring(drawn).iter("path")
        if re.fullmatch(r"c\d", each.attrib.get("class", ""))
        for y, high in re.findall(r"M[\d.]+ ([\d.]+)h[\d.]+v([\d.]+)", each.attrib["d"])
    ]


def strokes(drawn: str) -> list[str]:
    """What lies over the colours, without where it is: which way each stroke goes."""
    found = []
    for each in ElementTree.fromstring(drawn).iter("path"):
        if each.attrib.get("class") == "over":
            ways = re.findall(r"M([\d.]+) ([\d.]+)(?:L([\d.]+) ([\d.]+)|([hv]))", each.attrib["d"])
            found.append(
                "".join(
                    sorted(
                        {
                            way or "/\\"[(float(x2) > float(x1)) == (float(y2) > float(y1))]
                            for x1, y1, x2, y2, way in ways
                        }
                    )
                )
            )
    return found


def test_columns_stand_on_each_other_and_on_the_ground() -> None:
    drawn = charts.columns("It says", ["a", "b"], {0: [50, 0], 1: [50, 100]})
    high, ground = charts.HEIGHT - charts.TOP - charts.BOTTOM, charts.HEIGHT - charts.BOTTOM
    assert boxes(drawn) == [
        ("c0", ground - high / 2, high / 2),
        ("c1", ground - high, high / 2),
        ("c1", ground - high, high),
    ]
    assert 'role="img" aria-label="It says"' in drawn


def test_who_sees_no_colours_could_not_tell_the_channels() -> None:
    """Each but the first has strokes of its own, which stay inside of it; one alone has none."""
    drawn = charts.columns("", ["a"], {colour: [100] for colour in range(charts.COLOURS)})
    assert strokes(drawn) == ["/", "h", "\\", "v", "/\\"]
    assert strokes(charts.columns("", ["a"], {3: [100]})) == []
    x, y, wide, high = 50.0, 20.0, 9.0, 31.0
    for colour in range(1, charts.COLOURS):
        (_, over) = charts._filled([(x, y, wide, high)], colour)
        for at in re.findall(r"[ML]([\d.]+) ([\d.]+)", over):
            assert x <= float(at[0]) <= x + wide
            assert y <= float(at[1]) <= y + high


@pytest.mark.parametrize("columns", [1, 7, 24, 60])
@pytest.mark.parametrize("label", ["00", "2026-03-02", "1,024–2,047"])
def test_no_label_touches_the_next(columns: int, label: str) -> None:
    drawn = charts.columns("", [label] * columns, {0: [1] * columns})
    found = re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="middle"( class="more")?>', drawn)
    for letter, shown in (
        (charts.LETTER, found),
        (2 * charts.LETTER, [each for each in found if not each[1]]),
    ):
        places = [float(x) for x, _ in shown]
        assert places
        assert all(b - a > letter * len(label) for a, b in pairwise(places))


@pytest.mark.parametrize(
    ("number", "top", "said"),
    [
        (400, 800, "400"),
        (5_000, 8_000, "5,000"),
        (5_000, 10_000, "5k"),
        (500_000, 10**6, "0.5M"),
        (0, 10**6, "0"),
    ],
)
def test_scales_have_room_for_their_numbers(number: int, top: int, said: str) -> None:
    assert charts.short(number, top) == said


@pytest.mark.parametrize("labels", [[], ["one"]])
def test_nothing_and_one_thing_can_be_drawn(labels: list[str]) -> None:
    ElementTree.fromstring(charts.columns("", labels, {0: [0] * len(labels)}))
    ElementTree.fromstring(charts.bar("none", 0, 0))


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (3, 3), (5, 6), (7, 8), (9, 10), (11, 20), (99, 100), (10**12, 10**12)]
)
def test_scales_end_with_a_round_number(most: int, top: int) -> None:
    assert charts.scale(most) == top


def test_a_key_is_for_several_colours() -> None:
    assert charts.key({2: own("one")}) == ""
    assert re.findall('class="c(.)"', charts.key({0: own("one"), 2: own("two")})) == ["0", "2"]
