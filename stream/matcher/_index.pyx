"""Finds which of many conditions on an event may hold, by one look-up for each path that they ask for.

Each condition is filed under one of its atoms, or among those that are always tried: `atoms` says which,
and why what is left out cannot hold, nor end in an error. What is found must still be judged.

    path category ─► texts     'shoes' → 0 4 9    'bags' → 2        a hash table
                     numbers   7.0 → 5                              sorted, by halving
                     null, false, true; missing: those that would end in an error
    path price    ─► lower     20 → 1, 50 → 3, 80 → 6               the value must not be below: a prefix
                     upper     90 → 7, 10 → 8                       the value must not be above: a prefix
    always           10 11

Equality is CEL's: numbers by value whatever their type, texts with texts, a boolean is not a number. As
atoms' numbers go up to 2**53, comparing as doubles finds all that are equal or in order, and at most some
that are not.

Cost: 10 to 20 ns for each path, and the hits; sorting only where hits of several places meet.
Tested by tests/matcher/test_index.py, on all events of a small world, and the reference model.
"""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport qsort
from libc.string cimport memcmp, memcpy

from stream.events._event cimport Event, Fields
from stream.events._value cimport KIND_FALSE, KIND_MISSING, KIND_NIL, KIND_TEXT, KIND_TRUE, ValueC, as_double

import orjson

from stream.matcher.atoms import Bound, choose, kinded

cdef enum:
    FEW = 24        # hits that are sorted by insertion


@cython.overflowcheck(False)    # a hash wraps around
cdef uint32_t hash_of(const char *text, uint32_t size) noexcept:
    """FNV-1a."""
    cdef uint32_t hash = 2166136261, at
    for at in range(size):
        hash = (hash ^ <uint8_t> text[at]) * 16777619
    return hash


cdef int by_number(const void *one, const void *other) noexcept nogil:
    return (<const int *> one)[0] - (<const int *> other)[0]


@cython.final
cdef class FieldIndex:
    def __cinit__(self, int slot, list atoms):
        """`atoms`: (position, atom) of one path."""
        cdef dict texts = {}, numbers = {}, others = {}
        cdef list missing = [at for at, atom in atoms if not atom.guarded]
        cdef list truths = [at for at, atom in atoms if not isinstance(atom, Bound) and atom.truth]
        cdef list bounds = [at for at, atom in atoms if isinstance(atom, Bound)]
        cdef list lower = [], upper = []
        self.slot = slot
        for position, atom in atoms:
            if isinstance(atom, Bound):
                (lower if atom.above else upper).append((float(atom.value), position))
                continue
            for kind, value in dict.fromkeys(map(kinded, atom.values)):
                if not atom.truth or type(value) is bool:   # other values stand among `truths`
                    table = {"text": texts, "number": numbers}.get(kind, others)
                    table.setdefault(value, []).append(position)
        groups = (*texts.values(), *numbers.values(), *others.values(), missing, truths, bounds)
        self.positions = <int *> PyMem_Malloc(max(sum(map(len, groups)), 1) * sizeof(int))
        self.lower = <BoundC *> PyMem_Malloc(max(len(lower), 1) * sizeof(BoundC))
        self.upper = <BoundC *> PyMem_Malloc(max(len(upper), 1) * sizeof(BoundC))
        if self.positions is NULL or self.lower is NULL or self.upper is NULL:
            raise MemoryError
        self.add_texts(texts)
        self.add_numbers(numbers)
        self.null, self.false, self.true = [self.group(others.get(each, ())) for each in (None, False, True)]
        self.missing, self.truths, self.bounds = map(self.group, (missing, truths, bounds))
        for value, position in sorted(lower):
            self.lower[self.n_lower].value, self.lower[self.n_lower].position = value, position
            self.n_lower += 1
        for value, position in sorted(upper, reverse=True):
            self.upper[self.n_upper].value, self.upper[self.n_upper].position = value, position
            self.n_upper += 1

    def __dealloc__(self):
        PyMem_Free(self.positions)
        PyMem_Free(self.texts)
        PyMem_Free(self.numbers)
        PyMem_Free(self.lower)
        PyMem_Free(self.upper)

    cdef GroupC group(self, positions):
        cdef GroupC group
        group.first, group.count = self.n_positions, len(positions)
        for position in positions:
            self.positions[self.n_positions] = position
            self.n_positions += 1
        return group

    cdef int add_texts(self, dict texts) except -1:
        cdef bytes encoded
        cdef uint32_t at
        self.owned = []
        self.mask = 3
        while self.mask < 2 * <uint32_t> len(texts):
            self.mask = 2 * self.mask + 1
        self.texts = <TextC *> PyMem_Calloc(self.mask + 1, sizeof(TextC))
        if self.texts is NULL:
            raise MemoryError
        for text, positions in texts.items():
            try:
                encoded = text.encode()
            except UnicodeEncodeError:      # half a surrogate pair: no record has such a text
                continue
            self.owned.append(encoded)
            self.longest = max(self.longest, <uint32_t> len(encoded))
            at = hash_of(encoded, <uint32_t> len(encoded)) & self.mask
            while self.texts[at].text is not NULL:
                at = (at + 1) & self.mask
            self.texts[at].text, self.texts[at].size = <const char *> encoded, <uint32_t> len(encoded)
            self.texts[at].group = self.group(positions)
        return 0

    cdef int add_numbers(self, dict numbers) except -1:
        self.numbers = <NumberC *> PyMem_Malloc(max(len(numbers), 1) * sizeof(NumberC))
        if self.numbers is NULL:
            raise MemoryError
        for value in sorted(numbers):
            self.numbers[self.n_numbers].value = value
            self.numbers[self.n_numbers].group = self.group(numbers[value])
            self.n_numbers += 1
        return 0

    cdef int copy(self, GroupC group, int *into) noexcept:
        memcpy(into, self.positions + group.first, group.count * sizeof(int))
        return group.count

    cdef int find(self, const ValueC *value, int *into) noexcept:
        """How many positions the value at the path leads to."""
        cdef double number = 0.0
        cdef int count
        if value.kind == KIND_MISSING:
            return self.copy(self.missing, into)
        if value.kind == KIND_TRUE or value.kind == KIND_FALSE:
            count = self.copy(self.true if value.kind == KIND_TRUE else self.false, into)
            return count + self.copy(self.bounds, into + count)
        count = self.copy(self.truths, into)
        if as_double(value, &number):
            count += self.find_number(number, into + count)
            return count + self.find_bounds(number, into + count)
        if value.kind == KIND_TEXT:
            count += self.find_text(value, into + count)
        elif value.kind == KIND_NIL:
            count += self.copy(self.null, into + count)
        return count + self.copy(self.bounds, into + count)

    cdef int find_text(self, const ValueC *value, int *into) noexcept:
        cdef TextC *text
        cdef uint32_t at
        if value.size > self.longest:
            return 0
        at = hash_of(value.of.text, value.size) & self.mask
        while True:
            text = &self.texts[at]
            if text.text is NULL:
                return 0
            if text.size == value.size and memcmp(text.text, value.of.text, text.size) == 0:
                return self.copy(text.group, into)
            at = (at + 1) & self.mask

    cdef int find_number(self, double number, int *into) noexcept:
        cdef int low = 0, high = self.n_numbers, middle
        while low < high:
            middle = (low + high) // 2
            if self.numbers[middle].value < number:
                low = middle + 1
            else:
                high = middle
        if low < self.n_numbers and self.numbers[low].value == number:
            return self.copy(self.numbers[low].group, into)
        return 0

    cdef int find_bounds(self, double number, int *into) noexcept:
        cdef int at = 0, count = 0
        while at < self.n_lower and self.lower[at].value <= number:
            into[count] = self.lower[at].position
            count += 1
            at += 1
        at = 0
        while at < self.n_upper and self.upper[at].value >= number:
            into[count] = self.upper[at].position
            count += 1
            at += 1
        return count


