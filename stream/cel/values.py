"""The values of CEL in Python, what is equal to what, and their order.

null None · bool bool · int int (64 bits) · uint `UInt` · double float · string str · bytes bytes · list list
· map dict, or another mapping · timestamp `Timestamp` · duration `Duration` · type `TypeValue`. Times are
whole nanoseconds, as CEL has them. A dict cannot hold both 1 and true as keys: a map of both is refused.
Tested by tests/cel/test_expression.py and the published cases of tests/conformance.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
UINT_MAX: Final = 2**64 - 1


class UInt(int):
    """An unsigned integer of 64 bits."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"UInt({int(self)})"


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """Nanoseconds since 1970-01-01T00:00:00Z, of the years 1 to 9999."""

    nanos: int


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """Nanoseconds, 64 bits of them: about 292 years."""

    nanos: int


@dataclass(frozen=True, slots=True)
class TypeValue:
    """A type as a value: what `type(1)` gives, or `int`."""

    name: str


class Lookup(ABC):
    """A variable whose fields are computed when asked for; neither a map nor a list."""

    @abstractmethod
    def look_up(self, key: Any) -> Any:
        """The value at a key. Raises KeyError."""


_TYPES: dict[type, str] = {
    type(None): "null_type",
    bool: "bool",
    int: "int",
    UInt: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    list: "list",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    TypeValue: "type",
}
TYPE_NAMES = frozenset((*_TYPES.values(), "map"))


def type_of(value: Any) -> str:
    """CEL's name of a value's type; `map` for mappings, `dyn` for what is not a value of CEL."""
    return _TYPES.get(type(value)) or ("map" if isinstance(value, Mapping) else "dyn")


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equals(left: Any, right: Any, charge: Callable[[int], None] = lambda _: None) -> bool:
    """CEL's heterogeneous equality: numbers by value, other types only within their own; never an error.

    `charge` is told what each list, map and text that is gone through costs (`cost`).
    """
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        if len(left) != len(right):
            return False
        charge(len(left))
        for key, value in left.items():
            other = find(right, key)
            if other is ABSENT or not equals(value, other, charge):
                return False
        return True
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            return False
        charge(len(left))
        return all(equals(a, b, charge) for a, b in zip(left, right, strict=True))
    if type(left) is not type(right):
        return False
    if type(left) is str or type(left) is bytes:
        charge(min(len(left), len(right)) // 100)
    return bool(left == right)


ABSENT: Final = object()  # in no map


def find(mapping: Mapping[Any, Any], key: Any) -> Any:
    """The value at a key, or ABSENT. To Python the keys 1, 1.0 and True are one; to CEL true is another.

    A mapping that answers for absent keys (a trait: nothing counted) answers here, too.
    """
    if isinstance(key, str):
        wanted: Any = key
    elif isinstance(key, bool):
        wanted = key if any(each is key for each in mapping) else ABSENT
    elif is_number(key):
        wanted = key
        if key in mapping and key in (0, 1):
            wanted = key if any(not isinstance(each, bool) and each == key for each in mapping) else ABSENT
    else:
        return ABSENT
    try:
        return mapping[wanted]
    except KeyError:
        return ABSENT


def comparable(left: Any, right: Any) -> bool:
    """Whether `<` has a meaning: numbers, or two of one ordered type."""
    if is_number(left):
        return is_number(right)
    return type(left) is type(right) and type(left) in (bool, str, bytes, Timestamp, Duration)


def in_order(left: Any, right: Any, relation: Callable[[Any, Any], Any]) -> bool:
    """The relation (e.g. `operator.lt`) of two comparable values. Numbers are compared exactly, but for the
    double 2**63, which CEL takes for the largest integer: that is what the integer is converted to.
    """
    if type(left) is int and type(right) is float and right == _BEYOND:
        right = INT_MAX
    elif type(right) is int and type(left) is float and left == _BEYOND:
        left = INT_MAX
    return bool(relation(left, right))


_BEYOND: Final = 2.0**63
