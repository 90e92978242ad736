"""Types of the compiled `_condition`; the essay is in `_condition.pyx`."""

from typing import Self, final

from stream import expression
from stream.events._event import Fields
from stream.matcher._frame import Node

@final
class Names:
    def __new__(
        cls,
        *,
        traits: dict[str, tuple[int, int, bool]] | None = None,
        segments: dict[str, int] | None = None,
        steps: dict[str, int] | None = None,
        customer: bool = False,
        fields: Fields | None = None,
    ) -> Self: ...
    @property
    def traits(self) -> dict[str, tuple[int, int, bool]]: ...
    @property
    def segments(self) -> dict[str, int]: ...
    @property
    def steps(self) -> dict[str, int]: ...
    @property
    def customer(self) -> bool: ...

def compile_condition(tree: expression.Node, names: Names) -> Node: ...
