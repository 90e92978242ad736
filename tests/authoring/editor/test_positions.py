"""Places as an editor counts them, and as Python does: each leads to the other."""

from __future__ import annotations

import pytest

from stream.authoring.editor.positions import Lines, Units, as_loaded

TEXT = "a: Grüße\n\U0001f389b: \u2028c\x0c\r\nd:\re: ß"


@pytest.mark.parametrize("units", ["utf-8", "utf-16", "utf-32"])
def test_every_place_leads_back_to_itself(units: Units) -> None:
    text = as_loaded(TEXT)
    lines = Lines(text, units)
    for offset in range(len(text) + 1):
        assert lines.offset(*lines.position(offset)) == offset


def test_an_emoji_is_two_and_an_umlaut_one() -> None:
    lines = Lines("\U0001f389ü: x", "utf-16")
    assert lines.position(1) == (0, 2)
    assert lines.position(2) == (0, 3)
    assert lines.offset(0, 1) == 0  # within the emoji: before it


def test_lines_end_with_line_feeds_and_carriage_returns_only() -> None:
    assert Lines(as_loaded(TEXT)).position(len(as_loaded(TEXT)))[0] == 3


def test_what_is_behind_the_end_is_the_end() -> None:
    lines = Lines("ab\ncd")
    assert lines.offset(0, 99) == 2
    assert lines.offset(9, 0) == 5
    assert lines.at(1, 99) == 2
    assert lines.at(0, 0) == 0
    assert lines.at(9, 1) == 5


def test_a_byte_order_mark_and_windows_line_ends_are_left_out_as_the_loader_does() -> None:
    assert as_loaded("\ufeffa:\r\n  b: 1\r\n") == "a:\n  b: 1\n"
