# cython: autotestdict=False
"""Finds which of many conditions on an event may hold, by one look-up for each path that they ask for.

    event.category == 'shoes' && event.price > 50       under ("category",): 'shoes'
    event.store in ['s1', 's2']                         under ("store",): 's1' and 's2'
    event.member && event.price > 50                    under ("member",): true
    event.price > 50                                    no atom: always tried

An atom is a conjunct that says which literals the value at a path may be. Each condition stands under
one of its atoms: that whose path has most distinct values over all conditions, as it leaves fewest to try.

Sound: what `find` leaves out cannot hold. A conjunction is true only if every conjunct is, and an atom only
if the path leads to a value equal to one of its literals. Equality is CEL's: numbers by value whatever
their type, texts with texts, a boolean is no number; hence a dict for each kind. Numbers beyond 2**53 and
bytes make no atoms. The reverse does not hold: what is found must still be judged. A condition that would
have ended in an error does not hold either; left out, it is not counted among the errors.

Cost: about a field look-up for each path, and the hits; sorting only where hits of several places meet.
Tested by tests/unit/test_index.py, on all events of a small world, and the reference model.
"""

cimport cython
from cpython.object cimport PyObject

from stream._frame cimport reach

from stream.expression import Call, Ident, Literal, Select, terms_of

cdef object LARGEST = 2**53         # up to here ints and doubles are the same numbers


@cython.final
@cython.auto_pickle(False)
cdef class Lookup:
    def __cinit__(self, tuple path):
        self.path = path
        self.texts, self.numbers, self.others = {}, {}, {}


@cython.final
@cython.auto_pickle(False)
cdef class Index:
    """Of conditions on the event by their positions; None always holds."""

    def __cinit__(self, conditions):
        cdef Lookup lookup
        cdef dict by_path = {}
        self.always = []
        for position, atom in enumerate(choose(conditions)):
            if atom is None:
                self.always.append(position)
                continue
            path, values = atom
            if path not in by_path:
                by_path[path] = Lookup(path)
            lookup = by_path[path]
            for kind, value in dict.fromkeys(map(_kinded, values)):
                table = {"text": lookup.texts, "number": lookup.numbers}.get(kind, lookup.others)
                table.setdefault(value, []).append(position)
        self.lookups = list(by_path.values())

    def candidates(self, dict event not None):
        """The positions of those that may hold, ascending. For tests and tools."""
        return list(self.find(event))

    cdef list find(self, dict event):
        cdef Lookup lookup
        cdef PyObject *value
        cdef list found = self.always
        cdef bint own = False
        for lookup in self.lookups:
            value = reach(event, lookup.path)
            if value is NULL:
                continue
            kind = type(<object> value)
            if kind is str:
                hits = lookup.texts.get(<object> value)
            elif kind is int or kind is float:
                hits = lookup.numbers.get(<object> value)
            elif kind is bool or <object> value is None:
                hits = lookup.others.get(<object> value)
            else:
                continue
            if hits is None:
                continue
            if not found:
                found = hits
            else:
                found = found + hits
                own = True
        if own:
            found.sort()
        return found


def _kinded(value):
    if isinstance(value, str):
        return "text", value
    return ("other", value) if value is None or isinstance(value, bool) else ("number", value)


def choose(conditions):
    """The atom that each condition is found by; None for those that are always tried."""
    found = [[] if each is None else atoms(each) for each in conditions]
    values, users = {}, {}
    for each in found:
        for path, literals in each:
            values.setdefault(path, set()).update(map(_kinded, literals))
            users[path] = users.get(path, 0) + 1
    return [
        min(each, key=lambda at: (-len(values[at[0]]), -users[at[0]], len(at[1]), at[0]), default=None)
        for each in found
    ]


def atoms(condition):
    """(path, literals) of each conjunct that says which literals the value at a path may be."""
    found = []
    for term in terms_of("_&&_", condition):
        atom = _atom(term)
        if atom is not None:
            found.append(atom)
    return found


def _atom(term):
    if not isinstance(term, Call):
        path = _path(term)
        return None if path is None else (path, (True,))
    left = _path(term.args[0]) if term.args else None
    if term.function == "!_":
        return None if left is None else (left, (False,))
    if term.function == "_==_":
        right = term.args[1]
        if left is None:
            left, right = _path(right), term.args[0]
        literals = (right,)
    elif term.function == "@in" and isinstance(term.args[1], Call) and term.args[1].function == "[]":
        literals = term.args[1].args
    else:
        return None
    if left is None or not all(map(_is_plain, literals)):
        return None
    return left, tuple([int(each.value) if _is_integer(each.value) else each.value for each in literals])


def _path(node):
    """The fields below `event`; None if it is something else, or the event itself."""
    names = []
    while isinstance(node, Select):
        names.append(node.field)
        node = node.operand
    return tuple(names[::-1]) if names and isinstance(node, Ident) and node.name == "event" else None


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_plain(node):
    if not isinstance(node, Literal) or isinstance(node.value, bytes):
        return False
    return not isinstance(node.value, (int, float)) or abs(node.value) <= LARGEST
