"""Waiting for files to change."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from stream.authoring.watch import Signature, keep_running, look, wait_for_change


def signatures(names: Iterable[str]) -> Iterator[Signature]:
    return (((each, 0, 0, 0),) for each in names)


def test_a_change_is_waited_for_until_it_is_complete() -> None:
    """An editor writes a file in parts; what was read in between had errors that nobody made."""
    seen = signatures("aaabcdd")
    slept: list[float] = []
    wait_for_change((("a", 0, 0, 0),), lambda: next(seen), slept.append)
    assert list(seen) == []
    assert len(slept) == 3 + 3


def test_a_file_that_is_changed_gone_or_put_in_anothers_place_is_seen(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("x")
    os.utime(one, ns=(1, 1))
    seen = [look([one, other])]
    other.write_text("y")
    os.utime(other, ns=(1, 1))
    seen.append(look([one, other]))
    other.replace(one)
    seen.append(look([one, other]))
    one.unlink()
    seen.append(look([one, other]))
    assert len(set(seen)) == 4
    assert seen[-1] == ()


def test_what_the_last_run_that_ended_came_to_is_the_end() -> None:
    def play(*codes: int | type[KeyboardInterrupt]) -> int:
        left, changes = list(codes), iter(range(1_000))

        def run() -> int:
            code = left.pop(0) if left else KeyboardInterrupt
            if isinstance(code, int):
                return code
            raise code

        return keep_running(run, lambda: ((str(next(changes) // 4), 0, 0, 0),))

    assert play(0, 1) == 1
    assert play(1, 0) == 0
    assert play(1, KeyboardInterrupt) == 1
    assert play(KeyboardInterrupt) == 130
