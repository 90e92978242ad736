"""Segments are counted by the engine itself, at the end, with what two of them share."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.backtest import segment_sizes
from tests.authoring.backtest.test_figures import click, found_of, rule

SEGMENTS = """
traits:
  views: {function: count, of: view, over: 7d}
segments:
  lookers: traits.views >= 1
  fans: traits.views >= 3
  quiet: "!segments.lookers"
  odd: customer.shoe.size > 3
"""


def test_customers_by_segment_and_what_two_share(tmp_path: Path) -> None:
    events = [
        click(f"2026-03-02T10:0{n}:00", customer=who)
        for who, many in (("a", 1), ("b", 3))
        for n in range(many)
    ]
    found = found_of(
        tmp_path,
        f"{SEGMENTS}\nrules:\n  seen: {rule('web')}",
        [*events, {"source": "profiles", "customer": "c", "attributes": {}}],
    )
    segments = found["segments"]
    assert segments["sizes"] == {"lookers": 2, "fans": 1, "quiet": 1, "odd": 0}
    assert [(set(each["segments"]), each["customers"]) for each in segments["shared"]] == [
        ({"lookers", "fans"}, 1)
    ]
    assert (segments["at"], segments["uncounted"]) == ("2026-03-02T10:02:00.000Z", 0)


def test_they_are_counted_as_of_the_end_that_was_asked_for(tmp_path: Path) -> None:
    """And what still waits then neither fires nor is counted another time."""
    left = "{on: view, unless: {on: buy, within: 30d}, send: {channel: web, content: {text: Hi}}}"
    rules = f"{SEGMENTS}\nrules:\n  left: {left}"
    found = found_of(tmp_path, rules, [click("2026-03-02T10:00:00")], until="2026-03-20T00:00:00Z")
    assert found["segments"]["sizes"] == {"lookers": 0, "fans": 0, "quiet": 1, "odd": 0}
    assert (found["open_timers"], found["rules"]["left"]["matches"], found["customers"]) == (1, 0, 1)


def test_segments_that_are_too_many_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_sizes, "MOST_SEGMENTS", 2)
    segments = found_of(
        tmp_path, f"{SEGMENTS}\nrules:\n  seen: {rule('web')}", [click("2026-03-02T10:00:00")]
    )["segments"]
    assert (len(segments["sizes"]), segments["uncounted"]) == (2, 2)
