# cython: autotestdict=False
"""What is remembered of each customer: parts by slot, and the windows of traits.

A `Layout` is made from a rule set and gives each source, trait, rule and counter a slot; it is shared by all
partitions. A `Customer` keeps by slot:

    applied     [offset, …]      by source: what of it has been applied, so that it is applied once
    traits      [cell, …]        by trait: a cell, or with `per` {value: cell}
    instances   [Instance, …]    begun sequences, what waits for its `unless`, what quiet hours put off
    sends       {counter: [time]}   the newest times at which it was sent; a counter is a rule's limit, a
                                 channel's cap or the policy's, as many times as that looks at
    attributes, consents         of the profile: they belong to no definition
    taken                        the groups that timers of the last moment took: others of that moment may
                                 come only after a restart

    cells   Window (count, sum, min, max)   Mean (two windows)   Marked (first, last: a value a slice)
            Values (distinct, top: a window a value)   Times (gap: the times themselves)

Windows. A slice's index is `event time // width`, width = ceil(W / 60) ms; the value at time t is that of
the slices t // width - 60 … t // width. Slices are sparse and ascending. When an event opens a slice, the
other slices that are more than 120 behind the newest one are dropped. So what is judged up to one whole
window behind the newest event of the trait is exact; a later straggler is counted and sees itself, but
not all that was around it, and is gone with the next slice. This depends on the customer's own events
only: it is the same live, restored and in a test. Sums are added up in the order of the slices. Of a
`per` map, and of the values of `distinct` and `top`, the least recently updated one goes first: when there
are too many (`update` says so), or when nothing of it is in reach any more. A `gap` keeps the newest times.

Rule changes. A customer moves to a new layout when it is next looked up (`_customers`), and keeps a part
only if its id was in every layout since the customer's own: a definition that went and came back starts
anew, whether or not the customer was seen in between.

Cost: an update of a window about 50 ns. Customers and windows are kept out of the garbage collector: they
cannot form cycles.
Tested by tests/unit/test_state.py, and with the engine by the reference model.
Longer than 450 lines: the cells share their slices, and `Customer.update` and `value` choose among them.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.math cimport sqrt
from libc.string cimport memmove

from bisect import insort

from stream._value import ABSENT
from stream.errors import LaneError

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF
cdef tuple TRUE_KEY = (True,)       # as keys of a dict True and 1 would be one
cdef tuple FALSE_KEY = (False,)
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


cdef object scalar_of(object key):
    """The value that a dict key stands for."""
    return key[0] if type(key) is tuple else key


# --- definitions -------------------------------------------------------------------------------

cdef dict FUNCTIONS = {
    "count": COUNT, "sum": SUM, "last": LAST, "mean": MEAN, "min": MIN, "max": MAX, "first": FIRST,
    "distinct": DISTINCT, "top": TOP, "gap": GAP,
}


@cython.final
@cython.auto_pickle(False)
cdef class Layout:
    """Slots for the sources, traits, rules and counters of a rule set, by names and stable ids. Immutable.

    Traits of equal stable id share a slot. Rules are put in the order of priority (highest first) and name.
    Counters are `rule:NAME`, `channel:NAME` and `policy`.
    """

    def __cinit__(self, rules):
        definitions = {each.stable_id: each for each in rules.traits}
        ordered = sorted(rules.rules, key=lambda each: (-each.priority, each.name))
        self.sources = tuple([each.name for each in rules.sources])
        self.traits = tuple(definitions)
        self.rules = tuple([each.stable_id for each in ordered])
        counters = [f"rule:{each.name}" for each in ordered if each.limit is not None]
        counters += [f"channel:{each.name}" for each in rules.channels if each.cap is not None]
        self.counters = (*counters, "policy") if rules.policy.cap is not None else tuple(counters)
        self.source_slots = {name: slot for slot, name in enumerate(self.sources)}
        self.trait_slots = {name: slot for slot, name in enumerate(self.traits)}
        self.rule_slots = {name: slot for slot, name in enumerate(self.rules)}
        self.counter_slots = {name: slot for slot, name in enumerate(self.counters)}
        if len(self.rule_slots) != len(self.rules) or len(self.source_slots) != len(self.sources):
            raise LaneError("two rules of one stable id, or two sources of one name, in a compiled rule set")
        self.n_sources = len(self.sources)
        self.n_traits = len(self.traits)
        self.trait = <TraitC *> PyMem_Malloc(max(self.n_traits, 1) * sizeof(TraitC))
        if self.trait is NULL:
            raise MemoryError
        for slot, trait in enumerate(definitions.values()):
            nested = trait.per is not None and trait.function in ("distinct", "top", "gap")
            self.trait[slot].function = FUNCTIONS[trait.function]
            self.trait[slot].per = trait.per is not None
            self.trait[slot].k = trait.k
            self.trait[slot].keys = self.trait[slot].values = MAX_NESTED if nested else MAX_KEYS
            self.trait[slot].width = 0 if trait.over is None else (trait.over + SLICES - 1) // SLICES

    def __dealloc__(self):
        PyMem_Free(self.trait)

    def slots(self):
        """For each kind of part its slots by id."""
        return {
            "source": self.source_slots, "trait": self.trait_slots,
            "rule": self.rule_slots, "counter": self.counter_slots,
        }


# --- windows -----------------------------------------------------------------------------------

@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Window:
    """Amounts by slice: what `count` and `sum` add up, and `min` and `max` choose from."""

    def __dealloc__(self):
        PyMem_Free(self.slices)

    cdef int add(self, int function, int64_t index, double amount) except -1:
        cdef int at = self.n, gone = 0
        cdef int64_t newest
        cdef SliceC *slice
        while at and self.slices[at - 1].index > index:
            at -= 1
        if at and self.slices[at - 1].index == index:
            slice = &self.slices[at - 1]
            if function == MIN:
                slice.amount = min(slice.amount, amount)
            elif function == MAX:
                slice.amount = max(slice.amount, amount)
            else:
                slice.amount += amount
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

    cdef object extreme(self, int function, int64_t first, int64_t last):
        cdef double found = 0.0
        cdef bint some = False
        cdef int at
        for at in range(self.n):
            if first <= self.slices[at].index <= last:
                if not some or (self.slices[at].amount < found) == (function == MIN):
                    found = self.slices[at].amount
                some = True
        return found if some else absent


@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Mean:
    """Sums and counts by slice."""

    def __cinit__(self):
        self.sums, self.counts = Window.__new__(Window), Window.__new__(Window)


@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Marked:
    """A value by slice: the earliest one for `first`, the latest for `last`.

    Of equal times `first` keeps the one applied first, `last` the one applied later.
    """

    def __cinit__(self):
        self.entries = []

    cdef int put(self, int function, int64_t index, int64_t time, object value) except -1:
        cdef list entries = self.entries
        cdef Py_ssize_t at = len(entries), gone = 0
        cdef int64_t newest, there
        while at and <int64_t> entries[at - 1][0] > index:
            at -= 1
        if at and <int64_t> entries[at - 1][0] == index:
            there = entries[at - 1][1]
            if time < there if function == FIRST else time >= there:
                entries[at - 1] = (index, time, value)
            return 0
        newest = index if at == len(entries) else entries[len(entries) - 1][0]
        while gone < len(entries) and <int64_t> entries[gone][0] < newest - KEPT:
            gone += 1
        del entries[:gone]
        entries.insert(max(at - gone, 0), (index, time, value))
        return 0

    cdef object value(self, int function, int64_t first, int64_t last):
        for index, _, value in self.entries if function == FIRST else reversed(self.entries):
            if first <= index <= last:
                return value
        return absent


@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Values:
    """How often each value occurred, by slice, for `distinct` and `top`."""

    def __cinit__(self):
        self.windows = {}

    cdef int put(self, TraitC *trait, int64_t index, object value) except -1:
        """Counts a value; 1 if another had to make room."""
        cdef Window window = self.windows.pop(value, None)      # and put back at the end
        if window is None:
            window = Window.__new__(Window)
        window.add(COUNT, index, 1.0)
        self.windows[value] = window
        return make_room(self.windows, trait, trait.values, index)

    cdef object distinct(self, int64_t first, int64_t last):
        cdef Window window
        cdef int64_t count = 0
        for window in self.windows.values():
            if window.total(first, last) > 0:
                count += 1
        return count

    cdef object top(self, int k, int64_t first, int64_t last):
        """The most frequent values; of equal counts booleans, numbers, strings, each ascending."""
        cdef Window window
        cdef double total
        found = []
        for key, window in self.windows.items():
            total = window.total(first, last)
            if total > 0:
                value = scalar_of(key)
                kind = 2 if type(value) is str else 0 if type(value) is bool else 1
                found.append((-total, kind, value))
        found.sort()
        return [value for _, _, value in found[:k]] if found else absent


@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Times:
    """When something occurred, for `gap`."""

    def __dealloc__(self):
        PyMem_Free(self.times)

    cdef int put(self, TraitC *trait, int64_t time) except -1:
        """Enters a time; 1 if the oldest had to make room."""
        cdef int at = self.n, gone = 0, crowded
        cdef int64_t newest
        while at and self.times[at - 1] > time:
            at -= 1
        self.insert(at, time)
        if trait.width:
            newest = self.times[self.n - 1] // trait.width
            while self.times[gone] // trait.width < newest - KEPT:
                gone += 1
        crowded = self.n - gone > trait.values
        gone += crowded
        if gone:
            self.n -= gone
            memmove(self.times, self.times + gone, self.n * sizeof(int64_t))
        return crowded

    cdef int insert(self, int at, int64_t time) except -1:
        cdef int room = max(2 * self.room, 2)
        cdef int64_t *grown
        if self.n == self.room:
            grown = <int64_t *> PyMem_Realloc(self.times, room * sizeof(int64_t))
            if grown is NULL:
                raise MemoryError
            self.times = grown
            self.room = room
        memmove(self.times + at + 1, self.times + at, (self.n - at) * sizeof(int64_t))
        self.times[at] = time
        self.n += 1
        return 0

    cdef object value(self, int64_t width, int64_t first, int64_t last, int64_t at):
        """{mean, deviation, since} in seconds, those that there are; ABSENT of nothing."""
        cdef int begin = 0, end = self.n, each
        cdef double mean, apart, squares = 0.0
        if width:
            while begin < end and self.times[begin] // width < first:
                begin += 1
            while end > begin and self.times[end - 1] // width > last:
                end -= 1
        if begin == end:
            return absent
        found = {"since": (at - self.times[end - 1]) / 1000.0}
        if end - begin > 1:
            mean = <double> (self.times[end - 1] - self.times[begin]) / (end - begin - 1)
            for each in range(begin + 1, end):
                apart = <double> (self.times[each] - self.times[each - 1]) - mean
                squares += apart * apart
            found["mean"] = mean / 1000.0
            found["deviation"] = sqrt(squares / (end - begin - 1)) / 1000.0
        return found


cdef object new_cell(int function):
    if function == FIRST or function == LAST:
        return Marked.__new__(Marked)
    if function == DISTINCT or function == TOP:
        return Values.__new__(Values)
    if function == MEAN:
        return Mean.__new__(Mean)
    return Times.__new__(Times) if function == GAP else Window.__new__(Window)


cdef int64_t newest_of(object cell, TraitC *trait) except -1:
    """The index of a cell's newest slice."""
    if type(cell) is Window:
        return (<Window> cell).slices[(<Window> cell).n - 1].index
    if type(cell) is Mean:
        return newest_of((<Mean> cell).counts, trait)
    if type(cell) is Times:
        return (<Times> cell).times[(<Times> cell).n - 1] // trait.width
    if type(cell) is Values:
        return max([newest_of(window, trait) for window in (<Values> cell).windows.values()])
    entries = (<Marked> cell).entries
    return entries[len(entries) - 1][0]


