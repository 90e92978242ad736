"""Types of the compiled `_past`; the essay is in `_past.pyx`."""

from collections.abc import Iterable, Sequence
from typing import Final, Self, final

from stream.history.pieces import Whence
from stream.rules.model import Source

OTHERS: Final = "(others)"
MAX_NAMES: int
END: Final[int]

@final
class PastEvent:
    def __init__(
        self,
        origin: Whence,
        rank: int,
        order: int,
        number: int,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        offset: int = -1,
    ) -> None: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]: ...
    @property
    def order(self) -> int: ...
    @property
    def number(self) -> int: ...
    @property
    def rank(self) -> int: ...
    @property
    def origin(self) -> Whence: ...
    @property
    def place(self) -> str: ...

@final
class Held:
    def __new__(cls, names: tuple[str, ...]) -> Self: ...
    def put(self, event: PastEvent) -> None: ...
    def take(self, cut: int) -> dict[str, list[PastEvent]]: ...

@final
class Reader:
    def __new__(
        cls,
        sources: Sequence[Source],
        origin: Whence,
        *,
        fixed: str | None = None,
        first: str | None = None,
        latest: int = ...,
        allowed: int = 0,
        begin: int | None = None,
        by_time: bool = False,
        wanted: Iterable[str] = (),
        again: bool = False,
    ) -> Self: ...
    @property
    def held(self) -> Held: ...
    @property
    def unknown(self) -> dict[str, list[int]]: ...
    @property
    def absent(self) -> frozenset[str]: ...
    @property
    def earliest(self) -> int: ...
    @property
    def least(self) -> int: ...
    @property
    def largest(self) -> int: ...
    @property
    def is_scattered(self) -> bool: ...
    @property
    def figures(self) -> dict[str, tuple[int, int, int, int, int, int, int]]: ...
    def survey(self, values: list[bytes], numbers: int | Sequence[int]) -> None: ...
    def read(self, values: list[bytes], numbers: int | Sequence[int]) -> int: ...
    def read_record(
        self, offset: int, timestamp: int, key: bytes | None, value: bytes | None
    ) -> PastEvent: ...

def give_offsets(events: list[PastEvent], first: int) -> None: ...
