"""Types of the compiled `_byid`; the essay is in `_byid.pyx`."""

from typing import final

@final
class ById:
    @property
    def n(self) -> int: ...
