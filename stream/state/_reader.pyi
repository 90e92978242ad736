"""Types of the compiled `_reader`; the essay is in `_reader.pyx`."""

from typing import final

@final
class StateReader: ...
