"""What of a customer goes where there is too much of it; the essay is in `_room.pyx`."""

from stream.state._customer cimport Customer
from stream.state._instances cimport HeadC

cdef int shorten(Customer customer) except -1
cdef int first_to_go(Customer customer, HeadC *into) noexcept
cdef bint drop_rare(Customer customer) except -1
