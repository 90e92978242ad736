"""Types of the compiled `_fields`; the essay is in `_fields.pyx`."""

from typing import final

from stream.matcher._frame import Node

@final
class Field(Node): ...
