"""Ids of events that come again in a history, where nothing leaves them out: of sources with an `id` and
without `dedupe`.

Looked at are customer and id, of each event that can be read, against the newest ids of all such sources
together: at least NEWEST of them, at most twice as many, by 64 bits of MurmurHash2. So memory does not grow
with the history: 40 MB at the very most. A repeat that comes later than that is not seen; another id is taken
for one in one of 10^13 events.

Cost: 0.8 µs an event of 200 bytes, and nothing where no source is looked at.
Tested by tests/history/test_repeats.py.
"""

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from stream.events._event cimport Event, Fields
from stream.events._murmur cimport murmur2
from stream.events._value cimport KIND_INTEGER, KIND_TEXT, KIND_UNSIGNED, ValueC, object_of
from stream.history._past cimport PastEvent

NEWEST = 250_000


@cython.final
cdef class RepeatedIds:
    """`found`: by source, how many events had an id that the customer had had, and the place of the first."""
    cdef Event event
    cdef dict slots         # by source: those of customer and id, and a number of its own
    cdef set now, before
    cdef Py_ssize_t newest
    cdef readonly dict found

    def __cinit__(self, sources, Py_ssize_t newest=NEWEST):
        cdef Fields fields = Fields()
        self.slots, self.found = {}, {}
        for number, source in enumerate(sources):
            if source.kind == "event" and source.id is not None and source.dedupe is None:
                self.slots[source.name] = (fields.slot(source.customer), fields.slot(source.id), number)
        fields.build()
        self.event = Event(fields)
        self.now, self.before, self.newest = set(), set(), newest

    def look(self, records not None):
        """Goes through events that follow those before, by source."""
        cdef PastEvent past
        cdef uint64_t hashed
        cdef int of, id
        for name, events in records.items():
            if name not in self.slots:
                continue
            of, id, number = self.slots[name]
            for past in events:
                if past.value is None or not self.event.read(past.value):
                    continue
                hashed = number + 1
                if not mix(&self.event.values[of], &hashed) or not mix(&self.event.values[id], &hashed):
                    continue
                if hashed in self.now or hashed in self.before:
                    count, first = self.found.get(name, (0, None))
                    self.found[name] = (count + 1, past.place if first is None else first)
                self.now.add(hashed)
                if len(self.now) == self.newest:
                    self.before, self.now = self.now, set()


cdef bint mix(const ValueC *value, uint64_t *hashed) except -1:
    """Adds a text, or a whole number, to a hash; False if it is none."""
    cdef bytes written
    cdef const uint8_t *text
    cdef Py_ssize_t size
    cdef uint32_t high, low
    if value.kind == KIND_TEXT and value.size:
        text, size = <const uint8_t *> value.of.text, value.size
    elif value.kind == KIND_INTEGER or value.kind == KIND_UNSIGNED:
        written = str(object_of(value)).encode()
        text, size = <const uint8_t *> <const char *> written, len(written)
    else:
        return False
    high = murmur2(text, size, <uint32_t> (hashed[0] >> 32))
    low = murmur2(text, size, <uint32_t> hashed[0] + 1)
    hashed[0] = <uint64_t> high << 32 | low
    return True
