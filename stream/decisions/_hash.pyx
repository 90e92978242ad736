"""Hashes that others work out too: a trigger's id, and the number by which a customer is drawn. BLAKE2b.

It is RFC 7693's, by its authors' reference code (`_vendor/blake2`), called without a Python object. Both hash
UTF-8. In an id each part has its length before it, so that no two causes run into the same bytes.

Cost: 0.6 µs an id, 0.3 µs a number, called from Python.
Tested by tests/decisions/test_hash.py, against hashlib, and by docs/experiments.md's vectors.
"""

from libc.stdint cimport uint8_t, uint64_t

from stream.decisions._json cimport DIGITS, write_digits

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef extern from "blake2.h" nogil:
    ctypedef struct blake2b_state:
        pass
    int blake2b_init(blake2b_state *state, size_t size)
    int blake2b_update(blake2b_state *state, const void *data, size_t size)
    int blake2b_final(blake2b_state *state, void *out, size_t size)

cdef const char *HEX = b"0123456789abcdef"


cdef int absorb(blake2b_state *state, str part) except -1:
    """A part of an id: its bytes' number, a colon, its bytes."""
    cdef char length[DIGITS + 1]
    cdef Py_ssize_t size = 0
    cdef const char *text = PyUnicode_AsUTF8AndSize(part, &size)
    cdef int digits = write_digits(length, size)
    length[digits] = c":"
    blake2b_update(state, length, digits + 1)
    return blake2b_update(state, text, size)


cdef int write_trigger_id(
    char *into, str stable_id, str customer_id, str source, str event_id, str key
) except -1:
    cdef blake2b_state state
    cdef uint8_t digest[ID_BYTES]
    cdef int at
    blake2b_init(&state, ID_BYTES)
    absorb(&state, stable_id)
    absorb(&state, customer_id)
    absorb(&state, source)
    absorb(&state, event_id)
    if key is not None:
        absorb(&state, key)
    blake2b_final(&state, digest, ID_BYTES)
    for at in range(ID_BYTES):
        into[2 * at] = HEX[digest[at] >> 4]
        into[2 * at + 1] = HEX[digest[at] & 15]
    return 0


cdef uint64_t number_of(str customer, str salt) except? 0:
    cdef blake2b_state state
    cdef uint8_t digest[8]
    cdef Py_ssize_t size = 0
    cdef const char *text = PyUnicode_AsUTF8AndSize(customer, &size)
    cdef uint64_t number = 0
    cdef int at
    blake2b_init(&state, sizeof(digest))
    blake2b_update(&state, text, size)
    blake2b_update(&state, b"\0", 1)
    text = PyUnicode_AsUTF8AndSize(salt, &size)
    blake2b_update(&state, text, size)
    blake2b_final(&state, digest, sizeof(digest))
    for at in range(8):
        number = number << 8 | digest[at]
    return number


def trigger_id(
    str stable_id not None, str customer_id not None, str source not None, str event_id not None, str key=None
):
    """32 hex digits that depend on the rule's definition, the customer and the cause, and nothing else.

    `key`: the JSON of the value of the rule's `key`, where it has one.
    """
    cdef char digits[ID_DIGITS]
    write_trigger_id(digits, stable_id, customer_id, source, event_id, key)
    return digits[:ID_DIGITS].decode("ascii")


def number(str customer not None, str salt not None):
    """The customer's number for a salt: 64 bits, evenly distributed."""
    return number_of(customer, salt)
