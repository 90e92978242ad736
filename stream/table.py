"""The customer table: what this worker knows of the customers of its partitions.

To the rest of the Faust app a table (name, changelog topic, partitions, a reason for co-partitioned
assignment); inside, one `engine.PartitionState` per partition and the changelog offset up to which it is
complete. Faust's stores, windows, recovery and changelog subscription are not used (see ARCHITECTURE, State):
`restore` reads the changelog, `lane` writes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from faust.tables.manager import TableManager
from faust.tables.table import Table
from faust.types import TP

from stream.engine import PartitionState
from stream.program import RuleSet
from stream.structs import Record

NAME = "customers"


class StoredPartition:
    """The customers of one partition, complete up to (not including) changelog offset `position`."""

    __slots__ = ("position", "state")

    def __init__(self, rules: RuleSet) -> None:
        self.state = PartitionState(rules)
        self.position = 0

    def load(self, records: Sequence[Record]) -> None:
        """Apply changelog records; a StateError names the offset, never the customer."""
        self.state.load_all(records)


class CustomerTable(Table[str, Any]):
    """Faust's view of the table, and the states themselves by partition number."""

    def __init__(self, app: Any, *, partitions: int) -> None:
        super().__init__(app, name=NAME, partitions=partitions, key_type=bytes, value_type=bytes)
        self.stored: dict[int, StoredPartition] = {}

    async def on_start(self) -> None:
        """No store of Faust's to start, no topic to declare (see `topology`)."""

    async def on_rebalance(self, *args: Any, **kwargs: Any) -> None:
        """No store of Faust's to tell."""

    def drop(self, number: int) -> None:
        """Forget a partition's customers: they belong to another worker, or are no longer trusted."""
        self.stored.pop(number, None)


class Tables(TableManager):
    """Faust's table manager with the project's own restore in place of its recovery."""

    logger = logging.getLogger("faust.tables")

    @property
    def recovery(self) -> Any:
        """The service that Faust tells of rebalances and waits for: see `restore.Restore`."""
        return self.app.restore  # type: ignore[attr-defined]  # stream.app.StreamApp

    async def on_start(self) -> None:
        """Start the restore service; Faust sleeps a second here."""
        await self._update_channels()
        await self.add_runtime_dependency(self.recovery)

    async def _update_channels(self) -> None:
        # Faust would subscribe to the changelogs here; the restore reads them without the consumer group.
        self._tables_finalized.set()
        self._tables_registered.set()
        await asyncio.sleep(0)

    async def on_stop(self) -> None:
        """Stop fetching first, as Faust does."""
        await self.app._fetcher.stop()  # type: ignore[attr-defined]

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Nothing is buffered for the changelogs."""
