"""The inputs of a command line: files, pipes, and what is said of those that are none."""

from __future__ import annotations

import io
import os
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from stream.errors import EventFileError
from stream.history.inputs import Input, ignore, inputs_of

SOURCES = ("clicks", "orders")
LINES = b'{"event": "view"}\n{"event": "buy"}\n'


def values(one: Input) -> list[bytes]:
    return [value for piece in one.pieces(ignore) for value in piece.values if value]


def test_a_file_is_read_as_often_as_one_likes(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(LINES)
    with ExitStack() as stack:
        (one,) = inputs_of([str(tmp_path / "events")], SOURCES, stack)
        assert values(one) == values(one) == LINES.split()[0:0] + LINES.strip().split(b"\n")
        assert (one.size, one.source, one.place_of(2)) == (len(LINES), None, f"{tmp_path / 'events'}:2")
        read: list[int] = []
        list(one.pieces(read.append))
        assert read[-1] == len(LINES)


def test_a_pipe_is_read_too(tmp_path: Path) -> None:
    """`<(zcat …)` in a shell: the second reading found nothing."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[LINES])
    writer.start()
    with ExitStack() as stack:
        (one,) = inputs_of([f"orders={pipe}"], SOURCES, stack)
        writer.join()
        assert (values(one), values(one), one.source) == (values(one), values(one), "orders")
        assert len(values(one)) == 2


def test_standard_input_may_be_named_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES)))
    with ExitStack() as stack:
        one, other = inputs_of(["-", "orders=-"], SOURCES, stack)
        assert values(one) == values(other) != []


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("nowhere", "nowhere: No such file"),
        (".", "Is a directory.*\n.*name the files in it: ./\\*"),
        ("2026-*.jsonl", "2026-.*No such file.*\n.*no file here has a name of this pattern"),
        ("clicks=2026-*.jsonl", "no file here has a name of this pattern"),
        ("order=x", "did you mean `orders`"),
    ],
)
def test_what_is_no_file_is_named(argument: str, message: str) -> None:
    with ExitStack() as stack, pytest.raises(EventFileError, match=message):
        inputs_of([argument], SOURCES, stack)


@pytest.mark.parametrize(
    ("arguments", "is_twice"),
    [
        (["events", "events"], True),
        (["events", "./link"], True),
        (["clicks=events", "clicks=events"], True),
        (["-", "-"], True),
        (["clicks=events", "orders=events"], False),
        (["events", "copy"], False),
    ],
)
def test_the_events_of_a_file_that_two_patterns_match_came_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], is_twice: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES)))
    for name in ("events", "copy"):
        Path(name).write_bytes(LINES)
    Path("link").symlink_to("events")
    with ExitStack() as stack:
        if is_twice:
            with pytest.raises(EventFileError, match="the same file is named twice"):
                inputs_of(arguments, SOURCES, stack)
        else:
            assert len(inputs_of(arguments, SOURCES, stack)) == 2


@pytest.mark.parametrize("at", ["while", "between"])
def test_a_file_that_grows_was_read_in_two_states(tmp_path: Path, at: str) -> None:
    """What was looked at first was not what was played, and nothing said so."""
    (path := tmp_path / "events").write_bytes(LINES)
    with ExitStack() as stack:
        (one,) = inputs_of([str(path)], SOURCES, stack)
        assert len(values(one)) == 2
        pieces = one.pieces(ignore)
        if at == "while":
            next(pieces)
        with path.open("ab") as file:
            file.write(LINES)
        with pytest.raises(EventFileError, match="changed while it was read") as caught:
            list(pieces)
        assert "| … -" in str(caught.value.hint)


def test_the_place_in_csv_was_called_a_row_and_was_a_line(tmp_path: Path) -> None:
    """After a cell with a line break the third row was `row 4`."""
    (tmp_path / "events.csv").write_text('event,note\nview,"a\nb"\nbuy,c\n')
    with ExitStack() as stack:
        (one,) = inputs_of([str(tmp_path / "events.csv")], SOURCES, stack)
        (piece, *_) = one.pieces(ignore)
        assert piece.numbers == [2, 4]
        assert one.place_of(4) == f"{tmp_path / 'events.csv'}:4"


def test_an_item_of_a_list_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(b'[{"a": 1}]')
    with ExitStack() as stack:
        (one,) = inputs_of([str(tmp_path / "events")], SOURCES, stack)
        values(one)
        assert one.place_of(1) == f"{tmp_path / 'events'}:item 1"


def test_a_log_that_was_cut_off_in_the_middle_of_a_line_was_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that had failed: of what was missing nobody was told. What is piped in may be written still."""
    (tmp_path / "events").write_bytes(LINES + b'{"event": "vi')
    with ExitStack() as stack:
        (one,) = inputs_of([str(tmp_path / "events")], SOURCES, stack)
        with pytest.raises(EventFileError, match="events:3: the last line is cut off") as caught:
            values(one)
        assert "pipe it in: cat " in str(caught.value.hint)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES + b'{"event": "vi')))
    with ExitStack() as stack:
        (one,) = inputs_of(["-"], SOURCES, stack)
        assert values(one) == values(one)
        assert one.rows is not None
        assert one.rows.notes == ["-:3: the last line is cut off"]