cdef int make_room(dict cells, TraitC *trait, int most, int64_t index) except -1:
    """Drops the least recently updated one of too many (then 1), or if nothing of it is in reach."""
    cdef bint crowded = len(cells) > most
    first = next(iter(cells))
    if crowded or (trait.width and newest_of(cells[first], trait) < index - KEPT):
        del cells[first]
    return crowded


# --- a customer --------------------------------------------------------------------------------

@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Consent:
    """What a customer has said for a purpose."""

    def __init__(self, bint granted, int64_t at, str basis=None):
        self.granted, self.at, self.basis = granted, at, basis


@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Instance:
    """A rule that has begun: waits for a step until `deadline`, or fires then unless it is closed.

    Immutable but for `open` and `rank`: one that advances is replaced by another.
    """


@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class Customer:
    """One customer's parts, by the slots of `layout`."""

    def __cinit__(self, str id not None, Layout layout not None, int generation=0):
        cdef int slot
        self.id = id
        self.layout = layout
        self.generation = generation
        self.taken_at = -1
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
        """Counts an event for a trait; 1 if something had to make room for it.

        `amount` is the number that the function takes (1 for a count), `value` what `first`, `last`,
        `distinct` and `top` take; `key` is that of `per`.
        """
        cdef TraitC *trait = &self.layout.trait[slot]
        cdef int function = trait.function, crowded = 0
        cdef int64_t index = time // trait.width if trait.width else 0
        cdef object cell = self.traits[slot]
        cdef dict cells = None
        if trait.per:
            if cell is None:
                cell = self.traits[slot] = {}
            cells = <dict> cell
            cell = cells.pop(key, None)     # and put back at the end: the least recently updated comes first
        if cell is None:
            cell = new_cell(function)
            if cells is None:
                self.traits[slot] = cell
        if type(cell) is Window:
            (<Window> cell).add(function, index, amount)
        elif type(cell) is Marked:
            (<Marked> cell).put(function, index, time, value)
        elif type(cell) is Mean:
            (<Mean> cell).sums.add(SUM, index, amount)
            (<Mean> cell).counts.add(COUNT, index, 1.0)
        elif type(cell) is Values:
            crowded = (<Values> cell).put(trait, index, value)
        else:
            crowded = (<Times> cell).put(trait, time)
        if cells is not None:
            cells[key] = cell
            crowded |= make_room(cells, trait, trait.keys, index)
        return crowded

    cdef object value(self, int slot, object key, int64_t at):
        """A trait's value as of `at`; ABSENT where it has none."""
        cdef TraitC *trait = &self.layout.trait[slot]
        cdef int function = trait.function
        cdef int64_t last = at // trait.width if trait.width else 0
        cdef int64_t first = last - SLICES
        cdef object cell = self.traits[slot]
        cdef double count
        if trait.per and cell is not None:
            cell = (<dict> cell).get(key)
        if cell is None:
            return 0 if function == COUNT or function == DISTINCT else 0.0 if function == SUM else absent
        if function == COUNT:
            return <int64_t> (<Window> cell).total(first, last)
        if function == SUM:
            return (<Window> cell).total(first, last)
        if function == MIN or function == MAX:
            return (<Window> cell).extreme(function, first, last)
        if function == MEAN:
            count = (<Mean> cell).counts.total(first, last)
            return (<Mean> cell).sums.total(first, last) / count if count > 0 else absent
        if function == DISTINCT:
            return (<Values> cell).distinct(first, last)
        if function == TOP:
            return (<Values> cell).top(trait.k, first, last)
        if function == GAP:
            return (<Times> cell).value(trait.width, first, last, at)
        return (<Marked> cell).value(function, first, last)

    cdef int sent(self, int counter, int64_t at, Py_ssize_t keep) except -1:
        """Enters a send. The newest `keep` times decide a limit of `keep`, so no others are kept."""
        if self.sends is None:
            self.sends = {}
        times = self.sends.setdefault(counter, [])
        insort(times, at)
        del times[:max(len(times) - keep, 0)]
        return 0
