"""Types of the compiled `_functions`; the essay is in `_functions.pyx`."""

from typing import final

from stream.matcher._frame import Node

@final
class Function(Node):
    def __init__(self, function: str, args: list[Node]) -> None: ...

@final
class Arithmetic(Node):
    def __init__(self, left: Node, right: Node, function: str) -> None: ...

@final
class Negative(Node):
    def __init__(self, operand: Node) -> None: ...

@final
class Size(Node):
    def __init__(self, operand: Node) -> None: ...

@final
class Double(Node):
    def __init__(self, operand: Node) -> None: ...

@final
class Int(Node):
    def __init__(self, operand: Node) -> None: ...
