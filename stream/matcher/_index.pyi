"""Types of the compiled `_index`; the essay is in `_index.pyx`."""

from collections.abc import Sequence
from typing import Any, Self, final

from stream.events._event import Fields
from stream.expression import Node
from stream.matcher.atoms import Atom

@final
class FieldIndex:
    def __new__(cls, slot: int, atoms: list[tuple[int, Atom]]) -> Self: ...

@final
class Index:
    def __new__(cls, conditions: Sequence[Node | None], fields: Fields) -> Self: ...
    @property
    def size(self) -> int: ...

def candidates(conditions: Sequence[Node | None], event: dict[str, Any]) -> list[int]: ...
