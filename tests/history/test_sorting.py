"""Events sorted on disk: all of them, in order, and nothing left behind."""

from __future__ import annotations

import io
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import EventFileError
from stream.history import sorting
from stream.history._past import PastEvent
from stream.history.inputs import inputs_of
from stream.history.sorting import Sorter
from tests.history.test_past import There

ORIGINS = There(), There()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.none() | st.binary(max_size=4),
            st.none() | st.binary(max_size=9),
            st.booleans(),
        )
    ),
    st.integers(1, 2000),
    st.integers(2, 4),
)
def test_events_come_in_their_order_and_as_they_were(
    given: list[tuple[int, bytes | None, bytes | None, bool]], size: int, parts: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, Sorter() as sorter:
        patch.setattr(sorting, "PART_BYTES", size)
        patch.setattr(sorting, "MOST_PARTS", parts)
        events = [
            PastEvent(ORIGINS[other], other, order, number, number * 3, key, value, number * 7)
            for number, (order, key, value, other) in enumerate(given)
        ]
        sorter.add(events)
        found = list(sorter.sorted())
    assert list(map(seen, found)) == sorted(map(seen, events))


def seen(event: PastEvent) -> tuple[object, ...]:
    parts = event.rank, event.timestamp, event.key or b"", event.value or b"", event.offset
    return event.order, event.number, *parts, ORIGINS.index(event.origin)  # type: ignore[arg-type]


def test_nothing_lies_about_for_others_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Customers' events in a folder that all may read, left behind by Ctrl-C."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sorting, "PART_BYTES", 1)
    with Sorter() as sorter:
        sorter.add([PastEvent(ORIGINS[0], 0, at, at, at, None, b"{}") for at in (2, 1)])
        assert list(tmp_path.iterdir()) == []
        assert [each.order for each in sorter.sorted()] == [1, 2]


def test_a_disk_that_is_full_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    monkeypatch.setattr(sorting, "PART_BYTES", 1)
    with pytest.raises(EventFileError, match="No space left") as caught, Sorter() as sorter:
        sorter.add([PastEvent(ORIGINS[0], 0, 1, 1, 1, None, b"{}")])
    assert "TMPDIR" in str(caught.value.hint)


def _full(**_: object) -> IO[bytes]:
    return Path("/dev/full").open("r+b")


def test_a_disk_that_fills_up_while_events_are_sorted_was_taken_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What found no room was written once more when the file was closed, and hid where that was."""
    monkeypatch.setattr(tempfile, "TemporaryFile", _full)
    monkeypatch.setattr(sorting, "PART_BYTES", 1)
    with pytest.raises(EventFileError, match="cannot be sorted on disk: No space left"), Sorter() as sorter:
        sorter.add([PastEvent(ORIGINS[0], 0, 1, 1, 1, None, b"x" * 100_000)])


def test_a_disk_that_fills_up_while_a_pipe_is_kept_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", _full)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    with pytest.raises(EventFileError, match="-: cannot be kept: No space left"), ExitStack() as stack:
        inputs_of(["-"], ("clicks",), stack)
