"""Types of the compiled `_condition`; the essay is in `_condition.pyx`."""

from collections.abc import Mapping
from typing import Any, final

from typing_extensions import disjoint_base

from stream import expression
from stream._state import Customer

@final
class Frame: ...

@disjoint_base
class Node:
    def evaluate(
        self, event: dict[str, Any], name: str = "", customer: Customer | None = None, at: int = 0
    ) -> Any: ...

def compile_condition(tree: expression.Node, traits: Mapping[str, tuple[int, int, bool]]) -> Node: ...
