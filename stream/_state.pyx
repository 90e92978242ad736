# cython: autotestdict=False
"""What is remembered of each customer: parts by slot, and the windows of traits.

A `Layout` is made from a rule set and gives each source, trait and rule a slot. A `Customer` keeps by slot:

    applied    [offset, …]      by source: what of it has been applied, so that it is applied once
    traits     [cell, …]        by trait: Window (count, sum) | Latest (last) | {value of `per`: either}
    instances  [Instance, …]    waiting for their `unless`; each holds its first event as JSON
    sends      {rule: [time]}   the newest `limit.count` times at which the rule was sent

Windows. A slice's index is `event time // width`, width = ceil(W / 60) ms; the value at time t is that of
the slices t // width - 60 … t // width. Slices are sparse and ascending. When an event opens a slice, the
other slices that are more than 120 behind the newest one are dropped. So what is judged up to one whole
window behind the newest event of the trait is exact; a later straggler is counted and sees itself, but
not all that was around it, and is gone with the next slice. This depends on the customer's own events
only: it is the same live, restored and in a test. Sums are added up in the order of the slices. Of a
`per` map the least recently updated key goes first: when there are more than 1,000, or when nothing of it
is in reach any more.

Rule changes. A customer moves to a new layout when it is next looked up (`_customers`), and keeps a part
only if its id was in every layout since the customer's own (`Layout.since`): a definition that went and
came back starts anew, whether or not the customer was seen in between.

Cost: an update of a window about 50 ns. Customers and windows are kept out of the garbage collector: they
cannot form cycles.
Tested by tests/unit/test_state.py, and with the engine by the reference model.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.string cimport memmove

from bisect import insort

from stream.errors import LaneError

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF
cdef tuple TRUE_KEY = (True,)       # as keys of a dict True and 1 would be one
cdef tuple FALSE_KEY = (False,)


class _Absent:
    """The value of what is not there, told apart from JSON's null."""

    def __repr__(self):
        return "ABSENT"


ABSENT = _Absent()
cdef object absent = ABSENT


# --- scalars -----------------------------------------------------------------------------------

cdef bint is_scalar(object value) except -1:
    """Whether `last` can keep it: null, a boolean, a number or a string of at most 1 KiB."""
    cdef Py_ssize_t size = 0
    if value is None or type(value) is bool or type(value) is float:
        return True
    if type(value) is int:
        return -0x8000000000000000 <= value <= 0xFFFFFFFFFFFFFFFF
    if type(value) is str:
        PyUnicode_AsUTF8AndSize(value, &size)
        return size <= MAX_SCALAR
    return False


cdef object key_of(object value):
    """The dict key for a value of `per`; ABSENT for what is no key of a CEL map."""
    if type(value) is bool:
        return TRUE_KEY if value else FALSE_KEY
    if (type(value) is str or type(value) is int) and is_scalar(value):
        return value
    return absent


# --- definitions -------------------------------------------------------------------------------

@cython.final
@cython.auto_pickle(False)
cdef class Layout:
    """Slots for the sources, traits and rules of a rule set, by their stable ids.

    Traits of equal stable id share a slot. Rules are put in the order of priority (highest first) and name.
    `previous` is the layout that this one takes over from.
    """

    def __cinit__(self, rules, Layout previous=None):
        cdef dict since = previous.since if previous is not None else {}
        functions = {"count": COUNT, "sum": SUM, "last": LAST}
        definitions = {each.stable_id: each for each in rules.traits}
        ordered = sorted(rules.rules, key=lambda each: (-each.priority, each.name))
        self.generation = previous.generation + 1 if previous is not None else 0
        self.sources = tuple(each.name for each in rules.sources)
        self.traits = tuple(definitions)
        self.rules = tuple(each.stable_id for each in ordered)
        self.source_slots = {name: slot for slot, name in enumerate(self.sources)}
        self.trait_slots = {name: slot for slot, name in enumerate(self.traits)}
        self.rule_slots = {name: slot for slot, name in enumerate(self.rules)}
        if len(self.rule_slots) != len(self.rules) or len(self.source_slots) != len(self.sources):
            raise LaneError("two rules of one stable id, or two sources of one name, in a compiled rule set")
        keys = [(kind, name) for kind in ("sources", "traits", "rules") for name in getattr(self, kind)]
        self.since = {key: since.get(key, self.generation) for key in keys}
        self.n_sources = len(self.sources)
        self.n_traits = len(self.traits)
        self.trait = <TraitC *> PyMem_Malloc(max(self.n_traits, 1) * sizeof(TraitC))
        if self.trait is NULL:
            raise MemoryError
        for slot, trait in enumerate(definitions.values()):
            self.trait[slot].function = functions[trait.function]
            self.trait[slot].per = trait.per is not None
            self.trait[slot].width = 0 if trait.over is None else (trait.over + SLICES - 1) // SLICES

    def __dealloc__(self):
        PyMem_Free(self.trait)

    def slots_from(self, Layout older):
        """For each slot of sources, traits and rules in `older`: the slot here, -1 where it is dropped."""
        def moved(kind, slots):
            return [
                slots[name] if self.since.get((kind, name), NEVER) <= older.generation else -1
                for name in getattr(older, kind)
            ]

        return tuple([
            moved("sources", self.source_slots),
            moved("traits", self.trait_slots),
            moved("rules", self.rule_slots),
        ])


# --- windows -----------------------------------------------------------------------------------

