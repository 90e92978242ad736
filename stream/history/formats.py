"""What a file of past events is, told by its content, and its events as JSON, piece by piece.

    packed      gzip, zstd, bzip2, xz; unpacked as it is read
    text        UTF-8; UTF-16 and UTF-32 with their mark, or without where the first letters leave no doubt;
                one of `ENCODINGS` if somebody says so
    rows        JSON lines; a JSON list, also as the one field of an object, as APIs answer; JSON objects over
                several lines, or several on one; CSV (`csv_rows`); Parquet (`parquet_rows`)

A piece is what was cut of one block, so that however long a file is, a few megabytes of it are at hand.
Tested by tests/history/test_formats.py.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, NamedTuple, cast

import orjson

from stream.errors import EventFileError
from stream.hints import did_you_mean
from stream.history import csv_rows
from stream.history._splitter import Splitter
from stream.history.parquet_rows import ParquetRows
from stream.history.pieces import MAX_LINE, Piece, Rows, TextRows, too_long

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK = 1 << 20  # bytes that are read at a time
HEAD = 64 << 10  # bytes that are looked at to tell what it is

_PACKED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"\x28\xb5\x2f\xfd": zstd.ZstdFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
LONGEST = 6  # bytes that are enough to tell
_MARKS = {  # the longer ones first
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_PARQUET = b"PAR1"
# What spreadsheets and older programs write, of which no letter says which it is. As Python calls them.
ENCODINGS = (
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1257"),
    *("iso8859-1", "iso8859-2", "iso8859-15", "mac-roman"),
)
_OTHERS = {
    b"PK\x03\x04": (
        "a zip archive, or an Excel workbook",
        "unpack it; of a workbook save a sheet as CSV UTF-8",
    ),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", "save its sheet as CSV UTF-8"),
    b"Obj\x01": ("Avro", "write it as Parquet or as JSON lines"),
    b"ORC": ("ORC", "write it as Parquet or as JSON lines"),
    b"SQLite format 3": ("a SQLite database", "write its table as CSV"),
    b"\x04\x22\x4d\x18": ("packed with lz4", "pack it with zstd or gzip, or pipe it in: lz4 -dc FILE | … -"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it"),
    b"%PDF": ("a PDF", "write its table as CSV"),
    b"<": ("XML or HTML", "write it as JSON lines or CSV"),
}
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError, UnicodeDecodeError)
# What Stripe, Shopify, Segment and others answer with: an object around the list.
_WRAPPED = re.compile(
    rb'\{\s*(?:"object"\s*:\s*"list"\s*,(?:\s*"\w+"\s*:\s*(?:"[^"]*"|[\w.]+)\s*,)*\s*"data"'
    rb'|"(?:data|orders|customers|checkouts|events|records|batch)")\s*:\s*(?=\[\s*\{)'
)


class Opened(NamedTuple):
    """A file that is being read."""

    rows: Rows
    pieces: Iterator[Piece]


class JsonLines:
    """One object a line."""

    kind, what = "JSON lines", "line"

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.cut_off: int | None = None

    def pieces(self, blocks: Iterator[bytes], name: str) -> Iterator[Piece]:
        rest, number = b"", 1
        for block in blocks:
            values = (rest + block).split(b"\n")
            rest = values.pop()
            if len(rest) > MAX_LINE or (values and len(values[0]) > MAX_LINE):
                at_once = bool(values) and len(values[0]) > MAX_LINE
                raise too_long(name, self.what, number + (0 if at_once else len(values)))
            yield Piece(values, number)
            number += len(values)
        yield Piece([rest], number)
        self.cut_off = number if _is_begun(rest) else None


class JsonValues:
    """Objects in a list, or one after the other, each over several lines. `before`: bytes before the list,
    which is then the one field of an object that counts. `on_lines`: several are on one line, as Firehose
    writes them.
    """

    def __init__(self, *, in_list: bool, before: int = 0, on_lines: bool = False) -> None:
        self.kind = "a JSON list" if in_list else "JSON objects over several lines"
        if on_lines:
            self.kind = "JSON objects one behind the other"
        self.what = "item" if in_list else "object" if on_lines else "line"
        self.notes: list[str] = []
        self.cut_off: int | None = None
        self._in_list = in_list
        self._before = before

    def pieces(self, blocks: Iterator[bytes], name: str) -> Iterator[Piece]:
        splitter, count, before = Splitter(self._in_list, MAX_LINE, self._before > 0), 0, self._before
        for block in blocks:
            values, lines = splitter.split(block[before:])
            before = 0
            long = next((at for at, each in enumerate(values) if len(each) > MAX_LINE), None)
            if splitter.too_long or long is not None:
                at = len(values) if long is None else long
                raise too_long(name, self.what, splitter.line if self.what == "line" else count + at + 1)
            yield Piece(values, lines if self.what == "line" else count + 1)
            count += len(values)
        if not self._in_list:
            at = splitter.line if self.what == "line" else count + 1
            yield Piece([splitter.rest()], [at])
            self.cut_off = at if _is_begun(splitter.rest()) else None
        elif not splitter.is_whole:
            hint = f"{count:,} of its items could be read; is all of it there?"
            raise EventFileError(f"{name}: the JSON list does not end", hint=hint)
        if splitter.after is not None and b"{" in splitter.after:
            raise EventFileError(
                f"{name}: an object with a list, and another object behind it",
                hint="jq -c '.orders[]', or what the list is called, makes lines of the lists' items",
            )


def is_packed(begin: bytes) -> bool:
    """Whether a file with this beginning is packed, or holds tables that are."""
    return begin.startswith((*_PACKED, *_OTHERS, _PARQUET))


@contextmanager
def opened(
    file: IO[bytes], name: str, known: Rows | None = None, said: str | None = None
) -> Iterator[Opened]:
    """What a file has; `known`: as it was opened before; `said`: how its text is encoded. Raises
    EventFileError where it cannot be read, also later on.
    """
    with ExitStack() as stack:
        unpacked = file
        for magic, unpack in _PACKED.items():
            if _peek(file, len(magic), name) == magic:
                unpacked = stack.enter_context(unpack(file))
        head = _head(unpacked, name)
        if head.startswith(_PARQUET):
            if unpacked is not file:
                hint = "unpack it: Parquet is packed by itself, and read from its end"
                raise EventFileError(f"{name}: Parquet within another packing", hint=hint)
            parquet = ParquetRows()
            yield Opened(parquet, parquet.pieces(file, name))
            return
        encoding, mark = _encoding(head)
        if said is not None:
            _refuse_if_it_is_utf(head, encoding, name, said)
            encoding = said

        def blocks() -> Iterator[bytes]:
            return _blocks(unpacked, mark, encoding, name)

        rows = cast(TextRows | None, known)
        if rows is None:
            text = head[mark:] if encoding == "utf-8" else head[mark:].decode(encoding, "replace").encode()
            rows = _rows(text, name)
            if isinstance(rows, csv_rows.CsvRows):
                rows.learn(blocks(), name)
        yield Opened(rows, rows.pieces(blocks(), name))


def _peek(file: IO[bytes], size: int, name: str) -> bytes:
    try:
        found = file.read(size)
        file.seek(0)
    except OSError as error:
        raise EventFileError(f"{name}: {error.strerror}") from error
    return found


def _head(file: IO[bytes], name: str) -> bytes:
    try:
        head = file.read(HEAD)
        file.seek(0)
    except _DAMAGED as error:
        raise _cut_off(name, error, 0) from error
    return head


def _encoding(head: bytes) -> tuple[str, int]:
    """How the text is written, and the bytes of the mark that says so."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding, len(mark)
    first = head[:8]
    if len(first) == 8 and not any(first[1::2]) and all(first[::2]):
        return "utf-16-le", 0
    if len(first) == 8 and not any(first[::2]) and all(first[1::2]):
        return "utf-16-be", 0
    return "utf-8", 0


