"""Reading the byte form of parts, which may be corrupt. What the bytes mean is said in `_windows`,
`_instances` and `_codec`.

Nothing is believed: every length is held against what is left, every count against what the definition
allows, every text is UTF-8, every number as short as it can be (so that equal keys have equal bytes).
Tested by tests/state/test_codec.py.
"""

cimport cython
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from stream.state._packed cimport MAX_SCALAR, span, unzigzag
from stream.events._value cimport (
    KIND_DOUBLE,
    KIND_FALSE,
    KIND_INTEGER,
    KIND_MISSING,
    KIND_NIL,
    KIND_TEXT,
    KIND_TRUE,
    KIND_UNSIGNED,
)
from stream.state._windows cimport (
    FUNCTION_COUNT,
    FUNCTION_DISTINCT,
    FUNCTION_FIRST,
    FUNCTION_GAP,
    FUNCTION_LAST,
    FUNCTION_LIST,
    FUNCTION_MEAN,
    MOST_SLICES,
    FUNCTION_TOP,
    EntryC,
    TraitC,
    index_of,
    next_entry,
)
from stream.events._times cimport LATEST, NEVER

import orjson

from stream.errors import StateError

cdef enum:
    ID = 6              # bytes of an id
    MAX_STEPS = 10
    FEW_KEYS = 24       # are compared where their sums are equal

cdef int64_t MAX_DEADLINE = 1 << 62
cdef uint64_t MAX_COUNT = 1 << 53           # amounts are doubles: whole numbers are exact up to here


