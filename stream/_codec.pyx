# cython: autotestdict=False
"""The byte form of a customer's state: the value of its changelog record, whose key is the customer's id.

    state     := 03 base applied profile traits instances sends   03 is the version
    base      := number                             of the times in instances and sends, one more; 0: none
    applied   := count (id number)*                 offsets by source
    profile   := bytes consents taken               the attributes as JSON; empty: there is none
    consents  := count (text granted at text)*      the purpose; 0 or 1; the basis (00 none, else 01 text)
    taken     := time count (text text)*            when, one more; 0: never; group and rule
    traits    := count (id length base body)*       as in `_windows`; the base is a number
    instances := count (id length text tail)*       the source's name, and as in `_instances`
    sends     := count (id length time*)*           as in `_state`
    id        := 6 bytes                            of BLAKE2b of a stable id, a counter's or a source's name
    text      := length bytes                       UTF-8

`_packed` says of which kinds numbers are. Parts stand in the order of their slots, instances in that of
their opening, so equal states of one rule set have equal bytes. The parts are those of the customer's block
in memory, with ids for slots: writing them is copying, reading them is looking at each byte once and copying.

A part that the rules at hand do not know (an older worker reads what a newer one wrote) is kept as it is and
written back; `know` reads it once they do. The base is written back, too, so it still means the same.

How far the sources of a partition have come is one more record, with the empty key: 03 count (text time)*.

The reader believes nothing: every length is held against what is left, every count against what the
definition allows, so a corrupt record costs a `StateError`, never memory or time beyond its own size.

Cost: 0.5 us to encode and 2 us to decode a customer with 20 keys, 28 sends and two instances.
Tested by tests/unit/test_codec.py: round trips, every truncation, every flipped bit, random bytes.
"""

cimport cython
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from stream._instances cimport HeadC, next_head
from stream._packed cimport MAX_SCALAR, VARINT, Buffer, reserve, unzigzag, write
from stream._state cimport (
    MAX_INSTANCES,
    Consent,
    Customer,
    Ids,
    Layout,
    SendC,
    next_part,
    next_send,
)
from stream._value cimport DOUBLE, FALSE, INTEGER, NIL, TEXT, TRUE, UNSIGNED
from stream._windows cimport (
    COUNT,
    DISTINCT,
    FIRST,
    GAP,
    LAST,
    MEAN,
    MOST_SLICES,
    TOP,
    EntryC,
    TraitC,
    index_of,
    next_entry,
)

import orjson

from stream.errors import StateError

cdef enum:
    VERSION = 3
    ID = 6              # bytes of an id
    MAX_STEPS = 10
    MAX_PURPOSES = 100
    FEW_KEYS = 24       # are compared where their sums are equal
    MOST_KEPT = 1048576 # bytes of room that are kept for the next customer
    NO_HINT = 65536     # no slot is beyond it

cdef enum Part:
    SOURCE = 0
    TRAIT = 1
    RULE = 2
    COUNTER = 3

cdef Buffer written = Buffer()      # by `encode`, one at a time

cdef int64_t MAX_TIME = 253402300799999     # 9999-12-31T23:59:59.999Z
cdef int64_t MAX_DEADLINE = 1 << 62
cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF
cdef list NO_FOREIGN = [[], [], [], []]
cdef uint64_t MAX_COUNT = 1 << 53           # amounts are doubles: whole numbers are exact up to here


# --- writing -----------------------------------------------------------------------------------

def encode(Customer customer not None):
    """The byte form of a customer."""
    cdef Buffer out = written
    cdef list foreign = NO_FOREIGN
    if customer.rare.foreign is not None:
        foreign = [[], [], [], []]
        for kind, id, part in customer.rare.foreign:
            foreign[<int> kind].append((id, part))
    if out.room > MOST_KEPT:
        out = Buffer()
    out.size = 0
    out.put(VERSION)
    out.put(customer.base + 1)
    put_applied(out, customer, foreign[SOURCE])
    put_profile(out, customer)
    put_traits(out, customer, foreign[TRAIT])
    put_instances(out, customer, foreign[RULE])
    put_sends(out, customer, foreign[COUNTER])
    return (<const char *> out.data)[:out.size]


cdef int put_id(Buffer out, uint64_t id) except -1:
    return out.put_raw(&id, ID)


cdef inline int put_part(Buffer out, uint64_t id, const void *data, Py_ssize_t size) except -1:
    """Writes an id, a length and bytes."""
    cdef uint8_t *at
    reserve(out, ID + VARINT + size)
    at = out.data + out.size
    memcpy(at, &id, ID)
    at += ID
    at += write(at, size)
    memcpy(at, data, size)
    out.size = at + size - out.data
    return 0


