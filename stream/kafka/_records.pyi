"""Types of the compiled `_records`; the essay is in `_records.pyx`."""

from typing import final

from stream.events._taken import TakenRecords

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
    def take(self, most: int) -> TakenRecords: ...

def plain_records(
    data: bytes | bytearray | memoryview, offset: int, room: int, largest: int, own: bytes | None
) -> tuple[TakenRecords, int, int] | None: ...
