"""Types of the compiled `_layouts`; the essay is in `_layouts.pyx`."""

from typing import Self, final

from stream.state._layout import Layout

@final
class Layouts:
    def __new__(cls, layout: Layout) -> Self: ...
