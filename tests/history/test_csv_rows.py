"""CSV: what its cells are, how it is cut, and what is said of what cannot be read."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import EventFileError
from stream.history.csv_rows import CsvRows
from stream.history.formats import opened


def read(data: str | bytes) -> tuple[list[Any], list[int], list[str]]:
    """The objects, the lines on which they begin, and what is to be said."""
    given = data.encode() if isinstance(data, str) else data
    with opened(io.BytesIO(given), "events.csv") as found:
        assert isinstance(found.rows, CsvRows)
        pieces = list(found.pieces)
        values = [json.loads(value) for piece in pieces for value in piece.values]
        numbers = [number for piece in pieces for number in piece.numbers]  # type: ignore[union-attr]
        return values, numbers, found.rows.notes


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter: str, end: str) -> None:
    text = end.join(["event,customer,ts", "view,c1,1772445600", "buy,c2,1772445601", ""])
    values, numbers, notes = read(text.replace(",", delimiter))
    assert values == [
        {"event": "view", "customer": "c1", "ts": 1772445600},
        {"event": "buy", "customer": "c2", "ts": 1772445601},
    ]
    assert (numbers, notes) == ([2, 3], [])


def test_dots_in_headings_lead_into_objects() -> None:
    values, *_ = read("event,properties.sku,properties.size.eu\nview,a1,38\n")
    assert values == [{"event": "view", "properties": {"sku": "a1", "size": {"eu": 38}}}]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2.50", "-3e2"], [1, 2.5, -300.0]),
        (["007", "12"], ["007", "12"]),
        (["10115", "01067"], ["10115", "01067"]),
        (["1", "n/a"], ["1", "n/a"]),
        (["1234567890123456", "1"], ["1234567890123456", "1"]),
        (["true", "FALSE"], [True, False]),
        (["true", "1"], ["true", "1"]),
        (["yes", "no"], ["yes", "no"]),
        (["NaN", "1"], ["NaN", "1"]),
        (['"{""a"": 1}"', "[]"], [{"a": 1}, []]),
        (['"{""a"": 1}"', "{x"], ['{"a": 1}', "{x"]),
        (["+49 170", "1"], ["+49 170", "1"]),
        (["null", "NULL"], ["null", "NULL"]),
    ],
)
def test_a_column_is_of_numbers_only_where_there_is_no_doubt(cells: list[str], expected: list[Any]) -> None:
    values, *_ = read("event,x\n" + "".join(f"view,{cell}\n" for cell in cells))
    assert [each["x"] for each in values] == expected


def test_an_empty_cell_is_a_field_that_is_not_there() -> None:
    values, numbers, _ = read("event,x,y\nview,,\n,,\nbuy,1\n\nview,2,3\n")
    assert values == [{"event": "view"}, {"event": "buy", "x": 1}, {"event": "view", "x": 2, "y": 3}]
    assert numbers == [2, 4, 6]


ONE = {"event": "view", "customer_id": "c1", "price": 12}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sep=;\r\nevent;customer_id;price\r\nview;c1;12\r\n", ONE),
        ('"sep=,"\nevent,customer_id,price\nview,c1,12\n', ONE),
        ("SEP=\t\r\nevent\tcustomer_id\tprice\r\nview\tc1\t12\r\n", ONE),
        ("\n\nsep=;\nevent;customer_id;price\nview;c1;12\n", ONE),
        ("sep=;\nevent\nview\n", {"event": "view"}),
        ("event,customer_id,price,\nview,c1,12,\n", ONE),
        ("event,customer_id,price\nview,c1,12,\n", ONE),
        ("event,customer_id,price,,\nview,c1,12,,\n", ONE),
        ("event, customer_id, price\nview, c1, 12\n", ONE),
        ("event ; customer_id ; price\nview ; c1 ; 12\n", ONE),
        (" event | customer_id | price\n view  | c1          |    12\n", ONE),
        ('"event","customer_id","price"\n"view","c1","12"\n', ONE),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_what_spreadsheets_write_was_no_csv_or_one_without_a_header(
    text: str, expected: dict[str, Any], encoding: str
) -> None:
    values, _, notes = read(text.encode(encoding))
    assert (values, notes) == ([expected], [])


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('="0007"', "0007"),
        ('"=""0007"""', "0007"),
        ('="4711"', "4711"),
        ('="say ""hi"""', 'say "hi"'),
        ("4711", "4711"),  # of a column of texts
    ],
)
def test_what_excel_shields_from_excel_was_sent_with_its_formula(cell: str, expected: str) -> None:
    """Customers were called `="0007"`, and no profile was theirs."""
    values, _, notes = read(f'event,customer\nview,{cell}\nview,="08"\nview,=""\n')
    assert values == [
        {"event": "view", "customer": expected},
        {"event": "view", "customer": "08"},
        {"event": "view"},
    ]
    assert notes == []


