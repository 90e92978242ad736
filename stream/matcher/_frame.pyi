"""Types of the compiled `_frame`; the essay is in `_condition.pyx`."""

from collections.abc import Sequence
from typing import Any, Self, final

from typing_extensions import disjoint_base

from stream.state._customer import Customer

@final
class Frame:
    def __new__(cls, segments: Sequence[Node] = ()) -> Self: ...
    @property
    def failed_segments(self) -> list[int]: ...
    def pay(self, steps: int) -> None: ...

@disjoint_base
class Node:
    def cost(self, *args: Any, **given: Any) -> int | None: ...
    def evaluate(
        self,
        event: dict[str, Any] | bytes,
        name: str = "",
        customer: Customer | None = None,
        at: int = 0,
        *,
        time: int | None = None,
        attributes: dict[str, Any] | None = None,
        contexts: dict[str, dict[str, Any]] | None = None,
        captured: list[dict[str, Any] | None] | None = None,
        segments: Sequence[Node] = (),
        frame: Frame | None = None,
    ) -> Any: ...

@disjoint_base
class Unary(Node):
    def __init__(self, operand: Node) -> None: ...
