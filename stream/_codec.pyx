# cython: autotestdict=False
"""The byte form of a customer's state: the value of its changelog record, whose key is the customer's id.

    state     := 01 applied traits instances sends      01 is the version
    applied   := count (text offset)*                   the source's name
    traits    := count (text length body)*              the trait's stable id; length: to skip it
    body      := cell | count (scalar cell)*            with `per`: least recently updated first
    cell      := count (index amount)*                  index: the first one, then differences
    amount    := number | 8 bytes | time scalar         count | sum | last
    instances := count (text length instance)*          the rule's stable id
    instance  := deadline time appended source name id event      three numbers, then length-prefixed bytes
    sends     := count (text length count (time)*)*     ascending: the first time, then differences
    text      := length bytes                           UTF-8
    scalar    := tag value                              00 null, 01 false, 02 true, 03 zigzag number,
                                                        04 number (above 2^63), 05 8 bytes, 06 text

Numbers are varints (7 bits a byte, lowest first), 8 bytes an IEEE 754 double, little-endian. Parts stand
in the order of their slots, so equal states of one rule set have equal bytes.

How far the sources of a partition have come is one more record, with the empty key: 01 count (text time)*.

The reader believes nothing: every length is held against what is left, every count against what the
definition allows, so a corrupt record costs a `StateError`, never memory or time beyond its own size.

Cost: about 1 µs to encode and 3 µs to decode a customer with a few windows, sends and an instance.
Tested by tests/unit/test_state.py: round trips, every truncation, every flipped bit, random bytes.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from stream._state cimport (
    COUNT,
    KEPT,
    LAST,
    MAX_KEYS,
    Customer,
    Instance,
    Latest,
    Layout,
    TraitC,
    Window,
    is_scalar,
    key_of,
)

import orjson

from stream.errors import StateError

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef enum:
    VERSION = 1

cdef int64_t MAX_TIME = 253402300799999     # 9999-12-31T23:59:59.999Z
cdef int64_t MAX_DEADLINE = 1 << 62
cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF
cdef uint64_t MAX_COUNT = 1 << 53           # amounts are doubles: whole numbers are exact up to here
cdef object TRUE_KEY = key_of(True), FALSE_KEY = key_of(False)


@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class _Writer:
    cdef uint8_t *data
    cdef Py_ssize_t size, room

    def __dealloc__(self):
        PyMem_Free(self.data)

    cdef int reserve(self, Py_ssize_t more) except -1:
        cdef uint8_t *grown
        cdef Py_ssize_t room = self.room
        if self.size + more <= room:
            return 0
        room = max(2 * room, self.size + more, 256)
        grown = <uint8_t *> PyMem_Realloc(self.data, room)
        if grown is NULL:
            raise MemoryError
        self.data = grown
        self.room = room
        return 0

    cdef int number(self, uint64_t value) except -1:
        self.reserve(10)
        while value >= 0x80:
            self.data[self.size] = <uint8_t> (value & 0x7F) | 0x80
            self.size += 1
            value >>= 7
        self.data[self.size] = <uint8_t> value
        self.size += 1
        return 0

    cdef int double(self, double value) except -1:
        cdef uint64_t bits
        cdef int at
        memcpy(&bits, &value, 8)
        self.reserve(8)
        for at in range(8):
            self.data[self.size + at] = <uint8_t> ((bits >> (8 * at)) & 0xFF)
        self.size += 8
        return 0

    cdef int raw(self, const void *data, Py_ssize_t size) except -1:
        self.number(size)
        self.reserve(size)
        memcpy(self.data + self.size, data, size)
        self.size += size
        return 0

    cdef int text(self, str value) except -1:
        cdef Py_ssize_t size = 0
        cdef const char *data = PyUnicode_AsUTF8AndSize(value, &size)
        return self.raw(data, size)

    @cython.overflowcheck(False)     # zigzag: the bits count, not the number
    cdef int scalar(self, object value) except -1:
        cdef int64_t small
        if value is None:
            self.number(0)
        elif value is False or value is FALSE_KEY:
            self.number(1)
        elif value is True or value is TRUE_KEY:
            self.number(2)
        elif type(value) is int and value > 0x7FFFFFFFFFFFFFFF:
            self.number(4)
            self.number(value)
        elif type(value) is int:
            small = value
            self.number(3)
            self.number((<uint64_t> small << 1) ^ <uint64_t> (small >> 63))
        elif type(value) is float:
            self.number(5)
            self.double(value)
        else:
            self.number(6)
            self.text(value)
        return 0

    cdef int cell(self, object cell, int function) except -1:
        cdef Window window
        cdef int64_t before = 0
        cdef int at
        if function == LAST:
            entries = (<Latest> cell).entries
            self.number(len(entries))
            for index, time, value in entries:
                self.number(index - before)
                before = index
                self.number(time)
                self.scalar(value)
            return 0
        window = <Window> cell
        self.number(window.n)
        for at in range(window.n):
            self.number(window.slices[at].index - before)
            before = window.slices[at].index
            if function == COUNT:
                self.number(<uint64_t> window.slices[at].amount)
            else:
                self.double(window.slices[at].amount)
        return 0

    cdef int part(self, str id, _Writer body) except -1:
        self.text(id)
        self.raw(body.data, body.size)
        body.size = 0
        return 0


def encode(Customer customer not None):
    """The byte form of a customer."""
    cdef Layout layout = customer.layout
    cdef _Writer out = _Writer(), body = _Writer()
    cdef Instance instance
    cdef int slot
    cdef int64_t before
    out.number(VERSION)
    out.number(sum([customer.applied[slot] >= 0 for slot in range(layout.n_sources)]))
    for slot in range(layout.n_sources):
        if customer.applied[slot] >= 0:
            out.text(layout.sources[slot])
            out.number(customer.applied[slot])
    out.number(layout.n_traits - customer.traits.count(None))
    for slot, cell in enumerate(customer.traits):
        if cell is None:
            continue
        if layout.trait[slot].per:
            body.number(len(<dict> cell))
            for key, each in (<dict> cell).items():
                body.scalar(key)
                body.cell(each, layout.trait[slot].function)
        else:
            body.cell(cell, layout.trait[slot].function)
        out.part(layout.traits[slot], body)
    out.number(len(customer.instances))
    for _, instance in sorted([((<Instance> each).rank, each) for each in customer.instances]):
        body.number(instance.deadline)
        body.number(instance.time)
        body.number(instance.appended_at)
        body.text(instance.source)
        body.text(instance.name)
        body.text(instance.id)
        body.raw(<const char *> instance.event, len(instance.event))
        out.part(layout.rules[instance.rank], body)
    out.number(len(customer.sends) if customer.sends is not None else 0)
    for slot, times in sorted(customer.sends.items()) if customer.sends is not None else ():
        body.number(len(times))
        before = 0
        for time in times:
            body.number(time - before)
            before = time
        out.part(layout.rules[slot], body)
    return out.data[:out.size]


@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class _Reader:
    cdef const uint8_t *data
    cdef Py_ssize_t at, end

    cdef uint64_t number(self) except? 0:
        cdef uint64_t value = 0
        cdef int shift = 0
        cdef uint8_t byte
        while self.at < self.end:
            byte = self.data[self.at]
            self.at += 1
            if shift == 63 and byte > 1:
                raise corrupt("a number has more than 64 bits")
            value |= <uint64_t> (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
            shift += 7
        raise corrupt("it ends within a number")

    cdef int64_t bounded(self, uint64_t most) except -1:
        cdef uint64_t value = self.number()
        if value > most:
            raise corrupt("a number is larger than it can be")
        return <int64_t> value

    cdef Py_ssize_t length(self) except -1:
        """A count or a length: what is counted takes at least a byte, so it is at most what is left."""
        return self.bounded(self.end - self.at)

    cdef double double(self) except? -1.0:
        cdef uint64_t bits = 0
        cdef double value
        cdef int at
        if self.end - self.at < 8:
            raise corrupt("it ends within a number")
        for at in range(8):
            bits |= <uint64_t> self.data[self.at + at] << (8 * at)
        self.at += 8
        memcpy(&value, &bits, 8)
        return value

    cdef str text(self):
        cdef Py_ssize_t size = self.length()
        self.at += size
        try:
            return PyUnicode_DecodeUTF8(<const char *> self.data + self.at - size, size, NULL)
        except UnicodeDecodeError:
            raise corrupt("a text is not UTF-8") from None

    cdef bytes raw(self):
        cdef Py_ssize_t size = self.length()
        self.at += size
        return (<const char *> self.data)[self.at - size:self.at]

    @cython.overflowcheck(False)     # zigzag
    cdef object scalar(self, bint as_key):
        cdef uint64_t tag = self.number(), value
        if tag == 1:
            return FALSE_KEY if as_key else False
        if tag == 2:
            return TRUE_KEY if as_key else True
        if tag == 3:
            value = self.number()
            return <int64_t> (value >> 1) ^ -<int64_t> (value & 1)
        if tag == 4:
            return self.number()
        if tag == 6:
            text = self.text()
            if is_scalar(text):
                return text
        elif not as_key and tag == 0:
            return None
        elif not as_key and tag == 5:
            return self.double()
        raise corrupt("a value is of no known kind")

    cdef object cell(self, TraitC *trait):
        cdef Py_ssize_t count = self.length(), at
        cdef int64_t index = 0, step, time
        cdef Latest latest = Latest()
        cdef Window window = Window()
        if not 1 <= count <= (KEPT + 2 if trait.width else 1):
            raise corrupt("a window has a wrong number of slices")
        for at in range(count):
            step = self.bounded(MAX_TIME if trait.width else 0)
            index += step
            if (at and not step) or index > MAX_TIME:
                raise corrupt("the slices of a window are not in order")
            if trait.function == LAST:
                time = self.bounded(MAX_TIME)
                latest.entries.append((index, time, self.scalar(False)))
            elif trait.function == COUNT:
                window.insert(at, index, <double> self.bounded(MAX_COUNT))
            else:
                window.insert(at, index, self.double())
        return latest if trait.function == LAST else window

    cdef object part(self, dict slots):
        """The slot of the part that comes next and where it ends; a slot of None: to be skipped."""
        id = self.text()
        cdef Py_ssize_t size = self.length()
        return slots.get(id), self.at + size


cdef object corrupt(str why):
    hint = "restore the partition from its changelog again"
    return StateError(f"a stored state is corrupt: {why}", hint=hint)


cdef _Reader reader_of(bytes value):
    cdef _Reader reader = _Reader()
    reader.data = <const uint8_t *> <const char *> value
    reader.end = len(value)
    if reader.number() != VERSION:
        raise StateError(
            "a stored state has a version that this release does not know",
            hint="it was written by a newer release: run that, or a later one",
        )
    return reader


def decode(Layout layout not None, str id not None, bytes value not None):
    """The customer of a byte form. StateError if it is corrupt or of another version."""
    cdef _Reader reader = reader_of(value)
    cdef Customer customer = Customer(id, layout)
    cdef Py_ssize_t count, end
    customer.size = len(value)
    for _ in range(reader.length()):
        slot = layout.source_slots.get(reader.text())
        offset = reader.bounded(NEVER)
        if slot is not None:
            customer.applied[<int> slot] = offset
    for read in (_read_trait, _read_instance, _read_sends):
        count = reader.length()
        for _ in range(count):
            slot, end = reader.part(layout.trait_slots if read is _read_trait else layout.rule_slots)
            if slot is not None:
                read(customer, slot, reader)
                if reader.at != end:
                    raise corrupt("a part is longer or shorter than it says")
            reader.at = end
    if reader.at != reader.end:
        raise corrupt("something follows its end")
    return customer


def _read_trait(Customer customer, int slot, _Reader reader):
    cdef TraitC *trait = &customer.layout.trait[slot]
    cdef dict cells
    if customer.traits[slot] is not None:
        raise corrupt("a part is there twice")
    if not trait.per:
        customer.traits[slot] = reader.cell(trait)
        return
    cells = customer.traits[slot] = {}
    for _ in range(reader.bounded(MAX_KEYS)):
        key = reader.scalar(True)
        if key in cells:
            raise corrupt("a part is there twice")
        cells[key] = reader.cell(trait)


def _read_instance(Customer customer, int slot, _Reader reader):
    cdef Instance instance = Instance(), other
    for other in customer.instances:
        if other.rank == slot:
            raise corrupt("a part is there twice")
    instance.rank = slot
    instance.open = True
    instance.deadline = reader.bounded(MAX_DEADLINE)
    instance.time = reader.bounded(MAX_TIME)
    instance.appended_at = reader.bounded(NEVER)
    instance.source = reader.text()
    instance.name = reader.text()
    instance.id = reader.text()
    instance.event = reader.raw()
    try:
        event = orjson.loads(instance.event)
    except orjson.JSONDecodeError:
        raise corrupt("an event is not JSON") from None
    if type(event) is not dict:
        raise corrupt("an event is no JSON object")
    customer.instances.append(instance)


def _read_sends(Customer customer, int slot, _Reader reader):
    cdef int64_t time = 0
    times = []
    for _ in range(reader.length()):
        time += reader.bounded(MAX_DEADLINE - 1)
        if time > MAX_DEADLINE:
            raise corrupt("a time is out of range")
        times.append(time)
    if customer.sends is None:
        customer.sends = {}
    if not times or slot in customer.sends:
        raise corrupt("a part is empty or there twice")
    customer.sends[slot] = times


def encode_reached(dict reached not None):
    """The byte form of how far each source has come: version, then count (name, time)*."""
    cdef _Writer out = _Writer()
    out.number(VERSION)
    out.number(len(reached))
    for name, time in sorted(reached.items()):
        out.text(name)
        out.number(time)
    return out.data[:out.size]


def decode_reached(bytes value not None):
    """{source's name: largest event time applied}. StateError if corrupt or of another version."""
    cdef _Reader reader = reader_of(value)
    reached = {reader.text(): reader.bounded(MAX_TIME) for _ in range(reader.length())}
    if reader.at != reader.end:
        raise corrupt("something follows its end")
    return reached
