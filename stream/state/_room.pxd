"""What of a customer goes where there is too much of it; the essay is in `_room.pyx`."""

from stream.state._customer cimport Customer

cdef int shorten(Customer customer) except -1
cdef dict oldest(Customer customer, Py_ssize_t size)
cdef bint drop_rare(Customer customer) except -1
