"""Types of the compiled `_source`; the essay is in `_source.pyx`."""

from typing import Final, Self, final

from stream.rules.model import Source

MAX_EVENT_BYTES: Final = 1048576
MAX_CUSTOMER_ID: Final = 256
FUTURE_MS: Final = 300000
MAX_OVERDUE: Final = 86400000

@final
class SourceQueue:
    def __new__(cls, source: Source, slot: int) -> Self: ...

@final
class SourceQueues:
    def __new__(cls) -> Self: ...
