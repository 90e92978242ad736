"""Logs: one line per happening on standard error, for people on a terminal and as JSON for machines.

What libraries say through the standard library's logging, and Python's warnings, come out the same way, from
WARNING upwards. No line has a customer in it: `log_fields` and `tracebacks` say what a line may hold.
What is said again and again is left out and counted (`log_limits`). The level can be changed while a worker
runs.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Literal, TextIO

import structlog
from structlog.types import Processor

from stream.telemetry.log_fields import make_plain, only_allowed, render_exception
from stream.telemetry.log_limits import Repeats, is_ours

LIBRARIES = ("faust", "mode", "aiokafka", "kafka", "asyncio", "opentelemetry", "urllib3")
OURS = "stream"


class LogHandler(logging.StreamHandler[TextIO]):
    """The one that `configure` sets up; known by its class, so that it is replaced and not added to."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.repeats = Repeats()
        self.addFilter(self.repeats)

    def emit(self, record: logging.LogRecord) -> None:
        for overdue in self.repeats.overdue():
            self._write(overdue)
        self._write(record)

    def _write(self, record: logging.LogRecord) -> None:
        if not isinstance(record.msg, dict):
            record = logging.makeLogRecord(record.__dict__)
            record.__dict__.pop("message", None)  # another handler's rendering, no field
            if not is_ours(record.name):
                make_plain(record)
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class calls it so
        """The base class would print the line's values."""
        try:
            self.stream.write(
                f'{{"message": "log_line_failed", "level": "error", "logger": "{OURS}.logs"}}\n'
            )
        except (OSError, ValueError):
            return  # there is nowhere left to say it


def configure(
    level: str = "INFO",
    fmt: Literal["auto", "json", "text"] = "auto",
    stream: TextIO | None = None,
    libraries: Sequence[str] = LIBRARIES,
) -> None:
    """Sends structlog's and the standard library's logs to `stream` (standard error). May be called again.

    `auto` is text on a terminal and JSON elsewhere. `libraries` are made to use this and nothing of their
    own; `set_level` says what is heard of them.
    """
    stream = sys.stderr if stream is None else stream
    as_text = is_text(fmt, stream)
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
    handler = LogHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.ExtraAdder()],
            processors=[
                render_exception,
                only_allowed,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_text(colors=stream.isatty()) if as_text else _json()),
            ],
        )
    )
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, LogHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    logging.captureWarnings(capture=True)
    for name in libraries:
        library = logging.getLogger(name)
        library.setLevel(logging.NOTSET)
        library.handlers.clear()
        library.propagate = True
    set_level(level)


def is_text(fmt: str, stream: TextIO) -> bool:
    """Whether lines are for people."""
    return fmt == "text" or (fmt != "json" and stream.isatty())


def set_level(level: str) -> None:
    """From now on, what is of this level and above. Libraries are heard from WARNING on, and at DEBUG from
    INFO on: at their own DEBUG they write records out.
    """
    ours = logging.getLevelNamesMapping()[level]
    logging.getLogger(OURS).setLevel(ours)
    logging.getLogger().setLevel(logging.INFO if ours <= logging.DEBUG else max(logging.WARNING, ours))


def _text(*, colors: bool) -> list[Processor]:
    # Not the prettier default for exceptions: it shows local variables.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]


def _json() -> list[Processor]:
    return [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer()]