cdef int put_foreign(Buffer out, others) except -1:
    for id, part in others:
        put_part(out, id, <const char *> <bytes> part, len(<bytes> part))
    return 0


cdef int put_applied(Buffer out, Customer customer, others) except -1:
    cdef Layout layout = customer.layout
    cdef int slot, count = 0
    for slot in range(layout.n_sources):
        count += customer.applied[slot] >= 0
    out.put(count + len(others))
    for slot in range(layout.n_sources):
        if customer.applied[slot] >= 0:
            put_id(out, layout.source_ids.ids[slot])
            out.put(customer.applied[slot])
    for id, offset in others:
        put_id(out, id)
        out.put(offset)
    return 0


cdef int put_profile(Buffer out, Customer customer) except -1:
    cdef bytes attributes = b"" if customer.rare.attributes is None else orjson.dumps(customer.rare.attributes)
    cdef Consent consent
    out.put(len(attributes))
    out.put_raw(<const char *> attributes, len(attributes))
    out.put(len(customer.rare.consents) if customer.rare.consents is not None else 0)
    for purpose in sorted(customer.rare.consents) if customer.rare.consents is not None else ():
        consent = customer.rare.consents[purpose]
        out.put_text(purpose)
        out.put(consent.granted)
        out.put(consent.at)
        out.put(consent.basis is not None)
        if consent.basis is not None:
            out.put_text(consent.basis)
    out.put(customer.rare.taken_at + 1)
    out.put(len(customer.rare.taken) if customer.rare.taken is not None else 0)
    for group, rule in sorted(customer.rare.taken.items()) if customer.rare.taken is not None else ():
        out.put_text(group)
        out.put_text(rule)
    return 0


cdef int put_traits(Buffer out, Customer customer, others) except -1:
    cdef const uint8_t *begin = <const uint8_t *> customer.applied + customer.traits_at
    cdef const uint8_t *end = <const uint8_t *> customer.applied + customer.instances_at
    cdef const uint8_t *at = begin
    cdef int count = 0, slot
    cdef uint32_t size
    while at != end:
        next_part(&at, &slot, &size)
        at += size
        count += 1
    out.put(count + len(others))
    at = begin
    while at != end:
        next_part(&at, &slot, &size)
        put_part(out, customer.layout.trait_ids.ids[slot], at, size)
        at += size
    return put_foreign(out, others)


cdef int put_instances(Buffer out, Customer customer, others) except -1:
    cdef const uint8_t *begin = <const uint8_t *> customer.applied + customer.instances_at
    cdef const uint8_t *end = <const uint8_t *> customer.applied + customer.sends_at
    cdef const uint8_t *at = begin
    cdef HeadC head
    cdef Py_ssize_t since
    cdef int count = 0
    while at != end:
        next_head(&at, customer.base, &head)
        count += 1
    out.put(count + len(others))
    at = begin
    while at != end:
        next_head(&at, customer.base, &head)
        put_id(out, customer.layout.rule_ids.ids[head.rank])
        since = out.size
        put_source(out, &head, customer.layout)
        out.put_raw(head.tail, head.end - head.tail)
        out.put_length(since)
    return put_foreign(out, others)


cdef int put_source(Buffer out, const HeadC *head, Layout layout) except -1:
    if head.slot >= 0:
        return out.put_text(layout.sources[head.slot])
    return out.put_raw(head.source, head.tail - head.source)


cdef int put_sends(Buffer out, Customer customer, others) except -1:
    cdef const uint8_t *begin = <const uint8_t *> customer.applied + customer.sends_at
    cdef const uint8_t *end = <const uint8_t *> customer.applied + customer.end
    cdef const uint8_t *at = begin
    cdef SendC send
    cdef int count = 0
    while at != end:
        next_send(&at, &send)
        count += 1
    out.put(count + len(others))
    at = begin
    while at != end:
        next_send(&at, &send)
        put_part(out, customer.layout.counter_ids.ids[send.slot], send.times, send.end - send.times)
    return put_foreign(out, others)


# --- reading -----------------------------------------------------------------------------------

