# cython: autotestdict=False
"""The byte form of a customer's state: the value of its changelog record, whose key is the customer's id.

    state     := 02 applied profile traits instances sends        02 is the version
    applied   := count (text offset)*                   the source's name
    profile   := bytes consents taken                   the attributes as JSON; empty: there is none
    taken     := time count (text text)*                when, one more; 0: never; group and rule
    consents  := count (text granted at text)*          the purpose; 0 or 1; the basis (00 none, else 01 text)
    traits    := count (text length body)*              the trait's stable id; length: to skip it
    body      := cell | count (scalar cell)*            with `per`: least recently updated first
    cell      := slices number                          count
               | slices double                          sum, min, max
               | slices double, slices number           mean
               | slices time scalar                     first, last
               | count (scalar slices number)*          distinct, top: least recently updated first
               | count (time)*                          gap: the first, then differences
    slices …  := count (index …)*                       index: the first one, then differences
    instances := count (text length instance)*          the rule's stable id; in the order of their opening
    instance  := deadline step flags key since time appended source name id events
    events    := count (length bytes)*                  JSON
    sends     := count (text length count (time)*)*     the counter; the first time, then differences
    text      := length bytes                           UTF-8
    scalar    := tag value                              00 null, 01 false, 02 true, 03 zigzag number,
                                                        04 number (above 2^63), 05 8 bytes, 06 text, 07 absent

Numbers are varints (7 bits a byte, lowest first), doubles IEEE 754, little-endian; a deadline or a `since`
that there is not is 0, others are one more. Parts stand in the order of their slots, so equal states of one
rule set have equal bytes.

A part that the rules at hand do not know (an older worker reads what a newer one wrote) is kept as it is and
written back; `know` reads it once they do.

How far the sources of a partition have come is one more record, with the empty key: 02 count (text time)*.

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
    DISTINCT,
    FIRST,
    GAP,
    KEPT,
    LAST,
    MAX_INSTANCES,
    MEAN,
    SUM,
    TOP,
    Consent,
    Customer,
    Instance,
    Layout,
    Marked,
    Mean,
    Times,
    TraitC,
    Values,
    Window,
    is_scalar,
    key_of,
)

import orjson

from stream._state import ABSENT
from stream.errors import StateError

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef enum:
    VERSION = 2
    MAX_STEPS = 10
    MAX_PURPOSES = 100

cdef int64_t MAX_TIME = 253402300799999     # 9999-12-31T23:59:59.999Z
cdef int64_t MAX_DEADLINE = 1 << 62
cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF
cdef uint64_t MAX_COUNT = 1 << 53           # amounts are doubles: whole numbers are exact up to here
cdef object absent = ABSENT
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
        elif value is absent:
            self.number(7)
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
        cdef Times times
        cdef int64_t before = 0
        cdef int at
        if function == FIRST or function == LAST:
            entries = (<Marked> cell).entries
            self.number(len(entries))
            for index, time, value in entries:
                self.number(index - before)
                before = index
                self.number(time)
                self.scalar(value)
        elif function == DISTINCT or function == TOP:
            windows = (<Values> cell).windows
            self.number(len(windows))
            for key, window in windows.items():
                self.scalar(key)
                self.window(window, COUNT)
        elif function == GAP:
            times = <Times> cell
            self.number(times.n)
            for at in range(times.n):
                self.number(times.times[at] - before)
                before = times.times[at]
        elif function == MEAN:
            self.window((<Mean> cell).sums, SUM)
            self.window((<Mean> cell).counts, COUNT)
        else:
            self.window(<Window> cell, function)
        return 0

    cdef int window(self, Window window, int function) except -1:
        cdef int64_t before = 0
        cdef int at
        self.number(window.n)
        for at in range(window.n):
            self.number(window.slices[at].index - before)
            before = window.slices[at].index
            if function == COUNT:
                self.number(<uint64_t> window.slices[at].amount)
            else:
                self.double(window.slices[at].amount)
        return 0

    cdef int profile(self, Customer customer) except -1:
        cdef bytes attributes = b"" if customer.attributes is None else orjson.dumps(customer.attributes)
        cdef Consent consent
        self.raw(<const char *> attributes, len(attributes))
        self.number(len(customer.consents) if customer.consents is not None else 0)
        for purpose in sorted(customer.consents) if customer.consents is not None else ():
            consent = customer.consents[purpose]
            self.text(purpose)
            self.number(consent.granted)
            self.number(consent.at)
            self.number(consent.basis is not None)
            if consent.basis is not None:
                self.text(consent.basis)
        self.number(customer.taken_at + 1)
        self.number(len(customer.taken) if customer.taken is not None else 0)
        for group, rule in sorted(customer.taken.items()) if customer.taken is not None else ():
            self.text(group)
            self.text(rule)
        return 0

    cdef int instance(self, Instance instance) except -1:
        self.number(0 if instance.deadline == NEVER else instance.deadline + 1)
        self.number(instance.step)
        self.number(instance.late)
        self.scalar(instance.key)
        self.number(instance.since + 1)
        self.number(instance.time)
        self.number(instance.appended_at)
        self.text(instance.source)
        self.text(instance.name)
        self.text(instance.id)
        self.number(len(instance.events))
        for event in instance.events:
            self.raw(<const char *> <bytes> event, len(<bytes> event))
        return 0

    cdef int foreign(self, parts) except -1:
        for id, part in parts:
            self.text(id)
            self.raw(<const char *> <bytes> part, len(<bytes> part))
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
    cdef dict foreign = {}
    cdef int slot
    cdef int64_t before
    if customer.foreign is not None:
        for kind, id, part in customer.foreign:
            foreign.setdefault(kind, []).append((id, part))
    out.number(VERSION)
    others = foreign.get("source", ())
    out.number(sum([customer.applied[slot] >= 0 for slot in range(layout.n_sources)]) + len(others))
    for slot in range(layout.n_sources):
        if customer.applied[slot] >= 0:
            out.text(layout.sources[slot])
            out.number(customer.applied[slot])
    for name, offset in others:
        out.text(name)
        out.number(offset)
    out.profile(customer)
    others = foreign.get("trait", ())
    out.number(layout.n_traits - customer.traits.count(None) + len(others))
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
    out.foreign(others)
    others = foreign.get("rule", ())
    out.number(len(customer.instances) + len(others))
    for instance in customer.instances:
        body.instance(<Instance> instance)
        out.part(layout.rules[(<Instance> instance).rank], body)
    out.foreign(others)
    others = foreign.get("counter", ())
    out.number((len(customer.sends) if customer.sends is not None else 0) + len(others))
    for slot, times in sorted(customer.sends.items()) if customer.sends is not None else ():
        body.number(len(times))
        before = 0
        for time in times:
            body.number(time - before)
            before = time
        out.part(layout.counters[slot], body)
    out.foreign(others)
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
        cdef uint64_t value = self.number()
        if value > <uint64_t> (self.end - self.at):     # what is left after the number itself
            raise corrupt("a length or a count goes beyond its end")
        return <Py_ssize_t> value

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
        elif not as_key and tag == 7:
            return absent
        raise corrupt("a value is of no known kind")

    cdef dict json_object(self, bytes value):
        try:
            found = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise corrupt("an event or a profile is not JSON") from None
        if type(found) is not dict:
            raise corrupt("an event or a profile is no JSON object")
        return found

    cdef object cell(self, TraitC *trait):
        cdef Mean mean
        cdef Values values
        cdef Times times
        cdef Py_ssize_t at, count
        cdef int64_t time = 0
        if trait.function == FIRST or trait.function == LAST:
            return self.marked(trait)
        if trait.function == MEAN:
            mean = Mean()
            mean.sums, mean.counts = self.window(trait, SUM), self.window(trait, COUNT)
            if mean.sums.n != mean.counts.n:
                raise corrupt("the sums and counts of a mean do not fit")
            return mean
        if trait.function == DISTINCT or trait.function == TOP:
            values = Values()
            for _ in range(self.some(trait.values)):
                key = self.scalar(True)
                if key in values.windows:
                    raise corrupt("a part is there twice")
                values.windows[key] = self.window(trait, COUNT)
            return values
        if trait.function == GAP:
            times = Times()
            count = self.some(trait.values)
            for at in range(count):
                time += self.bounded(MAX_TIME)
                if time > MAX_TIME:
                    raise corrupt("a time is out of range")
                times.insert(at, time)
            return times
        return self.window(trait, trait.function)

    cdef Py_ssize_t some(self, Py_ssize_t most) except -1:
        """A count that is not 0."""
        cdef Py_ssize_t count = self.length()
        if not 1 <= count <= most:
            raise corrupt("a part is empty, or has more than it can have")
        return count

    cdef int64_t index(self, TraitC *trait, Py_ssize_t at, int64_t before) except -1:
        """The index of the next slice, after `before`."""
        cdef int64_t step = self.bounded(MAX_TIME if trait.width else 0)
        if (at and not step) or before + step > MAX_TIME:
            raise corrupt("the slices of a window are not in order")
        return before + step

    cdef Window window(self, TraitC *trait, int function):
        cdef Window window = Window()
        cdef Py_ssize_t at, count = self.some(KEPT + 2 if trait.width else 1)
        cdef int64_t index = 0
        for at in range(count):
            index = self.index(trait, at, index)
            if function == COUNT:
                window.insert(at, index, <double> self.bounded(MAX_COUNT))
            else:
                window.insert(at, index, self.double())
        return window

    cdef Marked marked(self, TraitC *trait):
        cdef Marked marked = Marked()
        cdef Py_ssize_t at, count = self.some(KEPT + 2 if trait.width else 1)
        cdef int64_t index = 0, time
        for at in range(count):
            index = self.index(trait, at, index)
            time = self.bounded(MAX_TIME)
            value = self.scalar(False)
            if value is absent:
                raise corrupt("a value is of no known kind")
            marked.entries.append((index, time, value))
        return marked

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
            hint="it was written by another release: run that one",
        )
    return reader


def decode(Layout layout not None, str id not None, bytes value not None, int generation=0):
    """The customer of a byte form. StateError if it is corrupt or of another version."""
    cdef _Reader reader = reader_of(value)
    cdef Customer customer = Customer(id, layout, generation)
    cdef Py_ssize_t at, size
    customer.size = len(value)
    for _ in range(reader.length()):
        name = reader.text()
        offset = reader.bounded(NEVER)
        slot = layout.source_slots.get(name)
        if slot is not None:
            customer.applied[<int> slot] = offset
        else:
            _keep(customer, "source", name, offset)
    _read_profile(customer, reader)
    for kind, slots in (
        ("trait", layout.trait_slots), ("rule", layout.rule_slots), ("counter", layout.counter_slots)
    ):
        for _ in range(reader.length()):
            name = reader.text()
            slot = slots.get(name)
            if slot is None:
                _keep(customer, kind, name, reader.raw())
                continue
            size = reader.length()
            at = reader.at
            _read_part(customer, kind, slot, reader)
            if reader.at != at + size:
                raise corrupt("a part is longer or shorter than it says")
    if reader.at != reader.end:
        raise corrupt("something follows its end")
    return customer


def know(Customer customer not None):
    """Reads what the customer's layout knows of the parts that were kept as they are, and drops the rest."""
    cdef _Reader reader
    cdef list foreign = customer.foreign
    cdef Layout layout = customer.layout
    cdef dict slots = layout.slots()
    customer.foreign = None
    for kind, name, part in foreign:
        slot = slots[kind].get(name)
        if slot is None:
            continue
        if kind == "source":
            customer.applied[<int> slot] = part
            continue
        reader = _Reader()
        reader.data, reader.end = <const uint8_t *> <const char *> <bytes> part, len(<bytes> part)
        _read_part(customer, kind, slot, reader)
        if reader.at != reader.end:
            raise corrupt("a part is longer or shorter than it says")


