"""Files told by what is in them, and what is said of those that cannot be read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
from collections.abc import Callable
from typing import IO, Any

import pytest

from stream.errors import EventFileError
from stream.history.formats import BLOCK, encoding_of, opened, zstd
from stream.history.pieces import MAX_LINE

EVENTS = [{"event": "view", "customer": "c1", "name": "Zoë ☂"}, {"event": "buy", "customer": "c2"}]
LINES = "\n".join(json.dumps(each, ensure_ascii=False) for each in EVENTS)


def read(data: bytes) -> tuple[str, list[Any], list[int]]:
    """The kind, the events, and their numbers."""
    values: list[Any] = []
    numbers: list[int] = []
    with opened(io.BytesIO(data), "events") as found:
        for piece in found.pieces:
            first = piece.numbers
            all_numbers = range(first, first + len(piece.values)) if isinstance(first, int) else first
            for value, number in zip(piece.values, all_numbers, strict=True):
                if value.strip():
                    values.append(json.loads(value))
                    numbers.append(number)
        return found.rows.kind, values, numbers


@pytest.mark.parametrize(
    ("data", "kind", "numbers"),
    [
        (LINES, "JSON lines", [1, 2]),
        (LINES.replace("\n", "\r\n\r\n"), "JSON lines", [1, 3]),
        (json.dumps(EVENTS), "a JSON list", [1, 2]),
        (json.dumps(EVENTS, indent=2), "a JSON list", [1, 2]),
        (
            "".join(json.dumps(each, indent=2) + "\n" for each in EVENTS),
            "JSON objects over several lines",
            [5, 9],
        ),
        (LINES.replace("\n", ""), "JSON objects one behind the other", [1, 2]),
        (LINES.replace("\n", " ") + "\n", "JSON objects one behind the other", [1, 2]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_is_told_by_its_beginning(data: str, kind: str, numbers: list[int], encoding: str) -> None:
    """Excel and PowerShell write UTF-16: each line was a dead letter."""
    assert read(data.encode(encoding)) == (kind, EVENTS, numbers)


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress, bz2.compress, lzma.compress])
def test_what_is_packed_is_unpacked_whatever_its_name(pack: Callable[[bytes], bytes]) -> None:
    data = pack(LINES.encode()) + pack(b"\n" + LINES.encode())
    assert read(data)[1] == EVENTS * 2


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress, bz2.compress, lzma.compress])
def test_a_packed_file_that_is_cut_off_is_an_error(pack: Callable[[bytes], bytes]) -> None:
    lines = "\n".join(json.dumps({"n": n * 7919 % 100_003}) for n in range(300_000))
    with pytest.raises(EventFileError, match="events: cannot be read to its end") as caught:
        read(pack(lines.encode())[:-20])
    assert re.fullmatch(
        r"is all of it there\? [\d,]+ bytes of what is in it could be read", str(caught.value.hint)
    )
    assert "\n" not in caught.value.message
    with pytest.raises(EventFileError, match="cannot be read to its end"):
        read(pack(lines.encode())[:30])


def test_a_damaged_file_of_gzip_ended_in_a_traceback() -> None:
    with pytest.raises(EventFileError, match="cannot be read to its end"):
        read(bytes.fromhex("1f8b0800000000000003") + b"\xff" * 40)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04rest", "a zip archive, or an Excel workbook"),
        (b"Obj\x01rest", "Avro"),
        (b"<html>", "XML or HTML"),
        (gzip.compress(b"PAR1xxxx"), "Parquet within another packing"),
        (b'[{"a": 1}, {"b"', "does not end"),
        (b'[{"a": 1},', "does not end"),
        (b'[{"a": "' + b"x" * (MAX_LINE + 1), ":1: an item of more"),
        (b'{"a": "' + b"x" * (MAX_LINE + 1) + b'"}\n', ":1: a line of more than 1,048,576 bytes"),
        (b'{"a": 1}\n' + b"x" * (2 * BLOCK), ":2: a line of more than 1,048,576 bytes"),
        (b"c1,view,2026-03-02\nc2,view,2026-03-03\n", "CSV without a header"),
    ],
)
def test_what_cannot_be_read_is_named(data: bytes, message: str) -> None:
    with pytest.raises(EventFileError, match=message) as caught:
        read(data)
    assert "events" in str(caught.value)
    assert caught.value.hint


def test_a_line_without_an_end_is_never_held_whole() -> None:
    """A file of 1 GB without a line's end took the memory of the machine."""

    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            Endless.given += size
            assert Endless.given < 20 * BLOCK
            return b"x" * size

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

    endless: Any = Endless()
    file: IO[bytes] = endless
    with pytest.raises(EventFileError, match=":1: a line of more"), opened(file, "events") as found:
        list(found.pieces)