def encoding_of(name: str) -> str:
    """One of `ENCODINGS`, however it is written: `windows-1252`, `Latin-1`. Raises ValueError."""
    try:
        found = codecs.lookup(name).name
    except LookupError:
        found = ""
    if found in ENCODINGS:
        return found
    hint = did_you_mean(name, ENCODINGS) or f"there are: {', '.join(ENCODINGS)}"
    utf = found.startswith("utf") or name.casefold().startswith("utf")
    raise ValueError("UTF-8 and UTF-16 are read by themselves: leave it out" if utf else hint)


def _refuse_if_it_is_utf(head: bytes, encoding: str, name: str, said: str) -> None:
    """Read as something else, its umlauts would be two odd letters each."""
    if encoding == "utf-8" and not head.startswith(codecs.BOM_UTF8):
        try:
            codecs.getincrementaldecoder("utf-8")().decode(head)
        except UnicodeDecodeError:
            return
        if head.isascii():
            return
    hint = "leave out the encoding; of several files one may have to be converted: iconv -f … -t UTF-8"
    raise EventFileError(f"{name}: this is {encoding.upper()}, and not {said}", hint=hint)


def _rows(head: bytes, name: str) -> TextRows:
    """What the beginning of a text says that it is."""
    for magic, (what, hint) in _OTHERS.items():
        if head.lstrip().startswith(magic):
            raise EventFileError(f"{name}: this is {what}, which is not read", hint=hint)
    text = head.lstrip()
    if text.startswith(b"["):
        return JsonValues(in_list=True)
    if wrapped := _WRAPPED.match(text):
        return JsonValues(in_list=True, before=len(head) - len(text) + wrapped.end())
    if text.startswith(b"{"):
        first = text.partition(b"\n")[0]
        try:
            orjson.loads(first)
        except orjson.JSONDecodeError:
            values, _ = Splitter(False, MAX_LINE).split(text)
            if values and _is_json(values[0]):
                on_lines = text[len(values[0]) :].lstrip(b" \t\r").startswith(b"{")
                if on_lines or b"\n" in values[0].strip():
                    return JsonValues(in_list=False, on_lines=on_lines)
        return JsonLines()
    return csv_rows.rows_of(head.lstrip(b"\r\n"), name) or JsonLines()


def _is_begun(last: bytes) -> bool:
    """Whether the end of a file is the beginning of an object."""
    splitter = Splitter(False, MAX_LINE)
    values, _ = splitter.split(last.strip())
    return last.lstrip().startswith(b"{") and not values and not splitter.is_whole


def _is_json(value: bytes) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True


def _blocks(file: IO[bytes], mark: int, encoding: str, name: str) -> Iterator[bytes]:
    """The text in UTF-8, without its mark."""
    decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
    read = 0
    try:
        file.seek(0)
        file.read(mark)
        while block := file.read(BLOCK):
            yield block if decoder is None else decoder.decode(block).encode()
            read += len(block)
        if decoder is not None:
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        if encoding not in ENCODINGS:
            raise _cut_off(name, error, read) from error
        what = f"{name}: not {encoding}: 0x{error.object[error.start]:02x} is no letter of it"
        raise EventFileError(what, hint="which program wrote it? Save it as UTF-8") from error
    except _DAMAGED as error:
        raise _cut_off(name, error, read) from error


def _cut_off(name: str, error: Exception, read: int) -> EventFileError:
    hint = f"is all of it there? {read:,} bytes of what is in it could be read"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return EventFileError(f"{name}: cannot be read to its end: {reason}", hint=hint)