def _keep(Customer customer, str kind, str name, part):
    if customer.foreign is None:
        customer.foreign = []
    customer.foreign.append((kind, name, part))


def _read_part(Customer customer, str kind, int slot, _Reader reader):
    if kind == "trait":
        _read_trait(customer, slot, reader)
    elif kind == "rule":
        _read_instance(customer, slot, reader)
    else:
        _read_sends(customer, slot, reader)


def _read_profile(Customer customer, _Reader reader):
    cdef bytes attributes = reader.raw()
    cdef bint granted, has_basis
    cdef int64_t at
    if attributes:
        customer.attributes = reader.json_object(attributes)
    for _ in range(reader.bounded(MAX_PURPOSES)):
        purpose = reader.text()
        granted, at, has_basis = reader.bounded(1), reader.bounded(MAX_TIME), reader.bounded(1)
        if customer.consents is None:
            customer.consents = {}
        if purpose in customer.consents:
            raise corrupt("a part is there twice")
        customer.consents[purpose] = Consent(granted, at, reader.text() if has_basis else None)
    customer.taken_at = reader.bounded(MAX_DEADLINE) - 1
    for _ in range(reader.length()):
        if customer.taken is None:
            customer.taken = {}
        group = reader.text()
        if group in customer.taken:
            raise corrupt("a part is there twice")
        customer.taken[group] = reader.text()


