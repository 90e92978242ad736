"""Types of the compiled `_value`; the essay is in `_value.pyx`."""

from typing import Final

class _Absent: ...

ABSENT: Final[_Absent]