@cython.no_gc
@cython.final
@cython.auto_pickle(False)
cdef class _Reader:
    """Goes over bytes from `at` to `end`, and raises StateError at what cannot be."""
    cdef const uint8_t *at
    cdef const uint8_t *end
    cdef int last               # slot of the part before, of its kind; -1: there was none
    cdef dict waiting           # instances by rank

    cdef inline uint64_t number(self) except? 0:
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
        if value > <uint64_t> (self.end - self.at):     # what is left after the number itself
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
        if self.end - self.at < size:
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
        if kind == TEXT and size <= MAX_SCALAR and size <= <uint64_t> (self.end - self.at):
            return self.utf8(size)
        if size == 0 and kind == INTEGER:
            self.number()
        elif size == 0 and kind == DOUBLE and not as_key:
            self.skip(8)
        elif size != 0 or not (
            kind == TRUE or kind == FALSE
            or (kind == NIL and not as_key)
            or (kind == UNSIGNED and self.number() > <uint64_t> NEVER)
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
        cdef int64_t base = self.bounded(MAX_TIME)
        if trait.per:
            return self.entries(trait, base, trait.keys, False)
        return self.cell(trait, base)

    cdef int cell(self, const TraitC *trait, int64_t base) except -1:
        if trait.function == FIRST or trait.function == LAST:
            return self.marks(trait, base)
        if trait.function == GAP:
            return self.times(base, trait.values)
        if trait.function == DISTINCT or trait.function == TOP:
            return self.entries(trait, base, trait.values, True)
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
                twice = twice or (seen & bit and stands_in(begin, entry, key, self.at - key))
                seen |= bit
            if nested:
                self.window(trait, COUNT, base)
            else:
                self.cell(trait, base)
            self.leave(around)
            count += 1
        self.some(count, most)
        if twice or (count > FEW_KEYS and have_twice(begin, self.end, count)):
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
            index = self.older(index, 1) if count else self.signed(base, MAX_TIME if trait.width else 0)
            if function != COUNT:
                self.skip(8)
            if (function == COUNT or function == MEAN) and self.bounded(MAX_COUNT) == 0:
                raise corrupt("a slice of a window is empty")
            count += 1
        return self.some(count, MOST_SLICES)

    cdef int marks(self, const TraitC *trait, int64_t base) except -1:
        cdef int64_t time = 0, before
        cdef int count = 0
        while self.at != self.end:
            before = time
            time = self.older(time, 1) if count else self.signed(base, MAX_TIME)
            if count and index_of(trait, time) == index_of(trait, before):
                raise corrupt("the times of a part are not in order")
            self.scalar(False)
            count += 1
        return self.some(count, MOST_SLICES)

    cdef int times(self, int64_t base, int most) except -1:
        cdef int64_t time = 0
        cdef int count = 0
        while self.at != self.end:
            time = self.older(time, 0) if count else self.signed(base, MAX_TIME)
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
        time = self.signed(base, MAX_TIME)
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
        if entry.cell - entry.key == size and memcmp(entry.key, key, size) == 0:
            return True
        at = entry.end
    return False


cdef bint have_twice(const uint8_t *at, const uint8_t *end, int count) except -1:
    """Whether two of many entries have one key."""
    cdef EntryC entry
    cdef set seen = set()
    while at != end:
        next_entry(at, &entry)
        seen.add((<const char *> entry.key)[:entry.cell - entry.key])
        at = entry.end
    return len(seen) != count


cdef object corrupt(str why):
    hint = "restore the partition from its changelog again"
    return StateError(f"a stored state is corrupt: {why}", hint=hint)


cdef _Reader reader_of(bytes value):
    cdef _Reader reader = _Reader()
    reader.last, reader.waiting = -1, {}
    reader.at = <const uint8_t *> <const char *> value
    reader.end = reader.at + len(value)
    return reader


cdef _Reader reader_of_record(bytes value):
    cdef _Reader reader = reader_of(value)
    if reader.number() != VERSION:
        raise StateError(
            "a stored state has a version that this release does not know",
            hint="it was written by another release: run that one",
        )
    return reader


def decode(Layout layout not None, str id not None, bytes value not None, int generation=0):
    """The customer of a byte form. StateError if it is corrupt or of another version."""
    cdef _Reader reader = reader_of_record(value)
    cdef Customer customer = Customer(id, layout, generation)
    customer.size = <uint32_t> len(value)
    customer.resize(customer.end + len(value))
    customer.base = reader.bounded(MAX_DEADLINE) - 1
    read_applied(customer, reader)
    read_profile(customer, reader)
    read_parts(customer, reader, TRAIT, layout.trait_ids)
    read_parts(customer, reader, RULE, layout.rule_ids)
    read_parts(customer, reader, COUNTER, layout.counter_ids)
    if reader.at != reader.end:
        raise corrupt("something follows its end")
    customer.resize(customer.end)
    return customer


def know(Customer customer not None):
    """Reads what the customer's layout knows of the parts that were kept as they are, and drops the rest."""
    cdef Layout layout = customer.layout
    cdef list foreign = customer.rare.foreign
    cdef dict waiting = {}
    cdef _Reader reader
    cdef int slot
    ids = (layout.source_ids, layout.trait_ids, layout.rule_ids, layout.counter_ids)
    customer.own().foreign = None
    for kind, id, part in foreign:
        slot = (<Ids> ids[<int> kind]).slot(id)
        if slot >= 0 and kind == SOURCE:
            customer.applied[slot] = part
        elif slot >= 0:
            reader = reader_of(part)
            reader.last = NO_HINT
            reader.waiting = waiting
            read_part(customer, kind, slot, reader)


cdef int keep(Customer customer, int kind, uint64_t id, part) except -1:
    if customer.rare.foreign is None:
        customer.own().foreign = []
    customer.rare.foreign.append((kind, id, part))
    return 0


cdef int read_applied(Customer customer, _Reader reader) except -1:
    cdef int slot
    cdef uint64_t id
    cdef int64_t offset
    cdef Py_ssize_t left = reader.length()
    while left:
        left -= 1
        id = reader.id()
        offset = reader.bounded(NEVER)
        slot = customer.layout.source_ids.slot(id)
        if slot >= 0:
            customer.applied[slot] = offset
        else:
            keep(customer, SOURCE, id, offset)
    return 0


cdef int read_parts(Customer customer, _Reader reader, int kind, Ids ids) except -1:
    cdef const uint8_t *around
    cdef uint64_t id
    cdef int slot
    cdef Py_ssize_t left = reader.length()
    reader.last = -1
    while left:
        left -= 1
        id = reader.id()
        slot = ids.slot(id)
        if slot < 0:
            keep(customer, kind, id, reader.raw())
            continue
        around = reader.within()
        read_part(customer, kind, slot, reader)
        reader.leave(around)
    return 0


cdef int read_part(Customer customer, int kind, int slot, _Reader reader) except -1:
    """Reads a part that goes up to the reader's end."""
    cdef const uint8_t *begin = reader.at
    cdef bint twice = False, last = slot > reader.last
    cdef int count
    if kind == TRAIT:
        reader.body(&customer.layout.trait[slot])
        twice = customer.put_trait(slot, begin, reader.at - begin, last)
    elif kind == RULE:
        read_instance(customer, slot, reader)
    else:
        count = reader.sends(customer.base)
        twice = customer.put_new_send(slot, begin, reader.at - begin, count > 1, last)
    if reader.at != reader.end:
        raise corrupt("a part is longer or shorter than it says")
    if twice:
        raise corrupt("a part is there twice")
    reader.last = max(slot, reader.last)
    return 0


cdef int read_instance(Customer customer, int rank, _Reader reader) except -1:
    cdef str source = reader.text()
    cdef const uint8_t *begin = reader.at
    reader.tail(customer.base)
    reader.waiting[rank] = reader.waiting.get(rank, 0) + 1
    if reader.waiting[rank] > 2 * MAX_INSTANCES:
        raise corrupt("a part is empty, or has more than it can have")
    return customer.append_waiting(rank, source, begin, reader.at - begin)


cdef int read_profile(Customer customer, _Reader reader) except -1:
    cdef bytes attributes = reader.raw()
    cdef bint granted, has_basis
    cdef int64_t at
    if attributes:
        customer.own().attributes = reader.json_object(attributes)
    for _ in range(reader.bounded(MAX_PURPOSES)):
        purpose = reader.text()
        granted, at, has_basis = reader.bounded(1), reader.bounded(MAX_TIME), reader.bounded(1)
        if customer.rare.consents is None:
            customer.own().consents = {}
        if purpose in customer.rare.consents:
            raise corrupt("a part is there twice")
        customer.rare.consents[purpose] = Consent(granted, at, reader.text() if has_basis else None)
    at = reader.bounded(MAX_DEADLINE) - 1
    if at >= 0:
        customer.own().taken_at = at
    for _ in range(reader.length()):
        if customer.rare.taken is None:
            customer.own().taken = {}
        group = reader.text()
        if group in customer.rare.taken:
            raise corrupt("a part is there twice")
        customer.rare.taken[group] = reader.text()
    return 0


def encode_reached(dict reached not None):
    """The byte form of how far each source has come: version, then count (name, time)*."""
    cdef Buffer out = Buffer()
    out.put(VERSION)
    out.put(len(reached))
    for name, time in sorted(reached.items()):
        out.put_text(name)
        out.put(time)
    return (<const char *> out.data)[:out.size]


def decode_reached(bytes value not None):
    """{source's name: largest event time applied, "": the watermark}. StateError if it cannot be read."""
    cdef _Reader reader = reader_of_record(value)
    reached = {reader.text(): reader.bounded(MAX_TIME) for _ in range(reader.length())}
    if reader.at != reader.end:
        raise corrupt("something follows its end")
    return reached