@cython.no_gc
@cython.final
cdef class StateReader:
    """Goes over bytes from `at` to `end`, and raises StateError at what cannot be."""

    cdef uint64_t number(self) except? 0:
        """A varint; StateError if it is cut off, longer than it has to be, or of more than 64 bits."""
        cdef uint8_t first
        if self.at < self.end:
            first = self.at[0]
            if first < 0x80:
                self.at += 1
                return first
        return self.long_number()

    cdef uint64_t long_number(self) except? 0:
        cdef uint64_t value = 0
        cdef int shift = 0
        cdef uint8_t byte
        while self.at < self.end:
            byte = self.at[0]
            self.at += 1
            if shift == 63 and byte > 1:
                raise corrupt("a number has more than 64 bits")
            value |= <uint64_t> (byte & 0x7F) << shift
            if not byte & 0x80:
                if shift and not byte:
                    raise corrupt("a number is longer than it has to be")
                return value
            shift += 7
        raise corrupt("it ends within a number")

    cdef int64_t bounded(self, uint64_t most) except -1:
        cdef uint64_t value = self.number()
        if value > most:
            raise corrupt("a number is larger than it can be")
        return <int64_t> value

    cdef int64_t signed(self, int64_t base, int64_t most) except -1:
        """A number that is written as its difference from `base`, from 0 to `most`."""
        cdef int64_t value = unzigzag(self.number())
        if base < 0 or value < -base or value > most - base:
            raise corrupt("a time is out of range")
        return base + value

    cdef int64_t older(self, int64_t than, int64_t least) except -1:
        """A time or an index that is written as how much older it is than another: by `least` or more."""
        cdef uint64_t value = self.number()
        if value > <uint64_t> than or value < <uint64_t> least:
            raise corrupt("the times of a part are not in order")
        return than - <int64_t> value

    cdef Py_ssize_t length(self) except -1:
        """A count or a length: what is counted takes at least a byte, so it is at most what is left."""
        cdef uint64_t value = self.number()
        if value > <uint64_t> span(self.at, self.end):     # what is left after the number itself
            raise corrupt("a length or a count goes beyond its end")
        return <Py_ssize_t> value

    cdef const uint8_t *within(self) except NULL:
        """Goes into what has a length before it; gives the end of what is around it, for `leave`."""
        cdef Py_ssize_t size = self.length()
        cdef const uint8_t *around = self.end
        self.end = self.at + size
        return around

    cdef int leave(self, const uint8_t *around) except -1:
        if self.at != self.end:
            raise corrupt("a part is longer or shorter than it says")
        self.end = around
        return 0

    cdef int skip(self, Py_ssize_t size) except -1:
        if span(self.at, self.end) < size:
            raise corrupt("it ends within a number")
        self.at += size
        return 0

    cdef uint64_t id(self) except? 0:
        cdef uint64_t id = 0
        self.skip(ID)
        memcpy(&id, self.at - ID, ID)
        return id

    cdef int utf8(self, Py_ssize_t size) except -1:
        """Goes past a text of so many bytes, which there are."""
        cdef const uint8_t *begin = self.at
        cdef uint8_t high = 0
        self.at += size
        while begin != self.at:
            high |= begin[0]
            begin += 1
        if high & 0x80:
            try:
                PyUnicode_DecodeUTF8(<const char *> self.at - size, size, NULL)
            except UnicodeDecodeError:
                raise corrupt("a text is not UTF-8") from None
        return 0

    cdef str text(self):
        cdef Py_ssize_t size = self.length()
        self.utf8(size)
        return PyUnicode_DecodeUTF8(<const char *> self.at - size, size, NULL)

    cdef bytes raw(self):
        cdef Py_ssize_t size = self.length()
        self.at += size
        return (<const char *> self.at - size)[:size]

    cdef int scalar(self, bint as_key) except -1:
        cdef uint64_t head = self.number()
        cdef uint64_t kind = head & 7, size = head >> 3
        if kind == KIND_TEXT and size <= MAX_SCALAR and size <= <uint64_t> span(self.at, self.end):
            return self.utf8(size)
        if size == 0 and kind == KIND_INTEGER:
            self.number()
        elif size == 0 and kind == KIND_DOUBLE and not as_key:
            self.skip(8)
        elif size != 0 or not (
            kind == KIND_TRUE or kind == KIND_FALSE
            or (kind == KIND_NIL and not as_key)
            or (kind == KIND_UNSIGNED and self.number() > <uint64_t> NEVER)
        ):
            raise corrupt("a value is of no known kind")
        return 0

    cdef dict json_object(self, bytes value):
        try:
            found = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise corrupt("an event or a profile is not JSON") from None
        if type(found) is not dict:
            raise corrupt("an event or a profile is no JSON object")
        return found

    # - traits

    cdef int body(self, const TraitC *trait) except -1:
        """Base and body of a trait's part, up to the end."""
        cdef int64_t base = self.bounded(LATEST)
        if trait.per:
            return self.entries(trait, base, trait.keys, False)
        return self.cell(trait, base)

    cdef int cell(self, const TraitC *trait, int64_t base) except -1:
        if trait.function == FUNCTION_FIRST or trait.function == FUNCTION_LAST:
            return self.marks(trait, base)
        if trait.function == FUNCTION_GAP:
            return self.times(base, trait.values)
        if trait.function == FUNCTION_DISTINCT or trait.function == FUNCTION_TOP:
            return self.entries(trait, base, trait.values, True)
        if trait.function == FUNCTION_LIST:
            return self.elements(trait, base)
        return self.window(trait, trait.function, base)

    cdef int entries(self, const TraitC *trait, int64_t base, int most, bint nested) except -1:
        cdef const uint8_t *begin = self.at
        cdef const uint8_t *around
        cdef const uint8_t *entry
        cdef const uint8_t *key
        cdef uint64_t seen = 0, bit
        cdef bint twice = False
        cdef int count = 0
        while self.at != self.end:
            entry = self.at
            around = self.within()
            key = self.at
            self.scalar(True)
            if count < FEW_KEYS:
                bit = <uint64_t> 1 << sum_of(key, self.at)
                twice = twice or (seen & bit and stands_in(begin, entry, key, span(key, self.at)))
                seen |= bit
            if nested:
                self.window(trait, FUNCTION_COUNT, base)
            else:
                self.cell(trait, base)
            self.leave(around)
            count += 1
        self.some(count, most)
        if twice or (count > FEW_KEYS and have_twice(begin, self.end, count)):
            raise corrupt("a part is there twice")
        return 0

    cdef int elements(self, const TraitC *trait, int64_t base) except -1:
        cdef const uint8_t *begin = self.at
        cdef const uint8_t *around
        cdef int count = 0
        while self.at != self.end:
            around = self.within()
            if trait.keyed:
                self.scalar(True)
            elif self.number() != KIND_MISSING:
                raise corrupt("a value is of no known kind")
            self.signed(base, LATEST)
            for _ in range(trait.fields):
                if self.at < self.end and self.at[0] == KIND_MISSING:
                    self.at += 1
                else:
                    self.scalar(False)
            self.leave(around)
            count += 1
        self.some(count, trait.values)
        if trait.keyed and have_twice(begin, self.end, count):
            raise corrupt("a part is there twice")
        return 0

    cdef int some(self, int count, int most) except -1:
        if not 1 <= count <= most:
            raise corrupt("a part is empty, or has more than it can have")
        return 0

    cdef int window(self, const TraitC *trait, int function, int64_t base) except -1:
        cdef int64_t index = 0
        cdef int count = 0
        while self.at != self.end:
            index = self.older(index, 1) if count else self.signed(base, LATEST if trait.width else 0)
            if function != FUNCTION_COUNT:
                self.skip(8)
            if (function == FUNCTION_COUNT or function == FUNCTION_MEAN) and self.bounded(MAX_COUNT) == 0:
                raise corrupt("a slice of a window is empty")
            count += 1
        return self.some(count, MOST_SLICES)

    cdef int marks(self, const TraitC *trait, int64_t base) except -1:
        cdef int64_t time = 0, before
        cdef int count = 0
        while self.at != self.end:
            before = time
            time = self.older(time, 1) if count else self.signed(base, LATEST)
            if count and index_of(trait, time) == index_of(trait, before):
                raise corrupt("the times of a part are not in order")
            self.scalar(False)
            count += 1
        return self.some(count, MOST_SLICES)

    cdef int times(self, int64_t base, int most) except -1:
        cdef int64_t time = 0
        cdef int count = 0
        while self.at != self.end:
            time = self.older(time, 0) if count else self.signed(base, LATEST)
            count += 1
        return self.some(count, most)

    # - instances and sends

    cdef int tail(self, int64_t base) except -1:
        """What follows an instance's source, up to the end."""
        cdef int64_t flags = self.bounded(MAX_STEPS << 4 | 15), time
        cdef int left = <int> (flags >> 4)
        cdef bytes event
        if flags & 8:
            self.signed(base, MAX_DEADLINE)
        if flags & 2:
            self.signed(base, MAX_DEADLINE)
        if flags & 4:
            self.scalar(True)
        time = self.signed(base, LATEST)
        self.signed(time, NEVER)
        self.utf8(self.length())
        self.utf8(self.length())
        self.some(left, MAX_STEPS)
        while left:
            left -= 1
            event = self.raw()
            if event:
                self.json_object(event)
        return 0

    cdef int sends(self, int64_t base) except -1:
        """Ascending times, up to the end; how many."""
        cdef int64_t time = 0
        cdef int count = 0
        while self.at != self.end:
            if count:
                time += self.bounded(MAX_DEADLINE - time)
            else:
                time = self.signed(base, MAX_DEADLINE)
            count += 1
        if count == 0:
            raise corrupt("a part is empty, or has more than it can have")
        return count


