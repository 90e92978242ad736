"""The lines of one input: of which source, of when, and in which order they come.

An input is read twice. `survey` counts, and finds how far its lines are from being in order; `read` makes the
events. An event's *order* is the largest time that its source has had in this input, or with `by_time` its
own, times the number of sources, plus its source's rank by name. By it events go as the engine's merge would
have taken them: each source in the order of its lines, between them by time, at equal times by name.

    read      piece 0      piece 1      piece 2 …
                    ├ cut: the largest order of piece 0. Of what comes after piece 1 nothing is below,
                    │ or `survey` has found the input *scattered*; then it is sorted on disk (`sorting`)
    held      of each source, what is not taken yet: never more than two pieces

What stamps a line is its `timestamp`, if it has one, else the line before it; a record's is its own. It
counts where the source maps no time, or one that is after `latest`. What stands before the first time of all
comes just before all of the input.

Cost: 0.35 µs to survey a line of 200 bytes, 0.45 to read it.
Tested by tests/history/test_past.py.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t
from libc.string cimport memcmp

from stream.events._event cimport Event, Fields
from stream.events._times cimport NEVER, milliseconds_of
from stream.events._value cimport (
    KIND_INTEGER,
    KIND_MISSING,
    KIND_NIL,
    KIND_TEXT,
    KIND_UNSIGNED,
    ValueC,
    object_of,
)

import re

OTHERS = "(others)"     # sources that are no names, or too many
MAX_NAMES = 1_000       # of sources that the rules do not have
END = NEVER             # later than any order

cdef object is_name = re.compile(r"[A-Za-z0-9._-]{1,249}").fullmatch   # of a topic
cdef enum:
    UNKNOWN = -1        # no source's rank


@cython.final
@cython.freelist(1000)
@cython.no_gc       # what it refers to does not refer to it, and there are thousands at hand
cdef class PastEvent:
    """An event that the engine is given once more."""

    def __init__(self, origin, int rank, int64_t order, int64_t number, int64_t timestamp, bytes key,
                 bytes value, int64_t offset=-1):
        self.origin, self.rank, self.order, self.number = origin, rank, order, number
        self.timestamp, self.key, self.value, self.offset = timestamp, key, value, offset

    @property
    def headers(self):
        return ()

    @property
    def place(self):
        """Where it was read, for people."""
        return self.origin.place_of(self.number)


@cython.final
cdef class Held:
    """Events that were read and not taken, by source."""

    def __cinit__(self, tuple names not None):
        self.names = names
        self.lists = [[] for _ in names]

    cdef int add(self, PastEvent event) except -1:
        (<list> self.lists[event.rank]).append(event)
        return 0

    def put(self, PastEvent event not None):
        """Adds an event, whose order is not below that of the last one of its source."""
        self.add(event)

    def take(self, int64_t cut):
        """The events up to this order, by the source's name."""
        cdef list events
        cdef Py_ssize_t at, count
        taken = {}
        for rank, name in enumerate(self.names):
            events = <list> self.lists[rank]
            count = len(events)
            at = count
            while at > 0 and (<PastEvent> events[at - 1]).order > cut:
                at -= 1
            if at == count and count:
                taken[name], self.lists[rank] = events, []
            elif at:
                taken[name], self.lists[rank] = events[:at], events[at:]
        return taken


def give_offsets(list events not None, int64_t first):
    """Gives events, in this order, the offsets from `first` on."""
    cdef PastEvent event
    for each in events:
        event = <PastEvent?> each
        event.offset = first
        first += 1


