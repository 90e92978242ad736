"""Rows of Parquet as JSON objects, by pyarrow, which comes with the extra `parquet`.

What JSON has no form for becomes what rules can read: times ISO 8601 in UTC, decimals numbers, bytes text,
maps objects. A null is a field that is not there.
Tested by tests/history/test_parquet_rows.py.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, Any

import orjson

from stream.errors import EventFileError
from stream.history.pieces import MAX_LINE, Piece, too_long

ROWS = 250  # of a piece: a small file can have large rows, each said once


class ParquetRows:
    """Rows that know where they are by themselves."""

    kind, what = "Parquet", "row"

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.cut_off: int | None = None

    def pieces(self, file: IO[bytes], name: str) -> Iterator[Piece]:
        try:
            import pyarrow as arrow
            from pyarrow import parquet
        except ImportError as error:
            hint = "pip install 'stream-triggers[parquet]', or write it as JSON lines or CSV"
            raise EventFileError(f"{name} is Parquet, and pyarrow is not installed", hint=hint) from error
        number = 1
        try:
            table = parquet.ParquetFile(file)
            for batch in table.iter_batches(batch_size=ROWS):
                values = [_json(row) for row in batch.to_pylist()]
                if longest := next((at for at, each in enumerate(values) if len(each) > MAX_LINE), None):
                    raise too_long(name, "row", number + longest)
                yield Piece(values, number)
                number += len(values)
        except (arrow.ArrowException, OSError) as error:
            hint = f"{number - 1:,} of its rows could be read; is all of it there?"
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise EventFileError(f"{name}: cannot be read as Parquet: {reason}", hint=hint) from error
        except (TypeError, ValueError, OverflowError) as error:  # such as a time after the year 9999
            hint = f"among the {ROWS} rows from row {number:,} on; cast its column to text"
            raise EventFileError(f"{name}: a value of Parquet that JSON cannot say", hint=hint) from error


def _json(row: dict[str, Any]) -> bytes:
    return orjson.dumps(_plain(row), default=str)


def _plain(value: Any) -> Any:
    """What JSON has of a value."""
    match value:
        case dict():
            return {str(name): _plain(each) for name, each in value.items() if each is not None}
        case [(str(), _), *_] if all(isinstance(each, tuple) for each in value):  # a map
            return {name: _plain(each) for name, each in value if each is not None}
        case list():
            return [_plain(each) for each in value]
        case datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return b64encode(value).decode()
    return value