def _read_trait(Customer customer, int slot, _Reader reader):
    cdef TraitC *trait = &customer.layout.trait[slot]
    cdef dict cells
    if customer.traits[slot] is not None:
        raise corrupt("a part is there twice")
    if not trait.per:
        customer.traits[slot] = reader.cell(trait)
        return
    cells = customer.traits[slot] = {}
    for _ in range(reader.bounded(trait.keys)):
        key = reader.scalar(True)
        if key in cells:
            raise corrupt("a part is there twice")
        cells[key] = reader.cell(trait)


def _read_instance(Customer customer, int slot, _Reader reader):
    cdef Instance instance = Instance(), other
    cdef int same = 0
    cdef int64_t deadline
    for other in customer.instances:
        same += other.rank == slot
    if same >= 2 * MAX_INSTANCES:
        raise corrupt("a part is empty, or has more than it can have")
    instance.rank = slot
    instance.open = True
    deadline = reader.bounded(MAX_DEADLINE)
    instance.deadline = deadline - 1 if deadline else NEVER
    instance.step = reader.bounded(MAX_STEPS)
    instance.late = reader.bounded(1)
    instance.key = reader.scalar(False)
    if instance.key is True or instance.key is False:
        instance.key = key_of(instance.key)
    instance.since = reader.bounded(MAX_DEADLINE) - 1
    instance.time = reader.bounded(MAX_TIME)
    instance.appended_at = reader.bounded(NEVER)
    instance.source = reader.text()
    instance.name = reader.text()
    instance.id = reader.text()
    instance.events = []
    for _ in range(reader.some(MAX_STEPS)):
        event = reader.raw()
        reader.json_object(event)
        instance.events.append(event)
    if len(instance.events) != instance.step:
        raise corrupt("an instance lacks an event")
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
    """{source's name: largest event time applied, "": the watermark}. StateError if it cannot be read."""
    cdef _Reader reader = reader_of(value)
    reached = {reader.text(): reader.bounded(MAX_TIME) for _ in range(reader.length())}
    if reader.at != reader.end:
        raise corrupt("something follows its end")
    return reached
