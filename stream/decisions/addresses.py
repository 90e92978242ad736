"""What may be written to: a text, or for parcels, letters and browsers an object of texts.

Whatever delivers a message puts its address into a header, a command or a file. So it is of the kind that the
channel says, bounded, and without characters that end a line or move a cursor; all else is no address.
Tested by tests/attacks/test_templates.py and tests/decisions/test_addresses.py.
"""

from __future__ import annotations

from typing import Any
from unicodedata import category

from stream.rules.model import AddressKind

MAX_TEXT = 320  # characters: as long as an e-mail address can be
MAX_OBJECT = 4096  # characters of keys and texts together
MAX_PARTS = 64
MAX_DEPTH = 4

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def is_address(value: Any, kind: AddressKind) -> bool:
    """Whether a value of JSON is an address of this kind."""
    if kind == "object":
        return type(value) is dict and _is_object(value)
    return type(value) is str and len(value) <= MAX_TEXT and _says(value) and _is_visible(value)


def _says(text: str) -> bool:
    """Whether there is more in a text than spaces."""
    return text != "" and not text.isspace()


def _is_visible(text: str) -> bool:
    return text.isprintable() or not any(category(char) in _INVISIBLE for char in text)


def _is_object(value: dict[str, Any]) -> bool:
    """Bounded in all directions; its texts may have several lines, and one of them says something."""
    size, parts, says = 0, 0, False
    rest: list[tuple[Any, int]] = [(value, 1)]
    while rest:
        each, depth = rest.pop()
        if type(each) is str:
            size += len(each)
            if size > MAX_OBJECT or not _is_visible(each.replace("\n", " ")):
                return False
            says = says or _says(each)
        elif type(each) is dict or type(each) is list:
            parts += len(each)
            if parts > MAX_PARTS or depth > MAX_DEPTH:
                return False
            if type(each) is dict:
                size += sum(map(len, each))
                if not all(map(_is_visible, each)):
                    return False
            rest += [(below, depth + 1) for below in (each.values() if type(each) is dict else each)]
    return says and size <= MAX_OBJECT
