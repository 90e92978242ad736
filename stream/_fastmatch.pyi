"""Types of the compiled `_fastmatch`; the essay is in `_fastmatch.pyx`."""

from collections.abc import Callable, Sequence
from typing import Any, Self, final

from stream.clock import Clock
from stream.decisions._decide import Decider
from stream.matcher._match import Match
from stream.rules.model import RuleSet
from stream.state._customers import Customers
from stream.structs import Batch, Judgement, PriorDecision, Record, Result

MAX_WORK: int

@final
class PartitionState:
    marks: bytes
    prior_decisions: dict[tuple[str, int], PriorDecision]
    prior_sends: dict[tuple[str, str], list[int]]
    partitions: int
    def __new__(cls, rules: RuleSet) -> Self: ...
    @property
    def rules(self) -> RuleSet: ...
    @property
    def customers(self) -> Customers: ...
    @property
    def pending(self) -> int: ...
    def trait(self, customer_id: str, name: str, at: int, key: object = None) -> Any: ...
    def load(self, key: bytes, value: bytes | None) -> None: ...
    def load_all(self, records: Sequence[Record]) -> None: ...
    def rebase(self, source: str, base: int) -> None: ...
    def take_changed(self) -> list[tuple[bytes, bytes]]: ...
    def forget_pending(self) -> None: ...
    def adopt(self, rules: RuleSet) -> None: ...
    def explain(self, customer: str | None, tell: Callable[[Judgement], object] | None = None) -> None: ...
    def run(
        self,
        batch: Batch,
        result: Result,
        clock: Clock,
        limit: int,
        work: int,
        decider: Decider,
        take: Callable[[Match], bool] | None = None,
    ) -> None: ...

def rank_of(instance: object) -> int: ...
