"""Rows of CSV as JSON objects: the header names the fields, dots in it lead into objects.

A column is of numbers, of `true` and `false`, or of JSON only if each of its cells is; one `007` or `n/a`
makes it text, and so do more digits than a double holds. So the file is read once more, before the first
piece. A cell without anything is a field that is not there. Numbers with commas stay texts, and are told.

Spreadsheets write more than that: a first line `sep=;`, a comma behind the last column, a column of row
numbers without a name, `="0007"` for a text that looks like a number. A column that has one of those is of
texts; other formulas are told. Columns without a name are left out. Blanks around cells are no part of them
where the header has them, too.
Tested by tests/history/test_csv_rows.py.
"""

from __future__ import annotations

import csv
import re
from codecs import getincrementaldecoder
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from stream.errors import EventFileError
from stream.history.pieces import MAX_LINE, Piece, too_long

DELIMITERS = ",;\t|"
ROWS, BYTES = 5_000, 8 << 20  # of a piece, at most
MAX_DIGITS = 15  # that a double holds, whatever they are
MAX_COLUMNS = 2_000

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_WITH_COMMA = re.compile(  # 12,50 and 1.049,90, or 1,049.90
    r"-?(?:(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+),[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?)", re.ASCII
)
_HEADING = re.compile(r"\s*(?:[^\W\d]|[#$%(])[^\x00-\x1f\"]{0,127}")
_SEPARATOR = re.compile(r"\"?sep=(.)\"?[,;\t|]*", re.IGNORECASE)  # Excel's first line
_TEXT_CELL = re.compile(r'="((?:[^"]|"")*)"')  # how spreadsheets are told not to make a number of it
_END = re.compile(r"(\r\n|\n|\r(?!\Z))")  # a \r at the end of a block may go on with a \n
_NOT_UTF_8 = (
    "save it as CSV UTF-8, or say --encoding cp1252; to `stream send` its mapping says `encoding: cp1252`"
)
_TRUE, _FALSE = frozenset({"true", "TRUE", "True"}), frozenset({"false", "FALSE", "False"})


def rows_of(head: bytes, name: str) -> CsvRows | None:
    """The rows of a text that begins so; None if it is no CSV. Raises EventFileError without a header."""
    lines = head.decode("utf-8", "replace").splitlines()
    said = _SEPARATOR.fullmatch(lines[0].strip(" ")) if lines else None
    first, second = (*lines[bool(said) :], "", "")[:2]
    if said is None and first.lstrip().startswith("{"):
        return None
    delimiter = said[1] if said else max(DELIMITERS, key=lambda each: len(_cells(first, each)))
    headings = _cells(first, delimiter)
    if said is None and len(headings) < 2:
        return None
    named = [each for each in headings if each.strip()]
    if named and all(map(_HEADING.fullmatch, named)):
        is_padded = re.search(rf"{re.escape(delimiter)} | {re.escape(delimiter)}", first) is not None
        return CsvRows(delimiter, is_padded=is_padded, says_delimiter=said is not None)
    if said is None and (not second or len(_cells(second, delimiter)) != len(headings)):
        return None
    hint = "its first row has to name the fields, such as event,customer_id,ts"
    raise EventFileError(f"{name}:{2 if said else 1}: this looks like CSV without a header", hint=hint)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


@dataclass(slots=True)
class _Column:
    """`path`: where its values go in the object; empty without a name. What all of its cells so far are."""

    name: str
    path: tuple[str, ...]
    numbers: bool = True
    booleans: bool = True
    nested: bool = True
    some: bool = False
    shielded: bool = False  # some are `="0007"`
    formulas: int = 0  # row of the first other formula
    commas: int = 0  # row of the first number with a comma
    plain: int = 0  # row of the first cell that is a text and no number either way

    def look(self, cell: str, row: int) -> None:
        self.some = True
        if cell[0] == "=":
            self.shielded = self.shielded or _TEXT_CELL.fullmatch(cell) is not None
            self.formulas = self.formulas or (0 if _TEXT_CELL.fullmatch(cell) else row)
        if self.numbers or (self.commas and not self.plain):
            is_number = _NUMBER.fullmatch(cell) is not None and sum(map(str.isdigit, cell)) <= MAX_DIGITS
            self.numbers = self.numbers and is_number
            if not is_number and _WITH_COMMA.fullmatch(cell):
                self.commas = self.commas or row
            elif not is_number:
                self.plain = row
        if self.booleans:
            self.booleans = cell in _TRUE or cell in _FALSE
        if self.nested:
            self.nested = cell[0] in "{[" and _is_json(cell)

    def read(self, cell: str) -> Any:
        if self.numbers or self.nested:
            return orjson.loads(cell)
        if self.shielded and (text := _TEXT_CELL.fullmatch(cell)):
            return text[1].replace('""', '"')
        return cell in _TRUE if self.booleans else cell


