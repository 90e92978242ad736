"""Parquet: what its values become, and what is said without pyarrow."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as arrow
import pytest
from pyarrow import parquet

from stream.errors import EventFileError
from stream.history import parquet_rows
from stream.history.formats import opened


def packed(rows: list[dict[str, Any]], schema: Any = None) -> bytes:
    file = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(rows, schema), file)
    return file.getvalue()


def read(data: bytes) -> list[Any]:
    with opened(io.BytesIO(data), "events.parquet") as found:
        return [json.loads(value) for piece in found.pieces for value in piece.values]


def test_rows_are_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "ROWS", 1)
    rows = [
        {"event": "view", "n": 5, "x": 2.5, "on": True, "nested": {"a": [1, 2], "b": None}, "none": None},
        {"event": "buy", "n": None, "x": None, "on": False, "nested": {"a": [], "b": "c"}, "none": None},
    ]
    assert read(packed(rows)) == [
        {"event": "view", "n": 5, "x": 2.5, "on": True, "nested": {"a": [1, 2]}},
        {"event": "buy", "on": False, "nested": {"a": [], "b": "c"}},
    ]


def test_what_json_has_no_form_for() -> None:
    moment = datetime(2026, 3, 2, 11, tzinfo=timezone(timedelta(hours=1)))
    schema = arrow.schema(
        [
            ("naive", arrow.timestamp("us")),
            ("aware", arrow.timestamp("ms", tz="Europe/Berlin")),
            ("day", arrow.date32()),
            ("price", arrow.decimal128(10, 2)),
            ("whole", arrow.decimal128(10, 0)),
            ("text", arrow.binary()),
            ("bytes", arrow.binary()),
            ("map", arrow.map_(arrow.string(), arrow.int64())),
        ]
    )
    row = {
        "naive": datetime(2026, 3, 2, 10),
        "aware": moment.astimezone(UTC),
        "day": date(2026, 3, 2),
        "price": Decimal("49.90"),
        "whole": Decimal(7),
        "text": b"abc",
        "bytes": b"\xff",
        "map": [("a", 1)],
    }
    assert read(packed([row], schema)) == [
        {
            "naive": "2026-03-02T10:00:00Z",
            "aware": "2026-03-02T10:00:00Z",
            "day": "2026-03-02",
            "price": 49.9,
            "whole": 7,
            "text": "abc",
            "bytes": "/w==",
            "map": {"a": 1},
        }
    ]


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(EventFileError, match="pyarrow is not installed") as caught:
        read(packed([{"a": 1}]))
    assert "stream-triggers[parquet]" in str(caught.value.hint)


@pytest.mark.parametrize("cut", [6, 100, -1])
def test_a_file_that_is_cut_off_is_an_error(cut: int) -> None:
    with pytest.raises(EventFileError, match=r"events.parquet: cannot be read as Parquet"):
        read(packed([{"a": "x" * 1000}])[:cut])


NANOSECONDS = 1_772_445_600_123_456_789  # 2026-03-02 10:00


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (arrow.timestamp("ns"), NANOSECONDS, "2026-03-02T10:00:00.123456Z"),
        (arrow.timestamp("ns", tz="UTC"), NANOSECONDS, "2026-03-02T10:00:00.123456Z"),
        (arrow.timestamp("ms", tz="Mars/Base"), NANOSECONDS // 1_000_000, "2026-03-02T10:00:00.123000Z"),
        (arrow.timestamp("s", tz="+02:00"), NANOSECONDS // 1_000_000_000, "2026-03-02T10:00:00Z"),
        (arrow.time64("ns"), 36_000_000_000_123, "10:00:00"),
        (arrow.duration("ns"), 1_500_000_001, 1.5),
        (arrow.decimal128(38, 0), Decimal(10**25), 1e25),
        (arrow.map_(arrow.int64(), arrow.int64()), [(1, 5), (2, None)], {"1": 5}),
        (arrow.map_(arrow.date32(), arrow.binary()), [(date(2026, 3, 2), b"a")], {"2026-03-02": "a"}),
        (arrow.map_(arrow.string(), arrow.int64()), [], {}),
        (arrow.list_(arrow.map_(arrow.string(), arrow.timestamp("ns"))), [[("a", 1_001)]], None),
        (arrow.struct([("at", arrow.list_(arrow.timestamp("ns")))]), {"at": [1_001]}, None),
        (arrow.list_(arrow.timestamp("ns"), 1), [1_001], ["1970-01-01T00:00:00.000001Z"]),
        (arrow.large_list(arrow.timestamp("ns")), [1_001], ["1970-01-01T00:00:00.000001Z"]),
        (arrow.dictionary(arrow.int8(), arrow.string()), "view", "view"),
    ],
)
def test_a_table_of_pandas_could_not_be_read_or_was_read_as_something_else(
    kind: Any, value: Any, expected: Any
) -> None:
    """Times to the nanosecond ended the command, a zone of no name in a traceback; maps became lists."""
    (row,) = read(packed([{"x": value}], arrow.schema([("x", kind)])))
    at = "1970-01-01T00:00:00.000001Z"
    nested = [{"a": at}] if isinstance(value, list) else {"at": [at]}
    assert row == {"x": nested if expected is None else expected}


def test_of_two_columns_of_one_name_the_first_was_lost() -> None:
    file = io.BytesIO()
    columns = [arrow.array([1]), arrow.array([2])]
    parquet.write_table(arrow.Table.from_arrays(columns, names=["x", "x"]), file)
    with pytest.raises(EventFileError, match="the column `x` stands 2 times"):
        read(file.getvalue())
