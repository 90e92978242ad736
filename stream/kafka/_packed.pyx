"""Records on their way out: bytes from the step that made them to the batch that carries them.

What is written to one topic partition lies one after another in memory that grows. Each record is there as
Kafka has it, but for what its place in a batch decides: that comes in `_batch`.

    packed =>  size: uint32, key, value, number of headers, (name, value) of each       and the next one
                             lengths and numbers: zigzag varint; -1: null

So no object stands for a record, and a collector of garbage has nothing to look at. What is rare makes
objects again (`unpack`): recovery after a crash, and tests.

Nothing larger than Kafka's 32-bit lengths can say is taken; what a topic takes is its own affair
(`most_bytes`). Cost of a record of 500 bytes: 0.04 µs, and 0.1 for each header that is given as an object.
Tested by tests/kafka/test_packed.py.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from stream.events._varint cimport put_varint, read_varint, size_of_varint

from stream.structs import Target, WireRecord

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

LARGEST = 0x7fffffff - 128      # bytes of a packed record: with its batch they are a signed number of 32 bits
cdef str TOO_LARGE = f"a record of more than {LARGEST} bytes: Kafka cannot carry it"
cdef Py_ssize_t largest = LARGEST
cdef Py_ssize_t FIRST_ROOM = 512

# Memory of records that are gone, for the next ones: pages that are new to the process are dear.
cdef enum:
    SPARES = 8
    LARGEST_SPARE = 1048576     # bytes
cdef uint8_t *spares[SPARES]
cdef Py_ssize_t rooms[SPARES]
cdef int n_spares = 0


@cython.no_gc
@cython.final
cdef class PackedRecords:
    """Records for one topic partition, in their order."""

    def __dealloc__(self):
        global n_spares
        if self.data is not NULL and self.room <= LARGEST_SPARE and n_spares < SPARES:
            spares[n_spares], rooms[n_spares] = self.data, self.room
            n_spares += 1
        else:
            PyMem_Free(self.data)

    def __len__(self):
        return self.count

    def add(self, bytes key, bytes value, tuple headers not None=()):
        """One record more; OverflowError if Kafka cannot carry it."""
        cdef bytes encoded = encode_headers(headers) if headers else b""
        self.append(
            address(key), size_of(key), address(value), size_of(value), address(encoded), size_of(encoded)
        )

    def add_pairs(self, list pairs not None):
        """Records of keys and values, without headers."""
        cdef bytes key, value
        for key, value in pairs:
            self.append(address(key), size_of(key), address(value), size_of(value), NULL, 0)

    def extend(self, PackedRecords others not None):
        """All of the others after those that are here."""
        cdef Py_ssize_t size = others.size
        cdef uint8_t *into
        if size:
            into = self.more(size)  # first: if it is itself that is added, its data moves
            memcpy(into, others.data, size)
            self.count += others.count

    def unpack(self, str topic not None, partition=None):
        """The records as objects, for that topic and partition."""
        cdef Py_ssize_t at = 0, end
        cdef list found = []
        while at < self.size:
            end = at + PREFIX + self.size_at(at)
            at += PREFIX
            key = take_bytes(self.data, &at, end)
            value = take_bytes(self.data, &at, end)
            found.append(WireRecord(topic, key, value, take_headers(self.data, &at, end), partition))
            at = end
        return found

    cdef int append(
        self, const uint8_t *key, Py_ssize_t key_size, const uint8_t *value, Py_ssize_t value_size,
        const uint8_t *headers, Py_ssize_t headers_size,
    ) except -1:
        cdef Py_ssize_t size = largest + 1
        cdef uint32_t prefix
        cdef uint8_t *into
        if -1 <= key_size <= largest and -1 <= value_size <= largest and 0 <= headers_size <= largest:
            size = size_of_bytes(key_size) + size_of_bytes(value_size) + max(headers_size, 1)
        if size > largest:
            raise OverflowError(TOO_LARGE)
        into = self.more(PREFIX + size)
        prefix = <uint32_t> size
        memcpy(into, &prefix, PREFIX)
        into += PREFIX
        into += put_bytes(into, key, key_size)
        into += put_bytes(into, value, value_size)
        if headers_size:
            memcpy(into, headers, headers_size)
        else:
            into[0] = 0
        self.count += 1
        return 0

    cdef Py_ssize_t size_at(self, Py_ssize_t at) except -1:
        cdef uint32_t size
        if not 0 <= at <= self.size - PREFIX:
            raise IndexError("no record begins there")
        memcpy(&size, self.data + at, PREFIX)
        if size > self.size - PREFIX - at:
            raise IndexError("no record begins there")
        return size

    cdef uint8_t *more(self, Py_ssize_t size) except NULL:
        """Where so many bytes more begin, which are in use from now on."""
        cdef Py_ssize_t room
        cdef uint8_t *grown
        global n_spares
        if self.data is NULL and n_spares:
            n_spares -= 1
            self.data, self.room = spares[n_spares], rooms[n_spares]
        if size > self.room - self.size:
            room = max(2 * self.room, self.size + size, FIRST_ROOM)
            grown = <uint8_t *> PyMem_Realloc(self.data, room)
            if grown is NULL:
                raise MemoryError
            self.data, self.room = grown, room
        self.size += size
        return self.data + self.size - size


def pack(records):
    """Records as objects to packed ones, by where they go: of each target in their order."""
    cdef dict packed = {}
    cdef PackedRecords into
    for topic, key, value, headers, partition in records:
        into = packed.get((topic, partition))
        if into is None:
            into = packed[Target(topic, partition)] = PackedRecords()
        into.add(key, value, headers)
    return packed


def unpack(packed):
    """All records as objects, of one target after the other."""
    return [record for target, records in packed.items() for record in records.unpack(*target)]


# --- parts of a record --------------------------------------------------------------------------

cdef inline const uint8_t *address(bytes data) noexcept:
    if data is None:
        return NULL
    return <const uint8_t *> PyBytes_AS_STRING(data)


cdef inline Py_ssize_t size_of(bytes data) noexcept:
    return -1 if data is None else PyBytes_GET_SIZE(data)


cdef bytes encode_headers(tuple headers):
    """As Kafka has them, their number in front. Tuples do not change between the two loops."""
    cdef Py_ssize_t name_size = 0, size = size_of_varint(len(headers))
    cdef const char *text
    cdef uint8_t *into
    cdef bytes encoded, value
    cdef tuple header
    cdef str name
    for header in headers:
        name, value = header
        PyUnicode_AsUTF8AndSize(name, &name_size)
        size += size_of_bytes(name_size) + size_of_bytes(size_of(value))
    if size > largest:
        raise OverflowError(TOO_LARGE)
    encoded = PyBytes_FromStringAndSize(NULL, size)
    into = <uint8_t *> PyBytes_AS_STRING(encoded)
    into += put_varint(into, len(headers))
    for header in headers:
        name, value = header
        text = PyUnicode_AsUTF8AndSize(name, &name_size)
        into += put_header(into, <const uint8_t *> text, name_size, address(value), size_of(value))
    return encoded


cdef int64_t take_number(const uint8_t *data, Py_ssize_t *at, Py_ssize_t end) except? -2:
    cdef int64_t number = 0
    if not read_varint(data, at, end, &number):
        raise ValueError("not a packed record")
    return number


cdef bytes take_bytes(const uint8_t *data, Py_ssize_t *at, Py_ssize_t end):
    cdef int64_t size = take_number(data, at, end)
    if not -1 <= size <= end - at[0]:
        raise ValueError("not a packed record")
    if size < 0:
        return None
    at[0] += size
    return PyBytes_FromStringAndSize(<const char *> data + at[0] - size, size)


cdef tuple take_headers(const uint8_t *data, Py_ssize_t *at, Py_ssize_t end):
    cdef int64_t left = take_number(data, at, end)
    cdef list found = []
    cdef bytes name
    while left > 0:
        name = take_bytes(data, at, end)
        found.append((name.decode(), take_bytes(data, at, end)))
        left -= 1
    return tuple(found)