@dataclass(slots=True)
class CsvRows:
    """The rows of one file, which has to be given to `learn` first. `notes`: what is to be said of it.

    `is_padded`: blanks around cells are no part of them. `says_delimiter`: the first line does. `cut_row`:
    the line of the last row if neither it nor its line is whole, as of a copy that was broken off; else 0.
    """

    delimiter: str
    is_padded: bool = False
    says_delimiter: bool = False
    kind: str = "CSV"
    what: str = "line"
    columns: list[_Column] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cut_off: int | None = None  # such a row is only noted
    cut_row: int = 0
    _last_line: str = ""

    def learn(self, blocks: Iterator[bytes], name: str) -> None:
        """Find out what the columns are."""
        rows = self._rows(blocks, name)
        line, headings = next(rows)
        self.columns = _columns(headings, name, line)
        number, row = line, headings
        for number, row in rows:
            for column, cell in zip(self.columns, row, strict=False):
                if cell:
                    column.look(cell, number)
        if len(row) < len(headings) and not self._last_line.endswith(("\n", "\r")):
            self.cut_row = number
        self.notes = self._odd(name)

    def _odd(self, name: str) -> list[str]:
        """What is to be said of the columns, and of the last row."""
        found = [
            f"column `{each.name}` of {name} has numbers with commas, first in line {each.commas}: its "
            "values are texts (write 1049.90; a spreadsheet that is set to English does)"
            for each in self.columns
            if each.commas and not each.plain
        ]
        found += [
            f"column `{each.name}` of {name} has cells that begin with `=`, first in line {each.formulas}: "
            "they are texts (if they are formulas, save the file with their values)"
            for each in self.columns
            if each.formulas
        ]
        found += [
            f"column {number} of {name} has no name: it is left out"
            for number, each in enumerate(self.columns, 1)
            if each.some and not each.path
        ]
        if self.cut_row:
            found.append(f"the last row of {name} seems to be cut off, in line {self.cut_row}")
        return found

    def take_as_texts(self, names: Collection[str], name: str) -> None:
        """Leave the cells of these columns as they are written, whatever all of them look like. `name`: of
        the file.
        """
        for each in self.columns:
            if ".".join(each.path) in names:
                each.numbers = each.booleans = each.nested = False
                each.commas = 0  # whoever asks for texts reads them
        self.notes = self._odd(name)

    def pieces(self, blocks: Iterator[bytes], name: str) -> Iterator[Piece]:
        rows = self._rows(blocks, name)
        next(rows)
        values: list[bytes] = []
        numbers: list[int] = []
        size = 0
        for number, row in rows:
            values.append(orjson.dumps(self._object(row)))
            numbers.append(number)
            size += len(values[-1])
            if len(values) == ROWS or size > BYTES:
                yield Piece(values, numbers)
                values, numbers, size = [], [], 0
        yield Piece(values, numbers)

    def _watched(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            self._last_line = line
            yield line

    def _object(self, row: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for column, cell in zip(self.columns, row, strict=False):
            if cell and column.path and (value := column.read(cell)) != "":  # `=""` is empty, too
                inner = found
                for name in column.path[:-1]:
                    inner = inner.setdefault(name, {})
                inner[column.path[-1]] = value
        return found

    def _rows(self, blocks: Iterator[bytes], name: str) -> Iterator[tuple[int, list[str]]]:
        """The rows that are not empty, with the number of the line on which each begins."""
        csv.field_size_limit(MAX_LINE)
        reader = csv.reader(
            self._watched(_lines(blocks, name)),
            delimiter=self.delimiter,
            strict=True,
            skipinitialspace=self.is_padded,
        )
        begins, width = 1, 0
        try:
            if self.says_delimiter:
                next(row for row in reader if any(row))
                begins = reader.line_num + 1
            for row in reader:
                if self.is_padded:
                    row = [cell.strip(" ") for cell in row]
                width = width or len(row)
                if any(row):
                    if any(row[width:]):
                        raise EventFileError(
                            f"{name}:{begins}: {len(row)} cells, and the header has {width}",
                            hint='a cell that has the delimiter in it is written in quotation marks: "a, b"',
                        )
                    yield begins, row
                begins = reader.line_num + 1
        except csv.Error as error:
            hint = "is there a quotation mark that is not closed? One within a cell is written twice"
            raise EventFileError(
                f"{name}:{begins}: CSV cannot be read from here on: {error}", hint=hint
            ) from error


def _columns(headings: list[str], name: str, line: int) -> list[_Column]:
    names = [heading.strip() for heading in headings]
    paths = [tuple(each.split(".")) if all(each.split(".")) else (each,) for each in names if each]
    if len(names) > MAX_COLUMNS:
        what = f"{name}:{line}: more than {MAX_COLUMNS:,} columns"
        raise EventFileError(what, hint="is the delimiter right?")
    for at, path in enumerate(paths):
        if any(path[: len(other)] == other for other in paths[:at] + paths[at + 1 :]):
            hint = "dots in a heading lead into objects; each field needs a heading of its own"
            what = f"the column `{'.'.join(path)}` stands twice, or within another"
            raise EventFileError(f"{name}:{line}: {what}", hint=hint)
    rest = iter(paths)
    return [_Column(each, next(rest) if each else ()) for each in names]


def _lines(blocks: Iterator[bytes], name: str) -> Iterator[str]:
    """The lines with their ends, in whichever of the three ways they end."""
    decoder, rest, number = getincrementaldecoder("utf-8")(), "", 1
    try:
        for block in blocks:
            *lines, rest = _END.split(rest + decoder.decode(block))
            for line, end in zip(lines[::2], lines[1::2], strict=True):
                yield line + end
            number += len(lines) // 2
            if len(rest) > MAX_LINE:
                raise too_long(name, "line", number)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        what = f"{name}: not UTF-8, after line {number:,}"
        raise EventFileError(what, hint=_NOT_UTF_8) from error
    if rest:
        yield rest


def _is_json(cell: str) -> bool:
    try:
        orjson.loads(cell)
    except orjson.JSONDecodeError:
        return False
    return True
