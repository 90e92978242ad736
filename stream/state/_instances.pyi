"""Types of the compiled `_instances`; the essay is in `_instances.pyx`."""

from typing import final

@final
class Instance: ...
