"""The table and the timers of a partition; the essay is in `_customers.pyx`."""

from libc.stdint cimport int64_t

from stream.state._byid cimport ById
from stream.state._instances cimport Instance
from stream.state._layouts cimport Layouts
from stream.state._customer cimport Customer
from stream.state._timers cimport Timers

cdef class Customers:
    cdef Layouts layouts
    cdef readonly int64_t state_bytes
    cdef ById table
    cdef list changed
    cdef list foreign                               # customers with parts that the rules do not know
    cdef Timers heap
    cdef int64_t due                                # no timer is due before it
    cdef Py_ssize_t waiting                         # instances with a deadline
    cdef readonly Py_ssize_t evicted                # customers of which only the timers' place is here
    cdef readonly Py_ssize_t fetched                # customers read from the store
    cdef readonly Py_ssize_t created                # customers that were new when they were taken
    cdef object store                               # where customers are that are not here; None: all are
    cdef Py_ssize_t hand                            # where `evict` goes on
    cdef list dues
    cdef Py_ssize_t most                            # bytes of a byte form
    cdef Py_ssize_t crowded                         # how often something had to make room, since it was told
    cdef readonly Py_ssize_t unlooked               # customers not here to be counted then
    cdef bint staying                               # nobody is evicted
    cdef bint loaded                                # records were loaded, the timers are to be made anew

    cdef int enter(self, Customer customer, list ranks) except -1
    cdef int move(self, Customer customer) except -1
    cdef int get_to_know(self, Customer customer) except -1
    cdef Customer find(self, str id)
    cdef Customer find_by(self, const char *id, Py_ssize_t size)
    cdef Customer fetch(self, str id)
    cdef int shed(self, Customer customer) except -1
    cdef int fill(self, Customer customer) except -1
    cdef Customer read(self, str id)
    cdef int enter_fetched(self, Customer customer) except -1
    cdef int note_due(self, bytes key, Customer customer, bint listed) except -1
    cdef Customer ensure(self, str id)
    cdef int make_room(self, Customer customer, Py_ssize_t most) except -1
    cdef bytes fitted(self, Customer customer, bytes value)
    cdef int touch(self, Customer customer) except -1
    cdef int open(self, Customer customer, Instance instance) except -1
    cdef int schedule(self, Customer customer, int64_t deadline, int rank) except -1
    cdef int change(self, Customer customer, dict changes) except -1
    cdef int first_rank(self) except -2
    cdef tuple pop_due(self, int64_t before)
    cdef Instance pop_own(self, Customer customer, int64_t before)
    cdef bint is_due(self, int64_t before) except -1
    cdef int correct_first(self) except -1
