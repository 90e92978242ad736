"""What a running worker logs, changed by signals: SIGUSR1 for more, SIGUSR2 for as usual.

Signals, because only who may act as the worker's own user can send them: a path of the health port would be
for everybody who can reach that. Tested by tests/worker/test_signals.py and
tests/integration/test_private_data.py.
"""

from __future__ import annotations

import asyncio
import signal

import structlog

from stream.telemetry import logs

DEBUG_S = 900.0

log = structlog.get_logger("stream.logs")


class Verbosity:
    """The level of a worker that runs: more for a while, and back. For the loop's thread only.

    `usual`: the level that the settings say.
    """

    def __init__(self, usual: str, loop: asyncio.AbstractEventLoop) -> None:
        self._usual = usual
        self._loop = loop
        self._end: asyncio.TimerHandle | None = None

    def listen(self) -> None:
        """Obey the signals, from now on."""
        self._loop.add_signal_handler(signal.SIGUSR1, self.more)
        self._loop.add_signal_handler(signal.SIGUSR2, self.as_usual)

    def more(self) -> None:
        """DEBUG, for `DEBUG_S`: nobody has to remember to take it back."""
        self._cancel()
        self._end = self._loop.call_later(DEBUG_S, self.as_usual)
        logs.set_level("DEBUG")
        log.info("log_level_changed", severity="DEBUG", debug_seconds=round(DEBUG_S))

    def as_usual(self) -> None:
        """As the settings have it."""
        self._cancel()
        log.info("log_level_changed", severity=self._usual)
        logs.set_level(self._usual)

    def _cancel(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
