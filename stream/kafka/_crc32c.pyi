"""Types of the compiled `_crc32c`; the essay is in `_crc32c.pyx`."""

from typing_extensions import Buffer

def crc32c(data: Buffer) -> int: ...
