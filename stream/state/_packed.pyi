"""Types of the compiled `_packed`; the essay is in `_packed.pyx`."""

from typing import final

@final
class Buffer: ...
