"""Types of the compiled `_operators`; the essay is in `_operators.pyx`."""

from typing import Any, final

from stream.matcher._frame import Node

TEXT_TESTS: tuple[str, ...]

@final
class Constant(Node):
    def __init__(self, constant: Any) -> None: ...

def constant(value: Any) -> Node: ...
def has(operand: Node, field: str | None) -> Node: ...
def operation(function: str, args: list[Node], mixes: bool = False) -> Node | None: ...
