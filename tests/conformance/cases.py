"""CEL's published conformance cases as Python values; where they are from is in README.md."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stream.cel.values import Duration, Timestamp, TypeValue, UInt

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Case:
    area: str
    section: str
    name: str
    expression: str
    skip: str | None = None
    error: str | None = None  # it must fail
    value: Any = None
    bindings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.area}/{self.section}/{self.name}"


def load() -> list[Case]:
    return [
        _case(path.stem, each)
        for path in sorted(DATA.glob("*.json"))
        for each in json.loads(path.read_text())
    ]


def _case(area: str, each: dict[str, Any]) -> Case:
    return Case(
        area=area,
        section=each["section"],
        name=each["name"],
        expression=each["expr"],
        skip=each.get("skip"),
        error=each.get("error"),
        value=_value(each["value"]) if "value" in each else None,
        bindings={name: _value(value) for name, value in each.get("bindings", {}).items()},
    )


def _value(tagged: dict[str, Any]) -> Any:
    ((kind, value),) = tagged.items()
    match kind:
        case "double":
            return float(value)
        case "uint":
            return UInt(value)
        case "bytes":
            return value.encode("latin-1")
        case "type":
            return TypeValue(value)
        case "list":
            return [_value(each) for each in value]
        case "map":
            return {_value(key): _value(each) for key, each in value}
        case "timestamp":
            return Timestamp(value[0] * 10**9 + value[1])
        case "duration":
            return Duration(value[0] * 10**9 + value[1])
        case _:
            return value


def same(left: Any, right: Any) -> bool:
    """Equal and of the same types, all the way down; NaN is NaN, and 0.0 is not -0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return repr(left) == repr(right) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


if __name__ == "__main__":
    cases = load()
    skipped = Counter(case.area for case in cases if case.skip)
    for area, count in Counter(case.area for case in cases).items():
        print(f"{area:14} {count:4} cases, {skipped[area]:3} skipped")
    for reason, count in Counter(case.skip for case in cases if case.skip).items():
        print(f"  skipped: {count:4} {reason}")
