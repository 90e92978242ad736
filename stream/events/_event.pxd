"""Records of JSON, read without Python objects; the essay is in `_event.pyx`."""

from libc.stdint cimport int64_t, uint32_t

from stream.events._value cimport ValueC
from stream.events._yyjson cimport yyjson_doc, yyjson_val

cdef struct FieldC:
    const char *name        # NULL: nothing is here
    uint32_t size
    int slot                # -1: only what lies below is read
    int below               # the table of what lies below; -1: nothing

cdef struct TableC:
    FieldC *fields          # open addressing
    uint32_t mask

cdef class Fields:
    cdef dict slots         # path: slot
    cdef list names         # owns the bytes of the tables' names
    cdef TableC *tables
    cdef int n_tables

    cdef int slot(self, tuple path) except -1
    cdef int build(self) except -1
    cdef int add_table(self, dict tree) except -1
    cdef int free_tables(self) except -1
    cdef int fill(self, yyjson_val *object, int table, ValueC *values) noexcept
    cdef int clear(self, int table, ValueC *values) noexcept

cdef class Event:
    cdef Fields fields
    cdef ValueC *values     # by slot; texts are good until the next `read`
    cdef const char *data   # of the record; good as long as who asked for it has it
    cdef Py_ssize_t size    # 0 without a record
    cdef bytes copied       # the record as an object; None until somebody asks
    cdef size_t count       # of its values, and of the names of fields
    cdef dict parsed        # by orjson; None until somebody asks
    cdef void *pool
    cdef size_t room
    cdef yyjson_doc *large  # a document outside of the pool
    cdef yyjson_val *root   # of the record that was read; good until the next one is

    cdef bint read(self, bytes raw) except -1
    cdef bint read_at(self, const char *data, Py_ssize_t size) except -1    # which stays there
    cdef bytes raw(self)
    cdef bint too_deep(self) except -1
    cdef dict whole(self)
    cdef set repeated(self, int levels)
    cdef int forget(self) except -1
    cdef int64_t work(self) noexcept    # what reading it has taken: about a microsecond each

cdef void copy_value(yyjson_val *value, ValueC *into) noexcept    # good as long as the record is at hand
