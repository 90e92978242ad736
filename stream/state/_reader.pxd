"""Reading what may be corrupt; the essay is in `_reader.pyx`."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from stream.state._windows cimport TraitC

cdef class StateReader:
    cdef const uint8_t *at
    cdef const uint8_t *end
    cdef int last               # slot of the part before, of its kind; -1: there was none
    cdef dict waiting           # instances by rank

    cdef uint64_t number(self) except? 0
    cdef uint64_t long_number(self) except? 0
    cdef int64_t bounded(self, uint64_t most) except -1
    cdef int64_t signed(self, int64_t base, int64_t most) except -1
    cdef int64_t older(self, int64_t than, int64_t least) except -1
    cdef Py_ssize_t length(self) except -1
    cdef const uint8_t *within(self) except NULL
    cdef int leave(self, const uint8_t *around) except -1
    cdef int skip(self, Py_ssize_t size) except -1
    cdef uint64_t id(self) except? 0
    cdef int utf8(self, Py_ssize_t size) except -1
    cdef str text(self)
    cdef bytes raw(self)
    cdef int scalar(self, bint as_key) except -1
    cdef dict json_object(self, bytes value)
    cdef int body(self, const TraitC *trait) except -1
    cdef int cell(self, const TraitC *trait, int64_t base) except -1
    cdef int entries(self, const TraitC *trait, int64_t base, int most, bint nested) except -1
    cdef int elements(self, const TraitC *trait, int64_t base) except -1
    cdef int some(self, int count, int most) except -1
    cdef int window(self, const TraitC *trait, int function, int64_t base) except -1
    cdef int marks(self, const TraitC *trait, int64_t base) except -1
    cdef int times(self, int64_t base, int most) except -1
    cdef int tail(self, int64_t base) except -1
    cdef int sends(self, int64_t base) except -1

cdef StateReader reader_of(bytes value)
cdef object corrupt(str why)
