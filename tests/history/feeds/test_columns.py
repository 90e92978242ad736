"""Cells to values: every type, and what is refused in place of being guessed at."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stream.history.feeds.columns import Column, UnfitError, put

BERLIN = ZoneInfo("Europe/Berlin")


def column(**options: Any) -> Column:
    return Column("c", ("c",), ("f",), **options)


@pytest.mark.parametrize(
    ("options", "cell", "value"),
    [
        ({}, 7, 7),
        ({"type": "text"}, "007", "007"),
        ({"type": "text"}, 7, "7"),
        ({"type": "number"}, "007", 7),
        ({"type": "number"}, " 1,049.90 ", 1049.9),
        ({"type": "number", "decimal": "comma"}, "1.049,90", 1049.9),
        ({"type": "number", "decimal": "comma"}, "12,5", 12.5),
        ({"type": "number"}, 12.5, 12.5),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, 0, False),
        ({"type": "boolean", "words": {"ja": True, "nein": False}}, "ja ", True),
        ({"type": "text", "words": {"f": "female"}}, "f", "female"),
        ({"type": "text", "words": {"f": "female"}}, "x", "x"),
        ({"type": "time"}, "2026-03-02T10:00:00+01:00", "2026-03-02T09:00:00.000Z"),
        ({"type": "time"}, 1772445600, "2026-03-02T10:00:00.000Z"),
        ({"type": "time"}, "1772445600", "2026-03-02T10:00:00.000Z"),
        ({"type": "time", "zone": BERLIN}, "2026-07-02 10:00", "2026-07-02T08:00:00.000Z"),
        ({"type": "time", "format": "%d.%m.%Y", "zone": BERLIN}, "02.03.2026", "2026-03-01T23:00:00.000Z"),
        (
            {"type": "time", "format": "%d.%m.%Y %H:%M %z"},
            "02.03.2026 10:00 +0200",
            "2026-03-02T08:00:00.000Z",
        ),
        # The hour that comes twice: the first one.
        ({"type": "time", "zone": BERLIN}, "2026-10-25T02:30:00", "2026-10-25T00:30:00.000Z"),
    ],
)
def test_a_cell_is_read_as_its_column_says(options: dict[str, Any], cell: Any, value: Any) -> None:
    found = column(**options).read(cell)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("options", "cell", "why"),
    [
        ({"type": "number"}, "12,50", "no number"),
        ({"type": "number"}, "n/a", "no number"),
        ({"type": "number"}, True, "no number"),
        ({"type": "number"}, "12345678901234567890", "more digits"),
        ({"type": "number", "decimal": "comma"}, "12.50", "no number with a decimal comma"),
        ({"type": "boolean"}, "ja", "`words` can say"),
        ({"type": "boolean", "words": {"ja": True}}, "vielleicht", "none of its `words`"),
        ({"type": "text"}, {"a": 1}, "no text"),
        ({"type": "time"}, "2026-03-02T10:00:00", "without a zone"),
        ({"type": "time"}, "02.03.2026", "`format` can say"),
        ({"type": "time", "format": "%d.%m.%Y", "zone": BERLIN}, "03/02/2026", "no time of the form"),
        ({"type": "time", "zone": BERLIN}, "2026-03-29T02:30:00", "when clocks went forward"),
        ({"type": "time", "format": "%d.%m.%Y", "zone": BERLIN}, "01.01.0001", "out of all bounds"),
        ({"type": "time", "zone": ZoneInfo("America/New_York")}, "9999-12-31T23:59:00", "out of all bounds"),
    ],
)
def test_what_does_not_fit_is_refused_and_never_quoted(options: dict[str, Any], cell: Any, why: str) -> None:
    with pytest.raises(UnfitError, match=why) as raised:
        column(**options).read(cell)
    assert str(cell) not in str(raised.value)


def test_a_field_within_one_that_is_no_object() -> None:
    body: dict[str, Any] = {"order": 7}
    with pytest.raises(UnfitError, match="no object"):
        put(body, ("order", "id"), 1)
