"""Types of the compiled `_records`; the essay is in `_records.pyx`."""

from typing import Final, final

from stream.structs import Record

MOST_HEADERS: Final = 1000

@final
class RawRecord:
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

@final
class BatchRecords:
    def __init__(
        self,
        data: bytes | bytearray | memoryview,
        base: int,
        last: int,
        count: int,
        first_timestamp: int,
        append_time: int,
        cut: bool,
        largest: int,
        own: bytes | None,
    ) -> None: ...
    @property
    def at(self) -> int: ...
    def take(self, most: int) -> list[Record]: ...
