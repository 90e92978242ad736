"""Records that were taken of Kafka together, left where they lie.

What was fetched, or what a batch was unpacked to, stays as long as somebody has its records; each is known
by where its key, value and headers are. The engine reads them there. To everybody else this is a sequence of
records, each of which becomes an object when it is asked for: a dead letter, a test, another stage.

    records    offset  timestamp  key ─┐  value ─┐  headers ─┐     56 bytes each
    owners     [what was fetched: ───────────────────────────────]
    others     {place: an `Unread`, or a record of an older format}: what has a place, and lies nowhere

Cost: 0.02 µs a record; its objects take 0.15 more.
Tested by tests/events/test_taken.py, tests/kafka/test_raw_records.py and tests/attacks/test_records.py.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy, memset

from stream.events._varint cimport read_varint

from stream.structs import Unread

MOST_HEADERS = 1000         # that are looked at; nobody sends as many in earnest
cdef Py_ssize_t most_headers = MOST_HEADERS
cdef Py_ssize_t FIRST_ROOM = 500        # of those that are made at once


@cython.final
@cython.freelist(1000)
cdef class RawRecord:
    """What `structs.Record` asks for."""

    @property
    def headers(self):
        """The names and values; of a name that is not UTF-8 the bytes are written out, null is empty."""
        cdef Py_ssize_t at = 0, size, end
        cdef int64_t left = 0, length = 0
        cdef const uint8_t *data
        cdef list found = []
        cdef str name
        if self.raw_headers is None:
            return ()
        data, size = self.raw_headers, len(self.raw_headers)
        read_varint(data, &at, size, &left)
        while left > 0 and len(found) < most_headers:
            left -= 1
            if not read_varint(data, &at, size, &length) or not 0 <= length <= size - at:
                break
            name = PyUnicode_DecodeUTF8(<const char *> data + at, length, "backslashreplace")
            at += length
            if not read_varint(data, &at, size, &length) or length > size - at:
                break
            end = at + max(length, 0)
            found.append((name, PyBytes_FromStringAndSize(<const char *> data + at, end - at)))
            at = end
        return tuple(found)


@cython.no_gc
@cython.final
cdef class TakenRecords:
    """A sequence of records, in the order of their offsets. `size`: bytes, about.

    One that is made of objects has them in `others`.
    """

    def __cinit__(self, records=()):
        self.owners, self.others = [], {}
        for record in records:
            self.more(1)
            self[self.count - 1] = record

    def __dealloc__(self):
        PyMem_Free(self.records)

    def __len__(self):
        return self.count

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self.at(at) for at in range(*place.indices(self.count))]
        return self.at(self.place_of(place))

    def __setitem__(self, place, record not None):
        """Puts an object in the place of a record."""
        cdef Py_ssize_t at = self.place_of(place)
        cdef RecordC *there = &self.records[at]
        memset(there, 0, sizeof(RecordC))
        there.offset, there.timestamp, there.value_size = record.offset, record.timestamp, AN_OBJECT
        self.others[at] = record

    def __iter__(self):
        cdef Py_ssize_t at
        for at in range(self.count):
            yield self.at(at)

    @property
    def end(self):
        """The offset after the last record; there is one."""
        return self.records[self.place_of(-1)].offset + 1

    @property
    def unread(self):
        """Those that were not read."""
        return [each for each in self.others.values() if type(each) is Unread]

    def extend(self, TakenRecords others not None):
        """Takes the others, too; they come after those that are here."""
        cdef Py_ssize_t before = self.count
        memcpy(self.more(others.count), others.records, others.count * sizeof(RecordC))
        for owner in others.owners:
            if not self.owners or self.owners[len(self.owners) - 1] is not owner:
                self.owners.append(owner)
        for at, record in others.others.items():
            self.others[before + at] = record

    def since(self, int64_t offset):
        """Those with this offset, or a later one."""
        cdef TakenRecords rest
        cdef Py_ssize_t at = 0
        while at < self.count and self.records[at].offset < offset:
            at += 1
        if at == 0:
            return self
        rest = TakenRecords()
        memcpy(rest.more(self.count - at), self.records + at, (self.count - at) * sizeof(RecordC))
        rest.owners = self.owners
        rest.others = {place - at: record for place, record in self.others.items() if place >= at}
        return rest

    cdef Py_ssize_t place_of(self, Py_ssize_t place) except -1:
        """Counted from the beginning."""
        if place < 0:
            place += self.count
        if not 0 <= place < self.count:
            raise IndexError("there are not as many records")
        return place

    cdef RecordC *more(self, Py_ssize_t count) except NULL:
        """Where so many records more are to be written, which count from now on."""
        cdef Py_ssize_t room
        cdef RecordC *grown
        if self.records is NULL or self.count + count > self.room:
            room = max(2 * self.room, self.count + count, FIRST_ROOM)
            grown = <RecordC *> PyMem_Realloc(self.records, room * sizeof(RecordC))
            if grown is NULL:
                raise MemoryError
            self.records, self.room = grown, room
        self.count += count
        return self.records + self.count - count

    cdef object at(self, Py_ssize_t place):
        """The record, as an object."""
        cdef RecordC *record = &self.records[place]
        cdef RawRecord made
        if record.value_size == AN_OBJECT:
            return self.others[place]
        made = RawRecord.__new__(RawRecord)
        made.offset, made.timestamp = record.offset, record.timestamp
        made.key = bytes_at(record.key, record.key_size)
        made.value = bytes_at(record.value, record.value_size)
        made.raw_headers = bytes_at(record.headers, record.headers_size or -1)
        return made


cdef bytes bytes_at(const uint8_t *data, Py_ssize_t size):
    """None if there are less than 0."""
    return PyBytes_FromStringAndSize(<const char *> data, size) if size >= 0 else None