@cython.final
cdef class Index:
    """Of conditions on the event by their positions; None always holds. `fields` is not built yet."""

    def __cinit__(self, conditions, Fields fields not None):
        cdef dict by_path = {}
        cdef list always = []
        for position, atom in enumerate(choose(conditions)):
            if atom is None:
                always.append(position)
            else:
                by_path.setdefault(atom.path, []).append((position, atom))
        self.size = len(conditions)
        self.by_field = [FieldIndex(fields.slot(path), atoms) for path, atoms in by_path.items()]
        self.always = <int *> PyMem_Malloc(max(len(always), 1) * sizeof(int))
        if self.always is NULL:
            raise MemoryError
        for position in always:
            self.always[self.n_always] = position
            self.n_always += 1

    def __dealloc__(self):
        PyMem_Free(self.always)

    cdef int find(self, const ValueC *fields, int *into) noexcept:
        cdef FieldIndex field
        cdef int count = self.n_always, more, at, back, held
        cdef bint in_order = True
        memcpy(into, self.always, count * sizeof(int))
        for field in self.by_field:
            more = field.find(&fields[field.slot], into + count)
            if more and (count or field.bounds.count or field.truths.count):
                in_order = False
            count += more
        if in_order:
            return count
        if count > FEW:
            qsort(into, count, sizeof(int), by_number)
            return count
        for at in range(1, count):
            held, back = into[at], at
            while back and into[back - 1] > held:
                into[back] = into[back - 1]
                back -= 1
            into[back] = held
        return count


def candidates(conditions, event):
    """The positions of those conditions that may hold for an event, ascending. For tests and tools."""
    cdef Fields fields = Fields()
    cdef Index index = Index(conditions, fields)
    cdef int *found = <int *> PyMem_Malloc(max(index.size, 1) * sizeof(int))
    cdef Event read
    if found is NULL:
        raise MemoryError
    try:
        fields.build()
        read = Event(fields)
        if not read.read(orjson.dumps(event)):
            raise ValueError("no JSON object")
        return [found[at] for at in range(index.find(read.values, found))]
    finally:
        PyMem_Free(found)
