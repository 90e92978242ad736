"""Types of the compiled `_sending`; the essay is in `_sending.pyx`."""

from typing import Final, final

MAX_DEFERRAL: Final = 86_400_000

@final
class Uses: ...

@final
class Way: ...

@final
class Sending: ...
