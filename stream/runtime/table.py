"""A stage's table as Faust sees it: a name, a changelog topic, partitions, a reason for co-partitioned
assignment.

What is in it is `partition_store`'s business. Faust's stores, windows, recovery and changelog subscription
are not used: `restore` reads the changelog, `checkpointer` writes it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from faust.tables.manager import TableManager
from faust.tables.table import Table
from faust.types import TP

from stream.runtime.host import Host


class StageTable(Table[str, Any]):
    """Faust's view of the table; there is nothing in it."""

    def __init__(self, app: Any, name: str, *, partitions: int) -> None:
        super().__init__(app, name=name, partitions=partitions, key_type=bytes, value_type=bytes)

    async def on_start(self) -> None:
        """No store of Faust's to start, no topic to declare (see `topology`)."""

    async def on_rebalance(self, *args: Any, **kwargs: Any) -> None:
        """No store of Faust's to tell."""


class Tables(TableManager):
    """Faust's table manager with the project's own restore in place of its recovery."""

    logger = logging.getLogger("faust.tables")

    @property
    def recovery(self) -> Any:
        """The service that Faust tells of rebalances and waits for: see `restore.Restore`."""
        return cast("Host", self.app).restore

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