@cython.final
cdef class Reader:
    """One input, once. `fixed`: the source of all of its lines. `begin`: the time of what stands before the
    first time, None if that is not known. `latest`: a time after it is not believed. `allowed`: ms that a
    line may be earlier than one of its source before it. `wanted`: names of events that are asked for.
    `again`: it was surveyed; who and what its lines are about does not matter any more.
    """

    def __cinit__(self, sources, origin, *, fixed=None, first=None, int64_t latest=NEVER, int64_t allowed=0,
                  begin=None, bint by_time=False, wanted=(), bint again=False):
        cdef Fields fields = Fields()
        cdef int at
        ordered = sorted(sources, key=lambda each: each.name)
        self.names = tuple(each.name for each in ordered)
        self.encoded = tuple(name.encode() for name in self.names)
        self.n, self.origin = len(ordered), origin
        self.sources = <SourceC *> PyMem_Calloc(max(self.n, 1), sizeof(SourceC))
        if self.sources is NULL:
            raise MemoryError
        for at, source in enumerate(ordered):
            self.sources[at].time_field = -1 if source.time is None else fields.slot(source.time)
            self.sources[at].name_field = self.sources[at].customer_field = -1
            if not again:
                self.sources[at].name_field = -1 if source.event is None else fields.slot(source.event)
                self.sources[at].customer_field = fields.slot(source.customer)
            self.sources[at].reached = self.sources[at].first_ahead = self.sources[at].seen = -1
        # What all lines are of; of a line that names none.
        self.source_field = -1 if fixed is not None else fields.slot(("source",))
        self.fixed = self.names.index(first if fixed is None else fixed) if (fixed or first) else UNKNOWN
        self.stamp_field = fields.slot(("timestamp",))
        fields.build()
        self.event, self.held, self.unknown = Event(fields), Held(self.names), {}
        self.waited = {name.encode() for name in wanted}
        self.latest, self.allowed, self.by_time = latest, allowed, by_time
        self.last = -1 if begin is None else begin
        self.earliest = self.least = self.largest = self.before = self.present = -1

    def __dealloc__(self):
        PyMem_Free(self.sources)

    def survey(self, list values not None, numbers not None):
        """Goes through a piece of the input: its lines, and the number of the first, or of each."""
        self.go_through(values, numbers, False)
        self.before, self.present = self.present, self.largest

    def read(self, list values not None, numbers not None):
        """Makes a piece's lines events, which are `held`; up to which order they are complete."""
        self.go_through(values, numbers, True)
        self.before, self.present = self.present, self.largest
        return self.before

    def read_record(self, int64_t offset, int64_t timestamp, bytes key, bytes value):
        """A record of Kafka as the event that it is."""
        cdef int source = self.look(value, offset)
        cdef int64_t order = self.note(source, self.time_of(source, timestamp, offset), offset)
        self.note_name(source)
        return PastEvent(self.origin, source, order, offset, timestamp, key, value, offset)

    @property
    def absent(self):
        """The wanted names that no event has had, in a survey or among records."""
        return frozenset(name.decode() for name in self.waited)

    @property
    def figures(self):
        """By source: lines, of them those without a time, numbers of the first one dated after `latest`;
        lines in disorder, numbers of the first and of what is ahead of it, largest step back in ms."""
        cdef SourceC *each
        cdef int at
        found = {}
        for at in range(self.n):
            each = &self.sources[at]
            if each.lines:
                found[self.names[at]] = (each.lines, each.placed, each.first_ahead, each.disordered,
                                         each.first_disordered, each.after, each.step_back)
        return found

    cdef int go_through(self, list values, object numbers, bint keep) except -1:
        cdef bint consecutive = type(numbers) is int
        cdef int64_t number = numbers if consecutive else 0, time, order
        cdef Py_ssize_t at
        cdef int source
        cdef bytes value
        cdef PastEvent event
        for at in range(len(values)):
            value = <bytes> values[at]
            if not consecutive:
                number = numbers[at]
            value = trimmed(value)
            if value:
                source = self.look(value, number)
                if source != UNKNOWN:
                    time = self.time_of(source, -1, number)
                    order = self.note(source, time, number)
                    if not keep:
                        self.note_name(source)
                    else:
                        event = PastEvent.__new__(PastEvent)
                        event.origin, event.rank = self.origin, source
                        event.order, event.number = order, number
                        event.timestamp, event.value, event.offset = self.last, value, -1
                        self.held.add(event)
            number += 1
        return 0

    cdef int look(self, bytes value, int64_t number) except -2:
        """Reads a line; the rank of its source, UNKNOWN if the rules do not have that."""
        cdef ValueC *found
        cdef int at
        self.readable = value is not None and self.event.read(value)
        if self.source_field < 0 or not self.readable:
            return self.fixed
        found = &self.event.values[self.source_field]
        if found.kind == KIND_MISSING or found.kind == KIND_NIL:
            return self.fixed
        if found.kind == KIND_TEXT:
            for at in range(self.n):
                name = <bytes> self.encoded[at]
                if found.size == <size_t> len(name) and memcmp(found.of.text, <char *> name, found.size) == 0:
                    return at
        self.leave_out(object_of(found), number)
        return UNKNOWN

    cdef int note_name(self, int source) except -1:
        """An event of this name has come. Costs nothing once all that are wanted have."""
        cdef int field = self.sources[source].name_field
        cdef ValueC *found
        if field < 0 or not self.waited or not self.readable:
            return 0
        found = &self.event.values[field]
        if found.kind == KIND_TEXT:
            self.waited.discard(PyBytes_FromStringAndSize(found.of.text, found.size))
        return 0

    cdef int leave_out(self, name, int64_t number) except -1:
        """Counts a line of a source that the rules do not have."""
        # What is no name is not shown: it may be somebody's address, or written to a terminal's harm.
        if name not in self.unknown:
            if type(name) is not str or len(self.unknown) >= MAX_NAMES or is_name(name) is None:
                name = OTHERS
        self.unknown.setdefault(name, [0, number])[0] += 1
        return 0

    cdef int64_t time_of(self, int source, int64_t stamp, int64_t number) except -2:
        """When an event was by what it says, or by its record's time, if that can be believed; -1 if not."""
        cdef SourceC *of = &self.sources[source]
        cdef bint says_none = True
        cdef int64_t time
        if self.readable and of.time_field >= 0:
            if self.event.values[of.time_field].kind != KIND_MISSING:
                says_none = False
                time = milliseconds_of(&self.event.values[of.time_field])
                if 0 <= time <= self.latest:
                    return time
                if time >= 0 and of.first_ahead < 0:
                    of.first_ahead = number
        if stamp < 0 and self.readable and self.event.values[self.stamp_field].kind != KIND_MISSING:
            stamp = milliseconds_of(&self.event.values[self.stamp_field])
        if 0 <= stamp <= self.latest:
            return stamp
        of.placed += says_none and self.readable
        return -1

    cdef int64_t note(self, int source, int64_t time, int64_t number) except -2:
        """Takes a line's time, -1 if it says none, as the input's; its order."""
        cdef SourceC *of = &self.sources[source]
        cdef int64_t order
        of.lines += 1
        if time < 0:
            time = self.last
        else:
            self.last = time
            if self.earliest < 0 or time < self.earliest:
                self.earliest = time
            if self.is_event(of):
                self.note_disorder(of, time, number)
        of.reached = max(of.reached, time)
        order = max(time if self.by_time else of.reached, 0) * self.n + source
        if order < self.before:
            self.is_scattered = True
        if self.least < 0 or order < self.least:
            self.least = order
        self.largest = max(self.largest, order)
        return order

    cdef bint is_event(self, SourceC *of) noexcept:
        """Whether the line at hand says whose it is, and what: of a broken one the time may be wrong, too."""
        cdef int kind
        if of.customer_field < 0 or not self.readable:
            return False
        if of.name_field >= 0 and self.event.values[of.name_field].kind != KIND_TEXT:
            return False
        kind = self.event.values[of.customer_field].kind
        return kind == KIND_TEXT or kind == KIND_INTEGER or kind == KIND_UNSIGNED

    cdef void note_disorder(self, SourceC *of, int64_t time, int64_t number) noexcept:
        if of.seen - time > self.allowed:
            if of.disordered == 0:
                of.first_disordered, of.after = number, of.seen_at
            of.disordered += 1
            of.step_back = max(of.step_back, of.seen - time)
        elif time > of.seen:
            of.seen, of.seen_at = time, number


cdef bytes trimmed(bytes value):
    """A line without the blanks around it."""
    cdef Py_ssize_t size = len(value)
    cdef const char *text = <const char *> value
    if size and (text[0] <= b" " or text[size - 1] <= b" "):
        return value.strip()
    return value
