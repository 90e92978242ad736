"""Logs: one line per happening on standard error, for people on a terminal and as JSON for machines.

What libraries say through the standard library's logging comes out the same way, from WARNING upwards.
Tracebacks are printed without the values of local variables: those are customers' events.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Literal, TextIO

import structlog
from structlog.types import Processor

MOST_HEARD = 1000
LIBRARIES = ("faust", "mode", "aiokafka", "kafka", "asyncio")


REPEAT_S = 10.0  # a library that says the same again and again is heard so often


class Repeats(logging.Filter):
    """Of what a library says again and again (a broker that is away: thirty lines a second), lets through one
    line every `REPEAT_S`, with how many were left out. `now` in seconds.
    """

    def __init__(self, libraries: Sequence[str], now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._libraries = tuple(libraries)
        self._now = now
        self._heard: dict[tuple[str, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(self._libraries):
            return True
        key, now = (record.name, record.msg), self._now()
        since, left_out = self._heard.get(key, (-REPEAT_S, 0))
        if now < since + REPEAT_S:
            self._heard[key] = (since, left_out + 1)
            return False
        if len(self._heard) >= MOST_HEARD:
            self._heard.clear()
        self._heard[key] = (now, 0)
        if left_out:
            record.left_out = left_out
        return True


class _Handler(logging.StreamHandler[TextIO]):
    """The one that `configure` sets up; known by its class, so that it is replaced and not added to."""


def configure(
    level: str = "INFO",
    fmt: Literal["auto", "json", "text"] = "auto",
    stream: TextIO | None = None,
    libraries: Sequence[str] = LIBRARIES,
) -> None:
    """Sends structlog's and the standard library's logs to `stream` (standard error). May be called again.

    `auto` is text on a terminal and JSON elsewhere. `libraries` are kept to WARNING, or to `level` if that
    is more severe.
    """
    stream = sys.stderr if stream is None else stream
    as_text = fmt == "text" or (fmt == "auto" and stream.isatty())
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream)
    handler.addFilter(Repeats(libraries))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_text(colors=stream.isatty()) if as_text else _json()),
            ],
        )
    )
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name in libraries:
        library = logging.getLogger(name)
        library.setLevel(max(logging.WARNING, root.level))
        library.handlers.clear()
        library.propagate = True


def _text(*, colors: bool) -> list[Processor]:
    # Not the prettier default: it shows local variables.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]


def _json() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(),
    ]
