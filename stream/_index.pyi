"""Types of the compiled `_index`; the essay is in `_index.pyx`."""

from collections.abc import Sequence
from typing import Any, final

from stream.expression import Node

_Atom = tuple[tuple[str, ...], tuple[Any, ...]]

@final
class Lookup: ...

@final
class Index:
    def __new__(cls, conditions: Sequence[Node | None]) -> Index: ...
    def candidates(self, event: dict[str, Any]) -> list[int]: ...

def atoms(condition: Node) -> list[_Atom]: ...
def choose(conditions: Sequence[Node | None]) -> list[_Atom | None]: ...
