"""Rows of Parquet as JSON objects, by pyarrow, which comes with the extra `parquet`.

What JSON has no form for becomes what rules can read: times ISO 8601 in UTC, to the microsecond, decimals
numbers, bytes text, maps objects. A null is a field that is not there.
Tested by tests/history/test_parquet_rows.py.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, Any

import orjson

from stream.errors import EventFileError
from stream.history.pieces import MAX_LINE, Piece, too_long

MAX_WHOLE = 1 << 63  # of JSON, as most read it
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
            _check_names(table.schema_arrow.names, name)
            schema = arrow.schema([_readable(each, arrow) for each in table.schema_arrow])
            for batch in table.iter_batches(batch_size=ROWS):
                rows = batch.cast(schema, safe=False).to_pylist(maps_as_pydicts="lossy")
                values = [_json(row) for row in rows]
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


def _check_names(names: list[str], file: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            hint = "each field needs a column of its own"
            raise EventFileError(f"{file}: the column `{name}` stands {count} times", hint=hint)


def _readable(field: Any, arrow: Any) -> Any:
    """A field of a schema with times as Python has them: without nanoseconds, and in UTC, as the name of
    another zone need not be known here. `arrow`: pyarrow.
    """
    kind, of = field.type, arrow.types
    if of.is_timestamp(kind):
        kind = arrow.timestamp("us" if kind.unit == "ns" else kind.unit, tz="UTC" if kind.tz else None)
    elif of.is_time64(kind):
        kind = arrow.time64("us")
    elif of.is_duration(kind) and kind.unit == "ns":
        kind = arrow.duration("us")
    elif of.is_struct(kind):
        kind = arrow.struct([_readable(each, arrow) for each in kind])
    elif of.is_map(kind):
        kind = arrow.map_(_readable(kind.key_field, arrow), _readable(kind.item_field, arrow))
    elif of.is_fixed_size_list(kind):
        kind = arrow.list_(_readable(kind.value_field, arrow), kind.list_size)
    elif of.is_large_list(kind):
        kind = arrow.large_list(_readable(kind.value_field, arrow))
    elif of.is_list(kind):
        kind = arrow.list_(_readable(kind.value_field, arrow))
    return field.with_type(kind)


def _json(row: dict[str, Any]) -> bytes:
    return orjson.dumps(_plain(row), default=str)


def _plain(value: Any) -> Any:
    """What JSON has of a value."""
    match value:
        case dict():
            return {str(_plain(name)): _plain(each) for name, each in value.items() if each is not None}
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
            is_whole = value == value.to_integral_value() and abs(value) < MAX_WHOLE
            return int(value) if is_whole else float(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return b64encode(value).decode()
    return value
