"""How an error of ours is shown: a message, never a traceback. Tested by tests/cli/test_outputs.py."""

from __future__ import annotations

from stream.diagnostics import one_line
from stream.errors import StreamError


def show(error: StreamError) -> None:
    """On standard error, without what would move a terminal's cursor: it may name files and arguments."""
    from rich.console import Console  # not for `stream --version`

    message = "\n".join(map(one_line, f"error: {error}".split("\n")))
    Console(stderr=True, soft_wrap=True, highlight=False).print(message, markup=False)
