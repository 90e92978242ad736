"""What is remembered of each customer: parts by slot, in one block of memory.

A `Layout` (`_layout`) gives each source, trait, rule and counter of a rule set a slot. A `Customer` owns a
block, which grows and shrinks with what is in it:

    applied     offset*          by source, 8 bytes each: what has been applied, so that it is applied once
    id          UTF-8
    traits      (slot size base body)*      by slot; 2 and 4 bytes, then as `_windows` says
    instances   entry*           in the order of their opening, as `_instances` says: begun sequences, what
                                 waits for its `unless`, what quiet hours put off
    sends       (head [size] time*)*        by counter: head = slot << 1 | whether several times follow, in
                                 so many bytes; ascending, the first as its difference from the customer's
                                 base. The newest times at which it was sent; a counter is a rule's limit, a
                                 channel's cap or the policy's, as many times as that looks at

The base is the first time that was entered among instances and sends; it never changes. What is `Rare` are
Python objects, and one for all customers that have nothing of it:

    attributes, consents         of the profile: they belong to no definition
    contexts                     what sources of `kind: context` said last, by the source's name
    seen                         ids of events that came, of sources with `dedupe`, by the source's name
    claimed                      the groups that timers of the last moment claimed: others of that moment may
                                 come only after a restart
    foreign                      parts that the rules at hand do not know

`splice` is the only one that moves bytes of a block and says where its sections are; `extend` gives room at
the end. Pointers into a block are good until then. What is moved, and what is passed on the way to it, is
added up in `meter`: blocks are large enough for an event to take milliseconds.

Rule changes. A customer moves to a new layout when it is next looked up (`_customers`), and keeps a part
only if its id was in every layout since the customer's own: a definition that went and came back starts
anew, whether or not the customer was seen in between.

Cost: see `loadtest.micro.state`. Customers are kept out of the garbage collector: they cannot form cycles.
Tested by tests/state/test_customer.py, tests/state/test_packed_state.py, and with the engine by the
reference model.
Longer than 600 lines, because everything that changes a block is in one class.
"""

cimport cython
from cpython.mem cimport PyMem_RawFree, PyMem_RawRealloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from stream.state._instances cimport HeadC, Instance, next_head, put_head, put_instance, unpack
from stream.state._packed cimport (
    VARINT, Buffer, meter, next_number, next_scalar, next_signed, span, write, zigzag,
)
from stream.events._value cimport ABSENT, ValueC, object_of, value_of
from stream.state._windows cimport (
    FUNCTION_LIST,
    EntryC,
    EventC,
    TraitC,
    base_of,
    elements,
    find,
    index_of,
    next_entry,
    nothing_of,
    put_body,
    read_number,
    read_value,
)
from stream.events._times cimport NEVER

from bisect import insort
from stream.errors import InternalError, StateError

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef Buffer scratch = Buffer()

cdef enum:
    MAX_BLOCK = 1073741824  # bytes, 1 GiB
    # Of `meter.effort`; a byte that is moved is 1.
    COME = 5                # a byte that comes: written, copied, room made for it
    PASSED = 50             # a head that is read
    MADE = 5_000            # an instance of Python's, which is made or written
    UPDATED = 1_000         # a trait
    VALUE = 1_000           # of a trait, for Python


# --- a customer --------------------------------------------------------------------------------

@cython.no_gc
@cython.final
cdef class Consent:
    """What a customer has said for a purpose."""

    def __init__(self, bint granted, int64_t at, str basis=None, expires=None, bint doubtful=False):
        self.granted, self.at, self.basis, self.expires = granted, at, basis, expires
        self.doubtful = doubtful


@cython.no_gc
@cython.final
cdef class Rare:
    """What most customers have nothing of."""

    def __cinit__(self):
        self.claimed_at = -1


cdef Rare NOTHING_RARE = Rare()     # of all those; never written to


