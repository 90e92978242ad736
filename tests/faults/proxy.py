"""A TCP proxy between workers and a broker: what networks do to connections, as far as TCP shows it.

delayed     each piece of data comes so many seconds later, one in fifty twenty times that (a lost packet
            is sent again)
cut         connections are closed and refused
half_open   connections are accepted and stay, and nothing goes through in either direction
throttled   so many bytes a second
"""

from __future__ import annotations

import asyncio
import random
import threading
from types import TracebackType

PIECE = 64 * 1024
LOSS = 0.02
LOST = 20


class Proxy:
    """Listens on `port` and forwards to `to`, in a thread of its own, until the block ends."""

    def __init__(self, port: int, to: int) -> None:
        self._port, self._to = port, to
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._dice = random.Random(port)
        self._server: asyncio.Server | None = None
        self.delay = 0.0
        self.bytes_per_second = 0.0
        self._silent = False
        self._refuses = False

    def __enter__(self) -> Proxy:
        self._thread.start()
        listen = asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._server = asyncio.run_coroutine_threadsafe(listen, self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Close all connections and refuse new ones."""
        self._refuses = True
        self._loop.call_soon_threadsafe(self._close_all)

    def half_open(self) -> None:
        """From now on nothing goes through."""
        self._silent = True

    def mend(self) -> None:
        """As if nothing had been; what was half open is closed, as routers do when they know no more."""
        self._refuses = self._silent = False
        self.delay = self.bytes_per_second = 0.0
        self._loop.call_soon_threadsafe(self._close_all)

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        writers = set(self._writers)
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)

    def _close_all(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.close()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._forward(reader, far_writer), self._forward(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(PIECE):
                while self._silent and not writer.is_closing():
                    await asyncio.sleep(0.05)  # until it is mended
                wait = self.delay * (LOST if self._dice.random() < LOSS else 1)
                if self.bytes_per_second:
                    wait += len(piece) / self.bytes_per_second
                if wait:
                    await asyncio.sleep(wait)  # the fault
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
