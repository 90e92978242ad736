"""Types of the compiled `_decide`; the essay is in `_decide.pyx`."""

from collections.abc import Mapping
from typing import Final, Self, final

from typing_extensions import disjoint_base

from stream.decisions.experiments import Arms
from stream.structs import Result

KAFKAS: Final[Mapping[str, int]]

@disjoint_base
class Sink: ...

@final
class Results(Sink):
    def __new__(cls, result: Result) -> Self: ...

@final
class Decider:
    def __new__(
        cls,
        result: Result,
        arms: Arms | None = None,
        most_bytes: Mapping[str, int] = KAFKAS,
        sink: Sink | None = None,
    ) -> Self: ...
