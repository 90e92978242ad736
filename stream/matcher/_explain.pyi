"""Types of the compiled `_explain`; the essay is in `_explain.pyx`."""

from collections.abc import Callable
from typing import Self, final

from stream.matcher._program import Program
from stream.structs import Judgement

@final
class Part: ...

@final
class Explainer:
    def __new__(cls, customer: str, tell: Callable[[Judgement], object], program: Program) -> Self: ...
