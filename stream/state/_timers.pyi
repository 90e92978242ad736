"""Types of the compiled `_timers`; the essay is in `_timers.pyx`."""

from typing import final

@final
class Timers: ...
