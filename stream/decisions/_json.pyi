"""Types of the compiled `_json`; the essay is in `_json.pyx`."""

from typing import Any, Final

MAX_DEPTH: Final = 64

def iso_time(ms: int) -> str: ...
def encode(value: Any) -> bytes: ...
