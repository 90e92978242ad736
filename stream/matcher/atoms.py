"""Atoms: what a condition on an event asks of one field, by which an index can leave the condition out.

    event.category == 'shoes' && event.price > 50       category is one of 'shoes';  price is at least 50
    event.store in ['s1', 's2']                         store is one of 's1', 's2'
    event.kind == 'a' && event.x > 1 || event.kind == 'b'       kind is one of 'a', 'b'
    event.member && !event.staff                        member is one of true;  staff is one of false
    event.a == event.b                                  no atom: always tried

A conjunct is an atom if it can only be true where the value at a path is one of some literals (`OneOf`), or
a number on one side of a literal (`Bound`).

Sound: where an atom is false, the condition is false, for a conjunction is false if any conjunct is, even
beside an error; so is a disjunction whose every term has a `OneOf` on one path that holds none of their
values. An atom is false, not an error, if there is a value at the path and it is of the right type: any for
an equality, a boolean where the field stands by itself (`truth`), a number for a bound. Without a value it
ends in an error, unless the condition also says `has(event.field)` (`guarded`). So what an index leaves out
because an atom is false neither holds nor counts as an error. Numbers beyond 2**53 and bytes make no atoms:
up to there integers and doubles are the same numbers.

Pure functions of trees.
Tested by tests/matcher/test_atoms.py and, with the index, tests/matcher/test_index.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stream.expression import Call, Ident, Literal, Node, Select, terms_of
from stream.rules.model import FieldPath

LARGEST = 2**53
FLIPPED = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}

Plain = str | int | float | bool | None


class OneOf(NamedTuple):
    """The value at `path` equals one of `values`, as CEL compares."""

    path: FieldPath
    values: tuple[Plain, ...]
    truth: bool = False
    guarded: bool = False


class Bound(NamedTuple):
    """The value at `path` is a number, not below `value` (`above`), or not above it."""

    path: FieldPath
    above: bool
    value: int | float
    guarded: bool = False


Atom = OneOf | Bound


def atoms(condition: Node) -> list[Atom]:
    """The atoms of a condition's conjuncts."""
    terms = list(terms_of("_&&_", condition))
    guards = {path_of(each.args[0]) for each in terms if isinstance(each, Call) and each.function == "has"}
    guards = {each for each in guards if each is not None and len(each) == 1}
    found = (_atom(term) for term in terms)
    return [each._replace(guarded=each.path in guards) for each in found if each is not None]


def choose(conditions: Sequence[Node | None]) -> list[Atom | None]:
    """The atom by which each condition is found; None for those that are always tried.

    That is the `OneOf` whose path has most distinct values over all conditions, as it leaves fewest to try;
    without one, the `Bound` on the path that most conditions bound.
    """
    found = [[] if each is None else atoms(each) for each in conditions]
    values: dict[FieldPath, set[tuple[str, Plain]]] = {}
    users: dict[FieldPath, int] = {}
    for each in found:
        for atom in each:
            users[atom.path] = users.get(atom.path, 0) + 1
            if isinstance(atom, OneOf):
                values.setdefault(atom.path, set()).update(map(kinded, atom.values))

    def cost(atom: Atom) -> tuple[bool, int, int, int, FieldPath]:
        if isinstance(atom, Bound):
            return True, 0, -users[atom.path], 0, atom.path
        return False, -len(values[atom.path]), -users[atom.path], len(atom.values), atom.path

    return [min(each, key=cost, default=None) for each in found]


def kinded(value: Plain) -> tuple[str, Plain]:
    """Told apart as CEL does: 1 and 1.0 are one number, 1 and true are two values."""
    if isinstance(value, str):
        return "text", value
    return ("other", value) if value is None or isinstance(value, bool) else ("number", value)


def _atom(term: Node) -> Atom | None:
    if not isinstance(term, Call):
        path = path_of(term)
        return None if path is None else OneOf(path, (True,), truth=True)
    if term.function == "!_":
        path = path_of(term.args[0])
        return None if path is None else OneOf(path, (False,), truth=True)
    if term.function == "_||_":
        return _either(term)
    if term.function in FLIPPED:
        return _bound(term)
    if term.function == "_==_":
        left, right = term.args
        path = path_of(left)
        if path is None:
            path, right = path_of(right), left
        literals: tuple[Node, ...] = (right,)
    elif term.function == "@in" and isinstance(term.args[1], Call) and term.args[1].function == "[]":
        path, literals = path_of(term.args[0]), term.args[1].args
    else:
        return None
    values = [_plain(each) for each in literals]
    if path is None or None in values:
        return None
    return OneOf(path, tuple(each[0] for each in values if each is not None))


def _either(term: Node) -> OneOf | None:
    """What all terms of a disjunction ask of one path: one of all their values."""
    branches = [
        {atom.path: atom for atom in atoms(each) if isinstance(atom, OneOf)}
        for each in terms_of("_||_", term)
    ]
    shared = [path for path in branches[0] if all(path in each for each in branches)]
    if not shared:
        return None
    values = {path: tuple(v for each in branches for v in each[path].values) for path in shared}
    path = min(shared, key=lambda each: (len(values[each]), each))
    return OneOf(path, values[path], truth=any(each[path].truth for each in branches))


def _bound(term: Call) -> Bound | None:
    left, right = term.args
    function, path, literal = term.function, path_of(left), right
    if path is None:
        function, path, literal = FLIPPED[term.function], path_of(right), left
    value = _plain(literal)
    if path is None or value is None or isinstance(value[0], bool) or not isinstance(value[0], int | float):
        return None
    return Bound(path, function in ("_>_", "_>=_"), value[0])


def path_of(node: Node) -> FieldPath | None:
    """The fields below `event`; None if it is something else, or the event itself."""
    names = []
    while isinstance(node, Select):
        names.append(node.field)
        node = node.operand
    return tuple(names[::-1]) if names and isinstance(node, Ident) and node.name == "event" else None


def _plain(node: Node) -> tuple[Plain] | None:
    """The value of a literal that can stand in an atom."""
    if not isinstance(node, Literal) or isinstance(node.value, bytes):
        return None
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool):
        value = int(value)  # CEL's unsigned are of another type
    if isinstance(value, int | float) and not abs(value) <= LARGEST:
        return None
    return (value,)