@cython.no_gc
@cython.final
cdef class Customer:
    """One customer's parts, by the slots of `layout`."""

    def __cinit__(self, str id not None, Layout layout not None, int generation=0):
        cdef int slot
        cdef Py_ssize_t size = 0
        cdef const char *text = PyUnicode_AsUTF8AndSize(id, &size)
        self.layout = layout
        self.generation = generation
        self.rare = NOTHING_RARE
        self.base = -1
        self.timer = NEVER
        self.resize(layout.n_sources * 8 + size)
        memcpy(self.applied + layout.n_sources, text, size)
        self.traits_at = <uint32_t> (layout.n_sources * 8 + size)
        self.end = self.instances_at = self.sends_at = self.traits_at
        for slot in range(layout.n_sources):
            self.applied[slot] = -1

    def __dealloc__(self):
        PyMem_RawFree(self.applied)

    @property
    def id(self):
        cdef Py_ssize_t size = 0
        cdef const char *text = self.id_bytes(&size)
        return PyUnicode_DecodeUTF8(text, size, NULL)

    cdef const char *id_bytes(self, Py_ssize_t *size) noexcept:
        """The id in UTF-8; good until the block changes."""
        size[0] = self.traits_at - self.layout.n_sources * 8
        return <const char *> (self.applied + self.layout.n_sources)

    cdef Rare own(self):
        """What is rare, to be written to."""
        if self.rare is NOTHING_RARE:
            self.rare = Rare()
        return self.rare

    @property
    def attributes(self):
        return self.rare.attributes

    @property
    def consents(self):
        return self.rare.consents

    @property
    def contexts(self):
        return self.rare.contexts

    @property
    def seen(self):
        return self.rare.seen

    # - for tests and measurements; the loop takes and gives values that are no Python objects

    def observe(self, int slot, int64_t time, double amount=1.0, value=None, key=None):
        """Counts an event for a trait; whether something had to make room for it."""
        cdef ValueC value_c, key_c
        value_of(value, &value_c)
        value_of(key, &key_c)
        return self.update(slot, &key_c, time, amount, &value_c) == 1

    def read(self, int slot, int64_t at, key=None):
        """A trait's value as of `at`; ABSENT where it has none."""
        cdef ValueC key_c
        value_of(key, &key_c)
        return self.value(slot, &key_c, at)

    def read_number(self, int slot, int64_t at, key=None):
        """The same by way of `number`; ABSENT where that gives none."""
        cdef ValueC key_c, found
        value_of(key, &key_c)
        return object_of(&found) if self.number(slot, &key_c, at, &found) else ABSENT

    def read_all(self, int slot, int64_t at):
        """The values of a trait with `per` by key."""
        return self.values(slot, at)

    def send(self, int counter, int64_t at, Py_ssize_t keep):
        """Enters a send."""
        self.sent(counter, at, keep)

    def sent_at(self, int counter):
        """When a counter was sent."""
        return self.sends(counter)

    # - the block

    cdef int resize(self, Py_ssize_t size) except -1:
        """Gives the block room for so many bytes, and a little more."""
        cdef Py_ssize_t room = (max(size + (size >> 3 if size > 512 else 0), 16) + 15) & ~15
        cdef int64_t *block
        if size > MAX_BLOCK:
            raise StateError("the state of a customer is larger than 1 GiB")
        block = <int64_t *> PyMem_RawRealloc(self.applied, room)
        if block is NULL:
            raise MemoryError
        self.applied = block
        self.room = <uint32_t> room
        return 0

    cdef int swap_block(self, Customer other) except -1:
        """Gets what another one has, block and layout; the other is left with the old block."""
        self.applied, other.applied = other.applied, self.applied
        self.traits_at, self.instances_at, self.sends_at = other.traits_at, other.instances_at, other.sends_at
        self.end, self.room, self.opened = other.end, other.room, other.opened
        self.layout, self.generation = other.layout, other.generation
        return 0

    cdef int shed(self, uint32_t waiting) except -1:
        """Leaves of the customer its id and its place among the timers, and how many there are."""
        self.end = self.instances_at = self.sends_at = self.traits_at
        self.resize(self.end)
        self.rare, self.base = NOTHING_RARE, -1
        self.generation, self.opened = EVICTED, waiting
        return 0

    cdef int splice(
        self, int section, Py_ssize_t at, Py_ssize_t gone, const void *come, Py_ssize_t size
    ) except -1:
        """Puts bytes in the place of others of a section; every change of a block goes through here."""
        cdef Py_ssize_t end = self.end + size - gone
        cdef Py_ssize_t begin = self.sends_at, finish = self.end
        cdef uint8_t *block
        if section == SECTION_TRAITS:
            begin, finish = self.traits_at, self.instances_at
        elif section == SECTION_INSTANCES:
            begin, finish = self.instances_at, self.sends_at
        if at < begin or gone < 0 or size < 0 or at + gone > finish:
            raise InternalError("a customer's state was to be written outside of its place; this is a bug")
        if end > self.room:
            self.resize(end)
        block = <uint8_t *> self.applied
        meter.effort += self.end - at + COME * size
        memmove(block + at + size, block + at + gone, self.end - at - gone)
        if size:
            memcpy(block + at, come, size)
        self.end = <uint32_t> end
        if section == SECTION_TRAITS:
            self.instances_at = <uint32_t> (self.instances_at + size - gone)
        if section != SECTION_SENDS:
            self.sends_at = <uint32_t> (self.sends_at + size - gone)
        if gone > size and 2 * end < self.room and self.room > 64:
            self.resize(end)
        return 0

    cdef uint8_t *extend(self, Py_ssize_t most) except NULL:
        """Where at most so many bytes may be written after the last ones; whoever does so moves `end`."""
        if self.end + most > self.room:
            self.resize(self.end + most)
        return <uint8_t *> self.applied + self.end

    cdef Py_ssize_t offset(self, const uint8_t *at) noexcept:
        return span(<const uint8_t *> self.applied, at)

    cdef int begin(self, int64_t time) except -1:
        """Says of the first time among instances and sends that it is the base."""
        if self.base < 0:
            self.base = time
        return 0

    # - traits

    cdef bint seek(self, int slot, PartC *into) noexcept:
        """Finds a trait's part; False where it has none, and `at` is where it would be."""
        cdef const uint8_t *at = <const uint8_t *> self.applied + self.traits_at
        cdef const uint8_t *end = <const uint8_t *> self.applied + self.instances_at
        cdef int there
        cdef uint32_t size
        while at != end:
            into.at = into.body = at
            next_part(&into.body, &there, &size)
            meter.effort += PASSED
            at = into.body + size
            if there == slot:
                into.end = at
                into.base = <int64_t> next_number(&into.body)
                return True
            if there > slot:
                return False
        into.at = at
        return False

    cdef bint put_trait(self, int slot, const uint8_t *body, Py_ssize_t size, bint last) except -1:
        """Enters a trait's part, base and body; True, and nothing is done, if there is one.

        `last`: those that there are have lower slots.
        """
        cdef PartC part
        cdef Py_ssize_t at = self.instances_at
        if not last:
            if self.seek(slot, &part):
                return True
            at = self.offset(part.at)
        scratch.size = 0
        put_header(slot, size)
        scratch.put_raw(body, size)
        self.splice(SECTION_TRAITS, at, 0, scratch.data, scratch.size)
        return False

    cdef int update(
        self, int slot, const ValueC *key, int64_t time, double amount, const ValueC *value
    ) except -1:
        """Counts an event for a trait; 1 if something had to make room for it.

        `key` is that of `per`, or of an element of a list, else NULL; `amount` the number that the function
        takes, `value` what `first`, `last`, `distinct` and `top` take, or the fields of an element.
        """
        cdef const TraitC *trait = &self.layout.trait[slot]
        cdef const uint8_t *since
        cdef PartC part
        cdef EventC event
        cdef uint32_t size
        cdef Py_ssize_t at, gone
        cdef int crowded
        event.time, event.index, event.amount, event.value = time, index_of(trait, time), amount, value
        meter.effort += UPDATED
        scratch.size = 0
        if not self.seek(slot, &part):
            at = self.offset(part.at)
            put_header(slot, 0)
            scratch.put(base_of(trait, time))
            put_body(scratch, part.at, part.at, trait, base_of(trait, time), key, &event, &since)
            size = <uint32_t> (scratch.size - HEADER)
            memcpy(scratch.data + 2, &size, 4)
            self.splice(SECTION_TRAITS, at, 0, scratch.data, scratch.size)
            return 0
        crowded = put_body(scratch, part.body, part.end, trait, part.base, key, &event, &since)
        at, gone = self.offset(part.at), span(since, part.end)
        size = <uint32_t> (span(part.at, part.end) - HEADER - gone + scratch.size)
        self.splice(SECTION_TRAITS, self.offset(since), gone, scratch.data, scratch.size)
        memcpy(<uint8_t *> self.applied + at + 2, &size, 4)
        return crowded

    cdef int remove(self, int slot, const ValueC *key) except -1:
        """Takes the element of a key out of a list."""
        cdef PartC part
        cdef EntryC entry
        cdef Py_ssize_t at
        cdef uint32_t size
        if not self.seek(slot, &part) or find(part.body, part.end, key, &entry) >= 0:
            return 0
        if entry.at == part.body and entry.end == part.end:
            return self.clear_trait(slot)
        at = self.offset(part.at)
        size = <uint32_t> (span(part.at, part.end) - HEADER - span(entry.at, entry.end))
        self.splice(SECTION_TRAITS, self.offset(entry.at), span(entry.at, entry.end), NULL, 0)
        memcpy(<uint8_t *> self.applied + at + 2, &size, 4)
        return 0

    cdef int clear_trait(self, int slot) except -1:
        """Forgets all that a trait has counted."""
        cdef PartC part
        if self.seek(slot, &part):
            return self.splice(SECTION_TRAITS, self.offset(part.at), span(part.at, part.end), NULL, 0)
        return 0

    cdef bint cell(self, int slot, const ValueC *key, PartC *into) noexcept:
        """Finds a trait's cell; False where it has none."""
        cdef EntryC entry
        if not self.seek(slot, into):
            return False
        if self.layout.trait[slot].per:
            if find(into.body, into.end, key, &entry) >= 0:
                return False
            into.body, into.end = entry.cell, entry.end
        return True

    cdef object value(self, int slot, const ValueC *key, int64_t at):
        """A trait's value as of `at`; ABSENT where it has none."""
        cdef const TraitC *trait = &self.layout.trait[slot]
        cdef PartC part
        if not self.cell(slot, key, &part):
            return nothing_of(trait.function)
        if trait.function == FUNCTION_LIST:
            return elements(part.body, part.end, trait, part.base, at, self.layout.names[slot])
        return read_value(part.body, part.end, trait, part.base, at)

    cdef bint number(self, int slot, const ValueC *key, int64_t at, ValueC *into) except -1:
        """The same without a Python object: one number, or any scalar of `first` and `last`.

        False where there is none, or several (`top`, `gap`). A text's bytes are good until the next change.
        """
        cdef const TraitC *trait = &self.layout.trait[slot]
        cdef PartC part
        if not self.cell(slot, key, &part):
            part.body = part.end = NULL
            part.base = 0
        return read_number(part.body, part.end, trait, part.base, at, into)

    cdef dict values(self, int slot, int64_t at):
        """The values of a trait with `per` as of `at`, by key."""
        cdef PartC part
        cdef EntryC entry
        cdef ValueC key
        cdef dict found = {}
        if self.seek(slot, &part):
            while part.body != part.end:
                next_entry(part.body, &entry)
                next_scalar(&entry.key, &key)
                value = read_value(entry.cell, entry.end, &self.layout.trait[slot], part.base, at)
                meter.effort += VALUE
                if value is not ABSENT:
                    found[object_of(&key)] = value
                part.body = entry.end
        return found

    # - sends

    cdef bint seek_send(self, int counter, SendC *into) noexcept:
        """Finds when a counter was sent; False where it was not, and `at` is where it would be."""
        cdef const uint8_t *at = <const uint8_t *> self.applied + self.sends_at
        cdef const uint8_t *end = <const uint8_t *> self.applied + self.end
        while at != end:
            into.at = at
            next_send(&at, into)
            if into.slot == counter:
                return True
            if into.slot > counter:
                into.end = into.at
                return False
        into.at = into.end = at
        return False

    cdef list sends(self, int counter):
        """When a counter was sent: ascending times."""
        cdef SendC send
        cdef int64_t time = self.base
        cdef list times = []
        if self.seek_send(counter, &send):
            time += next_signed(&send.times)
            times.append(time)
            while send.times != send.end:
                time += <int64_t> next_number(&send.times)
                times.append(time)
        return times

    cdef bint used_up(self, int counter, Py_ssize_t count, int64_t after) noexcept:
        """Whether a counter was sent `count` times or more later than `after`."""
        cdef SendC send
        cdef const uint8_t *at
        cdef int64_t time = self.base
        cdef Py_ssize_t known = 1
        if not self.seek_send(counter, &send):
            return False
        at = send.times
        next_signed(&at)
        while at != send.end:
            next_number(&at)
            known += 1
        if known < count:
            return False
        time += next_signed(&send.times)
        for _ in range(known - count):
            time += <int64_t> next_number(&send.times)
        return time > after

    cdef bint put_new_send(
        self, int counter, const uint8_t *times, Py_ssize_t size, bint several, bint last
    ) except -1:
        """Enters a counter's times as they are stored; True, and nothing is done, if it has some.

        `last`: those that there are have lower slots.
        """
        cdef SendC send
        cdef uint8_t *at
        if not last:
            if self.seek_send(counter, &send):
                return True
            self.put_send(&send, counter, times, size, several)
            return False
        at = self.extend(2 * VARINT + size)
        at += write(at, <uint64_t> counter << 1 | several)
        if several:
            at += write(at, size)
        memcpy(at, times, size)
        self.end = <uint32_t> (self.offset(at) + size)
        return False

    cdef int put_send(
        self, const SendC *gone, int counter, const uint8_t *times, Py_ssize_t size, bint several
    ) except -1:
        """Puts a counter's times in the place of others."""
        scratch.size = 0
        scratch.put(<uint64_t> counter << 1 | several)
        if several:
            scratch.put(size)
        scratch.put_raw(times, size)
        return self.splice(
            SECTION_SENDS, self.offset(gone.at), span(gone.at, gone.end), scratch.data, scratch.size
        )

    cdef int sent(self, int counter, int64_t at, Py_ssize_t keep) except -1:
        """Enters a send. The newest `keep` times decide a limit of `keep`, so no others are kept."""
        cdef SendC send
        cdef bint known = self.seek_send(counter, &send)
        self.begin(at)
        if not known:
            return self.put_one_send(&send, counter, at)
        if keep == 1 and not send.several:
            return self.put_one_send(&send, counter, max(at, self.base + next_signed(&send.times)))
        return self.put_among_sends(counter, at, keep)

    cdef int put_one_send(self, const SendC *gone, int counter, int64_t at) except -1:
        cdef uint8_t time[VARINT]
        return self.put_send(gone, counter, time, write(time, zigzag(at - self.base)), False)

    cdef int put_among_sends(self, int counter, int64_t at, Py_ssize_t keep) except -1:
        cdef Buffer out = Buffer()
        cdef SendC send
        cdef list times = self.sends(counter)
        cdef int64_t before = self.base
        insort(times, at)
        del times[:max(len(times) - keep, 0)]
        for time in times:
            if out.size:
                out.put(<int64_t> time - before)
            else:
                out.put_signed(<int64_t> time - before)
            before = time
        self.seek_send(counter, &send)
        return self.put_send(&send, counter, out.data, out.size, len(times) > 1)

    # - instances

    cdef bint waits(self) noexcept:
        """Whether there are instances."""
        return self.sends_at > self.instances_at

    cdef list waiting(self, dict ranks):
        """The instances of some rules, those that quiet hours put off among them."""
        cdef HeadC head
        cdef list found = []
        cdef const uint8_t *at = <const uint8_t *> self.applied + self.instances_at
        while self.next_waiting(&at, &head):
            if head.rank in ranks:
                found.append(self.at_head(&head))
        return found

    cdef int put_off(self, int rank) noexcept:
        """How many instances of a rule quiet hours have put off."""
        cdef HeadC head
        cdef int count = 0
        cdef const uint8_t *at = <const uint8_t *> self.applied + self.instances_at
        while self.next_waiting(&at, &head):
            count += head.rank == rank and head.since >= 0
        return count

    cdef bint next_waiting(self, const uint8_t **at, HeadC *head) noexcept:
        """Reads the head of the next instance, and goes past it; False at the end."""
        if at[0] == <const uint8_t *> self.applied + self.sends_at:
            return False
        meter.effort += PASSED
        next_head(at, self.base, head)
        return True

    cdef bint first_timer(self, HeadC *first) noexcept:
        """The instance with the earliest deadline, of equal ones by rank; False if there is none."""
        cdef HeadC head
        cdef const uint8_t *at = <const uint8_t *> self.applied + self.instances_at
        first.deadline = NEVER
        while self.next_waiting(&at, &head):
            if head.deadline < first.deadline or (
                head.deadline == first.deadline and head.deadline != NEVER and head.rank < first.rank
            ):
                first[0] = head
        return first.deadline != NEVER

    cdef Instance at_head(self, const HeadC *head):
        meter.effort += MADE
        return unpack(head, self.base, self.layout.sources)

    cdef int insert(self, Instance instance) except -1:
        """Enters an instance: after the others, or if it was open in its old place."""
        cdef HeadC head
        cdef const uint8_t *at = <const uint8_t *> self.applied + self.instances_at
        cdef Py_ssize_t to = self.sends_at
        self.begin(instance.time)
        if instance.sequence == 0:
            self.opened += 1
            instance.sequence = self.opened
        else:
            while self.next_waiting(&at, &head):
                if head.sequence > instance.sequence:
                    to = self.offset(head.at)
                    break
        scratch.size = 0
        self.put(instance)
        return self.splice(SECTION_INSTANCES, to, 0, scratch.data, scratch.size)

    cdef int put(self, Instance instance) except -1:
        """Writes an instance to `scratch`."""
        meter.effort += MADE
        return put_instance(scratch, instance, self.base, self.layout.source_slots)

    cdef int append_waiting(self, int rank, str source, const uint8_t *tail, Py_ssize_t size) except -1:
        """Enters an instance after the others, of which everything but rank and source is as it is stored."""
        self.opened += 1
        scratch.size = 0
        put_head(scratch, rank, self.opened, source, self.layout.source_slots)
        scratch.put_raw(tail, size)
        scratch.put_length(0)
        return self.splice(SECTION_INSTANCES, self.sends_at, 0, scratch.data, scratch.size)

    cdef int take_out(self, const HeadC *head) except -1:
        """Closes an instance."""
        return self.splice(SECTION_INSTANCES, self.offset(head.at), span(head.at, head.end), NULL, 0)

    cdef int change(self, dict changes) except -1:
        """Puts instances in the place of others, by their sequence; None: it is closed.

        At once, for each one moves those behind it. How many of those that were there have a deadline.
        """
        cdef HeadC head
        cdef Instance by
        cdef int timers = 0
        cdef int64_t sequence
        cdef const uint8_t *at = <const uint8_t *> self.applied + self.instances_at
        cdef const uint8_t *first = NULL
        cdef const uint8_t *kept = at
        scratch.size = 0
        for sequence in sorted(changes):
            head.sequence = 0
            while head.sequence != sequence:
                if not self.next_waiting(&at, &head):
                    raise InternalError("an instance was to be changed that is not open; this is a bug")
            if first is NULL:
                first = head.at
            else:
                scratch.put_raw(kept, span(kept, head.at))
            by = changes[sequence]
            if by is not None:
                by.sequence = sequence
                self.put(by)
            timers += head.deadline != NEVER
            kept = at
        self.splice(SECTION_INSTANCES, self.offset(first), span(first, kept), scratch.data, scratch.size)
        return timers


cdef int put_header(int slot, Py_ssize_t size) except -1:
    cdef uint16_t low = <uint16_t> slot
    cdef uint32_t length = <uint32_t> size
    scratch.put_raw(&low, 2)
    return scratch.put_raw(&length, 4)


cdef int next_part(const uint8_t **at, int *slot, uint32_t *size) noexcept:
    """Reads what stands before a trait's base and body, and goes there."""
    cdef uint16_t low
    memcpy(&low, at[0], 2)
    memcpy(size, at[0] + 2, 4)
    slot[0] = low
    at[0] += HEADER
    return 0


cdef int next_send(const uint8_t **at, SendC *into) noexcept:
    """Reads a counter's head and goes past its times."""
    cdef uint64_t head = next_number(at), size
    into.slot = <int> (head >> 1)
    into.several = head & 1
    if into.several:
        size = next_number(at)
        into.times = at[0]
        at[0] += size
    else:
        into.times = at[0]
        next_number(at)
    into.end = at[0]
    return 0
