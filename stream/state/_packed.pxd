"""Numbers and values in few bytes; the essay is in `_packed.pyx`."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from stream.events._value cimport (
    KIND_DOUBLE,
    KIND_FALSE,
    KIND_INTEGER,
    KIND_MISSING,
    KIND_NIL,
    KIND_TEXT,
    KIND_TRUE,
    KIND_UNSIGNED,
    ValueC,
)

cdef enum:
    MAX_SCALAR = 1024   # bytes of a string that a trait keeps
    VARINT = 10         # bytes of the longest varint

cdef struct MeterC:
    int64_t effort      # about a tenth of a nanosecond each: what was passed and moved since the last call

cdef MeterC meter       # of all customers: one thread has them

cdef bint is_key(const ValueC *value) noexcept      # of a map of CEL: a boolean, an integer, a string
cdef bint is_kept(const ValueC *value) noexcept     # by `first` and `last`: any scalar

cdef class Buffer:
    cdef uint8_t *data
    cdef Py_ssize_t size, room

    cdef int grow(self, Py_ssize_t more) except -1
    cdef int put(self, uint64_t number) except -1
    cdef int put_signed(self, int64_t number) except -1
    cdef int put_double(self, double number) except -1
    cdef int put_raw(self, const void *data, Py_ssize_t size) except -1
    cdef int put_text(self, str text) except -1
    cdef int put_scalar(self, const ValueC *value) except -1
    cdef int put_length(self, Py_ssize_t since) except -1


cdef inline int reserve(Buffer out, Py_ssize_t more) except -1:
    """Makes room for so many bytes more."""
    return 0 if out.size + more <= out.room else out.grow(more)


@cython.overflowcheck(False)     # which takes pointers for numbers
cdef inline Py_ssize_t span(const uint8_t *since, const uint8_t *until) noexcept:
    """How many bytes there are from one place to another."""
    return until - since


cdef inline int size_of(uint64_t number) noexcept:
    """Bytes of a varint."""
    cdef int size = 1
    while number >= 0x80:
        number >>= 7
        size += 1
    return size


cdef inline int write(uint8_t *at, uint64_t number) noexcept:
    """Writes a varint where there is room for it; how many bytes it took."""
    cdef int size = 0
    while number >= 0x80:
        at[size] = <uint8_t> (number & 0x7F) | 0x80
        number >>= 7
        size += 1
    at[size] = <uint8_t> number
    return size + 1


@cython.overflowcheck(False)
cdef inline uint64_t zigzag(int64_t number) noexcept:
    return (<uint64_t> number << 1) ^ <uint64_t> (number >> 63)


@cython.overflowcheck(False)
cdef inline int64_t unzigzag(uint64_t number) noexcept:
    return <int64_t> (number >> 1) ^ -<int64_t> (number & 1)


@cython.overflowcheck(False)
cdef inline uint64_t next_number(const uint8_t **at) noexcept:
    """Reads a varint that is known to be one, and goes past it."""
    cdef uint64_t number = at[0][0]
    cdef int shift = 7
    at[0] += 1
    if number < 0x80:
        return number
    number &= 0x7F
    while at[0][0] & 0x80:
        number |= <uint64_t> (at[0][0] & 0x7F) << shift
        shift += 7
        at[0] += 1
    number |= <uint64_t> at[0][0] << shift
    at[0] += 1
    return number


cdef inline int64_t next_signed(const uint8_t **at) noexcept:
    return unzigzag(next_number(at))


cdef inline double next_double(const uint8_t **at) noexcept:
    cdef double number
    memcpy(&number, at[0], 8)
    at[0] += 8
    return number


cdef inline int next_scalar(const uint8_t **at, ValueC *into) noexcept:
    """Reads a scalar; the bytes of a text stay where they are."""
    cdef uint64_t head = next_number(at)
    into.kind = <int> (head & 7)
    into.size = 0
    if into.kind == KIND_TEXT:
        into.size = <uint32_t> (head >> 3)
        into.of.text = <const char *> at[0]
        at[0] += into.size
    elif into.kind == KIND_INTEGER:
        into.of.integer = next_signed(at)
    elif into.kind == KIND_UNSIGNED:
        into.of.unsigned = next_number(at)
    elif into.kind == KIND_DOUBLE:
        into.of.number = next_double(at)
    return 0


cdef inline bint at_scalar(const uint8_t *at, const ValueC *value) noexcept:
    """Whether a scalar that can be a key stands there."""
    cdef uint64_t head = next_number(&at)
    if <int> (head & 7) != value.kind:
        return False
    if value.kind == KIND_TEXT:
        if head >> 3 != value.size:
            return False
        if value.size == 0:
            return True
        # Keys of one customer often differ in the last byte only.
        return at[value.size - 1] == <uint8_t> value.of.text[value.size - 1] and (
            memcmp(at, value.of.text, value.size) == 0
        )
    if value.kind == KIND_INTEGER:
        return next_signed(&at) == value.of.integer
    if value.kind == KIND_UNSIGNED:
        return next_number(&at) == value.of.unsigned
    return value.kind != KIND_MISSING
