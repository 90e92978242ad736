"""Types of the compiled `_state`; the essay is in `_state.pyx`."""

from typing import Final, Self, final

from stream.program import RuleSet

class _Absent: ...

ABSENT: Final[_Absent]

@final
class Layout:
    def __new__(cls, rules: RuleSet, previous: Layout | None = None) -> Self: ...
    @property
    def sources(self) -> tuple[str, ...]: ...
    @property
    def traits(self) -> tuple[str, ...]: ...
    @property
    def rules(self) -> tuple[str, ...]: ...
    @property
    def generation(self) -> int: ...
    def slots_from(self, older: Layout) -> tuple[list[int], list[int], list[int]]: ...

@final
class Window: ...

@final
class Latest: ...

@final
class Instance: ...

@final
class Customer:
    def __new__(cls, id: str, layout: Layout) -> Self: ...  # noqa: A002  # the name that the extension has
    @property
    def id(self) -> str: ...
