"""Files without a name: nobody else can open them, and whatever ends the process, they are gone.

They lie where TMPDIR says. Tested by tests/history/test_sorting.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO


@contextmanager
def nameless_file(buffering: int = -1) -> Iterator[IO[bytes]]:
    """To write into and to read. Raises OSError where there is no room."""
    file = tempfile.TemporaryFile(prefix="stream-", buffering=buffering)  # noqa: SIM115
    try:
        yield file
    finally:
        with suppress(OSError):  # what found no room would be tried once more
            file.close()
