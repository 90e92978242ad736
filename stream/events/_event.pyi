"""Types of the compiled `_event`; the essay is in `_event.pyx`."""

from collections.abc import Iterable
from typing import Any, Self, final

@final
class Fields:
    def __len__(self) -> int: ...

@final
class Event:
    def __new__(cls, fields: Fields) -> Self: ...
    def look(self, raw: bytes) -> dict[tuple[str, ...], Any] | None: ...

def event_of(paths: Iterable[tuple[str, ...]]) -> Event: ...