def test_formulas_are_told_with_their_line() -> None:
    values, _, (note,) = read("event,price\nview,1\nview,=B2*2\n")
    assert [each["price"] for each in values] == ["1", "=B2*2"]
    assert note.startswith("column `price` of events.csv has cells that begin with `=`, first in line 3")


@pytest.mark.parametrize("header", [",event,x", "\tevent\tx", ";event;x"])
def test_a_column_of_row_numbers_without_a_name_is_left_out_and_told(header: str) -> None:
    row = header.replace("event", "view").replace("x", "5")
    values, _, notes = read(f"{header}\n0{row}\n")
    assert values == [{"event": "view", "x": 5}]
    assert notes == ["column 1 of events.csv has no name: it is left out"]


@pytest.mark.parametrize(
    "text", ["event,customer_id,ts\n", "event;customer_id", "sep=;\nevent;ts\n", "event,ts\n\n"]
)
def test_a_header_without_rows_was_called_a_broken_line(text: str) -> None:
    assert read(text) == ([], [], [])


def test_blanks_that_the_header_does_not_have_are_part_of_a_cell() -> None:
    assert read("event,x\nview, a\n")[0] == [{"event": "view", "x": " a"}]


@pytest.mark.parametrize("cell", ["12,50", "1.049,90", "1,049.90", "1,049"])
def test_commas_in_numbers_are_told_with_what_to_write(cell: str) -> None:
    _, _, notes = read(f"event;amount\nbuy;{cell}\n")
    assert notes == [
        "column `amount` of events.csv has numbers with commas, first in line 2: its values are texts "
        "(write 1049.90; a spreadsheet that is set to English does)"
    ]


def test_decimal_commas_are_told() -> None:
    """Amounts were texts, and no condition on them held."""
    values, _, notes = read("event;amount\nbuy;49\nbuy;49,90\nbuy;1.049,90\n")
    assert [each["amount"] for each in values] == ["49", "49,90", "1.049,90"]
    (note,) = notes
    assert note.startswith("column `amount` of events.csv has numbers with commas, first in line 3")
    assert read("event;words\nbuy;a\nbuy;49,90\n")[2] == []


def test_cells_in_quotation_marks_may_hold_anything() -> None:
    values, numbers, _ = read('event,x\nview,"a, ""b""\nc"\nbuy,"\u2028"\n')
    assert [each["x"] for each in values] == ['a, "b"\nc', "\u2028"]
    assert numbers == [2, 4]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('event,x\nview,"a\n' + "b,c\n" * 10, "events.csv:2: CSV cannot be read from here on"),
        ("event,x\nview,1,2\n", "events.csv:2: 3 cells, and the header has 2"),
        ("sep=;\nview;2;3\nview;3;4\n", "events.csv:2: this looks like CSV without a header"),
        ("event,x,x\nview,1,2\n", "events.csv:1: the column `x` stands twice"),
        ("sep=,\nevent,,x,x\nview,,1,2\n", "events.csv:2: the column `x` stands twice"),
        ("event,x,x.y\nview,1,2\n", "stands twice, or within another"),
        ("event,x\nview,Zo\xeb\n".encode("latin-1"), "not UTF-8"),
        ("event,x\nview," + "y" * (2 << 20), "a line of more than"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(data: str | bytes, message: str) -> None:
    with pytest.raises(EventFileError, match=message) as caught:
        read(data)
    assert caught.value.hint


@settings(max_examples=100)
@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2)
    ),
    st.sampled_from([",", ";", "\t"]),
)
def test_what_python_writes_is_read(rows: list[list[str]], delimiter: str) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([["one", "two"], ["x", "x"], *rows])
    values, *_ = read(file.getvalue())
    expected = [{"one": one, "two": two} for one, two in [("x", "x"), *rows] if one or two]
    assert values == [{name: cell for name, cell in each.items() if cell} for each in expected]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a,b,c\n1,2,3\n4,5", 3),  # neither the row is whole nor its line
        ("a,b,c\n1,2,3\n4,5\n", 0),  # cells without anything may be left out
        ("a,b,c\n1,2,3\n4,5,6", 0),
        ("a,b,c\n1,2,3\n4,", 3),
    ],
)
def test_a_last_row_that_is_cut_off_is_told(text: str, line: int) -> None:
    """A copy that was broken off was read as if it were whole."""
    _, _, notes = read(text)
    assert notes == ([f"the last row of events.csv seems to be cut off, in line {line}"] if line else [])
