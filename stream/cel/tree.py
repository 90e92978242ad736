"""The tree of a condition, in the shapes of CEL's published syntax tree, and its canonical text.

Operators are calls of functions with CEL's canonical names (`_&&_`, `_==_`, `_[_]`, `@in`, …). Chains of `&&`
and of `||` are flattened and balanced, as cel-go does it: a list of a thousand terms is a tree ten levels
deep, and how a condition was bracketed does not make it another one. Macros stay nodes of their own (`Has`,
`Comprehension`) and are not expanded: they print as they were written, and say what they are when checked.
Tested by tests/cel/test_expression.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from stream.cel.values import TYPE_NAMES, UInt

# Macros: how many arguments at least and at most.
MACROS = {"all": (2, 2), "exists": (2, 2), "exists_one": (2, 2), "filter": (2, 2), "map": (2, 3)}
Scalar = None | bool | int | float | str | bytes


# Made by the hundred thousand when rules are read, hence no dataclasses: frozen ones take three times as long
# to make, and have no place to keep their hash. `Final` freezes them for the type checker.


class Literal:
    __slots__ = ("_hash", "offset", "value")
    __match_args__ = ("value", "offset")

    def __init__(self, value: Scalar, offset: int = 0) -> None:
        self.value: Final = value
        self.offset: Final = offset
        self._hash: int | None = None

    def __eq__(self, other: object) -> bool:
        # To Python 1 == True == 1.0, and 0.0 == -0.0; to CEL they are different literals.
        if not isinstance(other, Literal):
            return NotImplemented
        return type(self.value) is type(other.value) and repr(self.value) == repr(other.value)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((type(self.value), repr(self.value)))
        return self._hash

    def __repr__(self) -> str:
        return f"Literal({self.value!r})"

    def __reduce__(self) -> tuple[Any, ...]:  # without the hash, which another process has otherwise
        return Literal, (self.value, self.offset)


class Ident:
    """A variable (`event`, `traits`, …), the variable of a macro, or the name of a type (`int`)."""

    __slots__ = ("name", "offset")
    __match_args__ = ("name", "offset")

    def __init__(self, name: str, offset: int = 0) -> None:
        self.name: Final = name
        self.offset: Final = offset

    def __eq__(self, other: object) -> bool:
        return self.name == other.name if isinstance(other, Ident) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Ident({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Ident, (self.name, self.offset)


class Select:
    """`operand.field`; `offset` is that of the field's name."""

    __slots__ = ("_hash", "field", "offset", "operand")
    __match_args__ = ("operand", "field", "offset")

    def __init__(self, operand: Node, field: str, offset: int = 0) -> None:
        self.operand: Final = operand
        self.field: Final = field
        self.offset: Final = offset
        self._hash: int | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Select):
            return NotImplemented
        return self is other or (self.field == other.field and self.operand == other.operand)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.operand, self.field))
        return self._hash

    def __repr__(self) -> str:
        return f"Select({self.operand!r}, {self.field!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Select, (self.operand, self.field, self.offset)


class Call:
    """An operator, a function or a macro applied to its arguments, e.g. `Call("_>=_", (price, fifty))`.

    `member`: written `x.f(y)`; x is then the first of `args`.
    """

    __slots__ = ("_hash", "args", "function", "member", "offset")
    __match_args__ = ("function", "args", "offset", "member")

    def __init__(self, function: str, args: tuple[Node, ...], offset: int = 0, member: bool = False) -> None:
        self.function: Final = function
        self.args: Final = args
        self.offset: Final = offset
        self.member: Final = member
        self._hash: int | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Call):
            return NotImplemented
        return self is other or (
            self.function == other.function and self.member == other.member and self.args == other.args
        )

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.function, self.args, self.member))
        return self._hash

    def __repr__(self) -> str:
        return f"Call({self.function!r}, {self.args!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Call, (self.function, self.args, self.offset, self.member)


Node = Literal | Ident | Select | Call


def chain(function: str, terms: list[Node]) -> Node:
    """The balanced tree of `_&&_` or `_||_` over one or more terms, in order."""
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return Call(
        function, (chain(function, terms[:middle]), chain(function, terms[middle:])), offset=terms[0].offset
    )


def terms_of(function: str, node: Node) -> Iterator[Node]:
    """The terms of a chain of `function`, in order; `node` itself if it is none."""
    if isinstance(node, Call) and node.function == function:
        for arg in node.args:
            yield from terms_of(function, arg)
    else:
        yield node