@cython.overflowcheck(False)
cdef int sum_of(const uint8_t *at, const uint8_t *end) noexcept:
    """A number below 64 that is the same for the same bytes."""
    cdef uint32_t total = 0
    while at != end:
        total = 31 * total + at[0]
        at += 1
    return (total ^ total >> 6) & 63


cdef bint stands_in(const uint8_t *at, const uint8_t *end, const uint8_t *key, Py_ssize_t size) noexcept:
    """Whether an entry has a key; keys are equal if their bytes are."""
    cdef EntryC entry
    while at != end:
        next_entry(at, &entry)
        if span(entry.key, entry.cell) == size and memcmp(entry.key, key, size) == 0:
            return True
        at = entry.end
    return False


cdef bint have_twice(const uint8_t *at, const uint8_t *end, int count) except -1:
    """Whether two of many entries have one key."""
    cdef EntryC entry
    cdef set seen = set()
    while at != end:
        next_entry(at, &entry)
        seen.add((<const char *> entry.key)[:span(entry.key, entry.cell)])
        at = entry.end
    return len(seen) != count


cdef object corrupt(str why):
    hint = "restore the partition from its changelog again"
    return StateError(f"a stored state is corrupt: {why}", hint=hint)


cdef StateReader reader_of(bytes value):
    cdef StateReader reader = StateReader()
    reader.last, reader.waiting = -1, {}
    reader.at = <const uint8_t *> <const char *> value
    reader.end = reader.at + len(value)
    return reader
