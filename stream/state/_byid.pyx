"""Customers by id: a hash table that leaves the id to the customer's block.

Open addressing with linear probing, at most 7/8 full; a removal moves up what follows. 12 bytes a place: a
dict of strings would take 100 bytes a customer more. The hash is Python's own, with its secret, so nobody can
choose ids that collide.
Cost: a look-up about 40 ns, most of it the customer's line of memory.
Tested by tests/state/test_byid.py.
"""

cimport cython
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t
from libc.string cimport memcmp, memset

from stream.state._customer cimport Customer

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    Py_hash_t _Py_HashBytes(const void *data, Py_ssize_t size) noexcept


cdef uint32_t hash_of(const char *id, Py_ssize_t size) noexcept:
    cdef uint32_t hash = <uint32_t> (<size_t> _Py_HashBytes(id, size) & 0xFFFFFFFF)
    return hash if hash else 1


@cython.final
cdef class ById:
    """The customers of a partition, in no order."""

    def __cinit__(self):
        self.grow()

    def __dealloc__(self):
        cdef Py_ssize_t at
        if self.hashes is not NULL and self.customers is not NULL:
            for at in range(self.room):
                if self.hashes[at]:
                    Py_DECREF(<Customer> self.customers[at])
        PyMem_RawFree(self.customers)
        PyMem_RawFree(self.hashes)

    cdef Py_ssize_t place(self, uint32_t hash, const char *id, Py_ssize_t size) noexcept:
        """Where the id is, else the free place where it would be."""
        cdef Py_ssize_t at = hash & (self.room - 1), there
        cdef const char *other
        while self.hashes[at]:
            if self.hashes[at] == hash:
                other = (<Customer> self.customers[at]).id_bytes(&there)
                if there == size and memcmp(other, id, size) == 0:
                    break
            at = (at + 1) & (self.room - 1)
        return at

    cdef Customer find(self, str id):
        """The customer, None if there is none."""
        cdef Py_ssize_t size = 0
        cdef const char *text = PyUnicode_AsUTF8AndSize(id, &size)
        return self.find_by(text, size)

    cdef Customer find_by(self, const char *id, Py_ssize_t size):
        """The same by an id in UTF-8."""
        return self.at(self.place(hash_of(id, size), id, size))

    cdef Customer at(self, Py_ssize_t place):
        return <Customer> self.customers[place] if self.hashes[place] else None

    cdef int put(self, Customer customer) except -1:
        """Enters a customer whose id is not there."""
        cdef Py_ssize_t size = 0, at
        cdef const char *text = customer.id_bytes(&size)
        cdef uint32_t hash = hash_of(text, size)
        if 8 * (self.n + 1) > 7 * self.room:
            self.grow()
        at = self.place(hash, text, size)
        Py_INCREF(customer)
        self.customers[at] = <void *> customer
        self.hashes[at] = hash
        self.n += 1
        return 0

    cdef Customer remove(self, str id):
        """Takes out a customer and gives it; None if there is none."""
        cdef Py_ssize_t size = 0, at, next
        cdef const char *text = PyUnicode_AsUTF8AndSize(id, &size)
        cdef Customer found
        at = self.place(hash_of(text, size), text, size)
        found = self.at(at)
        if found is None:
            return None
        next = at
        while True:
            next = (next + 1) & (self.room - 1)
            if not self.hashes[next]:
                break
            # What follows may move up, but not to before the place that its hash asks for.
            if (next - <Py_ssize_t> self.hashes[next]) & (self.room - 1) >= (next - at) & (self.room - 1):
                self.hashes[at], self.customers[at] = self.hashes[next], self.customers[next]
                at = next
        self.hashes[at] = 0
        self.n -= 1
        Py_DECREF(found)
        return found

    cdef int grow(self) except -1:
        """Doubles the places."""
        cdef Py_ssize_t room = 2 * self.room if self.room else 16, old, at
        cdef void **customers = <void **> PyMem_RawMalloc(room * sizeof(void *))
        cdef uint32_t *hashes = <uint32_t *> PyMem_RawMalloc(room * sizeof(uint32_t))
        if customers is NULL or hashes is NULL:
            PyMem_RawFree(customers)
            PyMem_RawFree(hashes)
            raise MemoryError
        memset(hashes, 0, room * sizeof(uint32_t))
        for old in range(self.room):
            if self.hashes[old]:
                at = self.hashes[old] & (room - 1)
                while hashes[at]:
                    at = (at + 1) & (room - 1)
                hashes[at], customers[at] = self.hashes[old], self.customers[old]
        PyMem_RawFree(self.customers)
        PyMem_RawFree(self.hashes)
        self.customers, self.hashes, self.room = customers, hashes, room
        return 0