def is_closed(node: Node, bound: tuple[str, ...] = ()) -> bool:
    """Whether it names no variable but those of its own macros, and `bound`."""
    if isinstance(node, Literal):
        return True
    if isinstance(node, Ident):  # names of types too: a variable may have the same name
        return node.name in bound
    if isinstance(node, Select):
        return is_closed(node.operand, bound)
    if node.function in MACROS and node.member:
        items, variable, *steps = node.args
        inner = (*bound, variable.name) if isinstance(variable, Ident) else bound
        return is_closed(items, bound) and all(is_closed(step, inner) for step in steps)
    return all(is_closed(arg, bound) for arg in node.args)


def paths_of(node: Node, bound: tuple[str, ...] = ()) -> Iterator[Node]:
    """What it reads: the longest paths from a variable, as `event.price` and `traits.views[event.sku]`, and
    those within their brackets. Not those from the variables of macros.
    """
    if isinstance(node, Literal):
        return
    root: Node = node
    while isinstance(root, Select) or (isinstance(root, Call) and root.function == "_[_]"):
        if isinstance(root, Call):
            yield from paths_of(root.args[1], bound)
            root = root.args[0]
        else:
            root = root.operand
    if isinstance(root, Ident):
        if root.name not in (*bound, *TYPE_NAMES):
            yield node
    elif root is not node:
        yield from paths_of(root, bound)
    elif isinstance(node, Call):
        inner = bound
        if node.function in MACROS and node.member and isinstance(node.args[1], Ident):
            inner = (*bound, node.args[1].name)
        yield from paths_of(node.args[0], bound)
        for arg in node.args[1:]:
            yield from paths_of(arg, inner)


# ---- tree to text ----

_TERNARY, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER = range(8)  # how tightly a form binds
_BINARY = {
    **dict.fromkeys(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"), _RELATION),
    **dict.fromkeys(("_+_", "_-_"), _SUM),
    **dict.fromkeys(("_*_", "_/_", "_%_"), _PRODUCT),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def unparse(node: Node) -> str:
    """Canonical text: `parse(unparse(tree)) == tree` for what `parse` gives (if it fits into a condition)."""
    return _write(node, _TERNARY)


def _write(node: Node, at_least: int) -> str:
    text, binds = _form(node)
    return text if binds >= at_least else f"({text})"


def _list(nodes: tuple[Node, ...]) -> str:
    return ", ".join(map(unparse, nodes))


def _form(node: Node) -> tuple[str, int]:
    if isinstance(node, Literal):
        return _write_literal(node.value)
    if isinstance(node, Ident):
        return node.name, _MEMBER
    if isinstance(node, Select):
        return f"{_write(node.operand, _MEMBER)}.{_field(node.field)}", _MEMBER
    return _form_call(node)


def _form_call(node: Call) -> tuple[str, int]:
    function, args = node.function, node.args
    if node.member:
        return f"{_write(args[0], _MEMBER)}.{function}({_list(args[1:])})", _MEMBER
    if function in ("_&&_", "_||_"):
        binds = _AND if function == "_&&_" else _OR
        return f" {function[1:3]} ".join(_write(arg, binds) for arg in args), binds
    if function in ("!_", "-_"):
        return f"{function[0]}{_write(args[0], _UNARY)}", _UNARY
    if function == "_[_]":
        return f"{_write(args[0], _MEMBER)}[{unparse(args[1])}]", _MEMBER
    if function == "_?_:_":
        condition, then, other = _write(args[0], _OR), _write(args[1], _OR), unparse(args[2])
        return f"{condition} ? {then} : {other}", _TERNARY
    if function == "[]":
        return f"[{_list(args)}]", _MEMBER
    if function == "{}":
        pairs = zip(args[::2], args[1::2], strict=True)
        return "{" + ", ".join(f"{unparse(key)}: {unparse(value)}" for key, value in pairs) + "}", _MEMBER
    if function in _BINARY:
        binds = _BINARY[function]
        operator = function.strip("@_")
        return f"{_write(args[0], binds)} {operator} {_write(args[1], binds + 1)}", binds
    return f"{function}({_list(args)})", _MEMBER


def _field(name: str) -> str:
    return name if _NAME.fullmatch(name) and name not in ("true", "false", "null", "in") else f"`{name}`"


def _write_literal(value: Scalar) -> tuple[str, int]:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value], _MEMBER
    if isinstance(value, str):
        return '"' + re.sub(r'[\x00-\x1f\x7f"\\]', _escape, value) + '"', _MEMBER
    if isinstance(value, bytes):
        return 'b"' + re.sub(r"[^ !#-\[\]-~]", _escape, value.decode("latin-1")) + '"', _MEMBER
    if isinstance(value, UInt):
        return f"{int(value)}u", _MEMBER
    return repr(value), _UNARY  # a number before a dot needs brackets


def _escape(match: re.Match[str]) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
    return named.get(match[0], f"\\x{ord(match[0]):02x}")
