"""Types of the compiled `_texts`; the essay is in `_texts.pyx`."""

from stream.matcher._frame import Node

TEXT_TESTS: tuple[str, ...]

def text_test(function: str, text: Node, part: Node) -> Node: ...
def match(text: Node, pattern: Node | None, source: str | None) -> Node: ...