@pytest.mark.parametrize(
    "around",
    [
        '{"orders": %s}',
        '{"object": "list", "url": "/v1/events", "has_more": false, "data": %s, "more": [1]}\n',
        '\n {\n "data" : %s, "paging": null}',
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_within_the_answer_of_an_api(around: str, indent: int | None) -> None:
    assert read((around % json.dumps(EVENTS, indent=indent)).encode()) == ("a JSON list", EVENTS, [1, 2])


def test_several_answers_in_a_file_are_not_taken_for_one() -> None:
    """Of a thousand answers, a line each, the first was read."""
    with pytest.raises(EventFileError, match="another object behind it"):
        read(b'{"batch": [{"a": 1}]}\n{"batch": [{"a": 2}]}\n')


def read_as(data: bytes, said: str) -> list[Any]:
    with opened(io.BytesIO(data), "file", None, said) as found:
        return [json.loads(each) for piece in found.pieces for each in piece.values if each]


@pytest.mark.parametrize("name", ["cp1252", "windows-1252", "Latin-1", "ISO-8859-15", "CP1250", "mac-roman"])
def test_a_file_of_an_older_program_is_read_as_what_it_is_said_to_be(name: str) -> None:
    """There was no way to say it: `save it as CSV UTF-8`, of a file that a system writes every night."""
    said = encoding_of(name)
    rows = [{"event": "Käse", "customer": "Jörg"}, {"event": "x", "customer": "y"}]
    lines = ["event;customer", *(";".join(each.values()) for each in rows)]
    assert read_as("\r\n".join(lines).encode(said), said) == rows
    assert read_as(json.dumps(rows[0], ensure_ascii=False).encode(said), said) == rows[:1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("event,customer\nKäse,Jörg\n".encode(), "this is UTF-8, and not cp1252"),
        ("event,customer\nview,c1\n".encode("utf-8-sig"), "this is UTF-8, and not cp1252"),
        ("event,customer\nview,c1\n".encode("utf-16"), "this is UTF-16-LE, and not cp1252"),
        (b"event,customer\nview,\x81\n", "not cp1252: 0x81 is no letter of it"),
    ],
)
def test_what_is_something_else_than_it_is_said_to_be_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(EventFileError, match=message):
        read_as(data, "cp1252")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cp1522", "did you mean `cp1252`"),
        ("ansi", "there are: cp1250"),
        ("utf8", "leave it out"),
        ("UTF-16", "leave"),
    ],
)
def test_an_encoding_that_is_none_comes_with_those_that_there_are(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        encoding_of(name)


def test_an_empty_file_has_no_events() -> None:
    assert read(b"") == ("JSON lines", [], [])
    assert read(b"\n\n") == ("JSON lines", [], [])
    assert read(b"[]") == ("a JSON list", [], [])


def test_a_line_that_is_no_json_makes_no_other_format_of_a_file() -> None:
    with opened(io.BytesIO(b'{"event": "view",\n{"event": "view"}\n'), "events") as found:
        assert found.rows.kind == "JSON lines"
        assert len(next(iter(found.pieces)).values) == 2


def test_what_firehose_wrote_was_no_json_as_its_objects_have_no_line_ends() -> None:
    """A file of a gigabyte on one line, whose objects are numbered."""
    many = b"".join(b'{"n": %d, "of": {"a": "}{"}}' % n for n in range(100_000))
    kind, values, numbers = read(many)
    assert kind == "JSON objects one behind the other"
    assert [each["n"] for each in values] == list(range(100_000))
    assert numbers == list(range(1, 100_001))
    with pytest.raises(EventFileError, match="events:2: an object of more"):
        read(b'{"a": 1}{"a": "' + b"x" * (MAX_LINE + 1) + b'"}')


@pytest.mark.parametrize(
    ("data", "cut_off"),
    [
        (LINES.encode(), None),
        (LINES.encode()[:-1], 2),
        (LINES.encode()[:-1] + b"\n", None),  # a line that is no JSON, as others may be
        (LINES.encode() + b"\nTHE END", None),
        (LINES.replace("\n", "").encode()[:-3], 2),
        ("".join(json.dumps(each, indent=2) + "\n" for each in EVENTS).encode()[:-4], 8),
    ],
)
def test_a_last_line_that_is_cut_off_is_told_from_one_that_is_wrong(data: bytes, cut_off: int | None) -> None:
    with opened(io.BytesIO(data), "events") as found:
        list(found.pieces)
        assert found.rows.cut_off == cut_off
