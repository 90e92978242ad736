"""Customers by id; the essay is in `_byid.pyx`."""

from libc.stdint cimport uint32_t

from stream.state._customer cimport Customer

cdef class ById:
    cdef void **customers                           # owned
    cdef uint32_t *hashes                           # 0: the place is free
    cdef readonly Py_ssize_t n
    cdef Py_ssize_t room                            # places, a power of two

    cdef Py_ssize_t place(self, uint32_t hash, const char *id, Py_ssize_t size) noexcept
    cdef Customer find(self, str id)
    cdef Customer find_by(self, const char *id, Py_ssize_t size)
    cdef int put(self, Customer customer) except -1
    cdef Customer remove(self, str id)
    cdef int grow(self) except -1
    cdef Customer at(self, Py_ssize_t place)        # None: it is free