@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Window:
    """Amounts by slice, for `count` and `sum`."""

    def __dealloc__(self):
        PyMem_Free(self.slices)

    cdef int add(self, int64_t index, double amount) except -1:
        cdef int at = self.n, gone = 0
        cdef int64_t newest
        while at and self.slices[at - 1].index > index:
            at -= 1
        if at and self.slices[at - 1].index == index:
            self.slices[at - 1].amount += amount
            return 0
        newest = index if at == self.n else self.slices[self.n - 1].index
        while gone < self.n and self.slices[gone].index < newest - KEPT:
            gone += 1
        if gone:
            memmove(self.slices, self.slices + gone, (self.n - gone) * sizeof(SliceC))
            self.n -= gone
            at = max(at - gone, 0)
        return self.insert(at, index, amount)

    cdef int insert(self, int at, int64_t index, double amount) except -1:
        cdef int room = max(2 * self.room, 1)
        cdef SliceC *grown
        if self.n == self.room:
            grown = <SliceC *> PyMem_Realloc(self.slices, room * sizeof(SliceC))
            if grown is NULL:
                raise MemoryError
            self.slices = grown
            self.room = room
        memmove(self.slices + at + 1, self.slices + at, (self.n - at) * sizeof(SliceC))
        self.slices[at].index = index
        self.slices[at].amount = amount
        self.n += 1
        return 0

    cdef double total(self, int64_t first, int64_t last) noexcept:
        cdef double total = 0.0
        cdef int at = self.n
        while at and self.slices[at - 1].index >= first:
            at -= 1
        while at < self.n and self.slices[at].index <= last:
            total += self.slices[at].amount
            at += 1
        return total


@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Latest:
    """The latest value by slice, for `last`; of equal times the one applied later."""

    def __cinit__(self):
        self.entries = []

    cdef int put(self, int64_t index, int64_t time, object value) except -1:
        cdef list entries = self.entries
        cdef Py_ssize_t at = len(entries), gone = 0
        cdef int64_t newest
        while at and <int64_t> entries[at - 1][0] > index:
            at -= 1
        if at and <int64_t> entries[at - 1][0] == index:
            if time >= <int64_t> entries[at - 1][1]:
                entries[at - 1] = (index, time, value)
            return 0
        newest = index if at == len(entries) else entries[len(entries) - 1][0]
        while gone < len(entries) and <int64_t> entries[gone][0] < newest - KEPT:
            gone += 1
        del entries[:gone]
        entries.insert(max(at - gone, 0), (index, time, value))
        return 0

    cdef object value(self, int64_t first, int64_t last):
        for index, _, value in reversed(self.entries):
            if index <= last:
                return value if index >= first else absent
        return absent


cdef int64_t newest_of(object cell) except -1:
    cdef Window window
    if type(cell) is Window:
        window = <Window> cell
        return window.slices[window.n - 1].index
    entries = (<Latest> cell).entries
    return entries[len(entries) - 1][0]


# --- a customer --------------------------------------------------------------------------------

@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Instance:
    """A rule's first step that waits: fires at `deadline` unless it is closed."""


@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Customer:
    """One customer's parts, by the slots of `layout`."""

    def __cinit__(self, str id not None, Layout layout not None):
        cdef int slot
        self.id = id
        self.layout = layout
        self.traits = [None] * layout.n_traits
        self.instances = []
        self.applied = <int64_t *> PyMem_Malloc(max(layout.n_sources, 1) * sizeof(int64_t))
        if self.applied is NULL:
            raise MemoryError
        for slot in range(layout.n_sources):
            self.applied[slot] = -1

    def __dealloc__(self):
        PyMem_Free(self.applied)

    cdef int update(self, int slot, object key, int64_t time, double amount, object value) except -1:
        """Counts an event for a trait: `amount` for count and sum, `value` for last; `key` with `per`."""
        cdef TraitC *trait = &self.layout.trait[slot]
        cdef int64_t index = time // trait.width if trait.width else 0
        cdef object cell = self.traits[slot]
        cdef dict cells = None
        if trait.per:
            if cell is None:
                cell = self.traits[slot] = {}
            cells = <dict> cell
            cell = cells.pop(key, None)     # and put back at the end: the least recently updated comes first
        if cell is None:
            cell = Latest.__new__(Latest) if trait.function == LAST else Window.__new__(Window)
            if cells is None:
                self.traits[slot] = cell
        if trait.function == LAST:
            (<Latest> cell).put(index, time, value)
        else:
            (<Window> cell).add(index, amount)
        if cells is not None:
            cells[key] = cell
            first = next(iter(cells))
            if len(cells) > MAX_KEYS or (trait.width and newest_of(cells[first]) < index - KEPT):
                del cells[first]
        return 0

    cdef object value(self, int slot, object key, int64_t at):
        """A trait's value as of `at`; ABSENT where it has none (last)."""
        cdef TraitC *trait = &self.layout.trait[slot]
        cdef int64_t last = at // trait.width if trait.width else 0
        cdef object cell = self.traits[slot]
        cdef double total
        if trait.per and cell is not None:
            cell = (<dict> cell).get(key)
        if trait.function == LAST:
            return absent if cell is None else (<Latest> cell).value(last - SLICES, last)
        total = 0.0 if cell is None else (<Window> cell).total(last - SLICES, last)
        return <int64_t> total if trait.function == COUNT else total

    cdef int sent(self, int rank, int64_t at, Py_ssize_t keep) except -1:
        """Enters a send. The newest `keep` times decide a limit of `keep`, so no others are kept."""
        if self.sends is None:
            self.sends = {}
        times = self.sends.setdefault(rank, [])
        insort(times, at)
        if len(times) > keep:
            del times[0]
        return 0
