"""A timeline as people read it."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from stream.authoring.explain.summary import report
from tests.authoring.explain.explainkit import found, line, tell


def shown(tmp_path: Path, rule: str | None = None, most: int | None = None) -> str:
    out = io.StringIO()
    events = [line(at, "view", sku="a", price=20) for at in range(2)]
    report(found(tell(tmp_path, events), rule), Console(file=out, width=200), most=most)
    return out.getvalue()


def test_a_condition_is_a_tree_with_what_it_saw(tmp_path: Path) -> None:
    text = shown(tmp_path, "viewed")
    tree = """\
    ✘ viewed: if
        ✔ traits.views >= 2   (traits.views is 2)
        ! segments.big || event.gift
          ✘ segments.big   (segments.big is false)
            ! traits.views >= 3 || customer.vip
              ✘ traits.views >= 3   (traits.views is 2)
              ! customer.vip   (there is no customer.vip)
          ! event.gift   (there is no event.gift)
"""
    assert tree in text
    assert "✘ viewed  its `if` did not hold, 2 times" in text


def test_only_the_last_moments_are_shown_unless_all_are_asked_for(tmp_path: Path) -> None:
    assert "1 moment before (--all shows them)" in shown(tmp_path, most=1)
    assert "before" not in shown(tmp_path, most=2)


def test_what_an_event_tells_cannot_move_the_terminal(tmp_path: Path) -> None:
    out = io.StringIO()
    report(found(tell(tmp_path, [line(0, "view\x1b[31m\nx", sku="\x1b[2J")])), Console(file=out, width=200))
    assert "\x1b" not in out.getvalue()
