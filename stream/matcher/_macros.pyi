"""Types of the compiled `_macros`; the essay is in `_macros.pyx`."""

from typing import final

from typing_extensions import disjoint_base

from stream.matcher._frame import Node

@final
class Item(Node): ...

@disjoint_base
class Loop(Node): ...
