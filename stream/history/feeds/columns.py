"""What becomes of one column of a file: the field that it fills, and how its cells are read.

A cell is never guessed at: what does not fit its column's type is said with the column's name, and its row is
left out. A reason names columns and types, never what is in a cell. Tested by
tests/history/feeds/test_columns.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal, get_args

import orjson

from stream.events._times import parse_time
from stream.rules.model import FieldPath

ColumnType = Literal["text", "number", "boolean", "time"]
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)
Empty = Literal["skip", "null", "keep"]
EMPTY: tuple[Empty, ...] = get_args(Empty)
Decimal = Literal["point", "comma"]
DECIMALS: tuple[Decimal, ...] = get_args(Decimal)

_PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?", re.ASCII)
_MOST_WHOLE = 1 << 53  # beyond it a double leaves numbers out, and JSON's readers take doubles
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SWAP = str.maketrans(",.", ".,")


class UnfitError(Exception):
    """A row cannot be sent; the text says why, without what is in it."""


@dataclass(frozen=True, slots=True)
class Column:
    """`name` as the mapping writes it, `path` where its cells are in a row, `target` the field that they
    fill. `words`: what stands for something else, looked up first. Without `type` a value stays what it is.
    """

    name: str
    path: FieldPath
    target: FieldPath
    type: ColumnType | None = None
    format: str | None = None
    zone: tzinfo | None = None
    decimal: Decimal = "point"
    empty: Empty = "skip"
    words: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_read_as_text(self) -> bool:
        """Whether its cells must come as they are written, not as what a whole column of them looks like."""
        return self.type is not None or bool(self.words)

    def read(self, cell: Any) -> Any:
        """The field's value of a cell that is not empty. Raises UnfitError."""
        if isinstance(cell, str) and self.words:
            try:
                return self.words[cell.strip()]
            except KeyError:
                if self.type in (None, "boolean"):
                    raise UnfitError(f"`{self.name}` is none of its `words`") from None
        match self.type:
            case "text":
                return self._text(cell)
            case "number":
                return self._number(cell)
            case "boolean":
                return self._boolean(cell)
            case "time":
                return self._time(cell)
        return cell

    def _text(self, cell: Any) -> str:
        if isinstance(cell, str):
            return cell
        if isinstance(cell, dict | list):
            raise UnfitError(f"`{self.name}` is no text but an object or a list")
        return orjson.dumps(cell).decode()

    def _number(self, cell: Any) -> int | float:
        if type(cell) in (int, float):
            return cell  # type: ignore[no-any-return]
        text = cell.strip() if isinstance(cell, str) else ""
        if self.decimal == "comma":
            text = text.translate(_SWAP)
        if _GROUPED.fullmatch(text):
            text = text.replace(",", "")
        if not _PLAIN.fullmatch(text):
            other = " with a decimal comma" if self.decimal == "comma" else ""
            raise UnfitError(f"`{self.name}` is no number{other}")
        if text.lstrip("+-").isdecimal():
            if abs(whole := int(text)) > _MOST_WHOLE:
                raise UnfitError(f"`{self.name}` has more digits than a number holds: is it a text?")
            return whole
        return float(text)

    def _boolean(self, cell: Any) -> bool:
        if isinstance(cell, bool):
            return cell
        found = _BOOLEANS.get(str(cell).strip().casefold()) if isinstance(cell, str | int) else None
        if found is None:
            raise UnfitError(f"`{self.name}` is neither true nor false: `words` can say what means which")
        return found

    def _time(self, cell: Any) -> str:
        """In UTC, so that nobody has to ask which zone was meant."""
        if self.format is not None:
            try:
                moment = datetime.strptime(str(cell).strip(), self.format)
            except ValueError:
                raise UnfitError(f"`{self.name}` is no time of the form {self.format}") from None
            return _written(self._placed(moment))
        if isinstance(cell, str):
            try:
                return _written(self._placed(datetime.fromisoformat(cell.strip())))
            except ValueError:
                pass  # another form, perhaps
        at = parse_time(cell)
        if at is None:
            raise UnfitError(
                f"`{self.name}` is no time that leaves no doubt: `format` can say how it is written"
            )
        return _written(datetime.fromtimestamp(at / 1000, UTC))

    def _placed(self, moment: datetime) -> datetime:
        """With its zone. Of an hour that comes twice, when clocks go back, it is the first one."""
        if moment.tzinfo is not None:
            return moment
        if self.zone is None:
            raise UnfitError(
                f"`{self.name}` is a time without a zone: `zone` says which, such as Europe/Berlin"
            )
        placed = moment.replace(tzinfo=self.zone)
        try:
            there = placed.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None)
        except OverflowError:
            raise UnfitError(BEYOND) from None
        if there != moment:
            raise UnfitError(f"`{self.name}` is a time that its zone left out, when clocks went forward")
        return placed


BEYOND = "a time is out of all bounds"  # the year 1 or 9999, for "no date"


def _written(moment: datetime) -> str:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise UnfitError(BEYOND) from None
    moment += timedelta(microseconds=500) if moment.microsecond % 1000 >= 500 else timedelta()
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_empty(cell: Any) -> bool:
    """Nothing, null, or a text of blanks."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def put(body: dict[str, Any], path: FieldPath, value: Any) -> None:
    """Set a field. Raises UnfitError where what is around it is no object."""
    for name in path[:-1]:
        body = body.setdefault(name, {})
        if not isinstance(body, dict):
            raise UnfitError(f"`{'.'.join(path)}` lies within a field that is no object")
    body[path[-1]] = value
