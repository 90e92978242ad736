"""The windows' codes are those of the table of trait functions."""

from __future__ import annotations

import re
from pathlib import Path

import stream
from stream.rules.aggregates import AGGREGATES


def test_each_function_has_the_code_that_the_table_gives_it() -> None:
    """States in the changelog are read by the definitions' functions; two codes for one would mix them up."""
    header = (Path(stream.__file__).parent / "state" / "_windows.pxd").read_text()
    codes = {name.lower(): int(code) for name, code in re.findall(r"FUNCTION_(\w+) = (\d+)", header)}
    assert codes == {each.name: each.code for each in AGGREGATES.values()}
