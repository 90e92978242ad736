"""Types of the compiled `_repeats`; the essay is in `_repeats.pyx`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Self, final

from stream.history._past import PastEvent
from stream.rules.model import Source

NEWEST: int

@final
class RepeatedIds:
    def __new__(cls, sources: Iterable[Source], newest: int = ...) -> Self: ...
    @property
    def found(self) -> dict[str, tuple[int, str]]: ...
    def look(self, records: Mapping[str, Sequence[PastEvent]]) -> None: ...
