"""What the runtime's own Faust services find on the app that they run in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from stream.kafka.lease import Lease
from stream.kafka.pace import Pace
from stream.runtime.ledger import Ledger
from stream.runtime.skips import Skips
from stream.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from stream.runtime.lane import Lane
    from stream.runtime.ownership import Ownership
    from stream.runtime.restore import Restore


class Host(Protocol):
    """A Faust app that carries the parts of a worker."""

    ledger: Ledger
    lane: Lane
    lease: Lease
    pace: Pace
    metrics: Metrics
    restore: Restore
    ownership: Ownership
    skips: Skips
    mark: tuple[str, bytes] | None  # a header that all has which the stage writes

    # Faust's own
    in_recovery: bool
    consumer_generation_id: int

    @property
    def consumer(self) -> Any: ...
    @property
    def assignor(self) -> Any: ...
    @property
    def flow_control(self) -> Any: ...
    @property
    def tables(self) -> Any: ...
    @property
    def _fetcher(self) -> Any: ...
    def on_rebalance_end(self) -> None: ...

    def fail(self, error: BaseException) -> None:
        """A failure of ours: the worker ends with it, loudly."""
