"""Which build of the extension is under test: `make debug` and `make asan` must not pass on the fast one."""

from __future__ import annotations

import os
from pathlib import Path

import stream._fastmatch


def test_the_build_under_test_is_the_one_that_was_asked_for() -> None:
    wanted = os.environ.get("STREAM_BUILD")
    parts = Path(str(stream._fastmatch.__file__)).parts
    assert [name for name in ("debug", "asan") if name in parts] == ([] if wanted is None else [wanted])
