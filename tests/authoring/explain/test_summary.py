"""A timeline as people read it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from stream.authoring.explain.summary import report
from tests.authoring.explain.explainkit import found, known_after, line, rules_in, tell


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


def begun(tmp_path: Path) -> dict[str, Any]:
    """A history that goes on from what was known."""
    rules = rules_in(tmp_path)
    before = [line(0, "view", sku="a", price=20), line(1, "cart"), profile()]
    known = known_after(tmp_path, before, rules, 1_772_445_720_000)
    # A file's offsets begin anew, and those of before count as read.
    events = [*(line(2, "view", "c2") for _ in range(3)), line(3, "view", sku="b", price=20)]
    return found(tell(tmp_path, events, rules=rules, known=known))


def profile(**attributes: Any) -> dict[str, Any]:
    return {"source": "profiles", "customer": "c1", "attributes": {"city": "Rome"} | attributes}


def test_what_a_worker_knew_before_is_told_first(tmp_path: Path) -> None:
    out = io.StringIO()
    report(begun(tmp_path), Console(file=out, width=200))
    text = out.getvalue()
    assert text.startswith(
        """\
2026-03-02T10:02:00.000Z  what a worker knew, by changelog/0/7
    customer.city: "Rome"
    traits.by_sku: {"a": 1}
    traits.views: 1
    left, waits until 2026-03-02T10:31:00.000Z
2026-03-02T10:03:00.000Z  view  clicks  """
    )
    assert "    traits.views: 1 → 2\n" in text


def test_a_profile_was_called_no_event(tmp_path: Path) -> None:
    text = shown_of([profile(), line(0, "view"), {"source": "clicks", "customer": "c1"}], tmp_path)
    assert "profile  profiles  " in text
    assert "an event without a name  clicks  " in text
    assert "(no event)" not in text


def shown_of(lines: Sequence[Mapping[str, Any]], tmp_path: Path) -> str:
    out = io.StringIO()
    report(found(tell(tmp_path, lines)), Console(file=out, width=200))
    return out.getvalue()
