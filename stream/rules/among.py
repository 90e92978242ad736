"""Terms that hold of none of the values that something can have, by the tracking plan or by what is awaited.

Each value is put in its place, and what becomes of the term is worked out, so that
`x != 'a' && x != 'b'` and `x.lowerAscii() == 'A'` are seen in one way.
Tested by tests/rules/test_among.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from stream.cel.tree import MACROS
from stream.expression import Call, Ident, Literal, Node, Select, chain, terms_of
from stream.rules.settled import settled, with_value

Values = tuple[Any, ...]


def none_left(node: Node, values_of: Callable[[Node], Values]) -> Iterator[tuple[Node, Node]]:
    """What can be none of its values, with the first of the terms that say so. `values_of`: all that
    something can be, empty where that is not known.
    """
    rest = [node]
    while rest:
        each = rest.pop()
        if isinstance(each, Call) and each.function == "_||_":
            rest += reversed(list(terms_of("_||_", each)))
            continue
        terms = list(terms_of("_&&_", each))
        rest += [term for term in reversed(terms) if isinstance(term, Call) and term.function == "_||_"]
        said: dict[Node, list[Node]] = {}
        for term in terms:
            if (about := _about(term)) is not None:
                said.setdefault(about, []).append(term)
        for about, found in said.items():
            values, joined = values_of(about), chain("_&&_", found)
            if not values or any(_compares(about, term, values) for term in found):
                continue
            if all(settled(with_value(joined, about, Literal(value))) is False for value in values):
                yield about, found[0]


def _about(term: Node) -> Node | None:
    """The only variable, or field of one, that a term reads."""
    found: set[Node] = set()
    rest = [term]
    while rest:
        each = rest.pop()
        if isinstance(each, Call) and each.function in MACROS:
            return None
        if isinstance(each, Ident | Select) or (isinstance(each, Call) and each.function == "_[_]"):
            found.add(each)
        elif isinstance(each, Call):
            rest += each.args
    return found.pop() if len(found) == 1 else None


def _compares(about: Node, term: Node, values: Values) -> bool:
    """Whether a literal that something is compared with is none of its values: said of the literal."""
    if not isinstance(term, Call) or term.function not in ("_==_", "_!=_", "@in") or about not in term.args:
        return False
    rest = list(term.args)
    rest += [
        item for each in term.args if isinstance(each, Call) and each.function == "[]" for item in each.args
    ]
    return any(isinstance(each, Literal) and each.value not in values for each in rest)
